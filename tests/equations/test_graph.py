import math

import pytest
import torch

from dlgbench.equations.graph import Node, exp, reciprocal, sigmoidal_unit
from dlgbench.errors import DlgbenchError


def unit(*values):
    inputs = [Node(value) for value in values]
    return sigmoidal_unit(*inputs), inputs


def test_the_toy_unit_has_the_numbers_of_its_figure():
    # The figure is from Stanford's CS231n, whose slides these are (credit: Justin Johnson);
    # lecture.txt has none of its numbers.
    f, inputs = unit(2, -1, -3, -2, -3)
    f.backward()
    names = ["1/x", "c + x", "exp", "a x", *["x + y"] * 2, *["x y"] * 2, *["input"] * 5]
    assert sorted(node.block for node in f.graph()) == sorted(names)
    chain = [node for node in f.graph() if node.block in {"1/x", "c + x", "exp", "a x"}]
    assert [node.block for node in chain] == ["1/x", "c + x", "exp", "a x"]
    assert [round(node.value, 2) for node in chain] == [0.73, 1.37, 0.37, -1.0]
    assert [round(node.gradient, 2) for node in chain] == [1.0, -0.53, -0.53, -0.2]
    assert [round(node.gradient, 2) for node in inputs] == [-0.2, 0.39, -0.39, -0.59, 0.2]
    assert repr(f) == "Node(0.73, '1/x', gradient 1.00)"


def test_the_toy_unit_is_the_sigmoid_and_its_gradient_g_times_1_minus_g():
    f, inputs = unit(0.3, -1.2, 0.8, 2.0, -0.5)
    f.backward()
    leaves = [torch.tensor(node.value, dtype=torch.float64, requires_grad=True) for node in inputs]
    w0, x0, w1, x1, w2 = leaves
    expected = torch.sigmoid(w0 * x0 + w1 * x1 + w2)
    expected.backward()
    assert f.value == pytest.approx(expected.item(), abs=1e-10)
    gradients = [leaf.grad.item() for leaf in leaves]
    assert [node.gradient for node in inputs] == pytest.approx(gradients, abs=1e-10)
    assert inputs[-1].gradient == pytest.approx(f.value * (1 - f.value), abs=1e-10)


def expression(x, y, exp, reciprocal):
    """An expression with every block, in which values are used more than once, at any depth."""
    a = x * y + 3
    b = exp(a * -0.1) + x
    c = a * b * b + reciprocal(b + y * 2.0)
    return c + a * x + x


def test_shared_values_add_up_their_gradients():
    x, y = Node(1.5), Node(-0.7)
    expression(x, y, exp, reciprocal).backward()
    s, t = (torch.tensor(node.value, dtype=torch.float64, requires_grad=True) for node in (x, y))
    expression(s, t, torch.exp, lambda v: 1 / v).backward()
    assert [x.gradient, y.gradient] == pytest.approx([s.grad.item(), t.grad.item()], rel=1e-10)
    square = x * x
    square.backward()
    assert x.gradient == 2 * x.value


def test_the_sum_over_all_uses_of_a_value_matters():
    x = Node(1.5)
    y = x * 2.0 + x * 3.0
    y.backward()
    assert x.gradient == 5.0
    for node in y.graph():  # sabotage: only the last use of a value counts
        for value, derivative in node.inputs:
            value.gradient = node.gradient * derivative
    assert x.gradient != 5.0


def test_backward_twice_is_backward_once():
    f, inputs = unit(2, -1, -3, -2, -3)
    f.backward()
    once = [node.gradient for node in inputs]
    f.backward()
    assert [node.gradient for node in inputs] == once


def test_long_chains_do_not_overflow_the_stack():
    x = y = Node(1.0)
    for _ in range(5000):
        y = 1.0 + y
    y.backward()
    assert (y.value, x.gradient, y.depth) == (5001.0, 1.0, 5001)


def test_blocks_refuse_invalid_values():
    with pytest.raises(DlgbenchError, match="1/x: expected x other than 0, got 0"):
        reciprocal(Node(0.0))
    with pytest.raises(DlgbenchError, match=r"exp: expected x below 709\.78, got 800"):
        exp(Node(800.0))
    assert exp(Node(709.0)).value == math.exp(709)
