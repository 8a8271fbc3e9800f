"""Which GPU a worker gets, and how many workers share one.

A worker sees one GPU alone, through CUDA_VISIBLE_DEVICES, so that `cuda` means its own everywhere;
a task of a cluster sees all of its node, and its own is the current one.
MIG slices count as GPUs: CUDA gives a process one slice at most.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

VISIBLE = "CUDA_VISIBLE_DEVICES"  # ROCm heeds it too, unless its own is set
ROCM = "HIP_VISIBLE_DEVICES"
MOST_SHARING = 8  # workers on one GPU, unless the user says otherwise
WORKER_MEMORY = 8 * 2**30  # bytes of a GPU's memory for each worker
POLL = 0.5  # seconds


def cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def visible() -> list[str]:
    """The GPUs that this process may use, named as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get(ROCM, os.environ.get(VISIBLE))
    if chosen is not None:  # CUDA ignores what follows an invalid entry
        names = (name.strip() for name in chosen.split(","))
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    if slices := _slices():
        return slices
    import torch

    return [str(k) for k in range(torch.cuda.device_count())]


def _slices() -> list[str]:
    """The MIG slices, and the GPUs that are not cut into slices; none where nothing is cut."""
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    return slices_of(listed.stdout)


def slices_of(listed: str) -> list[str]:
    """The UUIDs of the devices that `nvidia-smi -L` lists; none where no GPU is cut by MIG."""
    found: list[list[str]] = []  # of each GPU: itself, or its slices
    for line in listed.splitlines():
        uuid = re.search(r"UUID: ([\w-]+)", line)
        if uuid and line.startswith("GPU"):
            found.append([uuid[1]])
        elif uuid and found:
            found[-1].append(uuid[1])
    if all(len(names) == 1 for names in found):
        return []
    return [name for names in found for name in (names[1:] or names)]


def per_gpu() -> int:
    """How many workers share a GPU by default: by its memory, at most eight."""
    import torch

    if not torch.cuda.is_available():
        return 1
    memory = torch.cuda.get_device_properties("cuda").total_memory
    return max(1, min(MOST_SHARING, memory // WORKER_MEMORY))


def show(names: Sequence[str]) -> None:
    """Makes GPUs the only ones that this process sees; CUDA must not be initialized."""
    os.environ[VISIBLE] = ",".join(names)
    if ROCM in os.environ:
        os.environ[ROCM] = os.environ[VISIBLE]


def take(names: list[str], worker: int) -> str:
    """Makes a worker's GPU the only one that it sees: the worker's number modulo the GPUs.

    Returns:
        The GPU's name; empty where there is none.
    """
    if not names:
        return ""
    name = names[worker % len(names)]
    show([name])
    return name


@contextlib.contextmanager
def granted(names: Sequence[str]) -> Iterator[None]:
    """Makes the GPU that a task was granted, if any, the one that `cuda` means meanwhile.

    The process sees all that the node has, and its task before may have had another one. CUDA shows
    it one MIG slice alone: there the process must be a new one.
    """
    if names and names[0].startswith("MIG"):
        show(names[:1])
    elif names:
        import torch

        if torch.cuda.is_available():
            chosen = {VISIBLE, ROCM} & set(os.environ)
            torch.cuda.set_device(visible().index(names[0]) if chosen else int(names[0]))
    try:
        yield
    finally:
        release()


def release(*, pools: bool = False) -> None:
    """Gives back what torch keeps of a GPU's memory and does not use, and the data that we keep."""
    if pools and (module := sys.modules.get("dlgbench.data.module")):
        module.forget_pools()
    if torch := sys.modules.get("torch"):
        with contextlib.suppress(RuntimeError):  # after a failure for which CUDA ends the process
            torch.cuda.empty_cache()


def _folder(session: str) -> Path:
    return Path(tempfile.gettempdir()) / f"dlgbench-gpus-{session}"


def forget(session: str) -> None:
    """Deletes what the workers of a session that ended agreed on."""
    shutil.rmtree(_folder(session), ignore_errors=True)


class Places:
    """The workers that may use one GPU at a time. All workers of a session agree, through files.

    Where the memory runs out, `halve` halves their number for the rest of the session.

    Args:
        gpu: the GPU's name; the empty name has places for all.
        most: how many there are at first.
        session: the name of the session.
    """

    def __init__(self, gpu: str, most: int, session: str) -> None:
        self.gpu, self._first = gpu, most
        self._folder = _folder(session) / re.sub(r"[^\w-]", "_", gpu)
        self._limit = self._folder / "limit"

    @property
    def limit(self) -> int:
        """How many workers may use the GPU now."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._limit.read_text())
        return self._first

    @contextlib.contextmanager
    def one(self) -> Iterator[int]:
        """A place, and how many there are; waits while all are taken."""
        if not self.gpu:
            yield self._first
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        while True:
            limit = self.limit
            for k in range(limit):
                lock = FileLock(self._folder / f"{k}.lock", timeout=0)
                with contextlib.suppress(Timeout):
                    lock.acquire()
                    break
            else:
                release(pools=True)  # those who have a place may need it
                time.sleep(POLL)
                continue
            with contextlib.ExitStack() as stack:
                stack.callback(lock.release)
                stack.callback(lambda: release(pools=self.limit < self._first))  # comes first
                yield limit
            return

    def halve(self, limit: int) -> int:
        """Half as many places as the `limit` that was too many, unless another was faster."""
        with FileLock(self._folder / "limit.lock"):
            if self.limit == limit:
                self._limit.write_text(str(max(1, limit // 2)))
            return self.limit
