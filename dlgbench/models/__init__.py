"""Architectures by name: `create_model("mlp", hidden=(128, 128))` gives a torch nn.Module."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from dlgbench.errors import DlgbenchError, unknown


@dataclasses.dataclass(frozen=True)
class Model:
    """An entry of the registry: how it is built, and where it comes from."""

    name: str
    build: Callable[..., nn.Module]
    family: str
    year: int
    paper: str


MODELS: dict[str, Model] = {}


def register_model(name: str, *, family: str, year: int, paper: str) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Registers a builder `f(input_shape=(C, H, W), num_classes=10, ...) -> nn.Module` under a name.

    Raises:
        DlgbenchError: where the name is taken.
    """

    def register(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in MODELS:
            raise DlgbenchError(f"model {name!r} is registered twice: by {MODELS[name].build.__module__} and by {builder.__module__}")
        MODELS[name] = Model(name, builder, family, year, paper)
        return builder

    return register


def create_model(name: str, **args: Any) -> nn.Module:
    """A model by name, with its builder's keyword arguments.

    Raises:
        DlgbenchError: for a name that is not registered or arguments that the builder does not take.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    try:
        return MODELS[name].build(**args)
    except TypeError as error:
        raise DlgbenchError(f"model {name}: {error}") from error


from dlgbench.models import conv_stack, mlp  # noqa: E402, F401  (they register themselves)
