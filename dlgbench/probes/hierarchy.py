"""What each hidden layer has learnt, by a linear classifier and in images.

Alain & Bengio 2017, ICLR workshop; slides "Hidden Layers".
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import is_hidden
from dlgbench.probes.subject import Measurement, Subject, to_array

ROWS = 1000  # to fit each linear classifier, and as many to score it
UNITS, IMAGES, QUERIES = 4, 4, 2


def linear_probes(subject: Subject) -> Measurement:
    """Accuracy of a logistic regression on the output of each activation.

    It is fitted on one half of the test images and scored on the other, so the network was trained
    on neither; the network is fixed. `hierarchy/rise` is the last layer's accuracy minus the
    first's.

    Raises:
        DlgbenchError: for a network with fewer than two activation layers.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = (part[: 2 * ROWS] for part in subject.data("linear_probes"))
    outputs = _hidden_outputs(subject, x)
    if len(outputs) < 2:
        raise DlgbenchError(
            "probe linear_probes: expected a network with at least two activation layers, "
            f"got {len(outputs)}"
        )
    half, labels, scores = len(x) // 2, y.cpu().numpy(), []
    for output in outputs:
        features = output.double().cpu().numpy()
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=100))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(features[:half], labels[:half])
        scores.append(float(classifier.score(features[half:], labels[half:])))
    metrics = {
        "hierarchy/first": scores[0],
        "hierarchy/last": scores[-1],
        "hierarchy/rise": scores[-1] - scores[0],
    }
    return Measurement(metrics, {"hierarchy/by_layer": scores})


def exemplars(subject: Subject) -> Measurement:
    """What each hidden layer has learnt to see, in images of the test split.

    `exemplars/top`, of shape (layers, units, images, C, H, W): for 4 units of each layer, the
    first that are not constant, the 4 images x with the highest activation a_u(x). Of a
    convolution's units the largest value over the map counts. `exemplars/query` (2, C, H, W): the
    first two images. `exemplars/nearest` (layers, queries, images, C, H, W): for each query x the 4
    other images x' with the smallest ||a(x) - a(x')||_2. `exemplars/nearest_same` (layers, queries,
    images): 1 where such an image has the query's class.

    Zeiler & Fergus 2014, ECCV, Figure 2; Krizhevsky et al. 2012, Figure 4.

    Raises:
        DlgbenchError: for a network without activation layers, or data other than images with one
            class for each.
    """
    x, y = (part[: 2 * ROWS] for part in subject.data("exemplars"))
    if x.dim() != 4 or y.dim() != 1:
        raise DlgbenchError(
            "probe exemplars: expected images (B, C, H, W) and one class for each, "
            f"got shapes {tuple(x.shape)} and {tuple(y.shape)}"
        )
    layers = _hidden_outputs(subject, x, peaks=True)
    if not layers:
        raise DlgbenchError(
            "probe exemplars: expected a network with at least one activation layer, got none"
        )
    count = min(UNITS, *(layer.shape[1] for layer in layers))
    top, nearest = [], []
    for layer in layers:
        units = (layer.std(0) == 0).int().argsort(stable=True)[:count]
        top.append(layer[:, units].argsort(dim=0, descending=True, stable=True)[:IMAGES].T)
        distance = torch.cdist(layer[:QUERIES], layer)
        distance[range(QUERIES), range(QUERIES)] = torch.inf
        nearest.append(distance.argsort(dim=1, stable=True)[:, :IMAGES])
    top_rows, nearest_rows = torch.stack(top), torch.stack(nearest)
    same = y[nearest_rows] == y[:QUERIES, None]
    arrays = {
        "exemplars/top": x[top_rows],
        "exemplars/query": x[:QUERIES],
        "exemplars/nearest": x[nearest_rows],
        "exemplars/nearest_same": same.byte(),
    }
    return Measurement(arrays={name: to_array(values) for name, values in arrays.items()})


@torch.no_grad()
def _hidden_outputs(subject: Subject, x: Tensor, *, peaks: bool = False) -> list[Tensor]:
    """The output (B, units) of each activation.

    With `peaks` a convolution's units are its maps, each with its largest value.
    """
    outputs: list[Tensor] = []

    def look(_module: object, _inputs: object, output: Tensor) -> None:
        is_map = peaks and output.dim() == 4
        outputs.append(output.flatten(2).amax(2) if is_map else output.flatten(1))

    for module in subject.network.modules():
        if is_hidden(module):
            module.register_forward_hook(look)
    subject.network.eval()(x)
    return outputs
