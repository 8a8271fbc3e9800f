"""A/A twin of optimizers: does Adam beat Adam?

Two arms that differ in name only: the same recipe and data split, fresh weights and order.
`optimization/optimizers` claims that the rules tie within a point. Twins must tie too, so that
claim would test nothing here. What must not come out supported is a difference: that one is a point
better than the other, or 5 points, as in `optimization/default_rates`, or a fifth faster, as in
`optimization/momentum_mlp`.

Earlier protocol (cpu, 20 seeds, one tuning seed): twin_a chose the rate 0.003, twin_b 0.01, and the
test errors lay 1.2 points apart [0.7, 1.8]. That is noise in the tuning, which no interval over
evaluation seeds covers. Since then both this ablation and `optimization/optimizers` tune on three
seeds.
"""

from dlgbench import Ablation, Claim, at_least, difference, log_ratio

FIFTH = 0.22314355131420976  # -ln .8: a fifth fewer
LOWER_ERROR = difference("test/error", "twin_a", "twin_b")

ABLATION = Ablation(
    twin_of="optimization/optimizers",
    question="Does Adam beat Adam?",
    override={"optimizer": "adam"},
    arms={"twin_a": {}, "twin_b": {"random_stream": 1}},
    tune={"lr": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03)},
    claims=[
        Claim(
            "A/A: Adam is a point better than Adam",
            LOWER_ERROR,
            at_least(0.01),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: Adam is 5 points better than Adam",
            LOWER_ERROR,
            at_least(0.05),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: Adam takes a fifth fewer steps than Adam",
            log_ratio("steps_to_target", "twin_a", "twin_b"),
            at_least(FIFTH),
            kind="twin",
            expect="not supported",
        ),
    ],
)
