"""What a Ray cluster gains and costs: two nodes of one core against one, on this machine."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dlgbench.discovery import load
from dlgbench.errors import DlgbenchError
from dlgbench.provenance import provenance
from dlgbench.tracking import Store

CELLS = 200
MEMORY = 80 * 2**20  # bytes of a node's object store
FILE = f"""
from dlgbench import Ablation, Recipe

ABLATION = Ablation(
    question="Bench",
    recipe=Recipe(
        model="lenet5",
        data="mnist5k",
        data_args={{"train": 1000, "val": 500}},
        batch_size=50,
        steps=100,
        evaluations=2,
    ),
    arms={{"a": {{}}, "b": {{"lr": 0.05}}}},
    scales={{"cpu": {{"seeds": {CELLS // 2}}}, "gpu": {{}}}},
)
"""


def measured(rounds: Iterable[int]) -> dict[str, Any]:
    """Seconds of 200 cells on one node and on two, their ratio, and the overhead of a cell in ms.

    Each session is a `pytest --ray` of its own with a fresh store. Its time runs from the start of
    its first cell to the end of the last one's saving, so that what starts the processes is left
    out. The overhead is what one node takes beside the cells themselves.

    Raises:
        DlgbenchError: without the package ray.
    """
    taken = []
    with _head() as add, tempfile.TemporaryDirectory() as folder:
        for k in rounds:
            with add():
                one, cells = _session(add.address, Path(folder) / f"one-{k}")
                with add():
                    two, _ = _session(add.address, Path(folder) / f"two-{k}")
            overhead = 1e3 * (one - cells) / CELLS
            taken.append({"one": one, "two": two, "ratio": one / two, "overhead": overhead})

    def median(name: str) -> float:
        return statistics.median(times[name] for times in taken)

    return {
        "benchmark": "ray",
        "seconds": {"one node": median("one"), "two nodes": median("two")},
        "ratios": {"one / two": median("ratio"), "overhead of a cell, ms": median("overhead")},
        "cells": CELLS,
        "rounds": len(taken),
        **provenance("cpu"),
    }


class _Nodes:
    """`with add():` a node of one core more in the cluster at `address`."""

    def __init__(self, cluster: Any) -> None:
        self.cluster, self.address, self.made = cluster, str(cluster.address), 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.made += 1  # nodes of one machine would delete each other's files
        own = f"runtime-{self.made}"
        node = self.cluster.add_node(
            num_cpus=1, object_store_memory=MEMORY, runtime_env_dir_name=own
        )
        try:
            yield
        finally:
            self.cluster.remove_node(node)


@contextlib.contextmanager
def _head() -> Iterator[_Nodes]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.cluster_utils import Cluster
    except ImportError:
        wanted = "python -m pip install '<this repository>[ray]'"
        raise DlgbenchError(f"bench ray: expected the package ray, got none: {wanted}") from None
    args = {"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=args)
    try:
        yield _Nodes(cluster)
    finally:
        cluster.shutdown()


def _session(address: str, folder: Path) -> tuple[float, float]:
    """The seconds of a session's cells from the first to the last, and the sum of the cells'."""
    file = folder / "ablations" / "test_bench.py"
    file.parent.mkdir(parents=True)
    file.write_text(FILE)
    store = Store(f"sqlite:///{folder}/mlflow.db", folder)
    store.open()
    command = [sys.executable, "-m", "pytest", str(file), "-q", "--scale", "cpu", "--no-report"]
    command += ["--ray", address, "--tracking-uri", store.uri, "--rootdir", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    runs = store.runs(load(file), "cpu").values()
    if done.returncode or len(runs) != CELLS:
        told = f"{done.stdout}{done.stderr}".strip()
        raise DlgbenchError(f"bench ray: expected {CELLS} runs, got {len(runs)}: {told}")
    first = min(float(run.provenance["started"]) for run in runs)
    return store.newest_end() - first, sum(float(run.provenance["wall"]) for run in runs)
