"""Architectures by name: `create_model("mlp", hidden=(128, 128))` gives a torch nn.Module."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from dlgbench.errors import DlgbenchError, unknown


@dataclasses.dataclass(frozen=True)
class Model:
    """An entry of the registry: how it is built, where it comes from, what it is made for, and the test that proves it.

    `init` is how its weights begin where a recipe does not say (`dlgbench.layers.initialization`): `default` keeps what its constructor draws.
    `sides` are two sides of square inputs that it takes, for the tests over the registry.
    """

    name: str
    build: Callable[..., nn.Module]
    family: str
    year: int
    paper: str
    task: str = "classification"
    init: str = "he"
    sides: tuple[int, int] = (28, 36)
    proof: str = ""

    def default(self, argument: str) -> Any:
        """What the builder takes where `argument` (`input_shape`, `num_classes`, `width`) is not given; None where it has no such argument."""
        parameters = inspect.signature(self.build).parameters
        return parameters[argument].default if argument in parameters else None


MODELS: dict[str, Model] = {}


def register_model(
    name: str,
    *,
    family: str,
    year: int,
    paper: str,
    task: str = "classification",
    init: str = "he",
    sides: tuple[int, int] = (28, 36),
    proof: str = "",
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Registers a builder `f(input_shape=(C, H, W), num_classes=10, *, width=1.0, ...) -> nn.Module` under a name.

    Raises:
        DlgbenchError: where the name is taken.
    """

    def register(builder: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        if name in MODELS:
            raise DlgbenchError(
                f"model {name!r} is registered twice: by {MODELS[name].build.__module__} and by {builder.__module__}"
            )
        MODELS[name] = Model(name, builder, family, year, paper, task, init, sides, proof)
        return builder

    return register


def create_model(name: str, /, **args: Any) -> nn.Module:
    """A model by name, with its builder's keyword arguments.

    Raises:
        DlgbenchError: for a name that is not registered or arguments that the builder does not take.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    if args.get("num_classes", 1) < 1:
        raise DlgbenchError(
            f"model {name}: num_classes of at least 1 is wanted; {args['num_classes']} came"
        )
    try:
        return MODELS[name].build(**args)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise DlgbenchError(f"model {name} can't be built with {args}: {error}") from error


from dlgbench.models import (  # noqa: E402, F401  (they register themselves)
    alexnet,
    cifar_resnet,
    colorization,
    context,
    conv_stack,
    densenet,
    encoder_decoder,
    fcn,
    function,
    googlenet,
    lecture_convnet,
    lenet,
    linear,
    mlp,
    pyramid,
    resnet,
    sketch,
    unet,
    vgg,
)
