"""Which layers train and which evaluate, for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module, but: tuple[type[nn.Module], ...] = ()) -> Iterator[None]:
    """A block in which every layer evaluates `but` those of the given classes, which train; each layer's own mode comes back after it."""
    before = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in before:
            module.training = isinstance(module, but)
        yield
    finally:
        for module, was in before:
            module.training = was
