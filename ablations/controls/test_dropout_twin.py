"""A/A twin of dropout: does dropout beat dropout?

Two arms that differ in name only: the same recipe and data split, fresh weights, order and noise.
The main claim of `regularization/dropout` must not come out supported here; the share of such twins
in which it does is the suite's measured false-positive rate. gpu: half the steps of paper, since
what is equal needs no long training; cpu: ten seeds, for the same reason.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="regularization/dropout",
    question="Does dropout beat dropout?",
    slide="Dropout Performance",
    override={"model_args.hidden": (1024, 1024, 1024), "model_args.dropout": 0.5},
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    tune={"lr": (0.0003, 0.001, 0.002, 0.003, 0.006, 0.01, 0.02, 0.04)},
    scales={
        "cpu": {"data_args.train": 500, "steps": 2000, "seeds": 10},
        "gpu": {"steps": 15_000},
        "paper": {},
    },
    claims=[
        Claim(
            "A/A: the twin of dropout lowers the test error by half a point",
            difference("test/error", "twin_a", "twin_b"),
            at_least(0.005),
            kind="twin",
            expect="not supported",
        ),
    ],
)
