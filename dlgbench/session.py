"""The settings of a pytest session over ablations, which all its workers share."""

from __future__ import annotations

import atexit
import dataclasses
import importlib.util
import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from dlgbench import devices
from dlgbench.ablation import Ablation
from dlgbench.baseline import Baseline, of_repository, read
from dlgbench.discovery import find_root
from dlgbench.errors import DlgbenchError
from dlgbench.interrupt import end_on_sigterm
from dlgbench.scale import SCALES
from dlgbench.tracking import Store, find_uri


@dataclasses.dataclass
class Session:
    """The settings of a session.

    Args:
        id: the session's name, by which its workers recognize each other's notes.
        root: the folder of the repository.
        uri: the URI of the tracking store.
        chosen: the scale that `--scale` names, or "auto".
        data: the data set that `--data` names, or "".
        since: runs that ended before this time do not count.
        baseline: the file that `--baseline` names; "" with `--no-baseline`; None for the
            repository's.
        sources: digests of the ablations' code as this process imported it; filled in later.
        changed: what a process says that imported files as they changed.
        gpus: the GPUs that the workers share; empty at scales that run on none.
        per_gpu: how many workers share one.
        gpu: this worker's own.
        ray: the Ray cluster that `--ray` names, or "".
        rehearsal: the data root of a rehearsal's stand-ins; "" without `--rehearse`.
        unsuited: the ablations that `data` does not suit, with the reason; filled in later.
    """

    id: str
    root: str
    uri: str
    chosen: str
    data: str
    since: float
    baseline: str | None = None
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    changed: str = ""
    gpus: list[str] = dataclasses.field(default_factory=list)
    per_gpu: int = 1
    gpu: str = ""
    ray: str = ""
    rehearsal: str = ""
    unsuited: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def scale(self) -> str:
        """The chosen scale; if none was, `gpu` where torch finds CUDA, else `cpu`."""
        if self.chosen == "auto":
            self.chosen = scale_here()
        return self.chosen

    def on_its_data(self, ablation: Ablation) -> Ablation:
        """The ablation on the session's data set; without `--data`, on its own.

        Raises:
            DlgbenchError: for a data set that can't stand in for others.
        """
        return ablation.with_data(self.data) if self.data else ablation

    def past(self) -> Baseline | None:
        """The verdicts that this session's are compared with; None where there are none.

        Raises:
            DlgbenchError: for a file that is no baseline, or one of another scale.
        """
        if self.baseline == "" or self.scale == "smoke":
            return None
        if self.baseline is None:
            return of_repository(Path(self.root), self.scale)
        found = read(Path(self.baseline))
        if found.scale != self.scale:
            raise DlgbenchError(
                f"baseline {self.baseline}: expected verdicts of scale {self.scale}, got those of "
                f"{found.scale}"
            )
        return found

    def share_gpus(self, per_gpu: int | None) -> None:
        """Finds the GPUs that the workers share, at a scale that runs on them.

        Args:
            per_gpu: how many workers share one; None for as many as its memory bears.
        """
        if SCALES[self.scale].cuda and not self.gpus:
            self.gpus = devices.visible()
            self.per_gpu = per_gpu or devices.per_gpu()

    def store(self) -> Store:
        """The tracking store."""
        return Store(self.uri, Path(self.root))


KEY = pytest.StashKey[Session]()


def start(config: pytest.Config) -> Session:
    """The session of a controller, or of pytest without workers, from its options."""
    root = find_root(config.invocation_params.dir)
    uri, since = find_uri(root, config.getoption("--tracking-uri")), 0.0
    if config.getoption("--rerun"):  # later than every run, also where the clock went back
        try:
            since = max(time.time(), Store(uri, root).newest_end() + 1)
        except DlgbenchError as error:
            raise pytest.UsageError(str(error)) from None
    return Session(
        id=uuid.uuid4().hex,
        root=str(root),
        uri=uri,
        chosen=config.getoption("--scale"),
        data=config.getoption("--data") or "",
        since=since,
        baseline=_baseline(config),
        ray=_ray(config),
        rehearsal=_rehearsal(config) if config.getoption("--rehearse") else "",
    )


def _ray(config: pytest.Config) -> str:
    """The address of `--ray`; it turns xdist off, whose workers would be where cells are trained.

    Raises:
        pytest.UsageError: without the package ray.
    """
    address = str(config.getoption("--ray") or "")
    if address and importlib.util.find_spec("ray") is None:
        wanted = "python -m pip install '<this repository>[ray]'"
        raise pytest.UsageError(f"--ray: expected the package ray, got none: {wanted}")
    if address and config.getoption("tx", None):
        config.option.tx, config.option.dist = [], "no"
        print("dlgbench: --ray trains on the cluster: xdist is off", file=sys.stderr)
    return address


def _rehearsal(config: pytest.Config) -> str:
    """A new data root with stand-ins, which this process uses from now on.

    Raises:
        pytest.UsageError: with `--ray`, whose nodes have no stand-ins.
    """
    from dlgbench.data import standins

    if config.getoption("--ray"):
        raise pytest.UsageError("expected --rehearse or --ray, got both")
    end_on_sigterm()
    root = Path(tempfile.mkdtemp(prefix="dlgbench-rehearsal-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    standins.make(root)
    standins.use(root)
    return str(root)


def _baseline(config: pytest.Config) -> str | None:
    alone, file = config.getoption("--no-baseline"), config.getoption("--baseline")
    if alone and file:
        raise pytest.UsageError("expected --baseline or --no-baseline, got both")
    if alone:
        return ""
    return str(config.invocation_params.dir / file) if file else None


def of_worker(config: pytest.Config) -> Session:
    """The session that an xdist worker received from its controller; it takes its GPU."""
    given = getattr(config, "workerinput", {})
    session = Session(**given["dlgbench"])
    if session.rehearsal:
        from dlgbench.data import standins

        standins.use(Path(session.rehearsal))
    session.gpu = devices.take(session.gpus, int(given["workerid"].removeprefix("gw")))
    return session


def session_of(config: pytest.Config) -> Session:
    """The session of a pytest config."""
    return config.stash[KEY]


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is a worker of xdist."""
    return hasattr(config, "workerinput")


def scale_here() -> str:
    """`gpu` where torch finds CUDA (or ROCm), else `cpu`."""
    import torch

    return "gpu" if torch.cuda.is_available() else "cpu"
