"""What networks of one or two inputs make of their input line or plane, and paths of optimizers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlgbench.recipe import Recipe
from dlgbench.registry import register_figure
from dlgbench.reports import style, words
from dlgbench.reports.figures import base, panels
from dlgbench.reports.study import Study
from dlgbench.reports.style import Plot

CLASSES = style.ARMS[1], style.ARMS[0]  # orange is class 0, blue is class 1

# decision boundaries ----------------------------------------------------------------------------

MOST_PLANES = 5  # panels in a row
# Limits of z_1 - z_0, the log odds of class 1: .02, .18, .5, .82, .98.
LEVELS = (-np.inf, -4.0, -1.5, 0.0, 1.5, 4.0, np.inf)
SHADES = tuple(
    (CLASSES[place > 2], alpha) for place, alpha in enumerate((0.5, 0.32, 0.15, 0.15, 0.32, 0.5))
)


@register_figure("boundaries")
def boundaries(study: Study) -> list[Plot]:
    """Decision boundaries: a row of planes for each data set, one for each arm with scores.

    Slides "Multi-Layer Perceptrons", "Linear separability".
    """
    scores, points = study.array("boundary/score"), study.array("boundary/points")
    if not scores:
        return []
    extents, classes = study.array("boundary/extent"), study.array("boundary/point_class")
    rows: dict[str, list[str]] = {}
    for arm in scores:
        rows.setdefault(str(study.works[arm].data), []).append(arm)
    lengths = set(map(len, rows.values()))
    by_column = 1 < len(rows) <= MOST_PLANES and len(lengths) == 1  # a column for each data set
    if by_column:
        lines = [("", list(arms)) for arms in zip(*rows.values(), strict=True)]
    else:
        lines = [
            (data, arms[at : at + MOST_PLANES])
            for data, arms in rows.items()
            for at in range(0, len(arms), MOST_PLANES)
        ]
    columns = max(len(arms) for _, arms in lines)
    width = min(base.WIDTH / columns, 2.6)
    figure, axes = base.grid(len(lines) * columns, columns, width + 0.4, width * columns)
    tables = []
    for place, ax in enumerate(axes):
        row, column = divmod(place, columns)
        data, arms = lines[row]
        if column >= len(arms):
            ax.set_visible(False)
            continue
        arm = arms[column]
        grid = _score_plane(ax, scores[arm], extents[arm])
        tables.append(grid.assign(arm=arm, kind="grid")[["arm", "kind", "x", "y", "score"]])
        if arm in points and arm in classes:
            _training_points(ax, points[arm], classes[arm])
            x, y = points[arm].T
            about = {"arm": arm, "kind": "point", "x": x, "y": y, "class": classes[arm]}
            tables.append(pd.DataFrame(about))
        ax.set_title(f"{arm}\n{_test_error(study, arm)}{_one_class(scores[arm])}")
        if by_column:
            ax.set_xlabel(str(study.works[arm].data), color=style.INK)
        elif column == 0:
            ax.set_ylabel(data, color=style.INK)
    dots = "dots are training points; " if points else ""
    caption = base.caption(
        study,
        "What each trained network makes of the plane: orange is class 0, blue class 1, deeper "
        f"where it is surer (z₁ − z₀ beyond ±1.5 and ±4); {dots}black is the boundary, z₁ = z₀.",
        f"{base.FIRST_SEED}; the test error is the mean over all seeds.",
        data=list(rows),
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("boundaries", "Decision boundaries", caption, figure, table)]


def _test_error(study: Study, arm: str) -> str:
    error = study.mean("test/error", arm)
    return "not trained" if math.isnan(error) else f"test error {100 * error:.1f} %"


def _one_class(scores: np.ndarray) -> str:
    return "" if scores.min() < 0 < scores.max() else "\nall one class"


def _score_plane(ax: Axes, z: np.ndarray, extent: np.ndarray) -> pd.DataFrame:
    """The scores (rows, columns), row 0 at the bottom, in shades, with the boundary in black."""
    left, right, bottom, top = map(float, extent)
    xs, ys = np.linspace(left, right, z.shape[1]), np.linspace(bottom, top, z.shape[0])
    limit = max(float(np.abs(z).max()), 10.0) + 1
    for (start, end), (color, alpha) in zip(itertools.pairwise(LEVELS), SHADES, strict=True):
        between = [max(start, -limit), min(end, limit)]
        ax.contourf(xs, ys, z, between, colors=[color], alpha=alpha).set_rasterized(True)
    if z.min() < 0 < z.max():
        ax.contour(xs, ys, z, [0.0], colors=[style.INK], linewidths=1.6)
    ax.set(aspect="equal", xticks=[], yticks=[], xlim=(left, right), ylim=(bottom, top))
    ax.grid(visible=False)
    x, y = np.meshgrid(xs, ys)
    return pd.DataFrame({"x": x.ravel(), "y": y.ravel(), "score": z.ravel()})


def _training_points(ax: Axes, points: np.ndarray, classes: np.ndarray) -> None:
    for number, color in enumerate(CLASSES):
        x, y = points[classes == number].T
        ax.scatter(x, y, s=9, color=color, edgecolor=style.PAPER, linewidth=0.4, rasterized=True)


# warped planes ----------------------------------------------------------------------------------

MOST_WARPS = 4  # panels in a row
SPOT = 1e-6  # how far apart points may lie that count as one


@register_figure("warp")
def warp(study: Study) -> list[Plot]:
    """How the last hidden layer bends the plane, where it has two or three units.

    Slide "Linearizing may need higher dimensions"; colah 2014.
    """
    units, classes = study.array("warp/units"), study.array("warp/class")
    arms = [arm for arm in units if arm in classes]
    if not arms:
        return []
    columns = min(len(arms), MOST_WARPS)
    rows = -(-len(arms) // columns)
    figure = Figure(figsize=(base.WIDTH * columns / MOST_WARPS, 2.7 * rows))
    tables = []
    for place, arm in enumerate(arms, 1):
        count = units[arm].shape[-1]
        projection = "3d" if count == 3 else None
        ax = figure.add_subplot(rows, columns, place, projection=projection)
        _warped_net(ax, units[arm], classes[arm])
        perfect = study.mean("perfect", arm)
        result = f"perfect in {perfect:.0%} of seeds"
        if math.isnan(perfect):
            result = f"test error {100 * study.mean('test/error', arm):.1f} %"
        dead = "\ndead: all on one point" * _is_spot(units[arm])
        ax.set_title(f"{arm}\n{result}{dead}", loc="left")  # three dimensions centre it otherwise
        values = units[arm].reshape(-1, count)
        about = {f"unit_{k}": values[:, k] for k in range(count)}
        tables.append(pd.DataFrame({"arm": arm, **about, "class": classes[arm].ravel()}))
    caption = base.caption(
        study,
        "A square grid of the input plane as the last hidden layer sees it, coloured by the class "
        "that each point is given; its two or three units are the axes. The output layer can only "
        "cut it straight.",
        f"{base.FIRST_SEED}.",
    )
    table = pd.concat(tables, ignore_index=True)
    return [Plot("warp", "The plane, bent by the hidden layers", caption, figure, table)]


def _is_spot(units: np.ndarray) -> bool:
    """Whether all points of the grid fall on one, in each unit of (rows, columns, units)."""
    flat = units.reshape(-1, units.shape[-1])
    return bool(np.all(np.ptp(flat, axis=0) <= SPOT * np.maximum(1.0, np.abs(flat).max(axis=0))))


def _warped_net(ax: Any, units: np.ndarray, classes: np.ndarray) -> None:
    """The grid's lines, and its points in the colours of their classes."""
    squares = np.moveaxis(units, -1, 0)  # (units, rows, columns)
    padded = np.pad(squares, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)  # nan lifts the pen
    for lines in (padded, padded.transpose(0, 2, 1)):
        coordinates = lines.reshape(len(lines), -1)
        ax.plot(*coordinates, color=style.SOFT, linewidth=0.6, alpha=0.6, zorder=1)
    for number, color in enumerate(CLASSES):
        points = squares[:, classes == number]
        ax.scatter(*points, s=7, color=color, linewidth=0, zorder=2, rasterized=True)
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    if len(squares) == 3:
        ax.set(zticks=[])
        ax.set_box_aspect((1, 1, 1), zoom=1.1)
        for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
            axis.set_pane_color((0, 0, 0, 0))
    else:
        ax.margins(0.06)


