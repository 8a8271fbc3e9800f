"""Which layers train and which evaluate, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module, keep: tuple[type[nn.Module], ...] = ()) -> Iterator[None]:
    """A block in which every layer evaluates, except those of the classes in `keep`, which train.

    Each layer's own mode comes back after the block.
    """
    before = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in before:
            module.training = isinstance(module, keep)
        yield
    finally:
        for module, was in before:
            module.training = was
