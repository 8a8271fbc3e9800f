"""Does momentum keep the trend and drop the oscillations of gradient descent?

Slide: "(S)GD with momentum": V <- mu V + (1 - mu) g. Polyak 1964; Nesterov 1983; Goh 2017, Distill,
"Why Momentum Really Works".

Protocol. f(w) = (w_1^2 + 100 w_2^2) / 2 from (1, 1), without noise. So L = 100, m = 1,
kappa = L / m = 100 and root = sqrt(kappa) = 10. Each rule has the rate that theory calls best:

    gradient descent   lr = 2 / (L + m)
    heavy ball         lr = (2 / (root + 1))^2, mu = ((root - 1) / (root + 1))^2
    Nesterov (NAG)     lr = 1 / L, mu = (root - 1) / (root + 1)

The target is a millionth of f(w_0). torch's NAG is measured at the point ahead, so its number of
steps may be off by one or two. "Drops the oscillations" is measured by the length of the path over
the distance of its ends (`updates/detour`). By hand, along the steep coordinate, it is 100 for
descent, 100 too for heavy ball (a double root at -9/11), and about 6 for the slide's momentum.

Trap. The slide's factor (1 - mu) rescales the rate: at rate e the slide's momentum is torch's
SGD(momentum=mu) at rate e (1 - mu). At an equal small rate (.001) and mu = .9 it must therefore be
10 times slower, within a quarter. That is a change of units and no other rule.

Smallest effects of interest: half the steps, and half the path.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, exactly, log_ratio, value, within

STEPS, DETOUR = "steps_to_target", "updates/detour"
HALF, SAME = at_least(math.log(2)), exactly(0)  # of a log ratio
TENFOLD = within(0.223, around=math.log(10))  # within a quarter: ln 1.25 = .223

DESCENT_RATE, BALL_RATE, NAG_RATE = 2 / 101, (2 / 11) ** 2, 0.01
BALL_MU, NAG_MU = (9 / 11) ** 2, 9 / 11
BALL = {"optimizer": "momentum", "lr": BALL_RATE, "optimizer_args": {"momentum": BALL_MU}}


def evaluated_at_each(steps: int) -> dict[str, int]:
    """A budget of steps with an evaluation after each of them."""
    return {"steps": steps, "evaluations": steps}


ROUND_BOWL = {"model_args.kappa": 1.0, "lr": 1.0} | evaluated_at_each(20)
SMALL_RATE = {"lr": 0.001, "target": {"val/distance": 0.1 * 2**0.5}, "evaluations": 250}

ABLATION = Ablation(
    question="Does momentum keep the trend and drop the oscillations of gradient descent?",
    slide="(S)GD with momentum",
    recipe=Recipe(
        model="function",
        model_args={"name": "quadratic", "start": (1.0, 1.0), "kappa": 100.0},
        task="minimization",
        lr=DESCENT_RATE,
        steps=100,
        evaluations=100,
        target={"val/loss": 50.5e-6},
        probes=("updates",),
    ),
    arms={
        "descent": evaluated_at_each(400),
        "ball": BALL,
        "nag": {"optimizer": "nag", "lr": NAG_RATE, "optimizer_args": {"momentum": NAG_MU}},
        "ema": BALL | {"optimizer": "momentum_ema", "lr": BALL_RATE / (1 - BALL_MU)},
        "mu_0": {
            "optimizer": "momentum",
            "optimizer_args": {"momentum": 0.0},
            **evaluated_at_each(400),
        },
        "ema_at_descents": {
            "optimizer": "momentum_ema",
            "optimizer_args": {"momentum": 0.9},
            **evaluated_at_each(400),
        },
        "ball_same_rate": SMALL_RATE | {"optimizer": "momentum", "steps": 250},
        "ema_same_rate": SMALL_RATE | {"optimizer": "momentum_ema", "steps": 2500},
        "descent_k1": ROUND_BOWL,
        "ball_k1": BALL | ROUND_BOWL,
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim(
            "Heavy ball takes half the steps or fewer",
            log_ratio(STEPS, "descent", "ball"),
            HALF,
            published="58 against 346",
        ),
        Claim(
            "Nesterov's gradient takes half the steps or fewer",
            log_ratio(STEPS, "descent", "nag"),
            HALF,
            published="63 against 346",
        ),
        Claim(
            "Gradient descent takes the steps of the theory",
            value(STEPS, "descent"),
            exactly(346),
            source="ln(1e-3) / ln(99 / 101)",
        ),
        Claim(
            "Heavy ball takes the steps of the theory",
            value(STEPS, "ball"),
            exactly(58),
            source="Polyak 1964",
        ),
        Claim(
            "Nesterov's gradient takes the steps of the theory",
            value(STEPS, "nag"),
            within(2, around=63),
            source="Nesterov 1983",
        ),
        Claim(
            "The slide's momentum is heavy ball at a rate 1 / (1 - mu) as large",
            log_ratio(STEPS, "ema", "ball"),
            SAME,
        ),
        Claim(
            "At an equal rate the slide's momentum is 10 times slower",
            log_ratio(STEPS, "ema_same_rate", "ball_same_rate"),
            TENFOLD,
        ),
        Claim(
            "At descent's best rate the slide's momentum goes half the way or less",
            log_ratio(DETOUR, "descent", "ema_at_descents"),
            HALF,
        ),
        Claim(
            "Heavy ball at its own best rate goes half the way or less",
            log_ratio(DETOUR, "descent", "ball"),
            HALF,
            expect="refuted",
            objection="Its rate is larger by two thirds, and it overshoots as far; its speed does "
            "not come of a straighter path.",
        ),
        Claim(
            "Control: without momentum heavy ball is descent",
            log_ratio(STEPS, "mu_0", "descent"),
            SAME,
        ),
        Claim(
            "Control: in a round bowl heavy ball takes half the steps",
            log_ratio(STEPS, "descent_k1", "ball_k1"),
            HALF,
            expect="not supported",
        ),
    ],
)
