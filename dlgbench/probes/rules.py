"""What each step of a network does to the axes of its feature maps.

Slide "Receptive field arithmetic".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.modules import activation, batchnorm, dropout, instancenorm, normalization

from dlgbench.errors import DlgbenchError
from dlgbench.layers.activations import is_hidden
from dlgbench.layers.locally_connected import LocallyConnected2d
from dlgbench.layers.upsampling import ZeroInsertion
from dlgbench.probes.feature_maps import Axis, interleaved, joined

Plane = tuple[Axis, Axis]  # rows, columns
# The arguments of a function, or the attributes of a layer, by name; with "x", its first input, and
# "y", its output.
Step = Mapping[str, Any]
# Planes of the inputs, and the step, to the plane of the output; None where the spatial axes end.
Rule = Callable[[list[Plane], Step], Plane | None]


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


def _along(plane: Plane, move: Callable[..., Axis], *values: int | Sequence[int]) -> Plane:
    """Moves rows and columns, each with its own part of the values."""
    rows, columns = zip(*map(_pair, values), strict=True)
    return move(plane[0], *rows), move(plane[1], *columns)


def pointwise(planes: list[Plane], _step: Step) -> Plane:
    """A unit sees what the input's units at its place see."""
    rows, columns = zip(*planes, strict=True)
    return joined(rows), joined(columns)


def _pooling(_planes: list[Plane], _step: Step) -> None:
    """The spatial axes end in a few numbers, or one, for each channel."""


def _reduction(planes: list[Plane], step: Step) -> Plane | None:
    return planes[0] if step["y"].shape[2:] == step["x"].shape[2:] else None


