"""Workers and GPUs, without a GPU: who gets which, who shares, and what happens without memory."""

import os
import threading
from types import SimpleNamespace

import pytest
import torch

from dlgbench import Ablation, DlgbenchError, Recipe, devices, launch, pytest_plugin
from dlgbench.data.module import _pool
from dlgbench.devices import Places
from dlgbench.lanes import engine as lanes
from dlgbench.runner import Runner
from dlgbench.session import KEY, Session, of_worker, scale_here
from dlgbench.train import prepare

PLAIN = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-aaaa)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-22222222-bbbb)
"""
CUT = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-11111111-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-33333333-cccc)
  MIG 3g.20gb     Device  1: (UUID: MIG-44444444-dddd)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-22222222-bbbb)
"""


@pytest.fixture
def four(monkeypatch):
    """A box that torch says has four GPUs of 80 GiB."""
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    monkeypatch.delenv("HIP_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "_slices", list)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    large = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: large)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(devices, "POLL", 0.01)


@pytest.mark.usefixtures("four")
def test_the_scale_is_what_torch_finds_however_the_driver_shows_itself(monkeypatch):
    assert scale_here() == "gpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert scale_here() == "cpu"


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        (None, ["0", "1", "2", "3"]),
        ("", []),
        ("2, 0", ["2", "0"]),
        ("1,-1,0", ["1"]),
        ("MIG-a,MIG-b", ["MIG-a", "MIG-b"]),
    ],
)
def test_what_the_user_made_visible_is_heeded(monkeypatch, chosen, names):
    if chosen is not None:
        monkeypatch.setenv(devices.VISIBLE, chosen)
    assert devices.visible() == names


def test_a_worker_of_rocm_sees_its_own_gpu_alone(monkeypatch):
    """HIP_VISIBLE_DEVICES goes before CUDA_VISIBLE_DEVICES."""
    monkeypatch.setenv("HIP_VISIBLE_DEVICES", "3,5")
    monkeypatch.setenv(devices.VISIBLE, "0,1,2,3")
    names = devices.visible()
    assert names == ["3", "5"]
    assert devices.take(names, 1) == "5"
    assert os.environ["HIP_VISIBLE_DEVICES"] == os.environ[devices.VISIBLE] == "5"


def test_mig_slices_count_and_a_gpu_without_slices_is_itself():
    assert devices.slices_of(PLAIN) == []
    assert devices.slices_of(CUT) == ["MIG-33333333-cccc", "MIG-44444444-dddd", "GPU-22222222-bbbb"]
    assert devices.slices_of("") == []


@pytest.mark.usefixtures("four")
def test_workers_are_spread_over_all_gpus(monkeypatch, tmp_path):
    monkeypatch.setattr(pytest_plugin.os, "sched_getaffinity", lambda _: range(64), raising=False)
    (tmp_path / "test_x.py").write_text("from dlgbench import Ablation\nABLATION = Ablation()\n")
    asked = {"--workers-per-gpu": None}

    def config():
        session = Session("", "", "sqlite:///x", "gpu", "", 0.0)
        return SimpleNamespace(args=[str(tmp_path)], stash={KEY: session}, getoption=asked.get)

    assert pytest_plugin.pytest_xdist_auto_num_workers(config()) == 4 * devices.MOST_SHARING
    asked["--workers-per-gpu"] = 3
    controller = config()
    assert pytest_plugin.pytest_xdist_auto_num_workers(controller) == 12

    got = []
    for k in range(12):
        node = SimpleNamespace(
            config=controller, workerinput={"workerid": f"gw{k}"}, sendcommand=None
        )
        pytest_plugin.pytest_configure_node(node)
        monkeypatch.setenv(devices.VISIBLE, "")
        session = of_worker(SimpleNamespace(workerinput=node.workerinput))
        assert os.environ[devices.VISIBLE] == session.gpu
        got.append(session.gpu)
    assert got == ["0", "1", "2", "3"] * 3


def test_a_worker_at_scale_cpu_keeps_its_environment(monkeypatch):
    monkeypatch.setenv(devices.VISIBLE, "5")
    session = Session("", "", "sqlite:///x", "cpu", "", 0.0)
    session.share_gpus(None)
    assert devices.take(session.gpus, 3) == ""
    assert os.environ[devices.VISIBLE] == "5"


