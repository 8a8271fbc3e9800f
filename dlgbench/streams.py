"""Named random streams: what is drawn for one purpose never shifts what is drawn for another, so arms pair by seed."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager

import torch


def isolated(device: torch.device) -> AbstractContextManager[None]:
    """A block that leaves torch's global random streams, the CPU's and the device's, where it found them."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def stream_seed(seed: int, name: str, random_stream: int = 0) -> int:
    """63 bits from SHA-256 of seed, name and random_stream."""
    return (
        int.from_bytes(
            hashlib.sha256(f"dlgbench/{seed}/{name}/{random_stream}".encode()).digest()[:8], "big"
        )
        >> 1
    )


def stream(seed: int, name: str, random_stream: int = 0) -> torch.Generator:
    """A CPU generator for one purpose (`split`, `order`, `init/3`, `noise`) of one seed."""
    return torch.Generator().manual_seed(stream_seed(seed, name, random_stream))
