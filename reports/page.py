"""The page: gathers runs from the store, draws the plots, writes it all into one folder."""

from __future__ import annotations

import dataclasses
import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console

from dlgbench.ablation import Ablation
from dlgbench.metrics import larger_is_better
from dlgbench.reports import controls, slips, style, tables, words
from dlgbench.reports.drawing import Drawing, changed, draw_all, recorded
from dlgbench.reports.replication import Replication, replicate, summary, tally_text
from dlgbench.reports.study import Origin, Study, command, gather, origin
from dlgbench.reports.tables import Arms, ClaimRow, Grid
from dlgbench.reports.watch import Watch
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
    drawing: Drawing
    origin: Origin
    declared: int
    diverged: list[tuple[str, int, str]]
    replication: Replication | None


def build(
    ablations: Sequence[Ablation],
    store: Store,
    scale: str | None,
    out: Path,
    watch: Watch | None = None,
) -> Path:
    """Writes the page and its plots and tables into a folder, and attaches the plots to the store.

    Plots that lie there already, and would be the same again, are kept.

    Args:
        ablations: what to report on.
        store: where the runs are.
        scale: the scale to show; None for the fullest that has runs, each ablation its own.
        out: the folder, made where it is missing: `index.html`, `claims.csv`, and a folder per
            ablation.
        watch: where the progress is shown, if anywhere.

    Returns:
        The page's path.

    Raises:
        DlgbenchError: where the store is out of reach, or has no runs of any of the ablations.
    """
    watch = watch or Watch(Console(quiet=True))
    studies = gather(watch.over(ablations, "ablations read", len(ablations)), store, scale)
    out.mkdir(parents=True, exist_ok=True)
    tables.claims_frame(studies).to_csv(out / "claims.csv", index=False)
    todo = changed(studies, store, out)
    drawn = watch.over(draw_all(todo, store, out), "ablations drawn", len(todo))
    drawings = {study.ablation.name: drawing for study, drawing in drawn}
    sections = [
        _section(study, out / study.ablation.name, store, drawings.get(study.ablation.name))
        for study in studies
    ]
    for problem in (problem for section in sections for problem in section.drawing.problems):
        print(problem, file=sys.stderr)
    page = out / "index.html"
    page.write_text(_render(sections), encoding="utf-8")
    return page


def _section(study: Study, folder: Path, store: Store, drawing: Drawing | None) -> Section:
    grids = []
    if study.runs:
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
        drawing=drawing or recorded(folder),
        origin=origin(list(study.runs.values())),
        declared=len(study.ablation.cells(study.scale)),
        diverged=[
            (arm, n, purpose)
            for purpose in ("evaluate", "tune")
            for arm, n in Counter(study.diverged(purpose)).items()
        ],
        replication=replicate(study, store),
    )


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
        "formula": words.formula,
        "command": command,
        "duration": words.duration,
        "short": words.short,
        "paragraphs": words.paragraphs,
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
        slips=slips.listed(judged),
        other_slips=slips.unlisted(judged),
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