def _window(planes: list[Plane], step: Step) -> Plane:
    kernel = _pair(step["kernel_size"] if "kernel_size" in step else step["weight"].shape[-2:])
    stride = step.get("stride") or (1 if "weight" in step else kernel)
    dilation, margin = _pair(step.get("dilation", 1)), step.get("padding", 0)
    if "margins" in step:
        margin = step["margins"][0]
    if isinstance(margin, str):
        sides = zip(kernel, dilation, strict=True)
        margin = [d * (k - 1) // 2 if margin == "same" else 0 for k, d in sides]
    return _along(planes[0], Axis.window, kernel, stride, dilation, margin)


def _transposed(planes: list[Plane], step: Step) -> Plane:
    kernel = step["kernel_size"] if "kernel_size" in step else step["weight"].shape[-2:]
    stride, dilation = step.get("stride", 1), step.get("dilation", 1)
    return _along(planes[0], Axis.transposed, kernel, stride, dilation, step.get("padding", 0))


def _interpolation(planes: list[Plane], step: Step) -> Plane:
    """Up-sampling by a factor s.

    Nearest: s pixels see one. Bilinear: a tent of 2 s - 1 taps, or of 2 s where s is even, since
    then no tap falls on its zeros.
    """
    (height, width), (rows, columns) = step["y"].shape[2:], step["x"].shape[2:]
    mode, factors = step.get("mode", "nearest"), (height // rows, width // columns)
    if (height, width) != (rows * factors[0], columns * factors[1]):
        raise DlgbenchError(
            f"expected up-sampling by an integer factor, got {rows}x{columns} to {height}x{width}"
        )
    if mode == "bilinear" and not step.get("align_corners"):
        kernel = [2 * factor - factor % 2 for factor in factors]
        margin = [(k - s) // 2 for k, s in zip(kernel, factors, strict=True)]
        return _along(planes[0], Axis.transposed, kernel, factors, 1, margin)
    if mode in ("nearest", "nearest-exact"):
        return _along(planes[0], Axis.transposed, factors, factors)
    raise DlgbenchError(
        f"expected interpolation nearest, or bilinear without align_corners, got {mode}"
    )


def _shuffle(planes: list[Plane], step: Step) -> Plane:
    before, after = step["x"].shape[2], step["y"].shape[2]
    if after > before:
        return _along(planes[0], Axis.transposed, after // before, after // before)
    return _along(planes[0], Axis.window, before // after, before // after)


def _zero_insertion(planes: list[Plane], step: Step) -> Plane:
    return _along(planes[0], Axis.transposed, 1, step["factor"])


def _padding(planes: list[Plane], step: Step) -> Plane:
    margins = step["pad"] if "pad" in step else step["padding"]
    left, _, top, _ = (*margins, 0, 0)[:4]  # left, right, top, bottom
    return _along(planes[0], Axis.window, 1, 1, 1, [top, left])


def _slice(planes: list[Plane], step: Step) -> Plane | None:
    x, index = step["x"], step["index"]
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in index:
        gap = index.index(Ellipsis)
        missing = x.dim() - len(index) + 1
        index = (*index[:gap], *[slice(None)] * missing, *index[gap + 1 :])
    index = (*index, *[slice(None)] * (x.dim() - len(index)))
    if not step["y"].numel():
        return None
    if x.dim() != 4 or not all(isinstance(part, slice) for part in index):
        raise DlgbenchError(f"expected slices of rows, columns and channels, got {index}")
    sliced = zip(index[2:], x.shape[2:], strict=True)
    starts, _, strides = zip(*(part.indices(side) for part, side in sliced), strict=True)
    return _along(planes[0], Axis.window, 1, strides, 1, [-start for start in starts])


def _cat(planes: list[Plane], step: Step) -> Plane:
    if step["y"].shape[2:] == step["x"][0].shape[2:]:  # along channels, or nothing is appended
        return pointwise(planes, step)
    raise DlgbenchError(
        "expected a concatenation along the channels, got one along rows or columns"
    )


def _stack(planes: list[Plane], step: Step) -> Plane:
    if step["y"].shape[:4] != step["x"][0].shape or len(planes) != len(step["x"]):
        shape = tuple(step["y"].shape)
        raise DlgbenchError(f"expected a stack along a new last axis, got one of shape {shape}")
    rows, columns = zip(*planes, strict=True)
    return joined(rows), interleaved(columns)


def flattening(planes: list[Plane], step: Step) -> Plane | None:
    """The spatial axes end in vectors; but a stack is flattened to a map again."""
    if step["x"].dim() == 5 and step["x"].shape[:3] == step["y"].shape[:3]:
        return planes[0]
    if step["y"].dim() > 2:
        shape = tuple(step["y"].shape)
        raise DlgbenchError(f"expected a map to be flattened to (B, units), got shape {shape}")
    return None


def _transposition(planes: list[Plane], step: Step) -> Plane:
    dims = step["dim0"], step["dim1"]
    if {dim % 4 for dim in dims} != {2, 3}:
        raise DlgbenchError(
            "expected a transposition of rows and columns, "
            f"got one of dimensions {dims[0]} and {dims[1]}"
        )
    return planes[0][::-1]


_FAMILIES = (activation, batchnorm, dropout, instancenorm, normalization)
# Layers whose unit sees the unit before it. What a normalization's statistics see is not counted.
_POINTWISE: tuple[type[nn.Module], ...] = (
    nn.Identity,
    *(
        getattr(family, name)
        for family in _FAMILIES
        for name in family.__all__
        if name != "MultiheadAttention"
    ),
)
_LAYERS: dict[tuple[type[nn.Module], ...], Rule] = {
    (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, LocallyConnected2d): _window,
    (nn.ConvTranspose2d,): _transposed,
    (nn.Upsample,): _interpolation,
    (ZeroInsertion,): _zero_insertion,
    (nn.PixelShuffle, nn.PixelUnshuffle): _shuffle,
    (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d): _padding,
    (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d): _pooling,
    (nn.Flatten, nn.Linear): flattening,
    _POINTWISE: pointwise,
}
_POINTWISE_FUNCTIONS = """
    abs add clamp clone contiguous detach div double dropout dropout2d elu exp expand float gelu
    hardtanh iadd idiv imul isub itruediv leaky_relu log log_softmax maximum minimum mul neg pow
    relu relu6 sigmoid sign silu softmax softplus sqrt square sub tanh to truediv where batch_norm
    group_norm instance_norm layer_norm
"""
_FUNCTIONS: dict[str, Rule] = {
    name: rule
    for names, rule in {
        "conv2d max_pool2d avg_pool2d": _window,
        "conv_transpose2d": _transposed,
        "interpolate": _interpolation,
        "pixel_shuffle pixel_unshuffle": _shuffle,
        "pad": _padding,
        "getitem": _slice,
        "cat": _cat,
        "stack": _stack,
        "transpose": _transposition,
        "laplacian_reduce": lambda planes, _: _along(planes[0], Axis.window, 5, 2, 1, 2),
        "laplacian_expand": lambda planes, _: _along(planes[0], Axis.transposed, 5, 2, 1, 2),
        "amax amin max mean min norm std sum var": _reduction,
        "adaptive_avg_pool2d adaptive_max_pool2d": _pooling,
        "flatten linear permute reshape squeeze view": flattening,
        _POINTWISE_FUNCTIONS: pointwise,
    }.items()
    for name in names.split()
}
_NAMES = {  # of the functions' positional arguments, from the second on
    "conv2d": "weight bias stride padding dilation",
    "conv_transpose2d": "weight bias stride padding output_padding groups dilation",
    "max_pool2d": "kernel_size stride padding dilation",
    "avg_pool2d": "kernel_size stride padding",
    "interpolate": "size scale_factor mode align_corners",
    "pad": "pad",
    "getitem": "index",
    "transpose": "dim0 dim1",
}
WINDOWED = (_window, _transposed, _interpolation, _shuffle, _zero_insertion)


def is_pointwise(module: nn.Module) -> bool:
    """Whether a layer acts on each unit alone: activation, own ones too, dropout, or norm."""
    return isinstance(module, _POINTWISE) or is_hidden(module)


def layer_rule(module: nn.Module) -> Rule | None:
    """The rule of a layer; None where there is none."""
    for kinds, rule in _LAYERS.items():
        if isinstance(module, kinds):
            return rule
    return pointwise if is_hidden(module) else None


def function_rule(name: str, args: tuple[Any, ...]) -> tuple[Rule, dict[str, Any]]:
    """The rule of a function or method of tensors, and its arguments by name.

    Raises:
        DlgbenchError: where there is none.
    """
    if name not in _FUNCTIONS:
        raise DlgbenchError(f"expected steps that dlgbench.probes.rules knows, got function {name}")
    return _FUNCTIONS[name], dict(zip(["x", *_NAMES.get(name, "").split()], args, strict=False))
