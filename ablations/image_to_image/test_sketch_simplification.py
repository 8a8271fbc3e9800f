"""Does a fully convolutional encoder-decoder learn to clean a rough sketch?

Slide: "Encoder-decoder", "Learning to simplify. Simo-Serra et al. 2016" (SIGGRAPH): rough strokes
in, clean strokes out.

Protocol. Synthetic pairs: a sketch draws each of 2 to 4 strokes three times, jittered, faint and
with noise; the target has each stroke once. The net is the paper's, its maps scaled. It is judged
against two answers that need no net: the mean image of the test targets, and the input itself, as
the best a x + b. Both are fitted to the test split, so they are harder to beat than any that a
training could give. Ten seeds.

Smallest effects, fixed before any run: 1 dB (a fifth of the squared error) below each reference, as
for the other image-to-image nets. The input is the reference that counts: a net that is better than
the mean image may still do no more than copy what it is given.
"""

import math

from dlgbench import Ablation, Claim, Recipe, at_most, value

DECIBEL = math.log(10) / 10
PAPER = "Simo-Serra et al. 2016"

ABLATION = Ablation(
    question="Does a fully convolutional encoder-decoder learn to clean a rough sketch?",
    slide="Encoder-decoder",
    recipe=Recipe(
        model="sketch_simplification",
        data="strokes",
        task="image_to_image",
        optimizer="adam",
        schedule="one_cycle",
        lr=0.003,
        batch_size=16,
        steps=10_000,
        probes=("images",),
    ),
    arms={"network": {}},
    select="val/mse",
    scales={
        "cpu": {
            "data_args": {"train": 2500, "val": 300},
            "model_args": {"width": 1 / 16},
            "batch_size": 8,
            "steps": 400,
            "evaluations": 2,
        },
        "gpu": {"model_args": {"width": 0.25}},
    },
    claims=[
        Claim(
            "Its drawing is 1 dB nearer to the clean one than the rough sketch is",
            value("images/over_input", "network"),
            at_most(math.exp(-DECIBEL)),
            source=PAPER,
            objection="A blur of the input is a better reference, and more than a x + b; squared "
            "error rewards pale lines where the net is in doubt.",
        ),
        Claim(
            "It is 1 dB nearer than the mean image",
            value("images/over_mean", "network"),
            at_most(math.exp(-DECIBEL)),
            source=PAPER,
        ),
    ],
)
