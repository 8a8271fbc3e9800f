"""Sabotage of the skips: does the claim notice that they carry noise?

The net has the layers and parameters of one with skips, but each skip brings N(0, 1) instead of the
encoder's map. The main claim of `image_to_image/unet_skips` must not come out supported.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="image_to_image/unet_skips",
    question="Does the claim notice that the skips carry noise?",
    arms={"without": {"model_args.skips": False}, "noise": {"model_args.skips": "noise"}},
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            "Sabotage: skips fed noise raise the PSNR of a denoised image",
            difference("test/psnr", "noise", "without"),
            at_least(1),
            expect="not supported",
        ),
    ],
)
