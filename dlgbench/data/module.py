"""The splits of one training on its device, and the loader that hands out stacks of minibatch indices."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from dlgbench.data import load
from dlgbench.data.arrays import Arrays
from dlgbench.data.augmentation import AUGMENTATIONS, augmentation
from dlgbench.errors import DlgbenchError, unknown
from dlgbench.recipe import Recipe
from dlgbench.streams import stream


class Stack(NamedTuple):
    """k minibatches at once: a whole split on the device, the rows (k, B) of each minibatch, and the augmentation of its inputs."""

    x: Tensor  # (N, ...)
    y: Tensor  # (N, ...)
    rows: Tensor  # (k, B)
    augment: Callable[[Tensor], Tensor] | None = None

    def minibatches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(x, y) of each minibatch."""
        for rows in self.rows:
            x = self.x[rows]
            yield self.augment(x) if self.augment else x, self.y[rows]


class StackLoader:
    """Minibatches without a DataLoader's cost: the recipe's steps, as many to the stack as lie between two evaluations.

    Each epoch is a fresh permutation from the `order` stream; the last, incomplete minibatch of an epoch is filled from the next.
    """

    def __init__(
        self,
        split: tuple[Tensor, Tensor],
        recipe: Recipe,
        order: torch.Generator,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.x, self.y = split
        self.augment = augment
        drawn = recipe.steps * recipe.batch_size
        epochs = math.ceil(drawn / len(self.x))
        rows = torch.cat([torch.randperm(len(self.x), generator=order) for _ in range(epochs)])
        self.stacks = (
            rows[:drawn]
            .view(recipe.steps, recipe.batch_size)
            .to(self.x.device)
            .split(math.ceil(recipe.steps / recipe.evaluations))
        )

    def __iter__(self) -> Iterator[Stack]:
        for rows in self.stacks:
            yield Stack(self.x, self.y, rows, self.augment)

    def __len__(self) -> int:
        return len(self.stacks)


class Whole:
    """A split as one batch."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.batch = (x, y)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield self.batch

    def __len__(self) -> int:
        return 1


class Nothing(pl.LightningDataModule):
    """The data of a minimization: a single row that says nothing, for as many steps as the recipe has."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.recipe = recipe
        self.train = self.val = (torch.zeros(1, 1, device=device), torch.zeros(1, 1, device=device))

    def train_dataloader(self) -> StackLoader:
        """Minibatches of the one row."""
        return StackLoader(self.train, self.recipe.override(batch_size=1), torch.Generator())

    def val_dataloader(self) -> Whole:
        """The row."""
        return Whole(*self.val)

    test_dataloader = val_dataloader


ARGUMENTS: dict[str, Any] = {
    "train": None,
    "val": None,
    "shrink": 1,
    "standardize": True,
    "label_noise": 0.0,
    "augment": "none",
}

_SIZE = ("a whole number above 0", lambda v: v is None or (type(v) is int and v > 0))
WANTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "train": _SIZE,
    "val": _SIZE,
    "shrink": ("a whole number above 0", lambda v: type(v) is int and v > 0),
    "label_noise": ("a share from 0 to 1", lambda v: isinstance(v, (int, float)) and 0 <= v <= 1),
}


