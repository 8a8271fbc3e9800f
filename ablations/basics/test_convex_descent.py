"""Can gradient descent always be made to converge on a convex function?

Slide: "Gradient Descent Minimization Method": theta <- theta - a grad f, "we can always make it converge for a convex function". What holds: f convex with
an L-Lipschitz gradient and a < 2 / L (Nesterov 2004, theorem 2.1.14). On a quadratic each coordinate is multiplied by 1 - a lambda in each step, so there it
is "if and only if": at a = 2 / L the steepest coordinate jumps between -w and w for ever.

Protocol. Exact, no chance in it: one seed. f = (w1^2 + 16 w2^2) / 2 from (1, 1): L = 16, f = 8.5; a L from 0.5 to 2.1; 16 is a power of two, so that a L = 2
is exact in float32. Converged: the loss is at most 1e-6 of its start after 700 steps (|1 - 1.99|^1400 < 1e-6 wants 688); diverged: it is above its start. a
L = 2.1 gets 300 steps: float32 overflows near 450. Counterexamples by hand, sum w^4 and |w|: w^4 has no L: the step .5 takes .75 to the minimum, and 1 to
-1 and back for ever. |w| has no slope that dies: a constant step .012 ends up hopping around 0 at its own length. A step that decays to 0 (the last is 6e-8,
all together 4.2) stays where it crosses 0. The logistic loss is `basics/logistic_descent`'s.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, value, within

AL = (0.5, 1.0, 1.5, 1.9, 1.99, 2.0, 2.01, 2.1)
START, SMALL = 8.5, 1e-6
QUARTIC, ABSOLUTE = (
    {"model_args.name": "quartic", "lr": 0.5},
    {"model_args.name": "absolute", "model_args.start": (1.0,), "lr": 0.012},
)
LOSS, NESTEROV = "val/loss", "Nesterov 2004, theorem 2.1.14"

ABLATION = Ablation(
    question="Can gradient descent always be made to converge on a convex function?",
    slide="Gradient Descent Minimization Method",
    recipe=Recipe(model="function", model_args={"name": "quadratic", "start": (1.0, 1.0), "kappa": 16.0}, task="minimization", steps=700, evaluations=700),
    arms={
        **{f"aL_{al}": {"lr": al / 16} | ({"steps": 300} if al == 2.1 else {}) for al in AL},
        "quartic_near": QUARTIC | {"model_args.start": (0.75,)},
        "quartic_far": QUARTIC | {"model_args.start": (1.0,)},
        "absolute": ABSOLUTE,
        "absolute_decaying": ABSOLUTE | {"schedule": "cosine"},
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1, "precision": "32"}},
    claims=[
        *(Claim(f"Quadratic, a L = {al} < 2: it converges", value(LOSS, f"aL_{al}"), at_most(SMALL * START), source=NESTEROV) for al in AL if al < 2),
        Claim("Quadratic, a L = 2: it stalls where the steepest coordinate began", value(LOSS, "aL_2.0"), within(0.01, around=8.0)),
        *(Claim(f"Quadratic, a L = {al} > 2: it diverges", value(LOSS, f"aL_{al}"), at_least(START)) for al in (2.01, 2.1)),
        Claim("Control: a L = 2.1 converges", value(LOSS, "aL_2.1"), at_most(SMALL * START), expect="not supported"),
        Claim("The quartic, a = .5, from .75: it converges", value(LOSS, "quartic_near"), at_most(SMALL * 0.75**4)),
        Claim("As worded, convex is enough: the quartic, a = .5, from 1", value(LOSS, "quartic_far"), at_most(SMALL), expect="refuted",
              objection="From a start that is known, a smaller step converges; none converges from everywhere."),
        Claim("As worded, convex is enough: |w|, constant step", value(LOSS, "absolute"), at_most(SMALL), expect="refuted",
              objection="A smaller step comes closer, to within itself; it does not converge either."),
        Claim("What can always be made: |w| with a step that decays to 0 converges", value(LOSS, "absolute_decaying"), at_most(SMALL),
              source="Shor 1985, Minimization Methods for Non-Differentiable Functions"),
    ],
)  # fmt: skip


def test_cell(cell, measure):
    measure(cell)


def test_claim(claim, judge):
    judge(claim)