# paths of optimizers ----------------------------------------------------------------------------

MOST_PATHS = 4  # on one map
Surface = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


class Minimum(NamedTuple):
    """A function f(x, y, kappa), as in dlgbench/models/function.py, and where it is least."""

    of: Surface
    at: tuple[float, float]


def _beale(x: np.ndarray, y: np.ndarray, _: float) -> np.ndarray:
    """Beale's function: sum over k = 1, 2, 3 of (c_k - x + x y^k)^2, c = 1.5, 2.25, 2.625."""
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


FUNCTIONS = {
    "quadratic": Minimum(lambda x, y, kappa: 0.5 * (x**2 + kappa * y**2), (0.0, 0.0)),
    "quartic": Minimum(lambda x, y, _: x**4 + y**4, (0.0, 0.0)),
    "absolute": Minimum(lambda x, y, _: np.abs(x) + np.abs(y), (0.0, 0.0)),
    "rosenbrock": Minimum(lambda x, y, _: (1 - x) ** 2 + 100 * (y - x**2) ** 2, (1.0, 1.0)),
    "beale": Minimum(_beale, (3.0, 0.5)),
}


class Problem(NamedTuple):
    """What the model `function` minimizes: function, condition number, starting point."""

    name: str
    kappa: float
    start: tuple[float, ...]

    @classmethod
    def of(cls, recipe: Recipe) -> Problem:
        """The problem that a recipe sets."""
        args = recipe.model_args
        name = args.get("name", "quadratic")
        kappa = float(args.get("kappa", 100.0)) if name == "quadratic" else 1.0
        return cls(name, kappa, tuple(args.get("start", (1.0, 1.0))))

    @property
    def title(self) -> str:
        """What stands above its map."""
        if self.name == "quadratic":
            return f"{self.name}, condition number {self.kappa:g}"
        return self.name.capitalize()

    @property
    def minimum(self) -> np.ndarray:
        """Where the function is least."""
        return np.array(FUNCTIONS[self.name].at)

    @property
    def reach(self) -> float:
        """How far from the minimum, in each coordinate, a path is followed."""
        return 3 * max(0.5, *np.abs(np.array(self.start) - self.minimum))

    def value(self, point: np.ndarray) -> float:
        """The function at a point."""
        return float(FUNCTIONS[self.name].of(point[0], point[1], self.kappa))

    def descends(self, track: np.ndarray) -> bool:
        """Whether a track (points, 2) ends no higher than it began."""
        return self.value(track[-1]) <= self.value(track[0])

    def followed(self, track: np.ndarray) -> np.ndarray:
        """The whole track; one that runs away ends at its first point out of reach."""
        if self.descends(track):
            return track
        away = np.flatnonzero(~(np.abs(track - self.minimum).max(1) <= self.reach))
        return track[: away[0] + 1] if len(away) else track


