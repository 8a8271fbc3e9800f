"""Cells on a Ray cluster: the runs of a session without one, whatever happens to the nodes."""

import contextlib
import dataclasses
import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dlgbench import (
    Cell,
    DlgbenchError,
    Recipe,
    Run,
    cluster,
    discovery,
    fingerprint,
    node,
    session,
)
from dlgbench.cluster import Cluster, Flight, spread
from dlgbench.cluster_runner import ClusterRunner
from dlgbench.discovery import load
from dlgbench.failures import CellFailed
from dlgbench.judging import judge_runs
from dlgbench.lanes import engine as lanes
from dlgbench.node import Outcome, place_of
from dlgbench.provenance import provenance
from dlgbench.runner import Runner
from dlgbench.tracking import Store

TRIES = 6  # to start a part of a cluster
HANGING = 1200  # seconds after which a test is taken to hang
HELPER = """
def error(lr, seed):
    return lr + 0.001 * seed
"""
MINE = """
import os
import sys
import time
from pathlib import Path

from dlgbench import Ablation, Claim, at_least, difference
from helper import error

FOLDER = Path({folder!r})


def train(config, seed, log):
    mine = f"{{config['arm']}}-{{config['lr']}}-{{seed}}"
    (FOLDER / f"{{mine}}-{{os.environ.get('NODE')}}-{{os.getpid()}}").touch()
    while (FOLDER / f"hold-{{config['lr']}}").exists() or (FOLDER / f"hold-{{mine}}").exists():
        time.sleep(0.05)
    if mine == "raises-0.1-3":
        raise ValueError("no luck")
    if mine == "exits-0.1-2":
        sys.exit("enough")
    found = error(config["lr"], seed)
    for step in range(5):
        log("val/error", found / (step + 1), step)
    return {{"val/error": found, "test/error": found + len(config["arm"]) / 10}}


ABLATION = Ablation(
    question="Q?",
    train=train,
    config={{"arm": "", "lr": 0.0}},
    metrics={{"val/error": "on validation", "test/error": "on test"}},
    arms={{arm: {{"arm": arm}} for arm in {arms!r}}},
    scales={{"cpu": {{"seeds": 5, "tuning_seeds": 1}}}},
    claims=[Claim("B is better", difference("test/error", "plain", "b"), at_least(0.1))],
    tune={{"lr": (0.1, 0.2)}},
)
"""
NETS = """
import os

import numpy as np

from dlgbench import Ablation, Arrays, Recipe, register_data


@register_data("table")
def table():
    x = np.load(os.environ["TABLE"])
    return Arrays.cut(x, (x[:, 0] > 0).astype(np.int64), test=200, num_classes=2)


ABLATION = Ablation(
    question="Q?",
    recipe=Recipe(model="mlp", model_args={"hidden": (8,)}, data="table", steps=40, batch_size=20,
                  data_args={"train": 200, "val": 100}, evaluations=4),
    arms={"plain": {}, "noisy": {"model_args.dropout": 0.3}},
    scales={"cpu": {"seeds": 6, "tuning_seeds": 1}},
    tune={"lr": (0.01, 0.1)},
)
"""


@pytest.fixture
def place(tmp_path, fresh):
    """`place(arms)`: a repository with ablations, a store, and a folder of what has begun."""
    root, begun = tmp_path / "repository", tmp_path / "begun"
    root.mkdir()
    begun.mkdir()
    fresh(root)
    np.save(tmp_path / "table.npy", np.random.default_rng(0).normal(size=(600, 3)).astype("f4"))

    def place(arms=("plain", "b")):
        forget()  # the helper of another test
        (root / "pyproject.toml").touch()
        (root / "helper.py").write_text(HELPER)
        (root / "test_mine.py").write_text(MINE.format(folder=str(begun), arms=arms))
        return SimpleNamespace(root=root, begun=begun, table=str(tmp_path / "table.npy"))

    yield place
    for hold in begun.glob("hold-*"):  # of a test that failed: its session goes on, and ends
        hold.unlink()


