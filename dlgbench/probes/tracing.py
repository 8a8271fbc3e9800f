"""A network's last feature map and the pixels its units depend on, by symbolic tracing (slide "Receptive field arithmetic")."""

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
    """`network` up to its last feature map, (1, C, H, W) -> (1, C', H', W'), and that map's axes."""

    network: fx.GraphModule
    rows: Axis
    columns: Axis


def trunk(network: nn.Module, input_shape: Sequence[int]) -> Trunk | None:
    """A network in evaluation mode up to its output, or to where space ends before it; None where nothing sees a window of an image.

    Windows, up-samplings, paddings and slices move what a unit sees, as `Axis` says. What acts on each unit alone passes it on: activation,
    dropout, and normalization, whose statistics are not counted. Sums and concatenations see all that their parts see. Space ends at
    Flatten, and at adaptive or global pooling. Only shapes are computed: it takes an instant, on the meta device too.

    Raises:
        DlgbenchError: for a network that can't be traced, or a step of it that is not known (`dlgbench.probes.rules`).
    """
    if len(input_shape) != 3:
        return None
    try:
        with evaluating(network):
            graph = _Tracer().trace(network)
            follower = _Follower(fx.GraphModule(on_meta(network), graph))
            follower.run(
                torch.empty(
                    (1, *input_shape),
                    dtype=next((p.dtype for p in network.parameters()), None),
                    device="meta",
                )
            )
    except DlgbenchError as error:
        raise DlgbenchError(f"receptive field of {type(network).__name__}: {error}") from None
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        came = f"{type(network).__name__} with inputs of {tuple(input_shape)}"
        raise DlgbenchError(
            f"receptive field: a network that torch.fx can trace, and inputs that fit it, are wanted; {came} came: {error}"
        ) from error
    if not follower.windows or follower.last is None:
        return None
    graph.output_node().args = (follower.last,)
    graph.eliminate_dead_code()
    return Trunk(fx.GraphModule(network, graph).eval(), *follower.planes[follower.last])


class _Tracer(fx.Tracer):
    """Looks into every layer but those that have a rule."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(pyramids.laplacian_reduce, pyramids.laplacian_expand))
        self._autowrap_search.append(pyramids)  # where they are called

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return layer_rule(m) is not None or super().is_leaf_module(m, module_qualified_name)


class _Follower(fx.Interpreter):
    """Runs a graph, and writes down the plane of each feature map beside its value."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.planes: dict[fx.Node, Plane] = {}
        self.last: fx.Node | None = (
            None  # the map at which space ended last; the output, if it is a map
        )
        self.windows = False
        self.vectors: set[fx.Node] = (
            set()
        )  # what comes of a flattened map; not run, so that images of any size pass

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What the layer gives; only its shape matters."""
        return (
            args[0]
            if layer_rule(self.fetch_attr(target)) is pointwise
            else super().call_module(target, args, kwargs)
        )

    def run_node(self, n: fx.Node) -> Any:
        """The node's value."""
        if not self.vectors.isdisjoint(n.all_input_nodes):
            self.vectors.add(n)
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
                raise DlgbenchError(
                    f"what layer {type(module).__name__} does to a feature map is not known"
                )
        else:
            name = n.target if isinstance(n.target, str) else n.target.__name__
            rule, step = function_rule(name.rstrip("_"), args)
        if (
            rule is not pointwise
            and isinstance(n.args[0], fx.Node)
            and n.args[0] not in self.planes
        ):
            return  # the map only lends its shape
        plane = rule([self.planes[source] for source in sources], {**step, **kwargs, "y": y})
        self.windows |= rule in WINDOWED
        if plane is not None:
            self.planes[n] = plane
            return
        self.last = sources[0]
        if rule is flattening:
            self.vectors.add(n)
