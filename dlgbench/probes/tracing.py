"""A network's last feature map and the pixels its units depend on, by symbolic tracing.

Slide "Receptive field arithmetic".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from dlgbench.errors import DlgbenchError
from dlgbench.layers import pyramids
from dlgbench.layers.modes import evaluating
from dlgbench.probes.feature_maps import Axis
from dlgbench.probes.rules import WINDOWED, Plane, flattening, function_rule, layer_rule, pointwise
from dlgbench.probes.subject import on_meta


class Trunk(NamedTuple):
    """`network` up to its last feature map, (1, C, H, W) -> (1, C', H', W'), and the map's axes."""

    network: fx.GraphModule
    rows: Axis
    columns: Axis


def trunk(network: nn.Module, input_shape: Sequence[int]) -> Trunk | None:
    """A network in evaluation mode up to its last feature map; None where it has none.

    It has none where no step is a window, and where windows follow a flattened map, as in a decoder
    of a code: a unit of the output then depends on the whole image.

    The last feature map is the output, or the map at which the spatial axes end before it. Windows,
    up-samplings, paddings and slices change what a unit sees, as `Axis` says. Steps that act on
    each unit alone do not: activation, dropout, and normalization, whose statistics are not
    counted. Sums and concatenations see all that their parts see. The spatial axes end at Flatten,
    and at adaptive or global pooling. Only shapes are computed, which takes an instant, also on the
    device "meta".

    Raises:
        DlgbenchError: for a network that can't be traced, or a step of it that is not known
            (`dlgbench.probes.rules`).
    """
    if len(input_shape) != 3:
        return None
    name = type(network).__name__
    dtype = next((p.dtype for p in network.parameters()), None)
    try:
        with evaluating(network):
            graph = _Tracer().trace(network)
            follower = _Follower(fx.GraphModule(on_meta(network), graph))
            follower.run(torch.empty((1, *input_shape), dtype=dtype, device="meta"))
    except DlgbenchError as error:
        raise DlgbenchError(f"receptive field of {name}: {error}") from None
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise DlgbenchError(
            "receptive field: expected a network that torch.fx can trace, and inputs that fit it, "
            f"got {name} with inputs of shape {tuple(input_shape)}: {error}"
        ) from error
    if not follower.windows or follower.decodes or follower.last is None:
        return None
    graph.output_node().args = (follower.last,)
    graph.eliminate_dead_code()
    return Trunk(fx.GraphModule(network, graph).eval(), *follower.planes[follower.last])


class _Tracer(fx.Tracer):
    """Traces into every layer but those that have a rule."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(pyramids.laplacian_reduce, pyramids.laplacian_expand))
        self._autowrap_search.append(pyramids)  # where they are called

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return layer_rule(m) is not None or super().is_leaf_module(m, module_qualified_name)


class _Follower(fx.Interpreter):
    """Runs a graph, and records the plane of each feature map beside its value."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.planes: dict[fx.Node, Plane] = {}
        # The map at which the spatial axes ended last; the output, if it is a map.
        self.last: fx.Node | None = None
        self.windows = False
        # Results of a flattened map; they are not run, so that images of any size pass.
        self.vectors: set[fx.Node] = set()
        self.decodes = False  # whether a window acts on such a result

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What the layer returns; of a pointwise layer its input, since only its shape matters."""
        if layer_rule(self.fetch_attr(target)) is pointwise:
            return args[0]
        return super().call_module(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        """The node's value."""
        if not self.vectors.isdisjoint(n.all_input_nodes):
            self.vectors.add(n)
            layer = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
            self.decodes |= layer is not None and layer_rule(layer) in WINDOWED
            return None
        y = super().run_node(n)
        sources = [source for source in n.all_input_nodes if source in self.planes]
        if n.op == "placeholder":
            self.planes[n] = Axis(), Axis()
        elif n.op == "output":
            self.last = sources[0] if sources else self.last
        elif sources and isinstance(y, Tensor | tuple) and not isinstance(y, torch.Size):
            self._follow(n, sources, y)
        return y

    def _follow(self, n: fx.Node, sources: list[fx.Node], y: Any) -> None:
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        if n.op == "call_module":
            module = self.fetch_attr(str(n.target))
            rule, step = layer_rule(module), {**vars(module), "x": args[0]}
            if rule is None:
                kind = type(module).__name__
                raise DlgbenchError(
                    f"expected steps that dlgbench.probes.rules knows, got layer {kind}"
                )
        else:
            name = n.target if isinstance(n.target, str) else n.target.__name__
            rule, step = function_rule(name.rstrip("_"), args)
        first = n.args[0]
        if rule is not pointwise and isinstance(first, fx.Node) and first not in self.planes:
            return  # a map is an argument only for its shape
        plane = rule([self.planes[source] for source in sources], {**step, **kwargs, "y": y})
        self.windows |= rule in WINDOWED
        if plane is not None:
            self.planes[n] = plane
            return
        self.last = sources[0]
        if rule is flattening:
            self.vectors.add(n)
