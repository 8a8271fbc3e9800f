"""Architectures by name: `create_model("mlp", hidden=(128, 128))` gives a torch nn.Module."""

from __future__ import annotations

from typing import Any

from torch import nn

from dlgbench.errors import DlgbenchError
from dlgbench.models import (  # noqa: F401  (they register themselves)
    alexnet,
    cifar_resnet,
    colorization,
    constant,
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
    pooled_convnet,
    pyramid,
    residual_stack,
    resnet,
    sketch,
    unet,
    vgg,
)
from dlgbench.registry import MODELS


def create_model(name: str, /, **args: Any) -> nn.Module:
    """A model by name, with its builder's keyword arguments.

    Raises:
        DlgbenchError: for an unknown name, or arguments that the builder does not take.
    """
    build = MODELS[name].build
    if args.get("num_classes", 1) < 1:
        raise DlgbenchError(
            f"model {name}: expected num_classes of at least 1, got {args['num_classes']}"
        )
    try:
        network = build(**args)
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise DlgbenchError(f"model {name} can't be built with {args}: {error}") from error
    if not isinstance(network, nn.Module):
        raise DlgbenchError(
            f"model {name}: expected its builder to return an nn.Module, got {network!r}"
        )
    return network
