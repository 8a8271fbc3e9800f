"""From the store to one page: gather, draw, write."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dlgbench.ablation import Ablation
from dlgbench.reports import (
    boundaries,
    controls,
    curves,
    depth,
    dropout,
    exemplars,
    fits,
    forest,
    heatmap,
    layers,
    minima,
    noise,
    paired,
    paths,
    pictures,
    predictions,
    rates,
    receptive_field,
    samples,
    sensitivity,
    style,
    tables,
    warp,
    words,
)
from dlgbench.reports.replication import Replication, replicate, summary, tell
from dlgbench.reports.study import Origin, Study, gather, origin
from dlgbench.reports.tables import Arms, ClaimRow, Grid
from dlgbench.tracking import Store

HERE = Path(__file__).parent
PARTS = (
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
MODULES = (
    forest,
    boundaries,
    warp,
    paths,
    fits,
    heatmap,
    depth,
    dropout,
    samples,
    paired,
    receptive_field,
    pictures,
    exemplars,
    predictions,
    minima,
    noise,
    layers,
    curves,
    rates,
    sensitivity,
)
FIGURES = tuple(
    module.draw for module in MODULES
)  # each gives the drawings that the study's runs allow


@dataclasses.dataclass(frozen=True)
class Section:
    """One ablation as the page holds it."""

    study: Study
    claims: list[ClaimRow]
    arms: Arms
    grids: list[Grid]
    figures: list[style.Drawing]
    origin: Origin
    declared: int
    diverged: list[tuple[str, int, str]]
    replication: Replication | None


def build(ablations: Sequence[Ablation], store: Store, scale: str | None, out: Path) -> Path:
    """Writes the page and its figures and tables into `out`, attaches the figures to the store, and returns the page's path.

    Args:
        ablations: what to report on.
        store: where the runs are.
        scale: the scale to show; None for the fullest that has runs, each ablation its own.
        out: the folder, made where it is missing: `index.html`, `claims.csv`, and a folder per ablation.

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
    figures = [drawing for draw in FIGURES for drawing in draw(study)]
    pngs = [style.write(drawing, folder) for drawing in figures]
    if study.runs:
        store.attach(study.ablation.name, pngs)
        folder.mkdir(parents=True, exist_ok=True)
        tables.arms_frame(study).to_csv(folder / "arms.csv", index=False)
        tables.tuning_frame(study).to_csv(folder / "tuning.csv", index=False)
    grids = tables.grids(study) if study.runs else []
    return Section(
        study=study,
        claims=[
            tables.warned(tables.claim_row(study, claim), grids) for claim in study.ablation.claims
        ],
        arms=tables.arms(study),
        grids=grids,
        figures=figures,
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
        "duration": words.duration,
        "short": tables.short,
        "listing": words.listing,
    }
    judged = [(section.study, row) for section in sections for row in section.claims]
    rows = [row for _, row in judged]
    replications = summary(section.replication for section in sections if section.replication)
    return environment.get_template("page.html").render(
        css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        parts=_parts(sections),
        tally=Counter(row.verdict for row in rows),
        unexpected=[(study, row) for study, row in judged if not row.expected],
        slips=[(study, row) for study, row in judged if row.claim.expect == "refuted"],
        controls=controls.listed(judged),
        symbols=style.SYMBOLS,
        origin=origin([run for section in sections for run in section.study.runs.values()]),
        twins=controls.twins(judged),
        replications=replications,
        told=tell(replications.tally),
        written=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _parts(sections: list[Section]) -> dict[str, list[Section]]:
    """The sections by the part of the lecture that their folder names, in the lecture's order; parts of one's own come before the controls."""
    parts: dict[str, list[Section]] = {}
    for section in sorted(sections, key=lambda section: _place(section.study.ablation.name)):
        parts.setdefault(
            section.study.ablation.name.rpartition("/")[0].replace("_", " ") or "ablations", []
        ).append(section)
    return parts


def _place(name: str) -> int:
    folder = name.partition("/")[0]
    return len(PARTS) + (folder == "controls") if folder not in PARTS else PARTS.index(folder)
