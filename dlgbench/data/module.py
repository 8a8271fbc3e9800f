"""The splits of one training on its device, and the loader that hands out stacks of minibatches."""

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

from dlgbench.data.arrays import Arrays
from dlgbench.data.augmentation import AUGMENTATIONS, augmentation
from dlgbench.data.loading import load
from dlgbench.errors import DlgbenchError, unknown
from dlgbench.recipe import Recipe
from dlgbench.streams import stream


class MinibatchStack(NamedTuple):
    """k minibatches at once: a split on the device, and the rows of it that each one takes.

    Args:
        x, y: the whole split, (N, ...).
        rows: (k, B), the row numbers of each minibatch.
        augment: what a minibatch's inputs pass through.
    """

    x: Tensor
    y: Tensor
    rows: Tensor
    augment: Callable[[Tensor], Tensor] | None = None

    def minibatches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(x, y) of each minibatch."""
        for rows in self.rows:
            x = self.x[rows]
            yield self.augment(x) if self.augment else x, self.y[rows]


class MinibatchLoader:
    """Minibatches without a DataLoader's cost, in stacks: as many as lie between two evaluations.

    They are as many as the recipe has steps. Each epoch is a fresh permutation from the generator
    `order`; the last, incomplete minibatch of an epoch is filled from the next.
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
        minibatches = rows[:drawn].view(recipe.steps, recipe.batch_size).to(self.x.device)
        self.stacks = minibatches.split(math.ceil(recipe.steps / recipe.evaluations))

    def __iter__(self) -> Iterator[MinibatchStack]:
        for rows in self.stacks:
            yield MinibatchStack(self.x, self.y, rows, self.augment)

    def __len__(self) -> int:
        return len(self.stacks)


class FullBatchLoader:
    """A split as one batch."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.batch = (x, y)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield self.batch

    def __len__(self) -> int:
        return 1


class PlaceholderData(pl.LightningDataModule):
    """The data of a minimization: one row of zeros, for as many steps as the recipe has."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        super().__init__()
        self.recipe = recipe
        self.train = self.val = (torch.zeros(1, 1, device=device), torch.zeros(1, 1, device=device))

    def train_dataloader(self) -> MinibatchLoader:
        """Minibatches of the one row."""
        return MinibatchLoader(self.train, self.recipe.override(batch_size=1), torch.Generator())

    def val_dataloader(self) -> FullBatchLoader:
        """The row."""
        return FullBatchLoader(*self.val)

    test_dataloader = val_dataloader

    def test(self) -> tuple[Tensor, Tensor]:
        """The row."""
        return self.val


ARGUMENTS: dict[str, Any] = {
    "train": None,
    "val": None,
    "test": None,
    "shrink": 1,
    "standardize": True,
    "label_noise": 0.0,
    "augment": "none",
}

_SIZE = ("a whole number above 0", lambda v: v is None or (type(v) is int and v > 0))
EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "train": _SIZE,
    "val": _SIZE,
    "test": _SIZE,
    "shrink": ("a whole number above 0", lambda v: type(v) is int and v > 0),
    "label_noise": ("a share from 0 to 1", lambda v: isinstance(v, (int, float)) and 0 <= v <= 1),
}