def wait_for(begun, pattern, least=1):
    """The files of cells that have begun, once there are enough."""
    end = time.monotonic() + HANGING
    while len(found := [file.name for file in begun.glob(pattern)]) < least:
        assert time.monotonic() < end, f"{pattern} has not begun"
        time.sleep(0.05)
    return found


def patiently(start, *args, **kwargs):
    """Starts a part of a cluster: Ray gives up after 30 s, and a busy machine may need longer.

    Each try that fails may leave processes and threads behind: not many.
    """
    for _ in range(TRIES - 1):
        with contextlib.suppress(Exception):
            return start(*args, **kwargs)
        time.sleep(1)
    return start(*args, **kwargs)


@pytest.fixture(scope="module")
def head():
    """The head of a real cluster on this machine, which trains nothing itself."""
    pytest.importorskip("ray", reason="needs ray: python -m pip install '<this repository>[ray]'")
    patience = {"RAY_worker_register_timeout_seconds": str(HANGING)}
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", **patience})
    from ray import cluster_utils

    args = {"num_cpus": 0, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = patiently(cluster_utils.Cluster, initialize_head=True, head_node_args=args)
    yield cluster
    import ray

    ray.shutdown()  # where a test that failed left a connection
    cluster.shutdown()


@pytest.fixture
def nodes(head, monkeypatch):
    """`nodes(gpus, NAME=value)`: one more node of one core and of so many GPUs, in name alone."""
    added = []

    def add(gpus=0, **variables):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)  # a training here has hidden them
        own = f"runtime-{uuid.uuid4().hex}"  # nodes of one machine would delete each other's files
        added.append(
            patiently(
                head.add_node,
                num_cpus=1,
                num_gpus=gpus,
                object_store_memory=80 * 2**20,
                runtime_env_dir_name=own,
                env_vars={"OMP_NUM_THREADS": "1", **variables},
            )
        )
        return added[-1]

    yield add
    for each in added:
        if each in head.list_all_nodes():
            head.remove_node(each)


def stored(root, name="mlflow.db"):
    """Each cell of both files, with what must be equal to the bit, and how often it is stored."""
    found = {}
    with sqlite3.connect(root / name) as store:
        finished = "select run_uuid from runs where status = 'FINISHED' and name not like '%:%'"
        for (run,) in store.execute(finished).fetchall():
            tags = dict(store.execute("select key, value from tags where run_uuid = ?", (run,)))
            points = "select key, step, value, is_nan from metrics where run_uuid = ?"
            summary = json.loads(tags["dlgbench.summary"])
            summary.pop("seconds", None)
            curves = {point for point in store.execute(points, (run,)) if point[0] != "seconds"}
            names = (
                "fingerprint",
                "setting",
                "status",
                "code",
                "device",
                "git",
                "version.dlgbench",
            )
            about = [tags[f"dlgbench.{name}"] for name in names]
            cell = tags["dlgbench.ablation"], tags["mlflow.runName"]
            found.setdefault(cell, []).append((summary, curves, about))
    return found


def failing(output):
    return sorted(set(re.findall(r"test_\w+\.py::test_cell\[([^\]]+)\] - ", output)))


