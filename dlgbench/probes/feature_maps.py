"""Which pixels the units of a feature map depend on, followed through a network by arithmetic (slide "Receptive field arithmetic")."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction

from dlgbench.errors import DlgbenchError

Patch = tuple[float, float]  # first and last pixel; (inf, -inf) is none


@dataclasses.dataclass(frozen=True)
class Axis:
    """Unit u = q P + p, p < P, of a map depends on the pixels from low[p] + q shift to high[p] + q shift along one axis of the image.

    P, the period, is 1 until something is up-sampled. Neighbours are jump = shift / P pixels apart. The image is taken as endless.
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
        """The receptive field: as many pixels as the unit that sees most of them has from its first to its last."""
        return int(max(high - low for low, high in zip(self.low, self.high, strict=True))) + 1

    def at(self, unit: int) -> Patch:
        """The first and the last pixel that a unit depends on."""
        turns, phase = divmod(unit, self.period)
        return self.low[phase] + turns * self.shift, self.high[phase] + turns * self.shift

    def window(self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> Axis:
        """Unit u sees the units s u - padding + d a, a = 0 ... k - 1: where P = 1, r += (k - 1) d j, then j *= s."""
        period = self.period // math.gcd(self.period, stride)
        shift = self.shift * stride * period // self.period
        return _axis(
            period,
            shift,
            lambda u: [self.at(stride * u - padding + dilation * a) for a in range(kernel)],
        )

    def transposed(self, kernel: int, stride: int, dilation: int = 1, padding: int = 0) -> Axis:
        """Unit u sees the units i with s i - padding + d a = u for some tap a = 0 ... k - 1: j /= s, and ceil(k / s) of them at most (d = 1)."""

        def patches(u: int) -> list[Patch]:
            places = (u + padding - dilation * a for a in range(kernel))
            return [self.at(place // stride) for place in places if place % stride == 0]

        return _axis(self.period * stride, self.shift, patches)


def joined(axes: Sequence[Axis]) -> Axis:
    """Unit u sees what each one's unit u sees.

    Raises:
        DlgbenchError: for axes of different jumps.
    """
    if len({axis.jump for axis in axes}) > 1:
        raise DlgbenchError(
            f"maps of equal jump are wanted; jumps of {' and '.join(str(axis.jump) for axis in axes)} pixels came"
        )
    period = math.lcm(*(axis.period for axis in axes))
    return _axis(period, int(period * axes[0].jump), lambda u: [axis.at(u) for axis in axes])


def interleaved(axes: Sequence[Axis]) -> Axis:
    """Units n i, n i + 1, ... of the n axes' units i in turn."""
    both = joined(axes)
    return _axis(
        len(axes) * both.period, both.shift, lambda u: [axes[u % len(axes)].at(u // len(axes))]
    )


def _axis(period: int, shift: int, patches: Callable[[int], Iterable[Patch]]) -> Axis:
    seen = [[*patches(u)] for u in range(period)]
    low = tuple(min((first for first, _ in patch), default=math.inf) for patch in seen)
    high = tuple(max((last for _, last in patch), default=-math.inf) for patch in seen)
    return Axis(low, high, shift)
