"""Does gradient descent with a step below 2 / L reach the minimum of a logistic regression?

Slide: "Gradient Descent Minimization Method": theta <- theta - a grad f, "we can always make it converge for a convex function". `basics/convex_descent`
asks it of functions of one or two numbers; this is the convex loss that people train.

Protocol. Two classes on the moons (with noise, so that no line separates them and the minimum is finite), 500 points, full batches from zero. L by hand:
the Hessian is at most 1/2 lambda_max(X'X / n), X with a column of ones (Boehning 1992), and lambda_max was 1.67 to 1.73 on four tuning seeds; 1.8 is
taken, so L <= .9 and a < 2 / L = 2.22. Arrived: the gradient's norm is at most 1e-5, a hundred-thousandth of what it is in the beginning, read off the
length of the last update, a |g|; 1,501 steps in stacks of 30 leave the last one alone. Chance draws the points and nothing else: five seeds. Controls: a
thousandth of the bound has not arrived; ten times the bound wanders (at a little above it descent may well arrive: L is the largest curvature
anywhere, and the minimum is flatter).
"""

from dlgbench import Ablation, Claim, Recipe, at_most, value

BOUND = 2 / 0.9
SHARES = {"a_0.2": 0.2, "a_0.5": 0.5, "a_0.9": 0.9, "a_0.001": 0.001, "a_10": 10}

ABLATION = Ablation(
    question="Does gradient descent with a step below 2 / L reach the minimum of a logistic regression?",
    slide="Gradient Descent Minimization Method",
    recipe=Recipe(model="linear", data="moons", data_args={"train": 500, "val": 500}, batch_size=500, init="zero", steps=1501, evaluations=51,
                  probes=("updates",)),
    arms={arm: {"lr": share * BOUND} for arm, share in SHARES.items()},
    scales={"cpu": {"seeds": 5}, "gpu": {"seeds": 5, "precision": "32"}},
    claims=[
        Claim(f"A step of {share} of 2 / L reaches the minimum" if 0.1 < share < 1 else f"Control: a step of {share} times 2 / L reaches the minimum",
              value("updates/norm", arm), at_most(1e-5 * share * BOUND), source="Nesterov 2004, theorem 2.1.14; Boehning 1992",
              expect="supported" if 0.1 < share < 1 else "not supported")
        for arm, share in SHARES.items()
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
