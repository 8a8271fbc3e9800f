"""Is one fully convolutional pass faster than the batched sliding window, by the clock?

Slide: "Fully Convolutional Neural Networks in Practice": "Fast (shared convolutions)".
`image_to_image/fully_convolutional` shows that the outputs are equal and counts the operations;
here is the time. Long, Shelhamer & Darrell 2015 report more than 5 times.

Protocol. One pass over a canvas of 84x84 pixels against one batch of its 225 windows of 28x28, with
the same weights, as they were initialized. Both are warm and measured in turn; the median of 15
each. The windows are cut beforehand, at no cost to the sliding window. Five seeds: each measures
anew.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_least, log_contrast

ABLATION = Ablation(
    question="Is one fully convolutional pass faster than the batched sliding window?",
    slide="Fully Convolutional Neural Networks in Practice",
    recipe=Recipe(model="sliding_convnet", steps=0, probes=("sliding_speed",)),
    arms={"dense": {}},
    scales={"cpu": {"seeds": 5}, "gpu": {"seeds": 5}},
    claims=[
        Claim(
            "A dense pass is three times faster",
            log_contrast("sliding_speed/windows", "sliding_speed/dense", "dense"),
            at_least(math.log(3)),
            published="more than 5 times",
            source="Long, Shelhamer & Darrell 2015, section 3.1",
        ),
    ],
)
