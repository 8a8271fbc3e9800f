"""The splits of one training on its device, and the loader that hands out stacks of minibatch indices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from dlgbench.data import load
from dlgbench.errors import DlgbenchError
from dlgbench.recipe import Recipe
from dlgbench.streams import stream


class Stack(NamedTuple):
    """k minibatches at once: a whole split on the device, and the rows (k, B) of each minibatch."""

    x: Tensor  # (N, ...)
    y: Tensor  # (N,)
    rows: Tensor  # (k, B)


class StackLoader:
    """Minibatches without a DataLoader's cost: the recipe's steps, as many to the stack as lie between two evaluations.

    Each epoch is a fresh permutation from the `order` stream; the last, incomplete minibatch of an epoch is filled from the next.
    """

    def __init__(self, split: tuple[Tensor, Tensor], recipe: Recipe, order: torch.Generator) -> None:
        self.x, self.y = split
        drawn = recipe.steps * recipe.batch_size
        epochs = math.ceil(drawn / len(self.x))
        rows = torch.cat([torch.randperm(len(self.x), generator=order) for _ in range(epochs)])
        self.stacks = rows[:drawn].view(recipe.steps, recipe.batch_size).to(self.x.device).split(math.ceil(recipe.steps / recipe.evaluations))

    def __iter__(self) -> Iterator[Stack]:
        for rows in self.stacks:
            yield Stack(self.x, self.y, rows)

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


class DataModule(pl.LightningDataModule):
    """A recipe's data for one seed: training and validation split drawn from the pool by the `split` stream, on `device`.

    `data_args` of the recipe: `train` and `val`, the sizes of the two (default: a fifth of the pool, at most 10,000, for
    validation, and the rest); `shrink`, the side of the squares of pixels that are averaged into one.
    Inputs are standardized by the training split's mean and standard deviation.
    The test split opens once, and only where `may_test` is set: tuning never sees it.

    Raises:
        DlgbenchError: for sizes that the pool does not hold, and for a test split that is asked for twice or by a tuning.
    """

    def __init__(self, recipe: Recipe, seed: int, device: torch.device, may_test: bool) -> None:
        super().__init__()
        assert recipe.data is not None
        self.recipe, self.seed, self.device, self.may_test = recipe, seed, device, may_test
        arrays = load(recipe.data)
        given = dict(recipe.data_args)
        pool = len(arrays.pool[0])
        val = given.pop("val", min(pool // 5, 10_000))
        train = given.pop("train", pool - val)
        self._shrink = given.pop("shrink", 1)
        if given:
            raise DlgbenchError(f"data_args: train, val and shrink are known; {', '.join(given)} came")
        if not 1 <= train <= pool - val or val < 1:
            raise DlgbenchError(f"data set {recipe.data}: its pool of {pool} can't give train={train} and val={val}")
        rows = torch.randperm(pool, generator=stream(seed, "split"))[: train + val].numpy()
        x, y = self._placed(arrays.pool[0][rows], arrays.pool[1][rows])
        self._mean, self._sd = float(x[:train].mean()), float(x[:train].std()) or 1.0
        self._standardize(x)
        self.train, self.val = (x[:train], y[:train]), (x[train:], y[train:])
        self.input_shape = tuple(self.train[0].shape[1:])
        self.num_classes = arrays.num_classes

    def _placed(self, x: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
        inputs = torch.as_tensor(x).to(self.device).float()
        if self._shrink != 1:
            if inputs.dim() != 4 or inputs.shape[2] % self._shrink or inputs.shape[3] % self._shrink:
                raise DlgbenchError(f"data_args: inputs of shape {tuple(inputs.shape[1:])} can't be shrunk by {self._shrink}")
            inputs = F.avg_pool2d(inputs, self._shrink)
        return inputs, torch.as_tensor(y).to(self.device)

    def _standardize(self, x: Tensor) -> None:
        x.sub_(self._mean).div_(self._sd)

    def train_dataloader(self) -> StackLoader:
        """The recipe's minibatches, from the `order` stream."""
        return StackLoader(self.train, self.recipe, stream(self.seed, "order", self.recipe.replicate))

    def val_dataloader(self) -> Whole:
        """The validation split, whole."""
        return Whole(*self.val)

    def test_dataloader(self) -> Whole:
        """The test split, whole, once."""
        if not self.may_test:
            raise DlgbenchError("the test split is closed: it opens once, for an evaluation, after the last step")
        self.may_test = False
        x, y = self._placed(*load(str(self.recipe.data)).test)
        self._standardize(x)
        return Whole(x, y)
