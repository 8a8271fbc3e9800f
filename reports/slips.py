"""Where the slides slip: what they say, what is right, and what our runs and checks say of it.

One `Slip` a place, in the lecture's order. Nothing measured is typed in here: a slip names claims
of ablations, and the page shows their verdicts as they are. tests/reports/test_slips.py keeps the
names alive, and sees to it that no claim of kind `slip` is forgotten.
"""

from __future__ import annotations

import dataclasses
from typing import Literal, get_args

from dlgbench.errors import DlgbenchError, unknown
from dlgbench.reports.controls import Judged
from dlgbench.reports.study import Study
from dlgbench.reports.tables import ClaimRow

Kind = Literal["measured", "naming", "history", "frameworks"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Evidence = list[tuple[Study, ClaimRow]]


@dataclasses.dataclass(frozen=True)
class Slip:
    """A place of the lecture where a careful reader may stumble.

    Args:
        title: what it is about.
        slide: the slide's title.
        says: what the slide says, in our words.
        right: what is right.
        source: where that was published.
        evidence: (ablation, statement) of the claims that bear it out.
        checks: (file, name) of the tests that show it exactly.
        kind: `measured` where it rests on evidence; a fact of `naming`, of `history` or of the
            `frameworks`, which have moved on since 2018, may do without.

    Raises:
        DlgbenchError: for an unknown kind, or one that is measured and has no evidence.
    """

    title: str
    slide: str
    says: str
    right: str
    source: str
    evidence: tuple[tuple[str, str], ...] = ()
    checks: tuple[tuple[str, str], ...] = ()
    kind: Kind = "measured"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown("kind of fact", self.kind, KINDS, f"slip {self.title!r}")
        if self.kind == "measured" and not self.evidence:
            raise DlgbenchError(
                f"slip {self.title!r}: expected evidence, or the kind of fact that it is "
                f"({', '.join(KINDS[1:])}), got neither"
            )


def _of(where: str, *names: str) -> tuple[tuple[str, str], ...]:
    return tuple((where, name) for name in names)


SLIPS = (
    Slip(
        "Gradient descent on convex functions",
        slide="Gradient Descent Minimization Method",
        says="On a convex function gradient descent can always be made to converge.",
        right="With a constant step, convexity alone is not enough. The function must also be "
        "smooth: if its gradient changes at most L times as fast as its argument, every step size "
        "a below 2 / L leads to the minimum. On |w|, which has a kink, no constant step size "
        "does: the steps end in jumps to and fro over the minimum. On a quartic, a step size that "
        "works from one start fails from another. With a step size that shrinks to zero, but not "
        "too fast, the slide is right on |w| as well.",
        source="Nesterov 2004, Introductory Lectures on Convex Optimization, theorem 2.1.14; Shor "
        "1985, Minimization Methods for Non-Differentiable Functions",
        evidence=_of(
            "basics/convex_descent",
            "Quadratic, a L = 1.99 < 2: it converges",
            "Quadratic, a L = 2.01 > 2: it diverges",
            "The quartic, a = .5, from .75: it converges",
            "As worded, convex is enough: the quartic, a = .5, from 1",
            "As worded, convex is enough: |w|, constant step",
            "What can always be made: |w| with a step that decays to 0 converges",
        )
        + _of("basics/logistic_descent", "A step of 0.9 of 2 / L reaches the minimum"),
    ),
    Slip(
        "Almost equally good minima",
        slide="Multiple Local Minima, based on initialization",
        says="Training ends in different local minima from different starts, and in practice they "
        "are all almost equally good.",
        right="That depends on the width. Wide networks end with nearly the same error from every "
        "start; in a narrow network the start decides how good the result is. And equally good is "
        "not the same: two such networks put some images into different classes, and on the "
        "straight line between them the loss rises.",
        source="Choromanska et al. 2015, AISTATS, Figure 3; Goodfellow et al. 2015, ICLR",
        evidence=_of(
            "basics/local_minima",
            "At width 2 two starts end within a point of test error",
            "At width 4 two starts end within a point of test error",
            "At width 8 two starts end within a point of test error",
            "At width 64 two starts end within a point of test error",
            "Equally good is not the same: at width 64 two starts put 2 % of the images into "
            "different classes",
            "Two places, not one: at width 64 a hill of .23 nats of test loss lies on the straight "
            "line between two starts' ends",
        ),
    ),
    Slip(
        "The factor 1 − μ of momentum",
        slide="(S)GD with momentum",
        says="Momentum averages the gradients g, V ← μ V + (1 − μ) g, and takes a step of ε V.",
        right="This is a correct form, but not the usual one. Polyak's heavy ball, and torch's SGD "
        "with momentum, have no factor 1 − μ; the slide's momentum at the rate ε is theirs at the "
        "rate ε (1 − μ). So rates do not carry over: with μ = 0.9, a rate that is good in torch is "
        "ten times too small in the slide's formula.",
        source="Polyak 1964; Sutskever et al. 2013, ICML, equations 1 and 2",
        evidence=_of(
            "optimization/momentum",
            "The slide's momentum is heavy ball at a rate 1 / (1 - mu) as large",
            "At an equal rate the slide's momentum is 10 times slower",
        )
        + _of("optimization/momentum_mlp", "The slide's momentum ends where heavy ball ends"),
        checks=_of(
            "tests/equations/test_optimizers.py",
            "test_the_slides_momentum_is_torchs_at_a_smaller_rate",
        ),
    ),
    Slip(
        "Momentum and oscillations",
        slide="(S)GD with momentum",
        says="Momentum keeps the long-term trend of the updates and drops the oscillations.",
        right="It does at the rate that suits plain gradient descent. But one uses momentum to go "
        "faster, at a larger rate, and at its own best rate heavy ball swings to and fro as far as "
        "gradient descent does. Its speed does not come from a straighter path.",
        source="Polyak 1964; Goh 2017, Distill, Why Momentum Really Works",
        evidence=_of(
            "optimization/momentum",
            "Heavy ball takes half the steps or fewer",
            "At descent's best rate the slide's momentum goes half the way or less",
            "Heavy ball at its own best rate goes half the way or less",
        ),
    ),
    Slip(
        "The p of dropout",
        slide="Dropout block",
        says="A unit is kept with probability p: r ~ Bernoulli(p).",
        right="So it is in the paper. In torch, p is the probability to drop a unit, so the "
        "paper's p = 0.8 for the inputs is written nn.Dropout(0.2). torch also divides what is "
        "kept by the paper's p during training, so that nothing is left to scale at test time.",
        source="Srivastava et al. 2014, JMLR 15, section 4; torch.nn.Dropout",
        checks=_of(
            "tests/equations/test_dropout.py",
            "test_the_inverted_form_is_torchs_with_1_minus_p",
        ),
        kind="naming",
    ),
    Slip(
        "What solves the vanishing gradient",
        slide="Vanishing Gradients Problem: ReLU Solves It",
        says="The gradient vanishes in deep sigmoid networks, and ReLU solves it.",
        right="ReLU is one way out among several. tanh units with Glorot's initialization train at "
        "the same depth, and so do sigmoids with batch normalization. Nor is ReLU enough by "
        "itself: with too small initial weights its gradient is lost all the same. That ReLU "
        "trains several times faster than tanh was found for a four-layer convolutional network; "
        "in a small network tanh need not be slower.",
        source="Glorot & Bengio 2010, AISTATS; Krizhevsky et al. 2012, NIPS, Figure 1; Ioffe & "
        "Szegedy 2015, ICML, section 4.2 (a sigmoid network)",
        evidence=_of(
            "depth/gradient_depth",
            "A sigmoid net of depth 10 stays at chance",
            "Only ReLU solves it: tanh stays at chance at depth 10",
            "Only ReLU solves it: sigmoid with batch normalization stays at chance at depth 10",
            "A fair ratio can hide a dead gradient: N(0, .01²) leaves the first layer less than "
            "1e-6",
        )
        + _of(
            "depth/activations_speed",
            "ReLU is at least 1.5 times quicker than tanh",
            "ReLU is 6 times quicker than tanh",
        ),
    ),
    Slip(
        "“Whitening”",
        slide="“Whitening”: Set Mean = 0, Variance = 1",
        says="Giving a patch mean 0 and variance 1 is whitening, and makes it independent of "
        "brightness and contrast, I → a I + b.",
        right="The usual name is standardization. Whitening does more: it also removes the "
        "correlations between pixels. (Batch normalization, “whiten-as-you-go” on a later slide, "
        "does not do that either: its authors normalize each unit by itself.) The independence is "
        "exact for a > 0 as long as no pixel is clipped. Subtracting the mean alone, the slide's "
        "first step, takes care of b only.",
        source="LeCun et al. 1998, Efficient BackProp, section 4.3; Ioffe & Szegedy 2015, ICML, "
        "section 3",
        evidence=_of(
            "normalization/whitening",
            "Raw patches: a change of brightness or contrast costs more than 10 points",
            "Standardized patches: it costs less than 0.1 points",
            "Patches that lose their mean alone: it costs less than 0.1 points",
            "Standardized patches, clipped contrast: it costs less than 0.1 points",
        ),
        kind="naming",
    ),
    Slip(
        "Why batch normalization is fast",
        slide="Internal Covariate Shift",
        says="During training the activations are a moving target for the next layer. Batch "
        "normalization holds them still, and so training is faster.",
        right="It does hold them still (their drift is smaller), but that need not be why it is "
        "fast. Santurkar et al. shifted and scaled the activations at random after each "
        "normalization. They then moved far more than with plain batch normalization (in the "
        "authors' networks more than without any), and training was about as fast. The authors "
        "find a smoother loss to be the reason.",
        source="Santurkar et al. 2018, NeurIPS, section 2 and Figure 2",
        evidence=_of(
            "normalization/internal_covariate_shift",
            "relu: batch normalization lowers the drift",
            "relu: noisy normalization has the larger drift",
            "relu: noisy normalization is as quick within 1.25 times, so the drift is not the "
            "reason",
            "sigmoid: batch normalization lowers the drift",
            "sigmoid: noisy normalization has the larger drift",
            "sigmoid: noisy normalization is as quick within 1.25 times, so the drift is not the "
            "reason",
        ),
    ),
    Slip(
        "What γ and β are",
        slide="Batch Normalization",
        says="(γ, β) are the mean and variance of each layer, learned as parameters.",
        right="γ is a scale and β a shift: y = γ x̂ + β for a normalized x̂. So β is the mean of y, "
        "and γ its standard deviation (up to the sign) and not its variance; the order on the "
        "slide is the other way round, too. Each unit or channel has a pair of its own.",
        source="Ioffe & Szegedy 2015, ICML, Algorithm 1",
        checks=_of(
            "tests/equations/test_batchnorm.py",
            "test_after_training_each_channel_has_the_mean_and_deviation_that_beta_and_gamma_say",
        ),
        kind="naming",
    ),
    Slip(
        "15 times fewer samples",
        slide="Batch Normalization: used in all current systems",
        says="With batch normalization, networks train with 15 times fewer samples.",
        right="In the paper, batch normalization by itself needs 13.3 instead of 31.0 million "
        "steps, 2.3 times fewer. The 15 (2.1 million steps) belongs to a network with further "
        "changes: a rate five times as large, no dropout, less weight decay and others.",
        source="Ioffe & Szegedy 2015, ICML, section 4.2 and Figure 3",
        evidence=_of(
            "normalization/batchnorm_speed",
            "sigmoid reaches the target in 1.5 times fewer samples",
            "relu reaches the target in 1.5 times fewer samples",
            "vgg reaches the target in 1.5 times fewer samples",
            "sigmoid reaches the target in 15 times fewer samples",
            "relu reaches the target in 15 times fewer samples",
            "vgg reaches the target in 15 times fewer samples",
        )
        + _of(
            "normalization/batchnorm_speed_convnet",
            "A conv net reaches the target in 1.5 times fewer samples",
            "A conv net reaches the target in 15 times fewer samples",
        ),
    ),
    Slip(
        "The date of LeNet",
        slide="CNNs, late 1980's: LeNet",
        says="LeNet is of the late 1980s; the slide cites the paper of 1998.",
        right="Both dates are right, of two networks. The convolutional network of 1989 read the "
        "digits of zip codes. LeNet-5, which the cited paper describes and which most people mean "
        "by LeNet, is of 1998.",
        source="LeCun et al. 1989, Neural Computation 1(4); LeCun et al. 1998, Proceedings of the "
        "IEEE 86(11)",
        kind="history",
    ),
    Slip(
        "Starting from zero",
        slide="Parameter Initialization",
        says="If all parameters start at zero, all of them get the same gradient and the same "
        "updates.",
        right="With ReLU they get no update at all: every gradient is zero but that of the output "
        "layer's bias. So the network only learns how frequent the classes are. (What the slide "
        "says is true of a layer whose units start equal but not at zero: they stay copies of each "
        "other.) Without a hidden layer zero is a good start: logistic regression trains from it.",
        source="Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.4",
        evidence=_of(
            "depth/initialization",
            "Zero initialization stays at chance, depth 2",
            "Zero initialization stays at chance under Adam, depth 10",
            "Control: logistic regression trains from zero",
        )
        + _of("depth/initialization_convnet", "Zero learns nothing"),
        checks=_of(
            "tests/layers/test_initialization.py",
            "test_from_zero_only_the_output_bias_has_a_gradient",
        ),
    ),
    Slip(
        "“Kaiming” initialization",
        slide="Parameter Initialization",
        says="Kaiming initialization divides the standard deviation by the number of inputs n: "
        "σ = 0.01 / n.",
        right="He's (Kaiming's) initialization has the variance 2 / n, so σ = √(2 / n): n comes in "
        "by its root, and there is no 0.01. For n = 64 the slide's σ is more than a thousand times "
        "too small. Each layer then shrinks the signal, and a deep network does not train.",
        source="He et al. 2015, ICCV, section 2.2",
        evidence=_of(
            "depth/initialization",
            "The slide's N(0, (.01 / n)²) trains at depth 2",
            "The slide's N(0, (.01 / n)²) trains at depth 10",
            "The slide's N(0, (.01 / n)²) trains at depth 10 under Adam",
            "Under the slide's formula the signal is gone at layer 10",
            "He's N(0, 2 / n) trains at depth 10",
        ),
        checks=_of(
            "tests/layers/test_initialization.py",
            "test_standard_deviations_are_the_formulas",
        ),
    ),
    Slip(
        "The history of depth",
        slide="Going Deeper",
        says="ReLU and dropout took networks from 2 to 10 layers (2010 to 2012), batch "
        "normalization from 10 to 20 (2015), residual networks to 100 and 1000.",
        right="It serves as a rule of thumb for which trick helps at which depth, and less as "
        "history. VGG with 19 layers and GoogLeNet with 22 are of 2014, before batch "
        "normalization: VGG began with the weights of a shallower net, and GoogLeNet had "
        "additional losses halfway. Ciresan et al. trained nine hidden layers of tanh units in "
        "2010, Xiao et al. 10,000 plain layers in 2018, by initialization alone.",
        source="Ciresan et al. 2010, Neural Computation 22(12); Simonyan & Zisserman 2014, section "
        "3.1; Szegedy et al. 2015, CVPR, section 5; Xiao et al. 2018, ICML",
        evidence=_of(
            "depth/trainable_depth",
            "From 2 to 10: at depth 10 ReLU trains where the sigmoid does not",
            "From 10 to 20: at depth 20 batch normalization trains where ReLU alone does not",
            "Depth 20 needs batch normalization: with 400 steps ReLU alone still stays above 30 %",
            "From 20 on: at depth 50 residual nets train where batch normalization alone does not",
        ),
        kind="history",
    ),
    Slip(
        "Deeper residual networks",
        slide="Residual Network: deeper is better",
        says="Deeper residual networks have the lower error.",
        right="Up to a point, and it depends on the data. On CIFAR-10 the test error falls from 20 "
        "to 110 layers (8.75 % to 6.43 %), but with 1,202 it is higher again (7.93 %), though the "
        "training error is as low. A later form of the block does gain at 1,001 layers. Our own "
        "runs reach 56 layers at scale cpu, and 110 at gpu and paper.",
        source="He et al. 2016, CVPR, section 4.2 and Table 6; He et al. 2016, ECCV",
        evidence=_of(
            "architectures/residual_depth",
            "56 residual layers cost at most a point of training error",
            "Deeper residual is better: 56 layers lower the test error by half a point",
            "110 residual layers lower the test error by a point",
        ),
    ),
    Slip(
        "Three options of up-sampling",
        slide="Up-sampling",
        says="To raise the resolution one can interpolate, insert zeros, or use transposed "
        "convolutions.",
        right="The second and the third are one: zeros inserted between the pixels, and then a "
        "convolution, are a transposed convolution with the kernel turned by 180°. The other way "
        "is to interpolate and then convolve. It reaches all pixels alike, while a transposed "
        "convolution whose stride does not divide its kernel's size may draw a checkerboard.",
        source="Dumoulin & Visin 2016, section 4; Odena et al. 2016, Distill",
        evidence=_of(
            "image_to_image/upsampling",
            "Zero insertion with a convolution is transposed convolution",
            "So is the transposed matrix of the convolution",
            "Windows of 3x3 with stride 2 overlap unevenly: 4 reach some pixels, 1 reaches others",
            "Nearest neighbours and a convolution reach all pixels alike",
        ),
    ),
    Slip(
        "The “vector” of a U-Net",
        slide="Encoder-decoder with skip connections",
        says="A U-Net turns the image into a vector and back, as an encoder-decoder does, whose "
        "vector is a very compact code.",
        right="An encoder-decoder's code can be compact. In the middle of the published U-Net "
        "there are 1024 maps of 28x28 numbers, more than twice as many as the image has pixels, "
        "and its skip connections carry still more past them. It is abstract, not compact.",
        source="Ronneberger et al. 2015, MICCAI, Figure 1",
        evidence=_of(
            "image_to_image/unet_code",
            "The encoder-decoder's code is a tenth of its image at most",
            "U-Net's vector has 1024 maps of 28x28",
            "U-Net's vector is more compact than its image",
        ),
    ),
    Slip(
        "The list of frameworks",
        slide="Main frameworks",
        says="TensorFlow, PyTorch, Keras and Caffe, which Caffe2 is to replace, are the main "
        "frameworks; Theano, CNTK, Chainer and MXNet are in use, too.",
        right="So it was in 2018. Since then Theano (2017), CNTK and Chainer (2019) and MXNet "
        "(2023) have been retired; Caffe2 became a part of PyTorch in 2018, and Caffe has had no "
        "release since 2017. PyTorch and TensorFlow remain, and JAX has come. Keras no longer runs "
        "on Theano or CNTK, but on TensorFlow, PyTorch and JAX (Keras 3, 2023).",
        source="The projects' own announcements, in the years given",
        kind="frameworks",
    ),
    Slip(
        "Static or dynamic graphs",
        slide="Static vs Dynamic Computation Graphs; Tensorflow",
        says="TensorFlow has static graphs (eager execution is in development), PyTorch dynamic "
        "ones: one chooses between optimization and easy control flow.",
        right="Today one need not choose. TensorFlow 2 (2019) is eager by default and makes graphs "
        "of the functions that one marks; PyTorch 2 (2023) takes graphs out of eager code with "
        "torch.compile, and leaves to Python what does not fit. A plain trace still keeps only the "
        "branch of an if that it saw.",
        source="Agrawal et al. 2019, MLSys (TensorFlow Eager); Ansel et al. 2024, ASPLOS (PyTorch "
        "2)",
        evidence=_of(
            "frameworks/execution_modes",
            "torch.compile is 10 % faster",
            "The if is right: compiled",
            "The if is taken: compiled",
            "A trace of the if returns 2.0 instead of 1.0",
        ),
        kind="frameworks",
    ),
    Slip(
        "Exchange between frameworks",
        slide="Converting Between Frameworks; ONNX",
        says="There are many converters and no clear standard; ONNX support is in development.",
        right="ONNX has become the usual format. PyTorch writes it by itself, and ONNX Runtime "
        "computes it without PyTorch. How closely, there are two ways to ask: within a fixed "
        "1e-4, or within a multiple of float32's own rounding, which grows with depth.",
        source="The documentation of torch.onnx and of ONNX Runtime",
        evidence=_of(
            "frameworks/interchange",
            "Every model: within 1e-4, or ten times what float32 rounds in torch itself",
            "Every model but plain110 gives in ONNX Runtime what it gives in torch",
        ),
        kind="frameworks",
    ),
)


def listed(judged: Judged) -> list[tuple[Slip, Evidence]]:
    """The slips, each with those of its claims that are among the judged ones.

    A slip none of whose claims are there is left out; so are all, where no slip has any: then the
    judged claims are not the lecture's.
    """
    rows = {(study.ablation.name, row.claim.statement): (study, row) for study, row in judged}
    found = [(slip, [rows[name] for name in slip.evidence if name in rows]) for slip in SLIPS]
    if not any(evidence for _, evidence in found):
        return []
    return [(slip, evidence) for slip, evidence in found if evidence or not slip.evidence]


def unlisted(judged: Judged) -> Evidence:
    """The judged claims of kind `slip` that no slip names, as a user's own are."""
    named = {name for slip in SLIPS for name in slip.evidence}
    return [
        (study, row)
        for study, row in judged
        if row.claim.kind == "slip" and (study.ablation.name, row.claim.statement) not in named
    ]
