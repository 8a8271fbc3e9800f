"""Is the code in the middle of an encoder-decoder compact?

Slides: "Encoder-decoder": "Turns image into vector. This vector is a very compact and abstract
'code'", and "Encoder-decoder with skip connections", which says the same of U-Net's "vector".

Protocol. The code is the smallest output among the convolutions and linear layers with the fewest
positions, counted on the papers' own shapes: U-Net (Ronneberger et al. 2015, Figure 1) on 572x572,
the encoder-decoder with 32 units on a digit of 28x28. Nothing is trained: one seed, exact. The
slide's word holds for the one and not for the other.

Changed after a first evaluation: it had taken U-Net with padding, unlike Figure 1, and counted the
pooled map as a code; it gave 2.03 numbers for each pixel, and the same verdict.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, exactly, value

FIGURE = "Ronneberger et al. 2015, Figure 1"

ABLATION = Ablation(
    question="Is the code in the middle of an encoder-decoder compact?",
    slide="Encoder-decoder; Encoder-decoder with skip connections",
    recipe=Recipe(model="encoder_decoder", steps=0, probes=("code",)),
    arms={"encoder_decoder": {}, "unet": {"model": "unet", "model_args.padding": "valid"}},
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim(
            "The encoder-decoder's code is a tenth of its image at most",
            value("code/share", "encoder_decoder"),
            at_most(0.1),
            slide="Encoder-decoder",
        ),
        Claim(
            "U-Net's vector has 1024 maps of 28x28",
            value("code/numbers", "unet"),
            exactly(1024 * 28 * 28),
            published="28x28, 1024",
            source=FIGURE,
        ),
        Claim(
            "U-Net's vector is more compact than its image",
            value("code/share", "unet"),
            at_most(1),
            slide="Encoder-decoder with skip connections",
            source=FIGURE,
            expect="refuted",
            objection="It is abstract, not compact: 2.45 numbers for each pixel, before its skips.",
        ),
    ],
)
