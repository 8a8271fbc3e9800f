"""Random numbers that depend on a seed, a number of a pass, and a position, and on nothing else.

A generator such as torch's hands out its numbers one after another: what a layer gets depends on
who drew before. A counter-based generator computes each number from where it is used. Salmon et al.
2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

PASSES = 256  # keys are computed for so many passes at once
HALF = 2**16  # masks take half a hash: a rate is rounded to a multiple of 1 / HALF


def mix(x: Tensor) -> Tensor:
    """MurmurHash3's 32-bit finalizer (Appleby 2011), in place.

    A bijection of int32 after which each bit depends on every bit of x. `>>` keeps the sign, hence
    the masks.
    """
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    x *= 0x85EBCA6B - 2**32
    x ^= (x >> 13).bitwise_and_(0x7FFFF)
    x *= 0xC2B2AE35 - 2**32
    x ^= (x >> 16).bitwise_and_(0xFFFF)
    return x


@functools.lru_cache(maxsize=64)
def _positions(count: int, device: torch.device) -> Tensor:
    """The hashes of 0, ..., count - 1."""
    return mix(torch.arange(count, dtype=torch.int32, device=device))


class Draws:
    """Random numbers for R lanes, each with its own seed.

    The number at position i of pass t is mix(mix(i) ^ mix(mix(t ^ a) ^ b)) in 32-bit words, where a
    and b are the halves of the lane's seed, and t counts the calls of `bits`: one for each draw of
    a layer in a training step. So a lane gets the same numbers in any company, and on every device.

    Args:
        seeds: R whole numbers of 63 bits (`dlgbench.streams.stream_seed`).
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds, self.passes = tuple(seeds), 0
        self._block, self._keys = -1, torch.empty(0)

    @classmethod
    def merged(cls, lanes: Sequence[Draws]) -> Draws:
        """The lanes of several draws, which have made equally many passes, as one."""
        draws = cls([seed for lane in lanes for seed in lane.seeds])
        draws.passes = lanes[0].passes
        return draws

    def bits(self, count: int, device: torch.device) -> Tensor:
        """(R, count) of int32, all 32 bits random: those of the next pass."""
        block, place = divmod(self.passes, PASSES)
        if block != self._block:
            words = [[_signed(seed >> 32), _signed(seed)] for seed in self.seeds]
            first, second = torch.tensor(words, dtype=torch.int32, device=device).split(1, dim=1)
            start = block * PASSES
            passes = torch.arange(start, start + PASSES, dtype=torch.int32, device=device)
            self._block, self._keys = block, mix(mix(passes ^ first) ^ second)
        self.passes += 1
        return mix(_positions(count, device) ^ self._keys[:, place, None])

    def kept(self, rates: Tensor, shape: Sequence[int]) -> Tensor:
        """R / (1 - p), r ~ Bernoulli(1 - p): (R, *shape) of 0 and 1 / (1 - p), in dtype of `rates`.

        Args:
            rates: p of each lane, (R,), rounded here to a multiple of 2^-16 below 1; of float32, or
                of a wider type: in bfloat16 the mean of r / (1 - p) would not be 1.
            shape: of one lane.
        """
        count, limits = math.prod(shape), (rates * HALF).round().clamp(max=HALF - 1)
        halves = self.bits((count + 1) // 2, rates.device).view(torch.int16)[:, :count]
        limits = limits[:, None]
        kept = torch.empty(halves.shape, dtype=rates.dtype, device=rates.device)
        torch.ge(halves, (limits - HALF // 2).to(torch.int16), out=kept)
        return kept.mul_(HALF / (HALF - limits)).view(-1, *shape)

    def uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """(R, *shape) of numbers of U(-1, 1), in the middles of 2^24 equal intervals."""
        return self._uniform(shape, like).to(like.dtype)

    def normal(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """(R, *shape) of numbers of N(0, 1): the quantiles of `uniform`, within 5.3 of 0."""
        return self._uniform(shape, like).erfinv_().mul_(math.sqrt(2)).to(like.dtype)

    def _uniform(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """`uniform` in float32, or in a wider type of `like`: a narrower one would round to 1."""
        whole = self.bits(math.prod(shape), like.device) >> 8
        wide = whole.to(torch.promote_types(like.dtype, torch.float32))
        return wide.mul_(2).add_(1).mul_(2.0**-24).view(-1, *shape)


def _signed(word: int) -> int:
    """The lowest 32 bits as a signed number."""
    return (word + 2**31) % 2**32 - 2**31
