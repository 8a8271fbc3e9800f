"""How a trained network predicts the test split when inputs or the forward pass are changed."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.noise import STOCHASTIC, monte_carlo
from dlgbench.probes.subject import Measurement, Subject

SAMPLES = (1, 2, 5, 10, 20, 50, 100)
# The layers that scale by 1 / (1 - p); noise of mean 1 needs no scaling.
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
# (a, b) of I -> a I + b
LIGHTING = ((0.5, 0.0), (0.5, 0.25), (0.5, 0.5), (0.75, 0.0), (0.75, 0.25), (1.5, 0.0))


def _error(scores: Tensor, y: Tensor) -> float:
    return float((scores.argmax(1) != y).double().mean())


def averaging(subject: Subject) -> Measurement:
    """Test error of the mean of softmax over k thinned networks, and of one deterministic pass.

    The curve holds the errors at k = 1, 2, 5, 10, 20, 50, 100; each mean continues the one before.
    `averaging/unscaled` is the error of a deterministic pass without the scaling of the weights:
    after each layer of dropout its units are 1 / (1 - p) too large.

    Slide "Test time: Deterministic Approximation"; Srivastava et al. 2014, section 7.5 and
    Figure 11.

    Raises:
        DlgbenchError: for a network without dropout or noise.
    """
    x, y = subject.data("averaging")
    if not any(isinstance(module, STOCHASTIC) for module in subject.network.modules()):
        raise DlgbenchError(
            "probe averaging: expected a network with dropout or noise, got one without"
        )
    total, errors = torch.zeros(()), []
    for before, k in itertools.pairwise((0, *SAMPLES)):
        total = total + (k - before) * monte_carlo(subject.network, x, k - before)
        errors.append(_error(total, y))
    with torch.no_grad():
        once = _error(subject.network.eval()(x), y)
        for module in subject.network.modules():
            if isinstance(module, DROPOUT):
                module.register_forward_hook(lambda layer, _inputs, output: output / (1 - layer.p))
        unscaled = _error(subject.network(x), y)
    metrics = {
        "averaging/once": once,
        "averaging/unscaled": unscaled,
        "averaging/k1": errors[0],
        "averaging/k50": errors[-2],
        "averaging/k100": errors[-1],
    }
    return Measurement(metrics, {"averaging/by_samples": errors})


def lighting(subject: Subject) -> Measurement:
    """How much the test error rises when each image I becomes a I + b, for six (a, b) with a > 0.

    The images must lie in [0, 1] (`data_args.standardize` False). `lighting/drop` is the largest
    rise; `lighting/clipped` is the rise under 2 I - 1/4, clipped to [0, 1], which no
    standardization undoes completely; `lighting/negative` is the error under 1 - I, where a = -1.
    Slide ""Whitening"".

    Raises:
        DlgbenchError: for inputs other than images in [0, 1].
    """
    x, y = subject.data("lighting")
    if x.dim() != 4 or x.min() < 0 or x.max() > 1:
        raise DlgbenchError(
            "probe lighting: expected images in [0, 1] (data_args.standardize False), got inputs "
            f"of shape {tuple(x.shape[1:])} from {x.min():.3g} to {x.max():.3g}"
        )
    network = subject.network.eval()
    with torch.no_grad():
        plain = _error(network(x), y)
        rises = [_error(network(a * x + b), y) - plain for a, b in LIGHTING]
        clipped = _error(network((2 * x - 0.25).clamp(0, 1)), y)
        negative = _error(network(1 - x), y)
    metrics = {
        "lighting/drop": max(rises),
        "lighting/clipped": clipped - plain,
        "lighting/negative": negative,
    }
    return Measurement(metrics, {"lighting/by_setting": rises})


def perfect(subject: Subject) -> Measurement:
    """1 where no point of the test split is misclassified, else 0.

    A high accuracy misleads where the question is of topology: whether the classes can be
    separated at all.
    """
    x, y = subject.data("perfect")
    with torch.no_grad():
        return Measurement({"perfect": float(_error(subject.network.eval()(x), y) == 0)})
