"""Control of weight sharing: does a convolution still help where neighbours are no neighbours?

One fixed permutation of the pixels comes before each net. It takes away what a convolution assumes,
that the same pattern occurs elsewhere, and nothing from a perceptron, which knows no order: its arm
is that of `convolution/weight_sharing`, which learns the same from permuted pixels up to the order
of its first weights. The main claim must not come out supported; the order must reverse, by the
same smallest effect.
"""

from dlgbench import Ablation, Claim, at_least, difference

ERROR = "test/error"

ABLATION = Ablation(
    twin_of="convolution/weight_sharing",
    question="Does a convolution still help where neighbours are no neighbours?",
    override={"data_args.train": 300},
    arms={
        "full_300": {"model": "mlp", "model_args": {"hidden": (128, 128)}},
        "shared_permuted_300": {"model_args": {"kernel": 5, "permuted": True}},
    },
    scales={"cpu": {}},
    claims=[
        Claim(
            "Permuted: convolution lowers the error from 300 digits by 1.5 points",
            difference(ERROR, "full_300", "shared_permuted_300"),
            at_least(0.015),
            expect="not supported",
        ),
        Claim(
            "Permuted: the order reverses",
            difference(ERROR, "shared_permuted_300", "full_300"),
            at_least(0.015),
            kind="check",
        ),
    ],
)
