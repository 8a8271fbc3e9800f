"""Replaces a trick by the identity: what a claim about the trick must then notice."""

from __future__ import annotations

from torch import nn

from dlgbench.errors import DlgbenchError


def replace_by_identity(network: nn.Module, name: str) -> None:
    """Replaces, in place, every layer whose class is called `name` (`Dropout`, `BatchNorm1d`) by nn.Identity.

    Raises:
        DlgbenchError: where the network has no such layer: a sabotage that hits nothing would prove nothing.
    """
    found = [
        (parent, key)
        for parent in network.modules()
        for key, child in parent.named_children()
        if type(child).__name__ == name
    ]
    if not found:
        known = sorted({type(module).__name__ for module in network.modules()})
        raise DlgbenchError(
            f"identity: the network has no layer of class {name!r} to replace; it has {', '.join(known)}"
        )
    for parent, key in found:
        setattr(parent, key, nn.Identity())