@functools.lru_cache(maxsize=2)
def _pool(arrays: Arrays, name: str, shrink: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The pool on the device, from which all seeds draw; the last two are kept."""
    return _on_device(arrays.pool, name, shrink, device)


def forget_pools() -> None:
    """Frees the pools that are kept."""
    _pool.cache_clear()


def _on_device(
    split: tuple[np.ndarray, np.ndarray], name: str, shrink: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Inputs and targets on the device, images of bytes as numbers in [0, 1], and shrunk."""
    inputs, targets = (_as_tensor(array, device) for array in split)
    if shrink != 1:
        if inputs.dim() != 4 or inputs.shape[2] % shrink or inputs.shape[3] % shrink:
            raise DlgbenchError(
                f"data_args: shrink: expected images with sides that {shrink} divides, got inputs "
                f"of shape {tuple(inputs.shape[1:])} from {name}"
            )
        if targets.dim() > 2:
            wanted, came = "a target for each image", f"one for each pixel from {name}"
            raise DlgbenchError(f"data_args: shrink: expected {wanted}, got {came}")
        inputs = F.avg_pool2d(inputs, shrink)
    return inputs, targets


def _as_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.as_tensor(array).to(device)
    return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor


class DataModule(pl.LightningDataModule):
    """A recipe's data for one seed, on `device`.

    The stream `split` of the seed draws the training and the validation split from the pool. The
    test split opens once, and only where `may_test` is set: tuning never sees it. `data_args` of
    the recipe:

        train, val: the sizes of the two splits. By default validation gets a fifth of the pool, at
            most 10,000, and training the rest.
        test: how many examples of the test split are read, the first ones; by default all. It is
            for a rehearsal: the error of a few says little.
        shrink: the side of the squares of pixels that are averaged into one.
        standardize: the training split's mean is subtracted from all inputs, and they are divided
            by its standard deviation. If not, images keep [0, 1].
        label_noise: the share of the *training* labels that is drawn anew, uniformly over the
            classes.
        augment: `none`, `crop` (pad by 4 and cut at a random place) or `crop_flip` (and mirror half
            of them), of the training inputs, anew in each step.

    Attributes:
        train, val: the splits, x and y.
        pool, rows: the inputs from which all seeds draw, and the rows that are the training split:
            its x is (pool[rows] - mean) / sd.
        mean, sd: of the training inputs; 0 and 1 without `standardize`.

    Raises:
        DlgbenchError: for sizes that the pool does not hold, arguments that do not fit the data,
            and a test split that is opened twice or by tuning.
    """

    def __init__(self, recipe: Recipe, seed: int, device: torch.device, may_test: bool) -> None:
        super().__init__()
        assert recipe.data is not None
        self.recipe, self.seed, self.device, self.may_test = recipe, seed, device, may_test
        self._test: tuple[Tensor, Tensor] | None = None
        self._args = _checked_arguments(recipe)
        arrays = load(recipe.data)
        self.num_classes = arrays.num_classes
        rows, train = self._draw_rows(len(arrays.pool[0]))
        pool = _pool(arrays, recipe.data, self._args["shrink"], device)
        self.pool, self.rows = pool[0], rows[:train]
        x, y = (whole[rows] for whole in pool)
        self.mean, self.sd = 0.0, 1.0
        if self._args["standardize"]:
            self.mean, self.sd = float(x[:train].mean()), float(x[:train].std()) or 1.0
        x = self._standardize(x)
        self.train, self.val = (x[:train], self._add_noise(y[:train])), (x[train:], y[train:])
        self.input_shape = tuple(x.shape[1:])
        if self._args["augment"] != "none" and (x.dim() != 4 or y.dim() != 1):
            came = f"inputs of shape {self.input_shape} and targets of shape {tuple(y.shape[1:])}"
            raise DlgbenchError(
                f"data_args: augment: expected images with labels, got {came} from {recipe.data}"
            )

    def _draw_rows(self, pool: int) -> tuple[Tensor, int]:
        """The rows of the training and then the validation split, and how many are for training."""
        val = self._args["val"] if self._args["val"] is not None else min(pool // 5, 10_000)
        train = self._args["train"] if self._args["train"] is not None else pool - val
        if not 1 <= train <= pool - val:
            raise DlgbenchError(
                f"data_args: expected train and val of at most {pool} in all, the pool of "
                f"{self.recipe.data}, got train={train} and val={val}"
            )
        rows = torch.randperm(pool, generator=stream(self.seed, "split"))[: train + val]
        return rows.to(self.device), train

    def _standardize(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.sd

    def _add_noise(self, y: Tensor) -> Tensor:
        """The training labels, a share of them drawn anew by the stream `label_noise`."""
        share = self._args["label_noise"]
        if not share:
            return y
        if y.dim() != 1:
            raise DlgbenchError(
                f"data_args: label_noise: expected one label for each input, got targets of shape "
                f"{tuple(y.shape[1:])} from {self.recipe.data}"
            )
        random = stream(self.seed, "label_noise")
        drawn = torch.randint(0, self.num_classes, (len(y),), generator=random).to(self.device)
        replaced = (torch.rand(len(y), generator=random) < share).to(self.device)
        return torch.where(replaced, drawn, y)

    def train_dataloader(self) -> MinibatchLoader:
        """The recipe's minibatches; the streams `order` and `augment` draw and augment them."""
        order = stream(self.seed, "order", self.recipe.random_stream)
        random = stream(self.seed, "augment", self.recipe.random_stream)
        augment = augmentation(self._args["augment"], random)
        return MinibatchLoader(self.train, self.recipe, order, augment)

    def val_dataloader(self) -> FullBatchLoader:
        """The validation split, whole."""
        return FullBatchLoader(*self.val)

    def test_dataloader(self) -> FullBatchLoader:
        """The test split, whole, once."""
        if self._test is not None:
            raise _test_is_closed()
        return FullBatchLoader(*self.test())

    def test(self) -> tuple[Tensor, Tensor]:
        """The test split, for the evaluation and for the probes that come after it."""
        if not self.may_test:
            raise _test_is_closed()
        if self._test is None:
            name, shrink = str(self.recipe.data), self._args["shrink"]
            first, second = (array[: self._args["test"]] for array in load(name).test)
            x, y = _on_device((first, second), name, shrink, self.device)
            self._test = self._standardize(x), y
        return self._test


def _checked_arguments(recipe: Recipe) -> dict[str, Any]:
    """The recipe's `data_args` with the defaults."""
    for name in recipe.data_args:
        if name not in ARGUMENTS:
            raise unknown("argument", name, ARGUMENTS, "data_args")
    args = ARGUMENTS | dict(recipe.data_args)
    for name, (wanted, fits) in EXPECTED.items():
        if not fits(args[name]):
            raise DlgbenchError(f"data_args: {name}: expected {wanted}, got {args[name]!r}")
    if args["augment"] not in AUGMENTATIONS:
        raise unknown("augmentation", args["augment"], AUGMENTATIONS, "data_args: augment")
    return args


def _test_is_closed() -> DlgbenchError:
    return DlgbenchError(
        "the test split is closed: it opens once, for an evaluation, after the last step"
    )
