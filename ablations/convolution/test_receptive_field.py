"""Does the arithmetic of kernels and strides give the patch that a unit depends on, in each net?

Slides: "Pooling layer: receptive field size", (P + K - 1) x (P + K - 1), and "Receptive field
arithmetic". Araujo, Norris & Sim 2019, Distill, Table 1, for AlexNet, VGG and ResNet.

Protocol. Exact, and nothing is trained. By arithmetic: r += (k - 1) d j, then j *= s, layer by
layer. By gradient: the pixels for which d out / d x != 0, of a net made linear and positive, at an
input that is larger than the field. Neither depends on the number of maps, so every net has a
hundredth of its own (at least one) and one output: the dearest takes 8 s on a core. Every
architecture that the suite has and whose units see a part of the image is an arm. Left out are the
nets of 1,202 layers (5,597 pixels, and a gradient below 1e-308), linear nets, MLPs and the
encoder-decoder, whose units see everything through a linear layer.

The figure draws both fields over an input: this one, and the effective one, as the root mean square
of the gradient at random weights (Luo et al. 2016). That is calculated, since nets of one map would
be dead: within 15 % of what `convolution/effective_field` measures on untrained stacks, ResNets and
VGGs, and 40 to 50 % wider in nets that concatenate (DenseNet-40, U-Net).

He's ResNets have the stride in the first 1x1 convolution of a block (`v1`), torchvision's in the
3x3. The control has 1x1 kernels: however many, they see one pixel, and before a pooling P see P.
"""

from dlgbench import Ablation, Claim, Recipe, at_least, contrast, exactly, value

FIELD = "receptive_field"
ARITHMETIC = f"{FIELD}/arithmetic"
DISTILL = "Araujo, Norris & Sim 2019, Distill, Table 1"
PUBLISHED = {
    "lenet5": (32, "its input, 32x32", "LeCun 1998, Figure 2"),
    "alexnet": (195, "195", DISTILL),
    "vgg16": (212, "212", DISTILL),
    "resnet50_v1": (483, "483", DISTILL),
    "resnet101_v1": (1027, "1027", DISTILL),
    "resnet50": (427, "", ""),
    "context_module": (67, "67", "Yu & Koltun 2016, Table 1"),
    "resnet20": (81, "28 n - 3, n = 3", ""),
    "resnet44": (193, "28 n - 3, n = 7", ""),
    "resnet56": (249, "28 n - 3, n = 9", ""),
    "resnet110": (501, "28 n - 3, n = 18", ""),
}
NETS = (
    *("laplacian_pyramid", "haar_pyramid", "lenet5", "alexnet", "sliding_convnet"),
    *(f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")),
    *("fcn8s", "fcn16s", "fcn32s", "googlenet", "unet", "context_module", "conv_stack"),
    *(f"{family}{depth}" for family in ("resnet", "plain") for depth in (20, 32, 44, 56, 110)),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("densenet121", "densenet_40_12", "densenet_bc_100_12"),
    *("sketch_simplification", "colorization", "lecture_convnet", "pooled_convnet"),
    "residual_stack",
)
SMALL = {"model_args.width": 0.01, "model_args.num_classes": 1}
V1 = SMALL | {"model_args.v1": True}


def pooled(kernel: int) -> dict[str, object]:
    """Convolution K x K, max-pooling P = 2, and a 1x1 convolution, which looks no farther."""
    args = {"kernels": (kernel, 1), "dilations": (1, 1), "pool": True}
    return {f"model_args.{name}": arg for name, arg in args.items()}


ABLATION = Ablation(
    question="Does the arithmetic of kernels and strides give the patch that a unit depends on?",
    slide="Pooling layer: receptive field size; Receptive field arithmetic",
    recipe=Recipe(model="conv_stack", steps=0, probes=("receptive_field", "field_over_input")),
    arms={
        **{net: {"model": net} | SMALL for net in NETS},
        **{f"{net}_v1": {"model": net} | V1 for net in ("resnet50", "resnet101")},
        **{f"pool2_conv{kernel}": pooled(kernel) for kernel in (1, 3, 5, 7)},
        "pointwise": {"model_args.kernels": (1, 1, 1)},
    },
    scales={"cpu": {"seeds": 1}, "gpu": {"seeds": 1}},
    claims=[
        *(
            Claim(
                f"Pooling P = 2 after convolution K = {kernel} sees P + K - 1 = {kernel + 1}",
                value(FIELD, f"pool2_conv{kernel}"),
                exactly(kernel + 1),
                slide="Pooling layer: receptive field size",
            )
            for kernel in (3, 5, 7)
        ),
        *(
            Claim(
                f"{net} sees {side}x{side}",
                value(FIELD, net),
                exactly(side),
                published=published,
                source=source,
            )
            for net, (side, published, source) in PUBLISHED.items()
        ),
        *(
            Claim(
                f"Arithmetic agrees with the gradient: {net}",
                contrast(ARITHMETIC, FIELD, net),
                exactly(0),
                kind="check",
            )
            for net in (*NETS, "resnet50_v1", "resnet101_v1")
        ),
        Claim(
            "Control: layers of 1x1 kernels see more than a pixel",
            value(FIELD, "pointwise"),
            at_least(2),
            kind="control",
            expect="not supported",
        ),
        Claim(
            "Control: a convolution K = 1 before the pooling adds to what it sees",
            value(FIELD, "pool2_conv1"),
            at_least(3),
            kind="control",
            expect="not supported",
        ),
    ],
    objection="The pixels at the rim hardly matter: see the effective field (Luo 2016).",
)
