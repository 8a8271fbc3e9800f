"""The provenance of a number: device, versions, git commit."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

VERSIONS = ("torch", "torchvision", "pytorch-lightning", "numpy", "dlgbench")


@functools.cache
def provenance(device: str) -> dict[str, str]:
    """The device's name, the versions, and the git commit of the working folder.

    The commit ends in `-dirty` where the folder has changes.
    """
    name = _gpu() if device.startswith("cuda") else _cpu()
    versions = {f"version.{package}": _version(package) for package in VERSIONS}
    return {"device": name, "git": _git(), "version.python": platform.python_version(), **versions}


def machine() -> str:
    """The machine on which time is measured: its processor, cores, and GPU."""
    return f"{_cpu()}, {_gpu()}"


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name} ({os.cpu_count()} cores)"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _git() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()
