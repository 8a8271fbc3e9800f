"""The paths of the optimizers on the functions that they minimize (slides "Gradient descent", "Momentum")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.recipe import Recipe
from dlgbench.reports import panels, style
from dlgbench.reports.captions import left_out, sources, tuned
from dlgbench.reports.study import Study

Surface = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
FUNCTIONS: dict[
    str, tuple[Surface, tuple[float, float]]
] = {  # f(x, y, kappa) as in dlgbench/models/function.py, and the minimizer
    "quadratic": (lambda x, y, kappa: 0.5 * (x**2 + kappa * y**2), (0.0, 0.0)),
    "quartic": (lambda x, y, _: x**4 + y**4, (0.0, 0.0)),
    "absolute": (lambda x, y, _: np.abs(x) + np.abs(y), (0.0, 0.0)),
    "rosenbrock": (lambda x, y, _: (1 - x) ** 2 + 100 * (y - x**2) ** 2, (1.0, 1.0)),
    "beale": (
        lambda x, y, _: (
            (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2
        ),
        (3.0, 0.5),
    ),
}
MOST = 4  # paths on one map


def _setting(recipe: Recipe) -> tuple[str, float, tuple[float, ...]]:
    """Function, condition number, starting point."""
    args = recipe.model_args
    name = args.get("name", "quadratic")
    return (
        name,
        float(args.get("kappa", 100.0)) if name == "quadratic" else 1.0,
        tuple(args.get("start", (1.0, 1.0))),
    )


def _value(name: str, point: np.ndarray, kappa: float) -> float:
    return float(FUNCTIONS[name][0](point[0], point[1], kappa))


def draw(study: Study) -> list[style.Drawing]:
    """A contour map for each function of two variables, with the paths of the arms on it."""
    x, y, more = (study.picture(f"path/{i}") for i in range(3))
    recipes = {
        arm: study.ablation.arm(arm, study.scale)
        for arm in y
        if arm not in more and study.ablation.arm(arm, study.scale).model == "function"
    }
    if not recipes:
        return []
    maps: dict[Any, list[str]] = {}
    for arm, recipe in recipes.items():
        maps.setdefault(_setting(recipe), []).append(arm)
    tracks = {
        arm: np.array([_setting(recipe)[2], *zip(x[arm], y[arm], strict=True)])
        for arm, recipe in recipes.items()
    }
    alike = {setting: _alike(arms, tracks) for setting, arms in maps.items()}
    drawn = [
        (setting, list(same)[at : at + MOST])
        for setting, same in alike.items()
        for at in range(0, len(same), MOST)
    ]
    groups = {str(place): arms for place, (_, arms) in enumerate(drawn)}
    looks = panels.colours({arm: recipes[arm] for arms in groups.values() for arm in arms}, groups)
    tables = [
        pd.DataFrame({"arm": arm, "point": range(len(track)), "x": track[:, 0], "y": track[:, 1]})
        for arm, track in tracks.items()
    ]
    with style.styled():
        figure, axes = style.grid(len(drawn), 2, 4.0)
        for ax, ((name, kappa, start), arms) in zip(axes, drawn, strict=True):
            same = alike[name, kappa, start]
            near = [
                tracks[arm]
                for arm in arms
                if _value(name, tracks[arm][-1], kappa) <= _value(name, tracks[arm][0], kappa)
            ]
            _map(
                ax,
                name,
                kappa,
                np.array(
                    [start, FUNCTIONS[name][1], *(point for track in near for point in track)]
                ),
                start,
            )
            for arm in arms:
                end = _value(name, tracks[arm][-1], kappa)
                shown = (
                    tracks[arm]
                    if end <= _value(name, tracks[arm][0], kappa)
                    else _inside(tracks[arm], name, start)
                )
                label = f"{', '.join(same[arm])}, f = {end:.1g} at the end"
                ax.plot(
                    *shown.T,
                    color=looks[arm][0],
                    linewidth=1.2,
                    marker="o",
                    markersize=2.2,
                    label=label,
                    zorder=3,
                    rasterized=True,
                )
            ax.set_title(
                f"{name}, condition number {kappa:g}" if name == "quadratic" else name.capitalize()
            )
            ax.legend(loc="upper left", bbox_to_anchor=(0, -0.1), borderaxespad=0, ncols=1)
    caption = (
        f"Each path from its start (square) towards the minimum (star); a dot for each recorded step{tuned(study)}. "
        "Contours on a logarithmic scale; what runs away for good is cut off where it leaves the map. "
        f"n = 1: nothing here is drawn by chance.{left_out(study)} {sources(study)}"
    )
    return [
        style.Drawing(
            "paths",
            "Paths of the optimizers",
            caption,
            figure,
            pd.concat(tables, ignore_index=True),
        )
    ]


def _alike(arms: list[str], tracks: dict[str, np.ndarray]) -> dict[str, list[str]]:
    """The arms by the first of those whose tracks no eye could tell apart, which share a line."""
    found: dict[str, list[str]] = {}
    for arm in arms:
        close = (
            first
            for first in found
            if tracks[first].shape == tracks[arm].shape
            and np.allclose(tracks[first], tracks[arm], 1e-4, 1e-5)
        )
        found.setdefault(next(close, arm), []).append(arm)
    return found


def _reach(name: str, start: tuple[float, ...]) -> float:
    """How far from the minimum a path is followed."""
    minimum = FUNCTIONS[name][1]
    return 3 * max(abs(start[0] - minimum[0]), abs(start[1] - minimum[1]), 0.5)


def _inside(track: np.ndarray, name: str, start: tuple[float, ...]) -> np.ndarray:
    """The path up to the first point out of reach."""
    away = np.flatnonzero(
        ~(np.abs(track - np.array(FUNCTIONS[name][1])).max(1) <= _reach(name, start))
    )
    return track[: away[0] + 1] if len(away) else track


def _map(ax: Axes, name: str, kappa: float, points: np.ndarray, start: tuple[float, ...]) -> None:
    of, minimum = FUNCTIONS[name]
    reach = _reach(name, start)
    lows, highs = (
        np.maximum(points.min(0), np.array(minimum) - reach),
        np.minimum(points.max(0), np.array(minimum) + reach),
    )
    pad = 0.15 * np.maximum(highs - lows, 0.5 * (highs - lows).max())
    (left, bottom), (right, top) = lows - pad, highs + pad
    x, y = np.meshgrid(np.linspace(left, right, 160), np.linspace(bottom, top, 160))
    z = of(x, y, kappa)
    floor = max(float(np.quantile(z, 0.005)), 1e-6 * float(z.max()))
    ax.contour(
        x,
        y,
        np.maximum(z, floor / 10),
        np.geomspace(floor, z.max(), 12),
        colors=[style.SOFT],
        linewidths=0.6,
        alpha=0.55,
    )
    ax.plot(*minimum, marker="*", markersize=12, color=style.INK, linestyle="", zorder=4)
    ax.plot(start[0], start[1], marker="s", markersize=5, color=style.INK, linestyle="", zorder=4)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.grid(visible=False)