def test_as_many_share_a_gpu_as_there_are_places_and_half_of_them_after_halving():
    def at_once(gpu="0", workers=8):
        here, most, lock = [], [], threading.Lock()
        ready = threading.Barrier(workers)

        def work():
            ready.wait(60)
            with Places(gpu, 4, "s").one():
                with lock:
                    here.append(1)
                    most.append(len(here))
                threading.Event().wait(0.02)
                with lock:
                    here.pop()

        threads = [threading.Thread(target=work) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(most) == workers
        return max(most)

    assert at_once() <= 4
    assert Places("0", 4, "s").halve(4) == 2
    assert Places("0", 4, "s").halve(4) == 2  # another worker saw the same lack
    assert at_once() <= 2
    assert Places("0", 4, "s").halve(2) == 1
    assert Places("0", 4, "s").halve(4) == 1  # a late word of the first lack gives nothing back
    assert Places("1", 4, "s").limit == 4  # of this GPU alone
    assert Places("0", 4, "t").limit == 4  # and this session
    devices.forget("s")
    assert Places("0", 4, "s").limit == 4


SHORT = []  # what the GPU says to one cell after another, until it is empty
OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def train(config, seed, log):
    log("test/error", 0.1, config["step"])
    if SHORT:
        raise SHORT.pop(0)
    return {"test/error": 0.1 * seed}


QUESTION = Ablation(
    question="Q?",
    train=train,
    config={"step": 1},
    metrics={"test/error": "on test"},
    arms={"a": {}},
    scales={"cpu": {"seeds": 5}},
    select="test/error",
    name="x",
)


CONTEXT = torch.AcceleratorError("CUDA error: out of memory\nSearch for `cudaError...'")
LIBRARY = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")


@pytest.mark.parametrize("error", [OUT, CONTEXT, LIBRARY])
def test_out_of_memory_halves_the_workers_and_loses_nothing(store, error):
    SHORT[:] = [error, error]
    places = Places("0", 4, "s")
    runner = Runner(store, session="s", places=places)
    runs = runner.pull(QUESTION.evaluation("a", "cpu"))
    assert [run.summary["test/error"] for run in runs] == [0.1 * seed for seed in range(5)]
    assert places.limit == 1
    assert runner.trained == 5
    first, second = runner.take_notices()
    assert "a-s0: out of memory while 4 workers shared GPU 0; 2 go on, and it runs again" in first
    assert "2 workers shared GPU 0; 1 go on" in second


def test_out_of_memory_with_the_whole_gpu_names_the_cell(store):
    SHORT[:] = [OUT] * 9
    runner = Runner(store, session="s", places=Places("0", 2, "s"))
    with pytest.raises(
        DlgbenchError, match=r"cell a-s0 failed: .*out of memory with the whole GPU"
    ):
        runner.pull(QUESTION.evaluation("a", "cpu"))
    assert len(SHORT) == 7


def test_a_host_without_memory_is_a_failure_of_the_cell(store):
    SHORT[:] = [MemoryError("out of memory")]
    places = Places("0", 2, "s")
    with pytest.raises(DlgbenchError, match=r"cell a-s0 failed: MemoryError"):
        Runner(store, session="s", places=places).pull(QUESTION.evaluation("a", "cpu"))
    assert places.limit == 2


NETS = Ablation(
    question="Q?",
    recipe=Recipe(
        model="mlp",
        model_args={"hidden": (4,)},
        data="digits",
        data_args={"train": 100, "val": 50},
        steps=4,
        evaluations=1,
    ),
    arms={"a": {}},
    scales={"cpu": {"seeds": 5}},
    name="nets",
)


@pytest.mark.parametrize("enough", [2, 0])
def test_a_group_out_of_memory_is_trained_again_beside_fewer_workers(store, monkeypatch, enough):
    groups, places, train = [], Places("0", 4, "s"), lanes.train

    def on_a_gpu(cells):
        groups.append((len(cells), places.limit))
        if len(cells) > 1 and places.limit > enough:
            raise OUT
        return train(cells)

    monkeypatch.setattr(lanes, "train", on_a_gpu)
    runner = Runner(store, session="s", places=places)
    runner.pull(NETS.evaluation("a", "cpu"))
    first, *others = runner.take_notices()
    assert "cell a-s0 and 4 with it: out of memory while 4 workers shared GPU 0; 2 go on" in first
    if enough:
        assert groups == [(5, 4), (5, 2)]
        assert not others
    else:
        assert groups == [(5, 4), (5, 2), (5, 1), *[(1, 1)] * 5]
        assert "out of memory with the whole GPU: CUDA out of memory; each is trained" in others[-1]


def test_what_torch_keeps_of_a_gpu_is_given_back_with_the_place_and_after_the_checks(monkeypatch):
    """The whole GPU is whole: neither the other workers nor the controller keep of its memory."""
    freed = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    kept = _pool.cache_info
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append(kept().currsize))
    with Places("0", 4, "s").one():
        assert not freed
    assert freed
    cell = NETS.evaluation("a", "cpu")[0]
    prepare(cell, torch.device("cpu"))  # as a training does
    with (places := Places("0", 4, "crowded")).one():
        pass
    assert freed[-1] > 0  # the data stay for the next cell
    with places.one() as limit:
        places.halve(limit)
    devices.forget("crowded")
    assert freed[-1] == 0  # but not where memory is short
    freed.clear()
    progress = SimpleNamespace(show_check=lambda *_: None)
    config = SimpleNamespace(
        stash={KEY: Session("", "", "sqlite:///x", "cpu", "", 0.0)},
        pluginmanager=SimpleNamespace(get_plugin=lambda _: progress),
    )
    launch._check(config, [NETS])
    assert freed == [0]
