"""The splits of one training on its device, and the loader that hands out stacks of minibatch indices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

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
    """Minibatches without a DataLoader's cost: `steps` of them, `at_once` to the stack.

    Each epoch is a fresh permutation from the `order` stream; the last, incomplete minibatch of an epoch is filled from the next.
    """

    def __init__(self, x: Tensor, y: Tensor, batch_size: int, steps: int, at_once: int, order: torch.Generator) -> None:
        self.x, self.y, self.at_once = x, y, at_once
        epochs = -(-steps * batch_size // len(x))
        rows = torch.cat([torch.randperm(len(x), generator=order) for _ in range(epochs)])
        self.rows = rows[: steps * batch_size].view(steps, batch_size).to(x.device)

    def __iter__(self) -> Iterator[Stack]:
        for rows in self.rows.split(self.at_once):
            yield Stack(self.x, self.y, rows)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.at_once)


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
    validation, and the rest). Inputs are standardized by the training split's mean and standard deviation.
    The test split opens once, and only where `may_test` is set: tuning never sees it.

    Raises:
        DlgbenchError: for sizes that the pool does not hold, and for a test split that is asked for twice or by a tuning.
    """

    def __init__(self, recipe: Recipe, seed: int, device: torch.device, may_test: bool) -> None:
        super().__init__()
        assert recipe.data is not None
        self.recipe, self.seed, self.device, self.may_test = recipe, seed, device, may_test
        arrays = load(recipe.data)
        sizes = dict(recipe.data_args)
        pool = len(arrays.pool[0])
        val = sizes.pop("val", min(pool // 5, 10_000))
        train = sizes.pop("train", pool - val)
        if sizes:
            raise DlgbenchError(f"data_args: train and val are known; {', '.join(sizes)} came")
        if not 1 <= train <= pool - val or val < 1:
            raise DlgbenchError(f"data set {recipe.data}: its pool of {pool} can't give train={train} and val={val}")
        rows = torch.randperm(pool, generator=stream(seed, "split")).numpy()
        self._mean, self._sd = 0.0, 1.0
        x = torch.as_tensor(arrays.pool[0][rows[:train]]).float()
        self._mean, self._sd = float(x.mean()), float(x.std()) or 1.0
        self.train = self._placed(arrays.pool[0][rows[:train]], arrays.pool[1][rows[:train]])
        self.val = self._placed(arrays.pool[0][rows[train : train + val]], arrays.pool[1][rows[train : train + val]])
        self.input_shape = tuple(self.train[0].shape[1:])
        self.num_classes = arrays.num_classes

    def _placed(self, x, y) -> tuple[Tensor, Tensor]:  # noqa: ANN001  (numpy arrays of any type)
        inputs = (torch.as_tensor(x).to(self.device).float() - self._mean) / self._sd
        return inputs, torch.as_tensor(y).to(self.device)

    def train_dataloader(self) -> StackLoader:
        """The recipe's steps, as many at once as lie between two evaluations."""
        recipe = self.recipe
        order = stream(self.seed, "order", recipe.replicate)
        return StackLoader(*self.train, recipe.batch_size, recipe.steps, at_once(recipe), order)

    def val_dataloader(self) -> Whole:
        """The validation split, whole."""
        return Whole(*self.val)

    def test_dataloader(self) -> Whole:
        """The test split, whole, once."""
        if not self.may_test:
            raise DlgbenchError("the test split is closed: it opens once, for an evaluation, after the last step")
        self.may_test = False
        return Whole(*self._placed(*load(str(self.recipe.data)).test))


def at_once(recipe: Recipe) -> int:
    """Optimizer steps between two evaluations."""
    return -(-recipe.steps // recipe.evaluations)
