"""What a trained network makes of its test split when it is asked in another way."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers.noise import STOCHASTIC, monte_carlo
from dlgbench.probes.subject import Figures, Subject

SAMPLES = (1, 2, 5, 10, 20, 50, 100)
DROPOUT = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
)  # what is scaled by 1 / (1 - p); noise of mean 1 asks for none
LIGHTING = (
    (0.5, 0.0),
    (0.5, 0.25),
    (0.5, 0.5),
    (0.75, 0.0),
    (0.75, 0.25),
    (1.5, 0.0),
)  # (a, b) of I -> a I + b


def _error(scores: Tensor, y: Tensor) -> float:
    return float((scores.argmax(1) != y).double().mean())


def averaging(subject: Subject) -> Figures:
    """Test error of the mean of softmax over k thinned networks, k = 1 ... 100, and of one deterministic pass (slide "Test time: Deterministic Approximation").

    The curve holds the errors at k = 1, 2, 5, 10, 20, 50, 100; each mean goes on from the one before. `averaging/unscaled` leaves out the weights'
    scaling: after each layer of dropout the units of the deterministic pass are 1 / (1 - p) too large. Srivastava et al. 2014, section 7.5 and Figure 11.

    Raises:
        DlgbenchError: for a network without a layer that draws at random.
    """
    x, y = subject.data("averaging")
    if not any(isinstance(module, STOCHASTIC) for module in subject.network.modules()):
        raise DlgbenchError(
            "probe averaging wants a network with dropout or noise; one without came"
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
    figures = {
        "averaging/once": once,
        "averaging/unscaled": unscaled,
        "averaging/k1": errors[0],
        "averaging/k50": errors[-2],
        "averaging/k100": errors[-1],
    }
    return figures, {"averaging/by_samples": errors}


def lighting(subject: Subject) -> Figures:
    """How much the test error rises when each image I becomes a I + b, for six (a, b) with a > 0 (slide ""Whitening"").

    The images must come in [0, 1] (`data_args.standardize` False). `lighting/drop` is the largest rise; `lighting/clipped` the rise under 2 I - 1/4, clipped to
    [0, 1], which no standardization undoes wholly; `lighting/negative` the error under 1 - I, where a = -1.
    """
    x, y = subject.data("lighting")
    if x.dim() != 4 or x.min() < 0 or x.max() > 1:
        came = f"inputs of shape {tuple(x.shape[1:])} from {x.min():.3g} to {x.max():.3g}"
        raise DlgbenchError(
            f"probe lighting wants images in [0, 1] (data_args.standardize False); {came} came"
        )
    network = subject.network.eval()
    with torch.no_grad():
        plain = _error(network(x), y)
        rises = [_error(network(a * x + b), y) - plain for a, b in LIGHTING]
        clipped, negative = (
            _error(network((2 * x - 0.25).clamp(0, 1)), y),
            _error(network(1 - x), y),
        )
    return {
        "lighting/drop": max(rises),
        "lighting/clipped": clipped - plain,
        "lighting/negative": negative,
    }, {"lighting/by_setting": rises}


def perfect(subject: Subject) -> Figures:
    """1 where not a single point of the test split is misclassified, else 0: accuracy misleads where topology decides."""
    x, y = subject.data("perfect")
    with torch.no_grad():
        return {"perfect": float(_error(subject.network.eval()(x), y) == 0)}, {}
