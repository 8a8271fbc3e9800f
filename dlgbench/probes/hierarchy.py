"""What can be read off each layer by a linear classifier (slide "Feature hierarchy"; Alain & Bengio 2017, ICLR workshop)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import HIDDEN
from dlgbench.probes.subject import Figures, Subject

ROWS = 1000  # that each linear classifier is fitted on, and as many that it is scored on


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
    seen: list[Tensor] = []
    for module in subject.network.modules():
        if isinstance(module, HIDDEN):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.flatten(1)))
    with torch.no_grad():
        subject.network.eval()(x)
    if len(seen) < 2:
        raise DlgbenchError(f"probe linear_probes wants at least two hidden layers; {len(seen)} came")
    half, labels, scores = len(x) // 2, y.cpu().numpy(), []
    for output in seen:
        features = output.double().cpu().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            reader = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=100)).fit(features[:half], labels[:half])
        scores.append(float(reader.score(features[half:], labels[half:])))
    return {"hierarchy/first": scores[0], "hierarchy/last": scores[-1], "hierarchy/rise": scores[-1] - scores[0]}, {"hierarchy/by_layer": scores}
