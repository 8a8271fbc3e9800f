"""A/A twin of weight decay: does lambda = 0 beat lambda = 0?

The classifier of `optimization/weight_decay_classification` on 500 digits with 30 % noisy labels,
without decay under two names: the same data split, fresh weights and order. And the polynomial of
`optimization/weight_decay`, where from zero weights and in full batch nothing is left to chance:
the two must agree to the bit, but for the order of the sums. Nothing is tuned.
"""

from dlgbench import Ablation, Claim, at_least, difference, log_ratio

FIFTH = 0.22314355131420976  # -ln .8: a fifth less
AGAIN = {"random_stream": 1}
POLYNOMIAL = {
    "model": "linear",
    "model_args": {},
    "data": "polynomial",
    "data_args": {"train": 15, "val": 1000, "standardize": False},
    "task": "regression",
    "init": "zero",
    "optimizer": "adam",
    "schedule": "cosine",
    "batch_size": 15,
    "steps": 1500,
    "lr": 0.03,
}

ABLATION = Ablation(
    twin_of="optimization/weight_decay_classification",
    question="Does lambda = 0 beat lambda = 0?",
    override={
        "data_args.train": 500,
        "data_args.label_noise": 0.3,
        "lr": 0.01,
        "steps": 800,
        "evaluations": 10,
        "probes": (),
    },
    arms={
        "zero": {},
        "zero_again": AGAIN,
        "curve_zero": POLYNOMIAL,
        "curve_zero_again": POLYNOMIAL | AGAIN,
    },
    tune={},
    claims=[
        Claim(
            "A/A: no weight decay lowers the test error of no weight decay by half a point",
            difference("test/error", "zero", "zero_again"),
            at_least(0.005),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: no weight decay lowers the test error of regression by a fifth",
            log_ratio("test/mse", "curve_zero", "curve_zero_again"),
            at_least(FIFTH),
            kind="twin",
            expect="not supported",
        ),
    ],
)
