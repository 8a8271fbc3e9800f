"""Replaces a trick by the identity, a change that a claim about the trick must detect."""

from __future__ import annotations

from torch import nn

from dlgbench.errors import DlgbenchError


def replace_by_identity(network: nn.Module, name: str) -> None:
    """Replaces every layer of the class `name` by nn.Identity.

    Args:
        network: is changed in place.
        name: the name of the class, `Dropout` or `BatchNorm1d`.

    Raises:
        DlgbenchError: where the network has no such layer, since the sabotage would change nothing.
    """
    targets = [
        (parent, key)
        for parent in network.modules()
        for key, child in parent.named_children()
        if type(child).__name__ == name
    ]
    if not targets:
        classes = ", ".join(sorted({type(module).__name__ for module in network.modules()}))
        raise DlgbenchError(
            f"identity: expected a network with layers of class {name!r}, got one of {classes}"
        )
    for parent, key in targets:
        setattr(parent, key, nn.Identity())
