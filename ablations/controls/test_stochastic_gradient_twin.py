"""A/A twin of stochastic gradient: does SGD with B = N beat full batch?

SGD with B = N is full batch under another name. Both arms take all N = 2,000 examples for each of
10 updates, from the same data split, with fresh weights and order. The main claim of
`optimization/stochastic_gradient`, half the training loss at equal epochs, must not come out
supported.
"""

from dlgbench import Ablation, Claim, at_least, log_ratio

LN2, N = 0.6931471805599453, 2000

ABLATION = Ablation(
    twin_of="optimization/stochastic_gradient",
    question="Does SGD with B = N beat full batch?",
    override={"batch_size": N, "steps": 10},
    arms={"full": {}, "sgd_of_n": {"random_stream": 1}},
    claims=[
        Claim(
            "A/A: SGD with B = N halves the training loss of full batch",
            log_ratio("train/loss", "full", "sgd_of_n"),
            at_least(LN2),
            kind="twin",
            expect="not supported",
        ),
    ],
)
