"""A/A twin of the skips: does a U-Net without skips beat a U-Net without skips?

Two arms that differ in name only, with fresh weights and order. The main claim of
`image_to_image/unet_skips` must not come out supported.
"""

from dlgbench import Ablation, Claim, at_least, difference

ABLATION = Ablation(
    twin_of="image_to_image/unet_skips",
    question="Does a U-Net without skips beat a U-Net without skips?",
    override={"model_args.skips": False},
    arms={"without": {}, "again": {"random_stream": 1}},
    scales={"cpu": {"seeds": 5}},
    claims=[
        Claim(
            "A/A: the other net raises the PSNR of a denoised image",
            difference("test/psnr", "again", "without"),
            at_least(1),
            kind="twin",
            expect="not supported",
        ),
    ],
)
