"""The page: gathers runs from the store, draws the plots, writes it all into one folder."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dlgbench.ablation import Ablation
from dlgbench.metrics import larger_is_better
from dlgbench.registry import FIGURES, Part
from dlgbench.reports import controls, style, tables, words
from dlgbench.reports.replication import Replication, replicate, summary, tally_text
from dlgbench.reports.study import Origin, Study, gather, origin
from dlgbench.reports.style import Plot
from dlgbench.reports.tables import Arms, ClaimRow, Grid
from dlgbench.tracking import Store

HERE = Path(__file__).parent
PARTS = (  # of the lecture, in its order
    "basics",
    "optimization",
    "regularization",
    "depth",
    "normalization",
    "convolution",
    "architectures",
    "image_to_image",
    "frameworks",
)
CONTROLS = "controls"


@dataclasses.dataclass(frozen=True)
class Section:
    """One ablation as the page holds it."""

    study: Study
    claims: list[ClaimRow]
    arms: Arms
    grids: list[Grid]
    plots: list[Plot]
    problems: list[str]
    origin: Origin
    declared: int
    diverged: list[tuple[str, int, str]]
    replication: Replication | None


def build(ablations: Sequence[Ablation], store: Store, scale: str | None, out: Path) -> Path:
    """Writes the page and its plots and tables into a folder, and attaches the plots to the store.

    Args:
        ablations: what to report on.
        store: where the runs are.
        scale: the scale to show; None for the fullest that has runs, each ablation its own.
        out: the folder, made where it is missing: `index.html`, `claims.csv`, and a folder per
            ablation.

    Returns:
        The page's path.

    Raises:
        DlgbenchError: where the store is out of reach, or has no runs of any of the ablations.
    """
    studies = gather(ablations, store, scale)
    out.mkdir(parents=True, exist_ok=True)
    tables.claims_frame(studies).to_csv(out / "claims.csv", index=False)
    sections = [_section(study, out / study.ablation.name, store) for study in studies]
    page = out / "index.html"
    page.write_text(_render(sections), encoding="utf-8")
    return page


def _section(study: Study, folder: Path, store: Store) -> Section:
    plots, problems = draw(study, folder)
    grids = []
    if study.runs:
        store.attach(study.ablation.name, [folder / f"{plot.name}.png" for plot in plots])
        folder.mkdir(parents=True, exist_ok=True)
        tables.arms_frame(study).to_csv(folder / "arms.csv", index=False)
        tables.tuning_frame(study).to_csv(folder / "tuning.csv", index=False)
        grids = tables.grids(study)
    rows = [tables.claim_row(study, claim) for claim in study.ablation.claims]
    return Section(
        study=study,
        claims=[tables.warned(row, grids) for row in rows],
        arms=tables.arms(study),
        grids=grids,
        plots=plots,
        problems=problems,
        origin=origin(list(study.runs.values())),
        declared=len(study.ablation.cells(study.scale)),
        diverged=[
            (arm, n, purpose)
            for purpose in ("evaluate", "tune")
            for arm, n in Counter(study.diverged(purpose)).items()
        ],
        replication=replicate(study, store),
    )


def draw(study: Study, folder: Path) -> tuple[list[Plot], list[str]]:
    """Every registered plot that the study's runs allow, written into the folder.

    A figure that fails costs its own plots and no others: it becomes a line, here and on stderr.
    """
    plots: list[Plot] = []
    problems: list[str] = []
    for figure in FIGURES.values():
        try:
            with style.styled():
                drawn = _checked(figure.make(study), {plot.name for plot in plots})
            for plot in drawn:
                style.write(plot, folder)
        except Exception as error:  # noqa: BLE001  (a user's figure may raise anything)
            problems.append(_problem(figure, study, error))
            print(problems[-1], file=sys.stderr)
        else:
            plots += drawn
    return plots, problems


def _checked(drawn: object, taken: set[str]) -> list[Plot]:
    """What a figure gave, if it is a list of plots whose names are free."""
    if not isinstance(drawn, list) or not all(isinstance(plot, Plot) for plot in drawn):
        raise TypeError(f"expected a list of dlgbench.Plot, got {drawn!r}")
    for plot in drawn:
        if plot.name in taken:
            raise ValueError(f"expected a name of its own for each plot, got {plot.name!r} twice")
        taken.add(plot.name)
    return drawn


def _problem(figure: Part, study: Study, error: Exception) -> str:
    """One line that names the figure, its place, and the line of its file that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == figure.file]
    at = f" at line {lines[-1]}" if lines else ""
    came = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return f"figure {figure.name} ({figure.where}) of {study.ablation.name} failed{at}: {came}"


def _render(sections: list[Section]) -> str:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "aligned": words.aligned,
        "wanted": words.wanted,
        "duration": words.duration,
        "short": words.short,
        "listing": words.listing,
        "larger_is_better": larger_is_better,
    }
    judged = [(section.study, row) for section in sections for row in section.claims]
    replications = summary(section.replication for section in sections if section.replication)
    return environment.get_template("page.html").render(
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        parts=_parts(sections),
        of_lecture=any(_place(section.study.folder) < len(PARTS) for section in sections),
        tally=Counter(row.verdict for _, row in judged),
        unexpected=[(study, row) for study, row in judged if not row.expected],
        slips=[(study, row) for study, row in judged if row.claim.kind == "slip"],
        controls=controls.listed(judged),
        symbols=style.SYMBOLS,
        origin=origin([run for section in sections for run in section.study.runs.values()]),
        twins=controls.twins(judged),
        replications=replications,
        replicated=tally_text(replications.tally),
        written=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _parts(sections: list[Section]) -> dict[str, list[Section]]:
    """The sections by the part of the lecture that their folder names, in the lecture's order.

    Parts of a user's own come before the controls.
    """
    parts: dict[str, list[Section]] = {}
    for section in sorted(sections, key=lambda section: _place(section.study.folder)):
        title = section.study.folder.replace("_", " ") or "ablations"
        parts.setdefault(title, []).append(section)
    return parts


def _place(folder: str) -> int:
    part = folder.split("/", maxsplit=1)[0]
    return PARTS.index(part) if part in PARTS else len(PARTS) + (part == CONTROLS)
