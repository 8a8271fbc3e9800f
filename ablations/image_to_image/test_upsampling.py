"""Are zero insertion with a convolution and transposed convolution one map?

Slide: "Up-sampling", which lists interpolation, "Padding (insert zeros)" and "Transpose
convolutions" as three options. Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep
learning", section 4: the second and the third are the same. Odena, Dumoulin & Olah 2016, Distill:
windows of a transposed convolution overlap evenly where the stride divides the kernel.

Protocol. The exact part: nothing is trained. In float64 on fixed random images, for kernels of 2 to
6 pixels and strides of 2 to 4: zero insertion with a convolution against torch's transposed
convolution with the same kernel, rotated by 180 degrees and its channels swapped; the equation
written out in loops, and the transposed banded matrix, against torch's. Kernels of ones on an
image of ones count the windows that reach each pixel. Networks learn with each in
`image_to_image/checkerboard`.
"""

from dlgbench import Ablation, Claim, Recipe, at_most, contrast, exactly, value

EQUAL = at_most(1e-12)  # largest difference; float64 rounds at 1e-16
GUIDE, DISTILL = "Dumoulin & Visin 2016, section 4", "Odena 2016"


def measured(name):
    """A figure of the probe."""
    return value(f"upsampling/{name}", "by_hand")


ABLATION = Ablation(
    question="Are zero insertion with a convolution and transposed convolution one map?",
    slide="Up-sampling",
    recipe=Recipe(model="linear", steps=0, probes=("upsampling_by_hand",)),
    arms={"by_hand": {}},
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        Claim(
            "Zero insertion with a convolution is transposed convolution",
            measured("zero_insertion"),
            EQUAL,
            source=GUIDE,
            objection="So the slide has two options and not three; the kernels begin with other "
            "random numbers, unless both are initialized by the same rule.",
        ),
        Claim("The equation is torch's transposed convolution", measured("equations"), EQUAL),
        Claim(
            "So is the transposed matrix of the convolution",
            measured("by_matrix"),
            EQUAL,
            source=GUIDE,
        ),
        Claim(
            "Windows of 3x3 with stride 2 overlap unevenly: 4 reach some pixels, 1 reaches others",
            measured("uneven_3"),
            exactly(3),
            source=DISTILL,
        ),
        Claim(
            "Nearest neighbours and a convolution reach all pixels alike",
            measured("uneven_nearest"),
            exactly(0),
            source=DISTILL,
        ),
        Claim(
            "Control: kernels of 4 and 2, which the stride divides, tie",
            contrast("upsampling/uneven_4", "upsampling/uneven_2", "by_hand"),
            exactly(0),
            kind="check",
        ),
        Claim(
            "Sabotage: the same with the kernel not rotated",
            measured("not_rotated"),
            EQUAL,
            expect="not supported",
        ),
    ],
)
