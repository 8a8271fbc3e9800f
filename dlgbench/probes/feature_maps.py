"""Which pixels the units of a feature map depend on, followed through a network by arithmetic.

Slide "Receptive field arithmetic".
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from dlgbench.errors import DlgbenchError

Patch = tuple[float, float]  # first and last pixel; (inf, -inf) for none


@dataclasses.dataclass(frozen=True)
class Axis:
    """One axis of a feature map, and which pixels its units depend on along that axis of the image.

    Unit u = q P + p, p < P, depends on the pixels from low[p] + q shift to high[p] + q shift. The
    period P is 1 until something is up-sampled. Neighbours are jump = shift / P pixels apart. The
    image is taken as endless.
    """

    low: tuple[float, ...] = (0,)
    high: tuple[float, ...] = (0,)
    shift: int = 1

    @property
    def period(self) -> int:
        """P."""
        return len(self.low)

    @property
    def jump(self) -> Fraction:
        """Pixels between two neighbours, on average over a period."""
        return Fraction(self.shift, self.period)

    @property
    def field(self) -> int:
        """The receptive field: the pixels from first to last of the unit that sees most."""
        return int(max(high - low for low, high in zip(self.low, self.high, strict=True))) + 1

    def at(self, unit: int) -> Patch:
        """The first and the last pixel that a unit depends on."""
        turns, phase = divmod(unit, self.period)
        return self.low[phase] + turns * self.shift, self.high[phase] + turns * self.shift

    def window(self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> Axis:
        """The axis after a window: a convolution or pooling of k taps, stride s, dilation d.

        Unit u sees the units s u - padding + d a, a = 0 ... k - 1. Where P = 1, the field r and the
        jump j become r += (k - 1) d j, then j *= s.
        """
        period = self.period // math.gcd(self.period, stride)
        shift = self.shift * stride * period // self.period

        def patches(u: int) -> list[Patch]:
            start = stride * u - padding
            return [self.at(start + dilation * a) for a in range(kernel)]

        return _axis(period, shift, patches)

    def transposed(self, kernel: int, stride: int, dilation: int = 1, padding: int = 0) -> Axis:
        """The axis after a transposed window, j /= s.

        Unit u sees the units i with s i - padding + d a = u for some tap a = 0 ... k - 1: at most
        ceil(k / s) of them (d = 1).
        """

        def patches(u: int) -> list[Patch]:
            places = (u + padding - dilation * a for a in range(kernel))
            return [self.at(place // stride) for place in places if place % stride == 0]

        return _axis(self.period * stride, self.shift, patches)


def joined(axes: Sequence[Axis]) -> Axis:
    """The axis of a sum or concatenation: unit u sees what the units u of all the axes see.

    Raises:
        DlgbenchError: for axes of different jumps.
    """
    if len({axis.jump for axis in axes}) > 1:
        jumps = " and ".join(str(axis.jump) for axis in axes)
        raise DlgbenchError(f"expected maps of equal jump, got jumps of {jumps} pixels")
    period = math.lcm(*(axis.period for axis in axes))
    return _axis(period, int(period * axes[0].jump), lambda u: [axis.at(u) for axis in axes])


def interleaved(axes: Sequence[Axis]) -> Axis:
    """The axis whose units n i, n i + 1, ... are the units i of the n axes in turn."""
    count, both = len(axes), joined(axes)
    return _axis(count * both.period, both.shift, lambda u: [axes[u % count].at(u // count)])


def _axis(period: int, shift: int, patches: Callable[[int], Iterable[Patch]]) -> Axis:
    """The axis of which unit u, 0 <= u < period, depends on all of `patches(u)`."""
    units = [[*patches(u)] for u in range(period)]
    low = tuple(min((first for first, _ in seen), default=math.inf) for seen in units)
    high = tuple(max((last for _, last in seen), default=-math.inf) for seen in units)
    return Axis(low, high, shift)
