"""Does gradient descent with a step below 2 / L reach the minimum of a logistic regression?

Slide: "Gradient Descent Minimization Method": theta <- theta - a grad f, "we can always make it
converge for a convex function". `basics/convex_descent` asks this about functions of one or two
numbers; here it is asked about the convex loss that people train.

Protocol. Two classes of the moons (with noise, so that no line separates them and the minimum is
finite), 500 points, full batches, weights from zero. L by hand: the Hessian is at most
1/2 lambda_max(X'X / n), where X has a column of ones (Boehning 1992). lambda_max was 1.67 to 1.73
on four tuning seeds; 1.8 is taken, so L <= .9 and the bound on the step is 2 / L = 2.22. The
minimum is reached when the norm of the gradient is at most 1e-5, a hundred-thousandth of its value
at the beginning. It is read off the length of the last update, a |g|; 1,501 steps in stacks of 30
leave the last step alone. Only the points are random: ten seeds, as five equal values decide
nothing.

Controls: a thousandth of the bound has not arrived; ten times the bound wanders. (A little above
the bound descent may well arrive: L is the largest curvature anywhere, and the minimum is flatter.)
"""

from dlgbench import Ablation, Claim, Recipe, at_most, value

BOUND = 2 / 0.9
BELOW = {"a_0.2": 0.2, "a_0.5": 0.5, "a_0.9": 0.9}  # shares of the bound
CONTROLS = {"a_0.001": 0.001, "a_10": 10}


def reaches_the_minimum(statement: str, arm: str, expect: str = "supported") -> Claim:
    """The norm of the gradient, |update| / a, is at most 1e-5 in the end."""
    return Claim(
        statement,
        value("updates/norm", arm),
        at_most(1e-5 * (BELOW | CONTROLS)[arm] * BOUND),
        source="Nesterov 2004, theorem 2.1.14; Boehning 1992",
        expect=expect,
    )


ABLATION = Ablation(
    question="Does gradient descent with a step below 2 / L reach the minimum of a logistic "
    "regression?",
    slide="Gradient Descent Minimization Method",
    recipe=Recipe(
        model="linear",
        data="moons",
        data_args={"train": 500, "val": 500},
        batch_size=500,
        init="zero",
        steps=1501,
        evaluations=51,
        probes=("updates",),
    ),
    arms={arm: {"lr": share * BOUND} for arm, share in (BELOW | CONTROLS).items()},
    scales={"cpu": {}, "gpu": {"precision": "32"}},
    claims=[
        *(
            reaches_the_minimum(f"A step of {share} of 2 / L reaches the minimum", arm)
            for arm, share in BELOW.items()
        ),
        *(
            reaches_the_minimum(
                f"Control: a step of {share} times 2 / L reaches the minimum",
                arm,
                expect="not supported",
            )
            for arm, share in CONTROLS.items()
        ),
    ],
)
