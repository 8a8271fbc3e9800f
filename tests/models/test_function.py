import numpy as np
import pytest
import torch
from scipy.optimize import rosen, rosen_der

from dlgbench import Cell, DlgbenchError, Recipe, create_model
from dlgbench.train import train


def value_and_gradient(name, *w, kappa=100.0):
    network = create_model("function", name=name, start=w, kappa=kappa).double()
    y = network(torch.zeros(1, 1))
    y.sum().backward()
    return y.item(), network.w.grad.numpy()


def test_functions_by_hand():
    assert value_and_gradient("quadratic", 3.0, 2.0)[0] == pytest.approx(0.5 * 9 + 0.5 * 100 * 4)
    assert value_and_gradient("quadratic", 3.0, 2.0)[1] == pytest.approx([3, 200])
    assert value_and_gradient("quartic", 2.0)[0] == 16
    assert value_and_gradient("absolute", -2.0, 3.0)[0] == 5
    value, gradient = value_and_gradient("rosenbrock", -1.25, 0.5)
    assert value == pytest.approx(rosen([-1.25, 0.5]))
    assert gradient == pytest.approx(rosen_der([-1.25, 0.5]))
    beale = (1.5 - 1 + 2) ** 2 + (2.25 - 1 + 4) ** 2 + (2.625 - 1 + 8) ** 2
    assert value_and_gradient("beale", 1.0, 2.0)[0] == pytest.approx(beale)
    minimizers = {"rosenbrock": (1.0, 1.0), "beale": (3.0, 0.5), "quadratic": (0.0, 0.0)}
    for name, minimizer in minimizers.items():
        value, gradient = value_and_gradient(name, *minimizer)
        assert (value, *gradient) == pytest.approx((0, 0, 0), abs=1e-12)
        assert create_model("function", name=name).minimizer.tolist() == list(minimizer)


def test_gradient_descent_on_a_quadratic_is_its_closed_form():
    recipe = Recipe(
        model="function",
        model_args={"name": "quadratic", "start": (1.0, 1.0), "kappa": 10.0},
        task="minimization",
        lr=0.15,
        steps=8,
        evaluations=8,
    )
    run = train(Cell("a", "arm", 0, "cpu", recipe))
    path = [[value for name, _, value in run.history if name == f"path/{i}"] for i in (0, 1)]
    k = np.arange(1, 9)
    assert path[0] == pytest.approx(0.85**k, rel=1e-5)
    assert path[1] == pytest.approx((-0.5) ** k, rel=1e-5)
    distance = np.hypot(path[0][-1], path[1][-1])
    assert run.summary["val/distance"] == pytest.approx(distance, rel=1e-5)
    too_fast = recipe.override(lr=30.0, steps=200)
    assert train(Cell("a", "arm", 0, "cpu", too_fast)).status == "diverged"


def test_a_start_that_does_not_fit_is_refused():
    with pytest.raises(DlgbenchError, match="no function is called 'banana'"):
        create_model("function", name="banana")
    with pytest.raises(DlgbenchError, match="rosenbrock: expected a start of 2 numbers, got 3"):
        create_model("function", name="rosenbrock", start=(1.0, 2.0, 3.0))
