"""The end of every caption: where its numbers come from."""

from __future__ import annotations

from dlgbench.reports import words
from dlgbench.reports.study import Study, origin


def sources(study: Study) -> str:
    """Data set, scale and device in one sentence."""
    devices = ", ".join(origin(list(study.runs.values())).devices) or "unknown"
    return f"Data: {study.data}. Scale: {study.scale}. Device: {devices}."


def tuned(study: Study) -> str:
    """A clause on the settings that are shown; empty where nothing was tuned."""
    return "; each arm at the setting that its tuning chose" if study.ablation.tune else ""


def left_out(study: Study, purpose: str = "evaluate") -> str:
    """A sentence, after a space, on the diverged runs that no line can show; empty where none diverged."""
    dropped = study.diverged(purpose)
    noun = "run" if len(dropped) == 1 else "runs"
    return (
        f" Left out: {len(dropped)} diverged {noun} ({words.listing(sorted(set(dropped)))})."
        if dropped
        else ""
    )
