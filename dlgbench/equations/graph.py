"""A computation graph of scalars and its backward mode.

Slides "Chain Rule", "Computation graph & automatic differentiation".
"""

from __future__ import annotations

import math

from dlgbench.errors import DlgbenchError


class Node:
    """A value y in the graph: the output of a block.

    It keeps the block's inputs x and the derivative dy/dx with respect to each. `gradient` is dL/dy
    once `L.backward()` has been called. `y + z` and `y * z` combine two nodes; `c + y` and `a * y`
    combine a node with a number.
    """

    def __init__(self, value: float, block: str = "input", *inputs: tuple[Node, float]) -> None:
        self.value = float(value)
        self.block = block
        self.inputs = inputs
        self.gradient = 0.0
        self.depth: int = 1 + max((x.depth for x, _ in inputs), default=0)

    def __repr__(self) -> str:
        return f"Node({self.value:.2f}, {self.block!r}, gradient {self.gradient:.2f})"

    def __add__(self, other: Node | float) -> Node:
        if isinstance(other, Node):
            return Node(self.value + other.value, "x + y", (self, 1.0), (other, 1.0))
        return Node(other + self.value, "c + x", (self, 1.0))

    def __mul__(self, other: Node | float) -> Node:
        if isinstance(other, Node):
            return Node(self.value * other.value, "x y", (self, other.value), (other, self.value))
        return Node(other * self.value, "a x", (self, other))

    __radd__ = __add__
    __rmul__ = __mul__

    def graph(self) -> list[Node]:
        """The node and all nodes that it depends on, the deepest first: each before its inputs."""
        # A dict keeps its order, so equal graphs add up their gradients in the same order.
        visited, stack = {self: None}, [self]
        while stack:
            new = [x for x, _ in stack.pop().inputs if x not in visited]
            visited |= dict.fromkeys(new)
            stack += new
        return sorted(visited, key=lambda node: -node.depth)

    def backward(self) -> None:
        """Sets the gradient dL/dx of each node x of the graph, where L is this node.

        dL/dx = sum_y dL/dy dy/dx over all y of which x is an input.
        """
        nodes = self.graph()
        for node in nodes:
            node.gradient = 0.0
        self.gradient = 1.0
        for y in nodes:
            for x, dy_dx in y.inputs:
                x.gradient += y.gradient * dy_dx


def reciprocal(x: Node) -> Node:
    """f(x) = 1/x, f'(x) = -1/x^2.

    Raises:
        DlgbenchError: at x = 0.
    """
    if x.value == 0:
        raise DlgbenchError("block 1/x: expected x other than 0, got 0")
    y = 1 / x.value
    return Node(y, "1/x", (x, -y * y))


def exp(x: Node) -> Node:
    """f(x) = e^x, f'(x) = e^x.

    Raises:
        DlgbenchError: where e^x is too large for a float.
    """
    try:
        y = math.exp(x.value)
    except OverflowError as error:
        raise DlgbenchError(f"block exp: expected x below 709.78, got {x.value}") from error
    return Node(y, "exp", (x, y))


def sigmoidal_unit(w0: Node, x0: Node, w1: Node, x1: Node, w2: Node) -> Node:
    """f(w, x) = 1 / (1 + exp(-(w0 x0 + w1 x1 + w2))), slide "Toy example: single sigmoidal unit".

    It is built from the slide's blocks 1/x, c + x with c = 1, e^x and a x with a = -1, and from
    sums and products of nodes.
    """
    return reciprocal(1.0 + exp(-1.0 * (w0 * x0 + w1 * x1 + w2)))
