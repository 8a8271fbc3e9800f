"""What each hidden layer has learnt: read off by a linear classifier (Alain & Bengio 2017, ICLR workshop), and in images (slides "Hidden Layers")."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import HIDDEN
from dlgbench.probes.subject import Figures, Subject

ROWS = 1000  # that each linear classifier is fitted on, and as many that it is scored on
UNITS, SHOWN, QUERIES = 4, 4, 2


def linear_probes(subject: Subject) -> Figures:
    """Accuracy of a logistic regression on the output of each activation, fitted on one half of the test images and scored on the other.

    `hierarchy/rise` is last minus first layer. The network is fixed: the images of neither half have trained it.

    Raises:
        DlgbenchError: for a network with fewer than two hidden layers.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = (part[: 2 * ROWS] for part in subject.data("linear_probes"))
    seen = _hidden(subject, x)
    if len(seen) < 2:
        raise DlgbenchError(
            f"probe linear_probes wants at least two hidden layers; {len(seen)} came"
        )
    half, labels, scores = len(x) // 2, y.cpu().numpy(), []
    for output in seen:
        features = output.double().cpu().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            reader = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=100)).fit(
                features[:half], labels[:half]
            )
        scores.append(float(reader.score(features[half:], labels[half:])))
    return {
        "hierarchy/first": scores[0],
        "hierarchy/last": scores[-1],
        "hierarchy/rise": scores[-1] - scores[0],
    }, {"hierarchy/by_layer": scores}


def exemplars(subject: Subject) -> Figures:
    """What each hidden layer has learnt to see, in images: those that excite a unit most, and those that look alike to the layer.

    The first 4 units of each layer, constant ones last, with the 4 images of the highest activation a_u(x); 2
    queries x, the first images of the test split, with the 4 others of the smallest ||a(x) - a(x')||_2, and whether each has the query's class. Of a
    convolution's units the largest value over the map counts. Zeiler & Fergus 2014, ECCV, Figure 2; Krizhevsky et al. 2012, Figure 4.

    Raises:
        DlgbenchError: for a network without hidden layers, or inputs other than square images.
    """
    x, y = (part[: 2 * ROWS] for part in subject.data("exemplars"))
    if x.dim() != 4 or x.shape[2] != x.shape[3]:
        raise DlgbenchError(
            f"probe exemplars wants square images; inputs of shape {tuple(x.shape[1:])} came"
        )
    seen, images = _hidden(subject, x, peaks=True), x.mean(1)
    if not seen:
        raise DlgbenchError("probe exemplars wants at least one hidden layer; none came")
    shown = min(UNITS, *(layer.shape[1] for layer in seen))
    figures = {
        "layers": len(seen),
        "units": shown,
        "images": SHOWN,
        "queries": QUERIES,
        "side": x.shape[2],
    }
    top, nearest = [], []
    for layer in seen:
        units = (layer.std(0) == 0).int().argsort(stable=True)[:shown]
        top.append(layer[:, units].argsort(dim=0, descending=True, stable=True)[:SHOWN].T)
        distance = torch.cdist(layer[:QUERIES], layer)
        distance[range(QUERIES), range(QUERIES)] = torch.inf
        nearest.append(distance.argsort(dim=1, stable=True)[:, :SHOWN])
    rows = {
        "top": torch.stack(top),
        "nearest": torch.stack(nearest),
        "query": torch.arange(QUERIES),
    }
    curves = {name: images[found.to(x.device)] for name, found in rows.items()}
    curves["nearest_same"] = y[rows["nearest"]] == y[:QUERIES, None]
    drawn = {
        f"exemplars/{name}": curve.double().flatten().tolist() for name, curve in curves.items()
    }
    return {
        f"exemplars/{name}": float(figure) for name, figure in figures.items()
    }, drawn if subject.pictures else {}


@torch.no_grad()
def _hidden(subject: Subject, x: Tensor, *, peaks: bool = False) -> list[Tensor]:
    """The output (B, units) of each activation; with `peaks` a convolution's units are its maps, each at its largest value."""
    seen: list[Tensor] = []
    for module in subject.network.modules():
        if isinstance(module, HIDDEN):
            module.register_forward_hook(
                lambda _module, _inputs, output: seen.append(
                    output.flatten(2).amax(2) if peaks and output.dim() == 4 else output.flatten(1)
                )
            )
    subject.network.eval()(x)
    return seen
