"""What gpu and paper train is tried on a CPU: all of it, on stand-ins that never pass for data."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from dlgbench import Ablation, Claim, DlgbenchError, Recipe, at_least, difference
from dlgbench.data import cifar, files, images, load, standins
from dlgbench.data.loading import _read as read_data
from dlgbench.discovery import discover
from dlgbench.fingerprint import parts_of
from dlgbench.recipe import Recipe as Work
from dlgbench.rehearsal import cells

ROOT = Path(__file__).parents[1]
NETS = """
from dlgbench import Ablation, Claim, Recipe, at_least, difference

ABLATION = Ablation(
    question="Q?",
    recipe=Recipe(model="resnet20", data="cifar10", data_args={"val": 5000}, batch_size=128,
                  optimizer="momentum", schedule="step", steps=64_000, probes=("flops",)),
    arms={"a": {}, "b": {"model_args.width": 0.5}, "probed": {"steps": 0}},
    tune={"lr": (0.01, 0.1)},
    scales={"cpu": {"data": "digits", "data_args": {"train": 100, "val": 50}, "steps": 9,
                    "model_args.width": 0.125, "arms": ("a",)},
            "gpu": {"steps": 8000, "schedule": "linear", "precision": "bf16", "arms": ("a", "b")},
            "paper": {"seeds": 5}},
    claims=[Claim("C", difference("test/error", "a", "b"), at_least(0.1))],
)
"""


def declared():
    space = {"__name__": "nets"}
    exec(NETS, space)
    return space["ABLATION"]


def test_each_arm_is_cut_to_two_steps_and_few_images():
    found = {cell.arm: cell for cell in cells(declared())}
    # at paper, a and b differ from gpu by their schedule
    assert list(found) == ["gpu:a", "gpu:b", "paper:a", "paper:b", "paper:probed"]
    cell = found["gpu:b"]
    assert (cell.scale, cell.seed, cell.purpose, cell.precision) == ("smoke", 0, "evaluate", "bf16")
    assert cell.setting == {"lr": 0.01}
    few = {"train": 48, "val": 16, "test": 16}
    assert cell.work == declared().work.override(
        {"model_args.width": 0.5}, schedule="linear", steps=2, batch_size=8, evaluations=1,
        lr=0.01, data_args=few,
    )  # fmt: skip
    assert found["paper:probed"].work.steps == 0
    assert found["paper:a"].precision == "tf32"


def test_what_cpu_trains_too_is_not_rehearsed():
    recipe = Recipe(model="mlp", data="digits", steps=100)
    longer = {"gpu": {"steps": 900}, "paper": {"steps": 90_000, "batch_size": 1}}
    claim = Claim("C", difference("test/error", "a", "a"), at_least(0.1))
    ablation = Ablation("Q?", recipe=recipe, arms={"a": {}}, scales=longer, claims=[claim])
    assert [cell.arm for cell in cells(ablation)] == ["paper:a"]  # minibatches of 1 are not cpu's
    assert cells(ablation)[0].work.batch_size == 1


@pytest.fixture(scope="module")
def catalogue():
    return discover(ROOT / "ablations")


def test_every_part_that_a_gpu_will_need_is_rehearsed_or_in_smoke(catalogue):
    for ablation in catalogue:
        ran = [cell.work for cell in (*ablation.cells("smoke"), *cells(ablation))]
        ran += [ablation.arm(arm, "cpu") for arm in ablation.arms_at("cpu")]
        tried = {piece for work in ran for piece in pieces(work)}
        for scale in ("gpu", "paper"):
            for arm in ablation.arms_at(scale):
                needed = pieces(ablation.arm(arm, scale))
                assert needed <= tried, f"{ablation.name}, {arm} at {scale}: {needed - tried}"


def pieces(work):
    """The parts of a recipe, and its network with its arguments, on its data."""
    if not isinstance(work, Work):
        return set()
    names = {(type(part).__name__, part.name) for part in parts_of(work)}
    return names | {("network", work.model, work.model_args, work.data, work.init, work.loss)}


# stand-ins ----------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(files, "EXPECTED", {})
    monkeypatch.setattr(images, "DEBIAN", tmp_path / "debian")  # not what this machine has
    standins.make(tmp_path)
    read_data.cache_clear()  # another test may have read the real ones
    yield tmp_path
    read_data.cache_clear()


def test_the_stand_ins_are_read_as_the_data_sets_are(root):
    standins.use(root)
    for read, pool, shape in (
        (images.mnist, 300, (1, 28, 28)),
        (images.fashion_mnist, 12_000, (1, 28, 28)),
        (cifar.cifar10, 500, (3, 32, 32)),
    ):
        arrays = read()
        assert arrays.pool[0].shape == (pool, *shape)
        assert sorted(np.unique(arrays.test[1])) == list(range(10))
    official = hashlib.sha256("".join(images.MNIST.values()).encode()).hexdigest()
    assert images.mnist().digest != official  # nor are runs on them ever taken for runs on MNIST


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar10_ab"])
def test_elsewhere_the_stand_ins_are_corrupt_files(root, name):
    with pytest.raises(DlgbenchError, match=f"data set {name}: {root}/.* is corrupt: "):
        load(name)


# from outside -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_session_rehearses_without_a_network_and_leaves_nothing(tmp_path, fresh, pytest_in):
    fresh(tmp_path)
    (tmp_path / "test_nets.py").write_text(NETS)
    (tmp_path / "tmp").mkdir()
    env = {"TMPDIR": str(tmp_path / "tmp"), "http_proxy": "http://127.0.0.1:9"}
    options = ("--rootdir", str(tmp_path), "--rehearse", "-n", "1")
    done = pytest_in(tmp_path, *options, scale="smoke", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "8 passed" in done.stdout
    )  # one tuning cell and two seeds of a at cpu, and five rehearsed
    assert not list((tmp_path / "tmp").glob("dlgbench-rehearsal-*"))
    done = pytest_in(tmp_path, *options)
    assert done.returncode == 4
    assert "--rehearse: expected --scale smoke, got cpu" in done.stderr
