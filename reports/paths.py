"""The paths of the optimizers on the functions that they minimize (slides "Gradient descent", "Momentum")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from dlgbench.recipe import Recipe
from dlgbench.reports import panels, style
from dlgbench.reports.captions import left_out, sources
from dlgbench.reports.study import Study

Surface = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
FUNCTIONS: dict[str, tuple[Surface, tuple[float, float]]] = {  # f(x, y, kappa) as in dlgbench/models/function.py, and the minimizer
    "quadratic": (lambda x, y, kappa: 0.5 * (x**2 + kappa * y**2), (0.0, 0.0)),
    "quartic": (lambda x, y, _: x**4 + y**4, (0.0, 0.0)),
    "absolute": (lambda x, y, _: np.abs(x) + np.abs(y), (0.0, 0.0)),
    "rosenbrock": (lambda x, y, _: (1 - x) ** 2 + 100 * (y - x**2) ** 2, (1.0, 1.0)),
    "beale": (lambda x, y, _: (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2, (3.0, 0.5)),
}
MOST = 4  # paths on one map


def _setting(recipe: Recipe) -> tuple[str, float, tuple[float, ...]]:
    """Function, condition number, starting point."""
    args = recipe.model_args
    name = args.get("name", "quadratic")
    return name, float(args.get("kappa", 100.0)) if name == "quadratic" else 1.0, tuple(args.get("start", (1.0, 1.0)))


def _value(name: str, point: np.ndarray, kappa: float) -> float:
    return float(FUNCTIONS[name][0](point[0], point[1], kappa))


def draw(study: Study) -> list[style.Drawing]:
    """A contour map for each function of two variables, with the paths of the arms on it."""
    x, y, more = (study.picture(f"path/{i}") for i in range(3))
    recipes = {arm: study.ablation.arm(arm, study.scale) for arm in y if arm not in more and study.ablation.arm(arm, study.scale).model == "function"}
    if not recipes:
        return []
    maps: dict[Any, list[str]] = {}
    for arm, recipe in recipes.items():
        maps.setdefault(_setting(recipe), []).append(arm)
    drawn = [(setting, arms[at : at + MOST]) for setting, arms in maps.items() for at in range(0, len(arms), MOST)]
    looks = panels.colours(recipes, {str(place): arms for place, (_, arms) in enumerate(drawn)})
    tables = []
    with style.styled():
        figure, axes = style.grid(len(drawn), 2, 4.0)
        for ax, ((name, kappa, start), arms) in zip(axes, drawn, strict=True):
            tracks = {arm: np.array([(start[0], start[1]), *zip(x[arm], y[arm], strict=True)]) for arm in arms}
            near = {arm: track for arm, track in tracks.items() if _value(name, track[-1], kappa) <= _value(name, track[0], kappa)}
            _map(ax, name, kappa, np.array([start, FUNCTIONS[name][1], *(point for track in near.values() for point in track)]), start)
            for arm, track in tracks.items():
                label = f"{arm}, f = {_value(name, track[-1], kappa):.1g} at the end"
                ax.plot(*_inside(track, name, start).T, color=looks[arm][0], linewidth=1.2, marker="o", markersize=2.2, label=label, zorder=3, rasterized=True)
                tables.append(pd.DataFrame({"arm": arm, "point": range(len(track)), "x": track[:, 0], "y": track[:, 1]}))
            ax.set_title(f"{name}, condition number {kappa:g}" if name == "quadratic" else name.capitalize())
            ax.legend(loc="upper left", bbox_to_anchor=(0, -0.1), borderaxespad=0, ncols=1)
    caption = (
        "Each path from its start (square) towards the minimum (star); a dot for each recorded step, each arm at the setting that its tuning chose. "
        f"Contours on a logarithmic scale; what runs away is cut off. n = 1: nothing here is drawn by chance.{left_out(study)} {sources(study)}"
    )
    return [style.Drawing("paths", "Paths of the optimizers", caption, figure, pd.concat(tables, ignore_index=True))]


def _reach(name: str, start: tuple[float, ...]) -> float:
    """How far from the minimum a path is followed."""
    minimum = FUNCTIONS[name][1]
    return 3 * max(abs(start[0] - minimum[0]), abs(start[1] - minimum[1]), 0.5)


def _inside(track: np.ndarray, name: str, start: tuple[float, ...]) -> np.ndarray:
    """The path up to the first point out of reach."""
    away = np.flatnonzero(~(np.abs(track - np.array(FUNCTIONS[name][1])).max(1) <= _reach(name, start)))
    return track[: away[0] + 1] if len(away) else track


def _map(ax: Axes, name: str, kappa: float, points: np.ndarray, start: tuple[float, ...]) -> None:
    of, minimum = FUNCTIONS[name]
    reach = _reach(name, start)
    lows, highs = np.maximum(points.min(0), np.array(minimum) - reach), np.minimum(points.max(0), np.array(minimum) + reach)
    pad = 0.15 * np.maximum(highs - lows, 0.5 * (highs - lows).max())
    (left, bottom), (right, top) = lows - pad, highs + pad
    x, y = np.meshgrid(np.linspace(left, right, 160), np.linspace(bottom, top, 160))
    z = of(x, y, kappa)
    floor = max(float(np.quantile(z, 0.005)), 1e-6 * float(z.max()))
    ax.contour(x, y, np.maximum(z, floor / 10), np.geomspace(floor, z.max(), 12), colors=[style.SOFT], linewidths=0.6, alpha=0.55)
    ax.plot(*minimum, marker="*", markersize=12, color=style.INK, linestyle="", zorder=4)
    ax.plot(start[0], start[1], marker="s", markersize=5, color=style.INK, linestyle="", zorder=4)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.grid(visible=False)
