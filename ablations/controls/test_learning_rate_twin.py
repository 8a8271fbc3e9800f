"""A/A twin of learning rate: does one rate under five names show a U?

Five arms with the rate 0.1 and the same data split, fresh weights and order. Two claims must not
come out supported: that of `optimization/learning_rate`, the middle one beats both ends by 10
points, and that of `optimization/schedules`, the second is as good as the first or better.
"""

from dlgbench import Ablation, Claim, at_least, difference

ERROR = "test/error"

ABLATION = Ablation(
    twin_of="optimization/learning_rate",
    question="Does one rate under five names show a U?",
    arms={f"rate_{name}": {"random_stream": k} for k, name in enumerate("abcde")},
    claims=[
        Claim(
            "A/A: the middle name beats the first by 10 points",
            difference(ERROR, "rate_a", "rate_c"),
            at_least(0.1),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: the middle name beats the last by 10 points",
            difference(ERROR, "rate_e", "rate_c"),
            at_least(0.1),
            kind="twin",
            expect="not supported",
        ),
        Claim(
            "A/A: the second name is as good as the first or better",
            difference(ERROR, "rate_a", "rate_b"),
            at_least(0),
            kind="twin",
            expect="not supported",
        ),
    ],
)
