"""What does an image cost in the networks that won, and in a DenseNet, by the clock?

Slides "Revolution of Depth" and "CNNs, 2017: DenseNet" ("better performance/parameter ratio").
`architectures/revolution_of_depth` and `architectures/dense_connectivity` have their errors, and
count parameters, operations and memory; here is the time. Ma et al. 2018, ECCV, "ShuffleNet V2",
section 2: operations are no measure of speed.

Protocol. The nets of both ablations at one scale, untrained, on the same 32 images: a forward pass
in evaluation mode without gradients (arm `inference`), or a training step's forward and backward
pass (arm `training`). Each cell measures all nets in turn: 7 rounds of 2 passes, every second round
in reverse order, medians. So each seed gives paired ratios. Cells run alone on the machine. `again`
is the ResNet-20 once more, under another name: its own A/A twin. cpu: 14x14 grey images, the widths
that were trained there, one thread. gpu: 32x32 RGB images, the papers' widths. A first run had 15
rounds of 3 passes and took two minutes, with the verdicts of this one.

Smallest effect, fixed beforehand: 10 %, as for the modes of execution. What to expect of two
successors is open, since operations and layers both cost time; that LeNet is the fastest, and that
a DenseNet is no faster than a ResNet of twice its parameters, was expected.
"""

import math
from itertools import pairwise

from dlgbench import Ablation, Claim, at_least, log_contrast

NETS = {
    "lenet": ("lenet5", {"width": 1.0}),
    "alexnet": ("alexnet", {}),
    "vgg": ("vgg11", {}),
    "googlenet": ("googlenet", {}),
    "resnet": ("resnet34", {}),
}
PAIR = {  # at cpu and at gpu: what has half the parameters of the other
    "cpu": {
        "resnet_l": ("resnet20", {"width": 0.5}),
        "densenet_l": ("densenet_bc_100_12", {"width": 1.0, "depth": 16, "growth": 10}),
    },
    "gpu": {
        "resnet_l": ("resnet110", {"width": 1.0}),
        "densenet_l": ("densenet_bc_100_12", {"width": 1.0, "depth": 100, "growth": 12}),
    },
}
NAMES = (*NETS, "resnet_l", "densenet_l", "again")
ROWS = 32


def train(config, _seed, _log):
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from dlgbench import create, interleaved

    device, training = torch.device(config["device"]), config["training"]
    shape, width = tuple(config["shape"]), config["width"]
    x = torch.rand(ROWS, *shape, device=device)
    y = torch.arange(ROWS, device=device) % 10
    nets = NETS | PAIR["gpu" if width == 1 else "cpu"]
    nets["again"] = nets["resnet_l"]

    def step(net):
        net.zero_grad()
        net.training_step((x, y)).backward()

    def passes(net):
        if training:
            return lambda: [step(net) for _ in range(config["calls"])]
        net.requires_grad_(requires_grad=False)
        return lambda: [net(x) for _ in range(config["calls"])]

    ways, measured = {}, {}
    for name, (model, args) in nets.items():
        sizes = {"input_shape": shape, "num_classes": 10, "width": width}
        net = create(model, model_args=sizes | args).to(device).eval()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            net(x)
        ways[name] = passes(net.train(training))
        measured[f"operations/{name}"] = counter.get_total_flops() / ROWS
    took = interleaved(ways, config["rounds"])
    per_image = 1e6 / config["calls"] / ROWS
    return measured | {f"time/{name}": per_image * seconds for name, seconds in took.items()}


def longer(name, other, arm="inference"):
    return log_contrast(f"time/{name}", f"time/{other}", arm)


TENTH = at_least(math.log(1.1))

ABLATION = Ablation(
    question="What does an image cost in the networks that won, and in a DenseNet, by the clock?",
    slide="Revolution of Depth; CNNs, 2017: DenseNet",
    train=train,
    config={
        "training": False,
        "device": "cpu",
        "shape": (1, 14, 14),
        "width": 0.125,
        "calls": 2,
        "rounds": 7,
    },
    metrics={
        **{f"time/{name}": f"microseconds for an image, {name}" for name in NAMES},
        **{
            f"operations/{name}": "operations of an image's forward pass, two for a "
            f"multiply-add, {name}"
            for name in NAMES
        },
    },
    arms={"inference": {}, "training": {"training": True}},
    scales={
        "cpu": {},
        "gpu": {"device": "cuda", "shape": (3, 32, 32), "width": 1.0},
        "smoke": {"calls": 1, "rounds": 1, "device": "cpu"},
    },
    timing=True,
    claims=[
        Claim(
            "An image takes longer in ResNet than in LeNet",
            longer("resnet", "lenet"),
            TENTH,
            objection="A phone classifies an image in time all the same.",
        ),
        *(
            Claim(
                f"An image takes longer in {new} than in {old}",
                longer(new, old),
                TENTH,
                expect="inconclusive",
                kind="claim",
            )
            for old, new in pairwise(NETS)
        ),
        *(
            Claim(
                f"A DenseNet of half a ResNet's parameters takes longer than it, in {arm}",
                longer("densenet_l", "resnet_l", arm),
                TENTH,
                objection="Concatenations and many narrow layers cost time that operations do "
                "not show (Ma 2018).",
            )
            for arm in ("inference", "training")
        ),
        Claim(
            "A/A: an image takes longer in the ResNet than in the same ResNet",
            longer("again", "resnet_l"),
            TENTH,
            expect="not supported",
            kind="twin",
        ),
    ],
    objection="Times are those of one library on one machine, without a compiler.",
)
