"""Named random streams: draws for one purpose never shift the draws for another.

Therefore the arms of an ablation can be paired by seed.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager

import torch


def isolated(device: torch.device) -> AbstractContextManager[None]:
    """A context that restores torch's global random streams, CPU and device, at its end."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def stream_seed(seed: int, name: str, random_stream: int = 0) -> int:
    """63 bits of the SHA-256 of seed, name and random_stream."""
    digest = hashlib.sha256(f"dlgbench/{seed}/{name}/{random_stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, name: str, random_stream: int = 0) -> torch.Generator:
    """A CPU generator for one purpose (`split`, `order`, `init/3`, `noise`) of one seed."""
    return torch.Generator().manual_seed(stream_seed(seed, name, random_stream))


def seed_global(seed: int, device: torch.device) -> None:
    """Seeds torch's global generators of the CPU and of `device`.

    torch.manual_seed does so for all devices, which takes 0.6 ms where there is none.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
