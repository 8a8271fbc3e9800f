"""`load`, and data sets of a user's own."""

import importlib
import sys

import numpy as np
import pytest
import torch

from dlgbench import Arrays, DlgbenchError, Recipe, register_data
from dlgbench.data import load
from dlgbench.data.module import DataModule
from dlgbench.registry import DATA

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _own_parts(monkeypatch):
    """Data sets that a test registers are forgotten after it."""
    monkeypatch.setattr(DATA, "_parts", dict(DATA))


def test_a_table_of_ones_own_is_five_lines():
    from sklearn.datasets import load_iris

    @register_data("iris")
    def iris():
        x, y = load_iris(return_X_y=True)  # float64
        return Arrays.cut(x, y, test=50, num_classes=3)

    assert load("iris") is load("iris")
    recipe = Recipe(model="mlp", data="iris", data_args={"val": 20}, batch_size=8, steps=5)
    splits = DataModule(recipe, 0, CPU, may_test=True)
    assert (splits.input_shape, splits.num_classes) == ((4,), 3)
    assert (len(splits.train[0]), len(splits.val[0]), len(splits.test()[0])) == (80, 20, 50)
    x, y = next(next(iter(splits.train_dataloader())).minibatches())
    assert (x.shape, x.dtype, y.dtype) == ((8, 4), torch.float32, torch.int64)


def test_images_of_ones_own_take_every_argument_of_the_suites():
    random = np.random.default_rng(0)
    x, y = random.integers(0, 256, (60, 3, 8, 8), dtype=np.uint8), random.integers(0, 4, 60)
    register_data("mine")(lambda: Arrays((x[:40], y[:40]), (x[40:], y[40:]), 4))
    args = {"train": 30, "val": 10, "shrink": 2, "label_noise": 0.5, "augment": "crop_flip"}
    recipe = Recipe(model="mlp", data="mine", data_args=args, batch_size=8, steps=5)
    splits = DataModule(recipe, 0, CPU, may_test=True)
    assert (splits.input_shape, splits.num_classes) == ((3, 4, 4), 4)
    stack = next(iter(splits.train_dataloader()))
    assert all(x.shape == (8, 3, 4, 4) for x, _ in stack.minibatches())
    plain = recipe.override({"data_args": {"standardize": False}})
    raw, _ = DataModule(plain, 0, CPU, may_test=True).test()
    assert torch.equal(raw, torch.as_tensor(x[40:]) / 255)


def test_a_data_set_may_be_named_by_the_place_of_its_function(monkeypatch, tmp_path):
    (tmp_path / "own_points.py").write_text(
        "import numpy as np\n"
        "from dlgbench import Arrays\n"
        "def points():\n"
        "    return Arrays.cut(np.eye(4), np.arange(4), test=1, num_classes=4)\n"
        "def broken():\n"
        "    return np.zeros(\n"
        "        'many')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_points", raising=False)
    importlib.invalidate_caches()
    register_data("points")("own_points:points")
    assert load("points").pool[0].shape == (3, 4)
    register_data("broken")("own_points:broken")
    place = rf"{tmp_path}/own_points.py, line 6: TypeError: "
    with pytest.raises(DlgbenchError, match=f"^data set broken can't be read: {place}"):
        load("broken")
    register_data("nowhere")("own_points:nowhere")
    with pytest.raises(DlgbenchError, match=r"data set nowhere can't be read: .*'nowhere'"):
        load("nowhere")


def test_a_message_names_the_data_set():
    register_data("mine")(lambda: Arrays.cut(np.eye(4), np.arange(4), test=1, num_classes=3))
    wanted = "data set mine: expected labels from 0 to 2, as num_classes=3, got 0 to 3"
    with pytest.raises(DlgbenchError, match=f"^{wanted}$"):
        load("mine")


def test_a_function_that_returns_anything_but_arrays_is_refused():
    register_data("mine")(lambda: (np.eye(4), np.arange(4)))
    wanted = r"data set mine: expected its function to return dlgbench.Arrays, got tuple"
    with pytest.raises(DlgbenchError, match=f"^{wanted}$"):
        load("mine")


def test_an_exception_says_its_line_and_is_kept_as_the_cause():
    @register_data("mine")
    def mine():
        return np.load("/nowhere/x.npy")

    with pytest.raises(DlgbenchError) as raised:
        load("mine")
    line = mine.__code__.co_firstlineno + 2
    where = f"data set mine can't be read: {__file__}, line {line}: FileNotFoundError: "
    assert str(raised.value).startswith(where)
    assert isinstance(raised.value.__cause__, FileNotFoundError)


def test_an_unknown_data_set_comes_with_the_nearest_name():
    wanted = r"^no data set is called 'strok'; did you mean 'strokes'\?"
    with pytest.raises(DlgbenchError, match=wanted):
        load("strok")
