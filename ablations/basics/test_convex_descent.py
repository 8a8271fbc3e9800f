"""Can gradient descent always be made to converge on a convex function?

Slide: "Gradient Descent Minimization Method": theta <- theta - a grad f, "we can always make it
converge for a convex function". What holds: it converges if f is convex with an L-Lipschitz
gradient and a < 2 / L (Nesterov 2004, theorem 2.1.14). On a quadratic each step multiplies each
coordinate by 1 - a lambda, so there it is "if and only if": at a = 2 / L the steepest coordinate
jumps between -w and w forever.

Protocol. The quadratic is f = (w1^2 + 16 w2^2) / 2 from (1, 1), where f = 8.5. L = 16 is a power of
two, so that a L = 2 is exact in float32; a L goes from 0.5 to 2.1. Converged means that after 700
steps the loss is at most 1e-6 of its value at the start (|1 - 1.99|^(2 n) < 1e-6 takes n = 688
steps); diverged means that it is above its value at the start. a L = 2.1 gets 300 steps, since
float32 overflows near 450. Nothing is random: one seed, exact.

Two counterexamples, sum w^4 and |w|, can be followed by hand. w^4 has no L: the step .5 takes .75
to the minimum, and takes 1 to -1 and back forever. The slope of |w| does not vanish near the
minimum: with a constant step of .012, w ends up jumping back and forth across 0 by that length. A
step that decays to 0 (the last is 6e-8, and all together are 4.2) lets it stay where it crosses 0.
The logistic loss is the subject of `basics/logistic_descent`.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, at_most, value, within

L = 16.0
BELOW, BOUND, ABOVE = (0.5, 1.0, 1.5, 1.9, 1.99), 2.0, (2.01, 2.1)  # a L
QUADRATIC = {f"aL_{al}": {"lr": al / L} for al in (*BELOW, BOUND, *ABOVE)}
QUARTIC = {"model_args.name": "quartic", "lr": 0.5}
ABSOLUTE = {"model_args.name": "absolute", "model_args.start": (1.0,), "lr": 0.012}
LOSS, START, MILLIONTH = "val/loss", 8.5, 1e-6  # START: of the quadratic
CONVERGED = at_most(MILLIONTH * START)

ABLATION = Ablation(
    question="Can gradient descent always be made to converge on a convex function?",
    slide="Gradient Descent Minimization Method",
    recipe=Recipe(
        model="function",
        model_args={"name": "quadratic", "start": (1.0, 1.0), "kappa": L},
        task="minimization",
        steps=700,
        evaluations=700,
    ),
    arms={
        **QUADRATIC,
        "aL_2.1": QUADRATIC["aL_2.1"] | {"steps": 300},
        "quartic_near": QUARTIC | {"model_args.start": (0.75,)},
        "quartic_far": QUARTIC | {"model_args.start": (1.0,)},
        "absolute": ABSOLUTE,
        "absolute_decaying": ABSOLUTE | {"schedule": "cosine"},
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1, "precision": "32"}},
    claims=[
        *(
            Claim(
                f"Quadratic, a L = {al} < 2: it converges",
                value(LOSS, f"aL_{al}"),
                CONVERGED,
                source="Nesterov 2004, theorem 2.1.14",
            )
            for al in BELOW
        ),
        Claim(
            "Quadratic, a L = 2: it stalls where the steepest coordinate began",
            value(LOSS, f"aL_{BOUND}"),
            within(0.01, around=8.0),  # 16 w2^2 / 2 at w2 = 1
        ),
        *(
            Claim(
                f"Quadratic, a L = {al} > 2: it diverges",
                value(LOSS, f"aL_{al}"),
                at_least(START),
            )
            for al in ABOVE
        ),
        Claim(
            "Control: a L = 2.1 converges",
            value(LOSS, "aL_2.1"),
            CONVERGED,
            expect="not supported",
        ),
        Claim(
            "The quartic, a = .5, from .75: it converges",
            value(LOSS, "quartic_near"),
            at_most(MILLIONTH * 0.75**4),
        ),
        Claim(
            "As worded, convex is enough: the quartic, a = .5, from 1",
            value(LOSS, "quartic_far"),
            at_most(MILLIONTH),
            expect="refuted",
            objection="From a start that is known, a smaller step converges; none converges from "
            "everywhere.",
        ),
        Claim(
            "As worded, convex is enough: |w|, constant step",
            value(LOSS, "absolute"),
            at_most(MILLIONTH),
            expect="refuted",
            objection="A smaller step comes closer, to within itself; it does not converge either.",
        ),
        Claim(
            "What can always be made: |w| with a step that decays to 0 converges",
            value(LOSS, "absolute_decaying"),
            at_most(MILLIONTH),
            source="Shor 1985, Minimization Methods for Non-Differentiable Functions",
        ),
    ],
)
