"""A/A twin of batchnorm_regularization: does dropout gain less beside a net's twin?

Two by two, random stream x dropout, without any batch normalization: the second pair differs from
the first in fresh weights, order and noise only. The interaction that
`normalization/batchnorm_regularization` claims must not come out supported.
"""

from dlgbench import Ablation, Claim, at_least, interaction

TWIN, DROPOUT = {"random_stream": 1}, {"model_args.dropout": 0.5}

ABLATION = Ablation(
    twin_of="normalization/batchnorm_regularization",
    question="Does dropout gain less beside a net's twin?",
    arms={"none": {}, "dropout": DROPOUT, "twin": TWIN, "twin_dropout": TWIN | DROPOUT},
    claims=[
        Claim(
            "A/A: beside the twin dropout gains at least half a point less",
            interaction("test/error", ("none", "dropout"), ("twin", "twin_dropout")),
            at_least(0.005),
            kind="twin",
            expect="not supported",
        ),
    ],
)