@functools.lru_cache(maxsize=2)
def _pool(arrays: Arrays, name: str, shrink: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The pool on the device, which all seeds draw from: made once for a run of cells of one kind."""
    return _placed(arrays.pool, name, shrink, device)


def _placed(
    split: tuple[np.ndarray, np.ndarray], name: str, shrink: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Inputs and targets on the device: images of bytes become numbers in [0, 1], and are shrunk."""
    inputs, targets = (_numbers(array, device) for array in split)
    if shrink != 1:
        if inputs.dim() != 4 or inputs.shape[2] % shrink or inputs.shape[3] % shrink:
            raise DlgbenchError(
                f"data_args: inputs of shape {tuple(inputs.shape[1:])} can't be shrunk by {shrink}"
            )
        if targets.dim() > 2:
            raise DlgbenchError(
                f"data_args: {name} has a target for each pixel, which can't be shrunk"
            )
        inputs = F.avg_pool2d(inputs, shrink)
    return inputs, targets


def _numbers(array: np.ndarray, device: torch.device) -> Tensor:
    placed = torch.as_tensor(array).to(device)
    return placed.float() / 255 if placed.dtype == torch.uint8 else placed


class DataModule(pl.LightningDataModule):
    """A recipe's data for one seed: training and validation split drawn from the pool by the `split` stream, on `device`.

    `data_args` of the recipe:
        train, val: the sizes of the two (default: a fifth of the pool, at most 10,000, for validation, and the rest).
        shrink: the side of the squares of pixels that are averaged into one.
        standardize: inputs lose the training split's mean and are divided by its standard deviation; if not, images keep [0, 1].
        label_noise: the share of the *training* labels that is drawn anew, uniformly over the classes.
        augment: `none`, `crop` (pad by 4, cut at random) or `crop_flip`, of the training inputs, anew in each step.
    The test split opens once, and only where `may_test` is set: tuning never sees it.

    Raises:
        DlgbenchError: for sizes that the pool does not hold, arguments that do not fit the data, and for a test split that is asked for
            twice or by a tuning.
    """

    def __init__(self, recipe: Recipe, seed: int, device: torch.device, may_test: bool) -> None:
        super().__init__()
        assert recipe.data is not None
        self.recipe, self.seed, self.device, self.may_test = recipe, seed, device, may_test
        self._test: tuple[Tensor, Tensor] | None = None
        for name in recipe.data_args:
            if name not in ARGUMENTS:
                raise unknown("argument", name, ARGUMENTS, "data_args")
        self._args = ARGUMENTS | dict(recipe.data_args)
        for name, (wanted, fits) in WANTED.items():
            if not fits(self._args[name]):
                raise DlgbenchError(
                    f"data_args: {name} must be {wanted}; {self._args[name]!r} came"
                )
        arrays = load(recipe.data)
        self.num_classes = arrays.num_classes
        rows, train = self._draw(len(arrays.pool[0]))
        x, y = (whole[rows] for whole in _pool(arrays, recipe.data, self._args["shrink"], device))
        self._mean, self._sd = (
            (float(x[:train].mean()), float(x[:train].std()) or 1.0)
            if self._args["standardize"]
            else (0.0, 1.0)
        )
        x = self._standardized(x)
        self.train, self.val = (x[:train], self._noisy(y[:train])), (x[train:], y[train:])
        self.input_shape = tuple(x.shape[1:])
        if self._args["augment"] not in AUGMENTATIONS:
            raise unknown("augmentation", self._args["augment"], AUGMENTATIONS)
        if self._args["augment"] != "none" and (x.dim() != 4 or y.dim() != 1):
            raise DlgbenchError(
                f"data_args: augment wants images with labels; {recipe.data} has inputs {self.input_shape} and targets {tuple(y.shape[1:])}"
            )

    def _draw(self, pool: int) -> tuple[Tensor, int]:
        """The rows of the training and the validation split, and how many of them are for training."""
        val = self._args["val"] if self._args["val"] is not None else min(pool // 5, 10_000)
        train = self._args["train"] if self._args["train"] is not None else pool - val
        if not 1 <= train <= pool - val:
            raise DlgbenchError(
                f"data set {self.recipe.data}: its pool of {pool} can't give train={train} and val={val}"
            )
        return torch.randperm(pool, generator=stream(self.seed, "split"))[: train + val].to(
            self.device
        ), train

    def _standardized(self, x: Tensor) -> Tensor:
        return (x - self._mean) / self._sd

    def _noisy(self, y: Tensor) -> Tensor:
        """The training labels, a share of them drawn anew by the `label_noise` stream."""
        share = self._args["label_noise"]
        if not share:
            return y
        if y.dim() != 1:
            raise DlgbenchError(
                f"data_args: label_noise wants one label for each input; {self.recipe.data} has targets of shape {tuple(y.shape[1:])}"
            )
        random = stream(self.seed, "label_noise")
        drawn = torch.randint(0, self.num_classes, (len(y),), generator=random)
        return torch.where(
            (torch.rand(len(y), generator=random) < share).to(self.device), drawn.to(self.device), y
        )

    def train_dataloader(self) -> StackLoader:
        """The recipe's minibatches, from the `order` stream; what augments them draws from the stream `augment`."""
        order, random = (
            stream(self.seed, name, self.recipe.random_stream) for name in ("order", "augment")
        )
        return StackLoader(
            self.train, self.recipe, order, augmentation(self._args["augment"], random)
        )

    def val_dataloader(self) -> Whole:
        """The validation split, whole."""
        return Whole(*self.val)

    def test_dataloader(self) -> Whole:
        """The test split, whole, once."""
        if not self.may_test or self._test is not None:
            raise DlgbenchError(
                "the test split is closed: it opens once, for an evaluation, after the last step"
            )
        return Whole(*self.test())

    def test(self) -> tuple[Tensor, Tensor]:
        """The test split, for the evaluation and for the probes that come after it."""
        if not self.may_test:
            raise DlgbenchError(
                "the test split is closed: it opens once, for an evaluation, after the last step"
            )
        if self._test is None:
            x, y = _placed(
                load(str(self.recipe.data)).test,
                str(self.recipe.data),
                self._args["shrink"],
                self.device,
            )
            self._test = self._standardized(x), y
        return self._test