@register_figure("paths")
def paths(study: Study) -> list[Plot]:
    """A contour map for each function of two variables, with the paths of the arms on it.

    Slides "Gradient descent", "Momentum".
    """
    x, y, third = (study.curve(f"path/{i}") for i in range(3))
    recipes = {
        arm: work
        for arm, work in study.works.items()
        if isinstance(work, Recipe) and work.model == "function" and arm in y and arm not in third
    }
    if not recipes:
        return []
    problems = {arm: Problem.of(recipe) for arm, recipe in recipes.items()}
    tracks = {
        arm: np.array([problem.start, *zip(x[arm], y[arm], strict=True)])
        for arm, problem in problems.items()
    }
    by_problem: dict[Problem, list[str]] = {}
    for arm, problem in problems.items():
        by_problem.setdefault(problem, []).append(arm)
    maps: list[tuple[Problem, dict[str, list[str]]]] = []
    for problem, arms in by_problem.items():
        alike = list(_same_lines(arms, tracks).items())
        parts = [alike[at : at + MOST_PATHS] for at in range(0, len(alike), MOST_PATHS)]
        maps += [(problem, dict(part)) for part in parts]
    groups = {str(place): list(lines) for place, (_, lines) in enumerate(maps)}
    looks = panels.looks({arm: recipes[arm] for arms in groups.values() for arm in arms}, groups)
    figure, axes = base.grid(len(maps), 2, 4.0)
    for ax, (problem, lines) in zip(axes, maps, strict=True):
        descending = [tracks[arm] for arm in lines if problem.descends(tracks[arm])]
        _contours(ax, problem, np.vstack([problem.start, problem.minimum, *descending]))
        for arm, names in lines.items():
            end = problem.value(tracks[arm][-1])
            label = f"{', '.join(names)}, f = {end:.1g} at the end"
            look: dict[str, Any] = {"linewidth": 1.2, "marker": "o", "markersize": 2.2}
            look |= {"color": looks[arm][0], "zorder": 3, "rasterized": True}
            ax.plot(*problem.followed(tracks[arm]).T, label=label, **look)
        ax.set(title=problem.title, xlabel="w₁", ylabel="w₂")
        base.legend_below(ax)
    caption = base.caption(
        study,
        "Each path from its start (square) towards the minimum (star); a dot for each recorded step"
        f"{base.tuned(study)}.",
        "Contours on a logarithmic scale; what runs away for good is cut off where it leaves the "
        "map.",
        "n = 1: nothing here is drawn by chance.",
        base.left_out(study),
    )
    tables = [
        pd.DataFrame({"arm": arm, "point": range(len(track)), "x": track[:, 0], "y": track[:, 1]})
        for arm, track in tracks.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    return [Plot("paths", "Paths of the optimizers", caption, figure, table)]


def _same_lines(arms: Sequence[str], tracks: dict[str, np.ndarray]) -> dict[str, list[str]]:
    """The arms by the first of those whose tracks can't be told apart, which share a line."""
    lines: dict[str, list[str]] = {}
    for arm in arms:
        track = tracks[arm]
        same = (
            first
            for first in lines
            if tracks[first].shape == track.shape and np.allclose(tracks[first], track, 1e-4, 1e-5)
        )
        lines.setdefault(next(same, arm), []).append(arm)
    return lines


def _contours(ax: Axes, problem: Problem, points: np.ndarray) -> None:
    """Contours of the function around points (n, 2), within reach of its minimum."""
    minimum, start = problem.minimum, problem.start
    lows = np.maximum(points.min(0), minimum - problem.reach)
    highs = np.minimum(points.max(0), minimum + problem.reach)
    pad = 0.15 * np.maximum(highs - lows, 0.5 * (highs - lows).max())
    (left, bottom), (right, top) = lows - pad, highs + pad
    x, y = np.meshgrid(np.linspace(left, right, 160), np.linspace(bottom, top, 160))
    z = FUNCTIONS[problem.name].of(x, y, problem.kappa)
    floor = max(float(np.quantile(z, 0.005)), 1e-6 * float(z.max()))
    levels = np.geomspace(floor, z.max(), 12)
    look: dict[str, Any] = {"colors": [style.SOFT], "linewidths": 0.6, "alpha": 0.55}
    ax.contour(x, y, np.maximum(z, floor / 10), levels, **look)
    point: dict[str, Any] = {"color": style.INK, "linestyle": "", "zorder": 4}
    ax.plot(*minimum, marker="*", markersize=12, **point)
    ax.plot(start[0], start[1], marker="s", markersize=5, **point)
    ax.set(xlim=(left, right), ylim=(bottom, top))
    ax.grid(visible=False)


# fits -------------------------------------------------------------------------------------------

FITS_IN_A_ROW = 3


@register_figure("fits")
def fits(study: Study) -> list[Plot]:
    """The curves that regressions draw through their points, over-fitted and regularized.

    Slide "Reminder: Overfitting, in images". All panels share the axes.
    """
    curves, points = study.array("fit/curve"), study.array("fit/points")
    arms = [arm for arm in curves if arm in points]
    if not arms:
        return []
    heights = np.concatenate([points[arm][:, 1] for arm in arms])
    pad = 0.6 * float(np.ptp(heights) or 1)
    limits = heights.min() - pad, heights.max() + pad
    is_known = {study.works[arm].data for arm in arms} == {"polynomial"}  # sin(pi u)
    width = base.WIDTH if len(arms) > 2 else 4.2 * len(arms)
    figure, axes = base.grid(len(arms), FITS_IN_A_ROW, 3.0, width, sharex=True, sharey=True)
    tables = []
    for ax, arm in zip(axes, arms, strict=True):
        u, curve = curves[arm].T
        if is_known:
            dashes: dict[str, Any] = {"linestyle": "--", "linewidth": 1.2, "label": "the truth"}
            ax.plot(u, np.sin(np.pi * u), color=style.SOFT, **dashes)
        ax.plot(u, curve, color=style.ARMS[0], linewidth=2, label="fit")
        dots: dict[str, Any] = {"s": 22, "linewidth": 0, "zorder": 3, "label": "training points"}
        ax.scatter(*points[arm].T, color=style.ARMS[1], **dots)
        error = study.mean("test/mse", arm)
        mean = "" if math.isnan(error) else f"\nmean test MSE {words.number(error, 2)}"
        ax.set_title(f"{arm}{mean}")
        ax.set(xlabel="u", ylim=limits)
        for kind, rows in (("curve", curves[arm]), ("point", points[arm])):
            about = {"arm": arm, "kind": kind, "u": rows[:, 0], "y": rows[:, 1]}
            tables.append(pd.DataFrame(about))
    base.legend_beside(axes[min(len(axes), FITS_IN_A_ROW) - 1])
    caption = base.caption(
        study,
        f"What each regression makes of its training points{base.tuned(study)}; where a curve "
        "leaves the axes it is cut off.",
        f"{base.FIRST_SEED}; the error is the mean over all seeds.",
    )
    return [Plot("fits", "Fits", caption, figure, pd.concat(tables, ignore_index=True))]
