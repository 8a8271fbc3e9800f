"""A Ray cluster as this process, the controller, sees it: its nodes, and the cells in flight.

What is done on a node is told by `dlgbench.node`, and what is done with
the outcomes by `dlgbench.cluster_runner`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dlgbench import devices, node, spool
from dlgbench.ablation import Cell, Run
from dlgbench.errors import DlgbenchError
from dlgbench.node import Looked, Outcome, Parcel, Place, place_of
from dlgbench.scale import SCALES

PACKAGE = Path(__file__).parent
RETRIES = 3  # of a task whose process or node died
PATIENCE = 1.0  # seconds without news after which it is seen which nodes are left
ALL_VISIBLE = [f"RAY_EXPERIMENTAL_NOSET_{kind}_VISIBLE_DEVICES" for kind in ("CUDA", "HIP")]
STORE = 100 * 2**20  # bytes of a local cluster's object store: runs are small
STAYS = (  # of the root folder; and what .gitignore and .rayignore name
    *("/.nox", "/.dlgbench", "/mlruns", "/mlartifacts", "/mlflow.db*", "/reports/build"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", "*.egg-info"),
)
Unit = tuple[str, int]  # ablation and seed: what goes to one kind of node


@dataclasses.dataclass(frozen=True)
class Node:
    """A node that can train: its kind, its places for cells, and how many share a GPU."""

    id: str
    kind: str
    places: int
    per_gpu: int


@dataclasses.dataclass(frozen=True)
class Flight:
    """Cells that were sent together, to a kind of node, with what each of them takes of a GPU."""

    cells: tuple[Cell, ...]
    kind: str
    share: float


class Cluster:
    """A connection to a Ray cluster; with the address `local` to one that it starts and ends.

    Args:
        address: `local`, `auto`, or HOST:PORT of a cluster that this machine is a node of.
        root: the session's root folder, which travels.
        scale: the scale: at `gpu` a cell takes a share of a GPU beside its core.
        per_gpu: how many cells share a GPU; None for as many as its memory bears.
        data_root: where data sets lie on every node; "" where each node knows itself.

    Raises:
        DlgbenchError: where there is no such cluster, or the root folder is too large to travel.
    """

    def __init__(
        self, address: str, root: Path, scale: str, per_gpu: int | None, data_root: str
    ) -> None:
        self.scale, self.root, self._per_gpu = scale, root, per_gpu
        self.nodes: list[Node] = []
        self._parcel: Any = None
        self._remote: dict[Any, Any] = {}  # function, and whether alone -> Ray's form of it
        self._flights: dict[Any, Flight] = {}  # by Ray's reference to their outcomes
        self._refs: dict[Place, Any] = {}
        self._ray = _connected(address, root, scale, data_root)

    # nodes ----------------------------------------------------------------------------------------

    def look(self, parcel: Parcel) -> list[str]:
        """Asks all nodes whether they can train what the session wants.

        Returns:
            What the user must know of those that can't, and are left out.

        Raises:
            DlgbenchError: where none can.
        """
        self._parcel = self._ray.put(parcel)
        gpu = {"num_gpus": 0.01} if SCALES[self.scale].cuda else {}
        takes: dict[str, Any] = {"num_cpus": 0, "alone": bool(gpu)} | gpu
        there, notes = self._alive(), []
        asked = [
            self._task(node.look, [of["NodeID"]], **takes).remote(self._parcel) for of in there
        ]
        _, silent = self._ray.wait(asked, num_returns=len(asked), timeout=10) if asked else ([], [])
        if silent:
            spool.say(f"waiting for {len(silent)} of {len(asked)} nodes, which are busy or slow")
        for of, ref in zip(there, asked, strict=True):
            try:
                looked: Looked = self._ray.get(ref)
            except self._ray.exceptions.RayError as error:
                looked = Looked(missing=(_reason(error),))
            if looked.missing:
                name = f"{of['NodeManagerHostname']} ({of['NodeManagerAddress']})"
                notes.append(f"node {name} is left out: {'; '.join(looked.missing)}")
                continue
            per_gpu = self._per_gpu or looked.per_gpu
            places = int(of["Resources"]["CPU"])
            if gpu:
                places = min(places, int(of["Resources"]["GPU"] * per_gpu))
            self.nodes.append(Node(of["NodeID"], looked.kind, places, per_gpu))
        if not self.nodes:
            wanted = "a node that can train" + (" and has a GPU" if gpu else "")
            raise DlgbenchError(". ".join([f"--ray: expected {wanted}, got none", *notes]))
        return notes

    def check(self, names: Sequence[str]) -> None:
        """Tries the data, models and probes of ablations, each on some node.

        Raises:
            DlgbenchError: for the first one that can't be carried out.
        """
        share = min(map(self.share, self.kinds))
        ids, alone = [of.id for of in self.nodes], any(map(_is_slice, self.kinds))
        task = self._task(node.check, ids, alone=alone, **self._takes(share))
        try:
            found = self._ray.get([task.remote(self._parcel, name) for name in names])
        except self._ray.exceptions.RayError as error:
            raise DlgbenchError(f"--ray: expected checks that end, got: {_reason(error)}") from None
        for message in filter(None, found):
            raise DlgbenchError(message)

    def _alive(self) -> list[dict[str, Any]]:
        needed = ("CPU", "GPU") if SCALES[self.scale].cuda else ("CPU",)
        return [
            of
            for of in self._ray.nodes()
            if of["Alive"] and all(of["Resources"].get(what, 0) > 0 for what in needed)
        ]

    @property
    def kinds(self) -> dict[str, int]:
        """The kinds of nodes that are left, with their places for cells."""
        counted: Counter[str] = Counter()
        for of in self.nodes:
            counted[of.kind] += of.places
        return dict(counted)

    def share(self, kind: str) -> float:
        """What a cell takes of a GPU of a kind of node; Ray counts in ten-thousandths."""
        per_gpu = min(of.per_gpu for of in self.nodes if of.kind == kind)
        return math.floor(1e4 / per_gpu) / 1e4

    # cells ----------------------------------------------------------------------------------------

    def is_flying(self, place: Place) -> bool:
        """Whether the cell at a place was sent, and its outcome not returned."""
        return place in self._refs

    def send(
        self, flight: Flight, known: Mapping[Place, Run], tuning: Sequence[Place] = ()
    ) -> None:
        """Sends cells to a kind of node.

        Args:
            flight: the cells.
            known: of evaluation cells whose tuning is not done, the tuning runs that are there.
            tuning: and the places of those that fly: Ray waits for them.
        """
        ids = [of.id for of in self.nodes if of.kind == flight.kind]
        places = [place_of(cell) for cell in flight.cells]
        refs = list(dict.fromkeys(self._refs[place] for place in tuning))
        name = f"{flight.cells[0].ablation} {flight.cells[0].id}"
        takes, alone = self._takes(flight.share), _is_slice(flight.kind)
        task = self._task(node.carry_out, ids, alone=alone, name=name, **takes)
        ref = task.remote(self._parcel, places, known, *refs)
        self._flights[ref] = flight
        self._refs |= dict.fromkeys(places, ref)

    def _takes(self, share: float) -> dict[str, float]:
        return {"num_cpus": 1} | ({"num_gpus": share} if SCALES[self.scale].cuda else {})

    def _task(self, function: Any, ids: Sequence[str], *, alone: bool, **options: Any) -> Any:
        """A function as a task for some nodes, `alone` in a process that ends with it."""
        only = {"ray.io/node-id": f"in({','.join(ids)})"}
        with _quiet():
            if (function, alone) not in self._remote:  # Ray sends it once for each of these
                as_task = self._ray.remote(max_calls=1) if alone else self._ray.remote
                self._remote[function, alone] = as_task(_on_its_gpu(function))
            return self._remote[function, alone].options(
                max_retries=RETRIES, label_selector=only, **options
            )

    def wait(self) -> Iterator[tuple[Flight, Cell, Outcome]]:
        """What has come since the last call, tuning first; waits a little where nothing has."""
        if not self._flights:
            return
        ready, _ = self._ray.wait(list(self._flights), num_returns=1, timeout=PATIENCE)
        if not ready:
            yield from self._left()
        yield from self._landed()

    def _landed(self) -> Iterator[tuple[Flight, Cell, Outcome]]:
        refs = list(self._flights)
        ready, _ = self._ray.wait(refs, num_returns=len(refs), timeout=0) if refs else ([], [])
        for ref in sorted(ready, key=lambda ref: self._flights[ref].cells[0].purpose != "tune"):
            flight = self._flights[ref]
            outcomes = self._outcomes(ref, flight)
            for cell, outcome in zip(self._forget(ref).cells, outcomes, strict=True):
                yield flight, cell, outcome

    def _outcomes(self, ref: Any, flight: Flight) -> list[Outcome]:
        try:
            outcomes: list[Outcome] = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            places = [place_of(cell) for cell in flight.cells]
            gone = flight.kind not in self._kinds_left()
            if gone or len(places) > 1:
                return [Outcome(place, again="left" if gone else "alone") for place in places]
            text = (
                f"{error}\ncell {flight.cells[0].id}: no end on the cluster: {type(error).__name__}"
            )
            return [Outcome(place, failure=text) for place in places]
        return outcomes

    def _left(self) -> Iterator[tuple[Flight, Cell, Outcome]]:
        """The cells that wait for a kind of node of which none is left."""
        kinds = self._kinds_left()
        for ref in [ref for ref, of in self._flights.items() if of.kind not in kinds]:
            self._ray.cancel(ref, force=True)
            flight = self._forget(ref)
            for cell in flight.cells:
                yield flight, cell, Outcome(place_of(cell), again="left")

    def _kinds_left(self) -> dict[str, int]:
        alive = {of["NodeID"] for of in self._alive()}
        self.nodes = [of for of in self.nodes if of.id in alive]
        return self.kinds

    def _forget(self, ref: Any) -> Flight:
        flight = self._flights.pop(ref)
        for cell in flight.cells:
            self._refs.pop(place_of(cell), None)
        return flight

    def close(self) -> list[tuple[Flight, Cell, Outcome]]:
        """Cancels what is queued or running, and ends the connection, or the local cluster.

        Returns:
            What had come before.
        """
        if not self._ray.is_initialized():
            return []  # closed before: Ray would begin a cluster by itself
        landed: list[tuple[Flight, Cell, Outcome]] = []
        try:
            with contextlib.suppress(self._ray.exceptions.RayError):  # Ctrl-C may have ended Ray
                landed.extend(self._landed())
                for ref in self._flights:
                    self._ray.cancel(ref, force=True)
        finally:
            self._flights.clear()
            self._refs.clear()
            self._ray.shutdown()
        return landed


def _is_slice(kind: str) -> bool:
    """Whether a kind of node trains on slices of GPUs, of which a process sees one, for good."""
    return " MIG " in kind


def _on_its_gpu(function: Any) -> Any:
    """A function that a node calls, on the GPU that Ray grants the task."""

    def call(*args: Any) -> Any:
        import ray

        with devices.granted(ray.get_runtime_context().get_accelerator_ids()["GPU"]):
            return function(*args)

    return call


def _connected(address: str, root: Path, scale: str, data_root: str) -> Any:
    """The module ray, connected.

    Raises:
        DlgbenchError: where it can't be.
    """
    if address.startswith("ray://"):
        wanted = "auto, local, or HOST:PORT of a cluster that this machine is a node of"
        raise DlgbenchError(
            f"--ray: expected {wanted}, got {address}; `ray start --address HOST:PORT --num-cpus 0`"
            " makes it one that trains nothing itself"
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_task_oom_retries", str(RETRIES))  # not for ever, as Ray's default
    import ray

    variables = {"OMP_NUM_THREADS": "1"} | ({"DLGBENCH_DATA": data_root} if data_root else {})
    if SCALES[scale].cuda:  # a process has many tasks, and can't be shown another GPU
        variables |= dict.fromkeys(ALL_VISIBLE, "1")
    travels = {"working_dir": str(root), "py_modules": [str(PACKAGE)], "excludes": list(STAYS)}
    local: dict[str, Any] = {}
    if address == "local":
        local = {"num_cpus": devices.cores(), "include_dashboard": False}
        local["object_store_memory"] = STORE
        if SCALES[scale].cuda:
            devices.show(gpus := devices.visible())
            local["num_gpus"] = len(gpus)
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        with _quiet():
            ray.init(address, runtime_env={**travels, "env_vars": variables}, **quiet, **local)
    except Exception as error:  # noqa: BLE001  (Ray's own, or the operating system's)
        with contextlib.suppress(Exception):
            ray.shutdown()
        raise DlgbenchError(_no_cluster(address, root, error)) from None
    return ray


def _no_cluster(address: str, root: Path, error: Exception) -> str:
    reason = _reason(error)
    if "exceeds the maximum size" in reason:
        return (
            f"--ray: {root} is too large to travel: {reason} Name what the nodes need not have in "
            ".gitignore or .rayignore"
        )
    if isinstance(error, ConnectionError) and address == "auto":
        return (
            "--ray auto: expected a cluster that this machine is a node of, got none: `ray start "
            "--head` begins one, --ray local does for this run alone"
        )
    return f"--ray {address}: expected a cluster that answers, got: {reason}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reason(error: Exception) -> str:
    """The last line of an exception that says something."""
    if type(error).__name__ == "TaskUnschedulableError":  # Ray's, of a task for certain nodes
        return "the node is gone"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def spread(
    units: Mapping[Unit, float], kinds: Mapping[str, int], given: Mapping[Unit, str]
) -> dict[Unit, str]:
    """Which kind of node makes the runs of each unit, an ablation's seed.

    The longest first, each to the kind that is done with it first.

    Args:
        units: with the work that each is, in any unit of time.
        kinds: with their places for cells.
        given: the kinds of units that have one already.
    """
    load = dict.fromkeys(kinds, 0.0)
    found: dict[Unit, str] = {}
    ordered = sorted(units, key=lambda unit: (unit not in given, -units[unit]))
    for unit in ordered:
        ends = {kind: (load[kind] + units[unit]) / places for kind, places in kinds.items()}
        kind = given[unit] if given.get(unit) in kinds else min(ends, key=lambda kind: ends[kind])
        load[kind] += units[unit]
        found[unit] = kind
    return found