@pytest.mark.slow
def test_a_session_in_which_a_node_dies_is_that_without_ray(place, nodes, head, pytest_in):
    here = place(("plain", "b", "raises", "exits"))
    (here.root / "test_nets.py").write_text(NETS)
    env = {"TABLE": here.table, "COLUMNS": "300"}
    nodes(TABLE=here.table, NODE="stays")
    dies = nodes(TABLE=here.table, NODE="dies")
    nodes(TABLE="/nowhere.npy", NODE="lacks")
    (here.begun / "hold-0.1").touch()
    (here.begun / "hold-0.2").touch()
    results = []
    cluster = threading.Thread(
        target=lambda: results.append(pytest_in(here.root, "--ray", head.address, env=env))
    )
    cluster.start()
    begun = wait_for(here.begun, "*-stays-*") + wait_for(here.begun, "*-dies-*")
    head.remove_node(dies, allow_graceful=False)
    (here.begun / "hold-0.1").unlink()
    (here.begun / "hold-0.2").unlink()
    cluster.join(HANGING)
    (with_ray,) = results
    output = with_ray.stdout + with_ray.stderr
    assert with_ray.returncode == 1, output
    assert failing(output) == ["exits-s2", "raises-s3"], output
    assert f'{here.root}/test_mine.py", line 21, in train' in output  # the user's own file
    assert "ValueError: no luck" in output
    assert "SystemExit: enough" in output
    assert output.count("is left out") == 1
    assert re.search(r"node \S+ \(\S+\) is left out: data set table .*/nowhere.npy", output)
    assert not [*here.begun.glob("*-lacks-*")]
    assert len(begun) == 2
    (lost,) = {name.partition("-dies")[0] for name in begun if "-dies-" in name}
    assert len([*here.begun.glob(f"{lost}-stays-*")]) == 1  # it ran again elsewhere
    on_cluster = stored(here.root)
    (here.root / "mlflow.db").rename(here.root / "with_ray.db")
    without = pytest_in(here.root, env=env)
    assert failing(without.stdout) == ["exits-s2", "raises-s3"]
    alone = stored(here.root)
    assert set(on_cluster) == set(alone)
    assert len(alone) == 4 * 7 - 2 + 2 * 8
    for cell, runs in alone.items():
        assert on_cluster[cell] == runs, cell
        assert len(runs) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals",
    [[signal.SIGINT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM]],  # the last is Slurm's
    ids=["ctrl_c", "twice", "sigterm"],
)
def test_an_end_from_outside_keeps_what_is_finished_and_leaves_nothing_behind(place, signals):
    pytest.importorskip("ray", reason="needs ray: python -m pip install '<this repository>[ray]'")
    here, mark = place(), uuid.uuid4().hex
    (here.begun / "hold-0.2").touch()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--scale", "cpu"]
    command += ["--no-report", "--ray", "local"]
    env = {**os.environ, "PYTEST_ADDOPTS": "", "MARK": mark, "PYTHONUNBUFFERED": "1"}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})  # the cluster has one core
    run = subprocess.Popen(  # a group of its own, all of which Ctrl-C reaches
        command,
        cwd=here.root,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    os.sched_setaffinity(0, before)
    assert wait_for(here.begun, "*-0.2-*")
    assert marked(mark)
    end = time.monotonic() + HANGING
    while not stored(here.root):
        assert time.monotonic() < end, "nothing is stored"
        time.sleep(0.05)
    for number in signals:
        os.killpg(run.pid, number)
        time.sleep(0.5)
    output, _ = run.communicate(timeout=HANGING)
    assert run.returncode == 2, output
    assert re.search("interrupted.*: what is finished is stored", output), output
    assert "Traceback" not in output
    assert list(stored(here.root)) == [("mine", "plain-tune-lr=0.1-s1000")]
    end = time.monotonic() + HANGING
    while marked(mark):
        assert time.monotonic() < end, marked(mark)
        time.sleep(0.05)


def marked(mark):
    """The processes that inherited a variable."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in file.read_bytes():
                found.append(file.parent.joinpath("cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_seed_goes_to_one_kind_of_node_and_to_another_when_none_is_left(
    place, nodes, head, monkeypatch, request
):
    here = place(("plain", "b", "c"))
    monkeypatch.chdir(here.root)
    first, second = nodes(NODE="first"), nodes(NODE="second")
    cluster, ablation = connected(head.address, here, request)
    kinds = {first.node_id: "one", second.node_id: "two"}
    cluster.nodes = [dataclasses.replace(of, kind=kinds[of.id]) for of in cluster.nodes]
    evaluation = [cell for arm in ablation.arms for cell in ablation.evaluation(arm, "cpu")]
    runner = cluster_runner(Store(f"sqlite:///{here.root}/mlflow.db", here.root), ablation, cluster)
    for cell in evaluation:
        runner.run(ablation, cell)
    where = {}
    for name in wait_for(here.begun, "*-0.1-[0-9]-*"):
        _, _, seed, on, _ = name.split("-")
        where.setdefault(seed, set()).add(on)
    assert len(where) == 5
    assert all(len(of) == 1 for of in where.values()), where
    assert set.union(*where.values()) == {"first", "second"}

    held = next(seed for seed, of in where.items() if of == {"second"})
    (here.begun / f"hold-b-0.1-{held}").touch()
    for file in here.begun.glob("*-0.1-[0-9]-*"):
        file.unlink()

    def kill():
        wait_for(here.begun, f"b-0.1-{held}-second-*")
        head.remove_node(second, allow_graceful=False)
        (here.begun / f"hold-b-0.1-{held}").unlink()

    killer = threading.Thread(target=kill)
    killer.start()
    again = cluster_runner(runner.store, ablation, cluster, since=time.time())
    for cell in evaluation:
        again.run(ablation, cell)
    killer.join(HANGING)
    told = again.take_notices()
    again.close()
    assert told == ["no node of two is left: seeds that it had begun go on elsewhere"]
    assert len([*here.begun.glob(f"b-0.1-{held}-*")]) == 2
    assert len([*here.begun.glob("*-0.1-[0-9]-*")]) == 15 + 1  # nothing else ran twice


@pytest.mark.slow
def test_a_node_whose_torch_finds_no_gpu_is_left_out(place, nodes, head, monkeypatch, request):
    here = place()
    monkeypatch.chdir(here.root)
    nodes(gpus=1, CUDA_VISIBLE_DEVICES="99")
    with pytest.raises(DlgbenchError) as caught:
        connected(head.address, here, request, "gpu")
    first, second = str(caught.value).split(". ", 1)
    assert first == "--ray: expected a node that can train and has a GPU, got none"
    reason = "expected a CUDA device, but torch finds none here"
    assert re.fullmatch(rf"node \S+ \([\d.]+\) is left out: {reason}", second)


def test_a_node_that_is_gone_while_it_is_asked_is_told_in_words():
    """Tried with real nodes, killed in `look` and in `check`: Ray ends such tasks so."""
    error = type("TaskUnschedulableError", (Exception,), {})("label selector ...")
    assert cluster._reason(error) == "the node is gone"
    assert cluster._reason(RuntimeError("first\n  last\n")) == "last"


@pytest.mark.slow
def test_a_process_uses_the_gpu_that_each_of_its_tasks_is_granted(
    place, nodes, head, monkeypatch, request
):
    here = place()
    monkeypatch.chdir(here.root)
    its = nodes(gpus=2, CUDA_VISIBLE_DEVICES="7,4")
    cluster = Cluster(head.address, here.root, "gpu", None, "")
    request.addfinalizer(cluster.close)
    import ray

    def with_gpus():
        torch.cuda.is_available = lambda: True
        torch.cuda.set_device = lambda number: os.environ.update(CURRENT=str(number))

    def seen():
        return os.getpid(), os.environ["CURRENT"], os.environ["CUDA_VISIBLE_DEVICES"]

    def call(function, **takes):
        return ray.get(cluster._task(function, [its.node_id], alone=False, **takes).remote())

    first = ray.remote(num_cpus=0, num_gpus=1)(SimpleNamespace).remote()  # it takes GPU 7
    ray.get(first.__ray_ready__.remote())
    call(with_gpus, num_gpus=0.5)
    process, *second = call(seen, num_gpus=0.5)
    assert second == ["1", "7,4"]
    ray.kill(first)
    end = time.monotonic() + HANGING
    while (then := call(seen, num_gpus=1)) == (process, "1", "7,4"):  # 7 is not free yet
        assert time.monotonic() < end, "GPU 7 is not granted"
    assert then == (process, "0", "7,4")


def connected(address, here, request, scale="cpu"):
    """A cluster that has looked at its nodes, and the ablation of the test's repository."""
    ablation = load(here.root / "test_mine.py")
    parcel = node.pack(here.root, [here.root / "test_mine.py"], [ablation], "", scale)
    cluster = Cluster(address, here.root, scale, None, "")
    request.addfinalizer(cluster.close)  # also where the test fails: before its nodes are removed
    assert cluster.look(parcel) == []
    return cluster, ablation


def cluster_runner(store, ablation, cluster, since=0.0, seconds=()):
    wanted = [(ablation, cell) for cell in ablation.cells("cpu")]
    return ClusterRunner(store, since, uuid.uuid4().hex, wanted, cluster, dict(seconds))


# without Ray --------------------------------------------------------------------------------------


def test_cells_for_nodes_that_are_gone_come_back_after_a_second_or_two(monkeypatch):
    """Nothing is heard of a node that was pulled out: Ray is asked again and again who is left."""
    waits = []

    def wait(refs, num_returns, timeout):
        waits.append((num_returns, timeout))
        return [], refs

    ray = SimpleNamespace(wait=wait, nodes=list, cancel=lambda *_, **__: None)
    monkeypatch.setattr("dlgbench.cluster._connected", lambda *_: ray)
    cluster = Cluster("auto", Path(), "cpu", None, "")
    flight = Flight((Cell("x", "a", 3, "cpu", Recipe(model="mlp", steps=0)),), "gone", 1.0)
    cluster._flights["ref"] = flight
    ((_, cell, outcome),) = cluster.wait()
    assert (cell, outcome.again) == (flight.cells[0], "left")
    assert waits[0][0] == 1
    assert waits[0][1] <= 2


class Here:
    """What `Cluster` promises, in this process: cells are carried out when they are waited for."""

    enough = 0.75  # of a GPU, for the cells that are not small

    def __init__(self, parcel, small=()):
        self.parcel, self.small = parcel, small
        self.kinds, self.flights, self.done, self.log = {"one": 2}, [], {}, []
        self.went = set()

    def share(self, _kind):
        return 0.25

    def is_flying(self, place):
        return any(
            place_of(cell) == place for flight, _, _ in self.flights for cell in flight.cells
        )

    def send(self, flight, known, tuning):
        self.flights.append((flight, known, tuning))
        self.log.append(([cell.id for cell in flight.cells], flight.share))
        self.went.add(flight.kind)

    def wait(self):
        flight, known, tuning = self.flights.pop(0)
        self.taken = flight.share
        places = [place_of(cell) for cell in flight.cells]
        tuned = [[self.done[place]] for place in tuning]
        outcomes = node.carry_out(self.parcel, places, known, *tuned)
        for cell, outcome in zip(flight.cells, outcomes, strict=True):
            small = cell.id in self.small and flight.share < self.enough
            came = Outcome(place_of(cell), again="memory") if small else outcome
            self.done[place_of(cell)] = came
            yield flight, cell, came

    def close(self):
        return []


def forget():
    """Files are read anew, which a process does once."""
    node._read.cache_clear()
    discovery._imported.cache_clear()
    fingerprint._outside.cache_clear()
    sys.modules.pop("helper", None)


@pytest.fixture
def inside(place, monkeypatch):
    """`inside(small=ids, text=...)`: a repository, its ablation, and a cluster in this process."""

    def inside(arms=("plain", "b"), small=(), text=""):
        here = place(arms)
        if text:
            (here.root / "test_mine.py").write_text(text)
        monkeypatch.setattr(node, "HERE", here.root)
        forget()
        monkeypatch.syspath_prepend(here.root)
        ablation = load(here.root / "test_mine.py")
        file = here.root / "test_mine.py"
        here.parcel = node.pack(here.root, [file], [ablation], "", "cpu")
        here.store = Store(f"sqlite:///{here.root}/mlflow.db", here.root)
        return here, ablation, Here(here.parcel, small)

    return inside


def test_tuning_goes_first_the_longest_first_and_its_evaluation_without_waiting(inside):
    here, ablation, cluster = inside()
    seconds = {("mine", "plain"): 1.0, ("mine", "b"): 2.0}
    runner = cluster_runner(here.store, ablation, cluster, seconds=seconds)
    runner.run(ablation, ablation.cells("cpu")[0])
    sent = [cells for cells, _ in cluster.log]
    tuning = [[f"{arm}-tune-lr={lr}-s1000"] for arm in ("b", "plain") for lr in (0.1, 0.2)]
    assert sent == [*tuning, *([f"{arm}-s{seed}"] for arm in ("b", "plain") for seed in range(5))]
    assert runner.trained == 1 + 2  # it waited for no more than its own, the third that was sent


def test_an_evaluation_that_is_stored_is_not_trained_again_when_the_grid_grows(inside):
    here, ablation, cluster = inside()
    runner = cluster_runner(here.store, ablation, cluster)
    runner.judge(ablation, "cpu")
    assert runner.trained == 14
    more = dataclasses.replace(ablation, tune={"lr": (0.1, 0.2, 0.3)})
    file = here.root / "test_mine.py"
    file.write_text(file.read_text().replace("(0.1, 0.2)", "(0.1, 0.2, 0.3)"))
    forget()
    again = cluster_runner(here.store, more, Here(here.parcel))
    again.judge(more, "cpu")
    assert again.trained == 2


def test_a_seed_goes_on_with_the_torch_with_which_it_began(inside):
    here, ablation, cluster = inside()
    first = cluster_runner(here.store, ablation, cluster)
    for cell in ablation.evaluation("plain", "cpu"):
        first.run(ablation, cell)
    about = provenance("cpu")
    kinds = [f"{about['device']}, torch {torch}" for torch in ("0", about["version.torch"])]
    again = Here(here.parcel)
    again.kinds = {kinds[0]: 9, kinds[1]: 1}
    cluster_runner(here.store, ablation, again).judge(ablation, "cpu")
    assert again.went == {kinds[1]}


def test_a_gpu_without_memory_costs_no_run(inside):
    here, ablation, cluster = inside(small=("b-s2", "b-tune-lr=0.1-s1000"))
    runner = cluster_runner(here.store, ablation, cluster)
    verdicts = runner.judge(ablation, "cpu")
    assert [share for cells, share in cluster.log if cells == ["b-s2"]][-3:] == [0.25, 0.5, 1.0]
    assert "cell b-s2: out of memory with 50% of a GPU; it runs again with 100%" in (
        runner.take_notices()
    )
    plain = Runner(Store(f"sqlite:///{here.root}/mlflow.db", here.root))
    assert plain.judge(ablation, "cpu") == verdicts
    assert plain.trained == 0
    cluster.enough = math.inf
    whole = cluster_runner(here.store, ablation, cluster, since=time.time())
    with pytest.raises(CellFailed, match="out of memory with the whole GPU"):
        whole.run(ablation, ablation.tuning("b", "cpu")[0])


LANES = """
from dlgbench import Ablation, Recipe

ABLATION = Ablation(
    question="Q?",
    recipe=Recipe(model="mlp", model_args={"hidden": (4,)}, data="digits", steps=4, evaluations=1,
                  data_args={"train": 100, "val": 50}, batch_size=20),
    arms={"a": {}},
    scales={"cpu": {"seeds": 5}},
)
"""


@pytest.mark.parametrize("enough", [0.5, math.inf])
def test_a_group_without_memory_goes_again_with_more_of_a_gpu(inside, monkeypatch, enough):
    here, ablation, cluster = inside(text=LANES)
    cluster.kinds = {"one": 1}
    train = lanes.train

    def on_a_gpu(cells):
        if len(cells) > 1 and cluster.taken < enough:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train(cells)

    monkeypatch.setattr(lanes, "train", on_a_gpu)
    runner = cluster_runner(here.store, ablation, cluster)
    for cell in ablation.evaluation("a", "cpu"):
        assert runner.run(ablation, cell).status == "finished"
    sent = [(len(cells), share) for cells, share in cluster.log]
    told = runner.take_notices()
    assert "cell a-s0 and 4 with it: out of memory with 25% of a GPU" in told[0]
    if enough < 1:
        assert sent == [(5, 0.25), (5, 0.5)]
    else:
        assert sent == [(5, 0.25), (5, 0.5), (5, 1.0), *[(1, 0.25)] * 5]
        assert told[-1].endswith("whole GPU: CUDA out of memory; each is trained alone")


def test_a_node_with_other_code_or_without_a_package_says_so(inside):
    here, _, _ = inside()
    assert node.look(here.parcel).missing == ()
    other = dataclasses.replace(here.parcel, prints={"mine": {"plain": "0" * 32}})
    assert node.look(other).missing == (
        "mine: expected the code and the data of the session, got others",
    )
    (here.root / "test_new.py").write_text("import not_there\n\nABLATION = 1  # dlgbench\n")
    lacks = dataclasses.replace(here.parcel, files=("test_new.py",), root="/there")
    (missing,) = node.look(lacks).missing
    assert missing.startswith("/there/test_new.py can't be imported: ModuleNotFoundError")
    assert "'not_there'" in missing
    with pytest.raises(DlgbenchError, match=r"expected ablations below .*, got /elsewhere/x.py"):
        node.pack(here.root, [Path("/elsewhere/x.py")], [], "", "cpu")


def test_units_are_spread_by_their_work_and_stay_where_they_began():
    units = {("x", seed): seconds for seed, seconds in enumerate((8.0, 1.0, 1.0, 1.0, 1.0))}
    found = spread(units, {"small": 1, "large": 2}, {})
    work = {kind: sum(units[u] for u in units if found[u] == kind) for kind in ("small", "large")}
    assert work == {"small": 4.0, "large": 8.0}
    given = {("x", 0): "small", ("x", 1): "gone"}
    assert spread(units, {"small": 1, "large": 2}, given)["x", 0] == "small"
    assert set(spread(units, {"large": 2}, given).values()) == {"large"}


def test_a_verdict_says_where_it_pairs_unequal_devices_or_versions(inside):
    _, ablation, _ = inside()
    devices = {("plain", 1): "other", ("plain", 2): "other", ("b", 2): "other"}
    runs = {
        cell: Run(
            "finished",
            {"test/error": 0.5 if arm == "plain" else 0.1 + cell.seed / 100},
            provenance={
                "device": devices.get((arm, cell.seed), "one"),
                "version.torch": "2.9" if arm == "b" and cell.seed > 2 else "2.14",
            },
        )
        for arm in ablation.arms
        for cell in ablation.evaluation(arm, "cpu")
    }
    (claim,) = ablation.claims
    note = judge_runs(ablation, "cpu", runs)[claim].note
    assert "1 of 5 seeds pair runs of unequal devices" in note  # seed 1 alone: both moved in seed 2
    assert "; 2 of 5 seeds pair runs of unequal versions of torch" in note
    same = {cell: dataclasses.replace(run, provenance={}) for cell, run in runs.items()}
    assert "unequal" not in judge_runs(ablation, "cpu", same)[claim].note


def test_without_the_package_one_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(session.importlib.util, "find_spec", lambda _: None)
    config = SimpleNamespace(getoption=lambda name, *_: {"--ray": "auto"}.get(name))
    with pytest.raises(pytest.UsageError, match=r"pip install '<this repository>\[ray\]'"):
        session._ray(config)


def test_what_measures_time_is_refused_before_all_where_the_controller_has_no_gpu(place, pytest_in):
    pytest.importorskip("ray", reason="needs ray: python -m pip install '<this repository>[ray]'")
    here = place()
    mine = here.root / "test_mine.py"
    timed = mine.read_text().replace("claims=[", "timing=True,\n    claims=[")
    (here.root / "test_timed.py").write_text(timed)
    args, env = ("--ray", "ray://x:1"), {"CUDA_VISIBLE_DEVICES": ""}
    refused = pytest_in(here.root, *args, scale="gpu", env=env)
    assert refused.returncode == 4
    assert "what measures time (timed) runs on this machine also with --ray" in refused.stderr
    left_out = pytest_in(here.root, *args, "-m", "not timing", scale="gpu", env=env)
    assert "expected auto, local, or HOST:PORT" in left_out.stderr  # it came as far as the cluster


def test_a_client_s_address_is_refused_with_the_way_in():
    with pytest.raises(DlgbenchError, match=r"auto, local, or HOST:PORT .* got ray://x:10001"):
        Cluster("ray://x:10001", Path(), "cpu", None, "")
