"""dlgbench: a lecture made executable. Every claim a hypothesis, every hypothesis a verdict.

The declarations are imported at once. What needs torch is imported when it is first used, so that
`dlgbench list` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dlgbench.ablation import Ablation, Cell, Run
from dlgbench.claim import (
    Claim,
    Effect,
    Verdict,
    at_least,
    at_most,
    contrast,
    difference,
    exactly,
    interaction,
    log_contrast,
    log_ratio,
    slope,
    value,
    within,
)
from dlgbench.errors import DlgbenchError
from dlgbench.recipe import Recipe
from dlgbench.registry import (
    register_activation,
    register_data,
    register_figure,
    register_initialization,
    register_model,
    register_optimizer,
    register_probe,
    register_schedule,
    register_task,
)
from dlgbench.scale import Scale
from dlgbench.training import Training

if TYPE_CHECKING:
    from dlgbench.data.arrays import Arrays
    from dlgbench.models import create_model
    from dlgbench.probes.observers import Observer
    from dlgbench.probes.subject import Measurement, Subject
    from dlgbench.probes.timing import interleaved
    from dlgbench.reports.study import Study
    from dlgbench.reports.style import Plot
    from dlgbench.tasks.base import Task
    from dlgbench.tasks.factory import create

__version__ = "0.1.0"
__all__ = [
    "Ablation",
    "Arrays",
    "Cell",
    "Claim",
    "DlgbenchError",
    "Effect",
    "Measurement",
    "Observer",
    "Plot",
    "Recipe",
    "Run",
    "Scale",
    "Study",
    "Subject",
    "Task",
    "Training",
    "Verdict",
    "at_least",
    "at_most",
    "contrast",
    "create",
    "create_model",
    "difference",
    "exactly",
    "interaction",
    "interleaved",
    "log_contrast",
    "log_ratio",
    "register_activation",
    "register_data",
    "register_figure",
    "register_initialization",
    "register_model",
    "register_optimizer",
    "register_probe",
    "register_schedule",
    "register_task",
    "slope",
    "value",
    "within",
]
_LATER = {
    "Arrays": "dlgbench.data.arrays",
    "Measurement": "dlgbench.probes.subject",
    "Observer": "dlgbench.probes.observers",
    "Plot": "dlgbench.reports.style",
    "Study": "dlgbench.reports.study",
    "Subject": "dlgbench.probes.subject",
    "Task": "dlgbench.tasks.base",
    "create": "dlgbench.tasks.factory",
    "create_model": "dlgbench.models",
    "interleaved": "dlgbench.probes.timing",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'dlgbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
