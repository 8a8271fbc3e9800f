"""A part of each kind but a model.

Two data sets, a probe, a task, an optimizer, a schedule, an initialization, an activation, a
figure.
"""

from typing import ClassVar

import matplotlib.figure
import torch
from torch import nn
from torch.nn import functional as F

from dlgbench import (
    Arrays,
    Measurement,
    Plot,
    Task,
    register_activation,
    register_data,
    register_figure,
    register_initialization,
    register_optimizer,
    register_probe,
    register_schedule,
    register_task,
)
from sample_parts.points import rings


@register_data("rings", kind="points of a plane")
def two_rings():
    """600 points on two rings; 200 of them are the test split."""
    return Arrays.cut(*rings(600, seed=0), test=200, num_classes=2)


@register_data("wide_rings", kind="points of a plane")
def wide_rings():
    """The same at twice the size."""
    x, y = rings(600, seed=1)
    return Arrays.cut(2 * x, y, test=200, num_classes=2)


@register_probe("margin", when="test", metrics={"margin/mean": "mean of z_y - max of the others"})
def margin(subject):
    """The mean margin on the test split, and all margins as an array."""
    x, y = subject.data("margin")
    with torch.no_grad():
        z = subject.network.eval()(x)
    right = z.gather(1, y[:, None])[:, 0]
    others = z.scatter(1, y[:, None], -torch.inf).amax(1)
    margins = right - others
    arrays = {"margin/all": margins.numpy()}
    return Measurement({"margin/mean": margins.mean()}, arrays=arrays)


@register_task("smoothed", metrics={"error": "share of the {split} split that is misclassified"})
class Smoothed(Task):
    """Classification with smoothed labels, in a `training_step` of its own."""

    losses: ClassVar = {"smoothed": lambda z, y: F.cross_entropy(z, y, label_smoothing=0.1)}

    def training_step(self, batch, batch_idx):  # noqa: ARG002  (Lightning passes it)
        """The loss of a minibatch, as Lightning's users write it."""
        x, y = batch
        loss = self.loss(self.network(x), y)
        self.log("train/smoothed", loss)
        return loss

    def metrics(self, z, y):
        """The error."""
        return {"error": (z.argmax(1) != y).double().mean().item()}


@register_optimizer("sign_sgd")
class SignSGD(torch.optim.Optimizer):
    """W <- W - lr sign(g)."""

    def __init__(self, params, lr, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):  # noqa: ARG002  (torch's signature)
        """One update."""
        for group in self.param_groups:
            for w in group["params"]:
                w.sub_(w.grad.sign(), alpha=group["lr"])


@register_schedule("square_root")
def square_root(t):
    """sqrt(1 - t)."""
    return (1 - t) ** 0.5


@register_initialization("uniform")
def uniform(w, generator):
    """U(-1/2, 1/2)."""
    nn.init.uniform_(w, -0.5, 0.5, generator=generator)


@register_activation("softplus")
class Softplus(nn.Softplus):
    """ln(1 + exp(a))."""


@register_figure("margins")
def margins(study):
    """A histogram of the first seed's margins."""
    arrays = study.array("margin/all")
    if not arrays:
        return []
    figure = matplotlib.figure.Figure()
    for arm, values in arrays.items():
        figure.subplots().hist(values, label=arm)
    data = study.values("margin/mean")
    return [Plot("margins", "Margins of the test split", "A histogram.", figure, data)]
