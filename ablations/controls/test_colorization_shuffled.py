"""Control of colorization: shuffled targets.

Each grey patch is to get the colours of another one, so that it says nothing about them. The claim
of `image_to_image/colorization` must not come out supported on the test split. At gpu and paper the
patches are CIFAR-10's, and the recipe is the claim's own at each scale. (Until it was seen that a
control of other images tells nothing of those, they were photographs there; neither has been run.)
"""

import math

from dlgbench import Ablation, Claim, at_least, log_ratio

ABLATION = Ablation(
    twin_of="image_to_image/colorization",
    question="Does the colorization network beat the mean chroma where the colours are shuffled?",
    arms={"mean_chroma": {"model": "constant", "model_args": {}}, "network": {}},
    scales={
        "cpu": {"data": "photographs_ab_shuffled", "seeds": 5},
        "gpu": {"data": "cifar10_ab_shuffled"},
    },
    claims=[
        Claim(
            "Shuffled targets: the network's error is at least 5 % below the mean chroma's, on the "
            "test split",
            log_ratio("test/mse", "mean_chroma", "network"),
            at_least(-math.log(0.95)),
            expect="not supported",
        ),
    ],
)
