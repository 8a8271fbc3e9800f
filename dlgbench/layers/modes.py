"""Switches layers between training and evaluation for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module, keep: tuple[type[nn.Module], ...] = ()) -> Iterator[None]:
    """A block in which all layers are in evaluation mode.

    After the block every layer is in its previous mode again.

    Args:
        network: the network whose layers are switched.
        keep: layers of these classes are in training mode inside the block.
    """
    before = [(module, module.training) for module in network.modules()]
    try:
        for module, _ in before:
            module.training = isinstance(module, keep)
        yield
    finally:
        for module, was_training in before:
            module.training = was_training
