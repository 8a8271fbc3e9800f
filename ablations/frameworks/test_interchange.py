"""Does a network compute in another framework what it computes in ours?

Slides: "Converting Between Frameworks" ("develop in one framework, deploy in another"), "ONNX". In
2018 there was "no clear standard"; the ONNX of the slide has become one.

Protocol. Every model that the suite has is exported by torch.onnx (through torch.export) and run in
ONNX Runtime on a CPU, on the same four images of noise; measured is the largest difference of an
output, which must stay below 1e-4. To be affordable on one core the nets are small: an eighth of
their widths, 5 classes, images of 28x28 (64x64 for the FCNs), as in the tests of the registry. The
weights are untrained, and batch normalization has the statistics of the four images, without which
the outputs of a deep net would be astronomical. Nothing is random: one seed, exact. The residual
and the plain net of 1,202 layers, and the functions to be minimized, are left out.

Known beforehand, from those tests: without shortcuts 110 layers amplify the last bit of float32 to
the size of the outputs, so that torch itself does not reproduce them in float64. This net has a
claim of its own, which we expect to be refuted; `onnx/rounding` is the difference between torch's
float32 and float64. Control: a net that was left in training mode, with dropout (AlexNet) or with
batch statistics (ResNet-20), must not agree with its export. Smoke exports three models: the tests
of the registry export all.

Added after the first evaluation: the claim about rounding. The first one was refuted by three deep
nets (plain56, resnet152 and resnet101, 1e-4 to 1e-3), of which torch's own float32 was as far from
float64. The rule of the added claim, 1e-4 or ten times that rounding, is that of the registry's
tests, which is older than this ablation. Three models that came later were added without a look.
"""

from dlgbench import Ablation, Claim, Effect, Recipe, at_most, value

SMALL = {"model_args.width": 0.125}
CLASSIFIERS = (
    *("mlp", "lenet5", "lecture_convnet", "alexnet", "googlenet", "sliding_convnet"),
    "pooled_convnet",
    *("vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"),
    *("resnet20", "resnet32", "resnet44", "resnet56", "resnet110"),
    *("plain20", "plain32", "plain44", "plain56", "plain110"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("densenet_40_12", "densenet_bc_100_12", "densenet121"),
)
DENSE = (
    *("conv_stack", "context_module", "unet", "encoder_decoder", "colorization"),
    *("sketch_simplification", "residual_stack", "haar_pyramid", "laplacian_pyramid"),
)
ARMS = {
    **{name: {"model": name} for name in ("linear", "perceptron", "constant")},
    **{name: {"model": name} | SMALL for name in (*CLASSIFIERS, *DENSE)},
    **{
        name: {"model": name, "model_args.input_shape": (1, 64, 64)} | SMALL
        for name in ("fcn32s", "fcn16s", "fcn8s")
    },
}
EQUAL = at_most(1e-4)


def beyond_rounding(arms):
    """The largest difference over ten times the float32 rounding, or over 1e-4 where that is more.

    1 is the limit.
    """

    def of(read):
        limits = [max(1e-4, 10 * read("onnx/rounding", arm)[0]) for arm in arms]
        differences = [read("onnx/difference", arm)[1] for arm in arms]
        return (max(a / b for a, b in zip(differences, limits, strict=True)),) * 2

    needs = tuple((f"onnx/{name}", arm) for arm in arms for name in ("difference", "rounding"))
    return Effect(f"largest onnx/difference beyond rounding of {len(arms)} models", needs, of)


def largest(metric, arms):
    """The largest value of a metric over arms."""
    return Effect(
        f"largest {metric} of {len(arms)} models",
        tuple((metric, arm) for arm in arms),
        lambda read: tuple(map(max, zip(*(read(metric, arm) for arm in arms), strict=True))),
        metric,
    )


ABLATION = Ablation(
    question="Does a network compute in another framework what it computes in ours?",
    slide="Converting Between Frameworks; ONNX",
    recipe=Recipe(
        model="mlp",
        model_args={"input_shape": (1, 28, 28), "num_classes": 5},
        steps=0,
        probes=("onnx",),
    ),
    arms=ARMS,
    scales={
        "cpu": {"seeds": 1},
        "gpu": {"seeds": 1},
        "smoke": {"arms": ("mlp", "resnet20", "unet")},
    },
    claims=[
        Claim(
            "Every model but plain110 gives in ONNX Runtime what it gives in torch",
            largest("onnx/difference", [arm for arm in ARMS if arm != "plain110"]),
            EQUAL,
        ),
        Claim(
            "So does a plain net of 110 layers",
            value("onnx/difference", "plain110"),
            EQUAL,
            expect="refuted",
            kind="claim",
            objection="Nor are torch's own outputs in float32 those in float64: the net is the "
            "cause, not the exchange.",
        ),
        Claim(
            "Every model: within 1e-4, or ten times what float32 rounds in torch itself",
            beyond_rounding(tuple(ARMS)),
            at_most(1),
        ),
        Claim(
            "Control: so does AlexNet in training mode",
            value("onnx/train_mode", "alexnet"),
            EQUAL,
            expect="not supported",
            published="2.68",
            source="a pilot",
        ),
        Claim(
            "Control: so does ResNet-20 in training mode",
            value("onnx/train_mode", "resnet20"),
            EQUAL,
            expect="not supported",
        ),
    ],
)
