"""The end of every caption: where its numbers come from."""

from __future__ import annotations

from dlgbench.reports.study import Study, origin


def sources(study: Study) -> str:
    """Data set, scale and device in one sentence."""
    devices = ", ".join(origin(list(study.runs.values())).devices) or "unknown"
    return f"Data: {study.data}. Scale: {study.scale}. Device: {devices}."
