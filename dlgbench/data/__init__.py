"""Data sets by name: `load("mnist5k")` gives arrays, `module.DataModule` the splits of a seed.

A data set is a function that returns `Arrays`, registered with `register_data`. Its test split is
fixed; the training and validation splits are drawn from its pool, anew by each seed. Nothing here
needs torch but `module` and `augmentation`, which are imported where networks are trained.
"""

from dlgbench.data import (  # noqa: F401  (they register themselves)
    canvases,
    cifar,
    constant,
    images,
    perturbations,
    photographs,
    placed,
    placed_mnist,
    polynomial,
    strokes,
    toys,
)
from dlgbench.data.loading import data_root, load

__all__ = ["data_root", "load"]
