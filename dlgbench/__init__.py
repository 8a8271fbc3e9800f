"""dlgbench: a lecture made executable. Every claim a hypothesis, every hypothesis a verdict.

The nouns import at once; what needs torch is imported when it is first asked for, so that `dlgbench list` stays quick.
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
    log_ratio,
    slope,
    value,
    within,
)
from dlgbench.errors import DlgbenchError
from dlgbench.recipe import Recipe
from dlgbench.scale import Scale

if TYPE_CHECKING:
    from dlgbench.models import create_model, register_model
    from dlgbench.tasks import create

__version__ = "0.1.0"
__all__ = [
    "Ablation",
    "Cell",
    "Claim",
    "DlgbenchError",
    "Effect",
    "Recipe",
    "Run",
    "Scale",
    "Verdict",
    "at_least",
    "at_most",
    "contrast",
    "create",
    "create_model",
    "difference",
    "exactly",
    "interaction",
    "log_ratio",
    "register_model",
    "slope",
    "value",
    "within",
]
_LATER = {
    "create": "dlgbench.tasks",
    "create_model": "dlgbench.models",
    "register_model": "dlgbench.models",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'dlgbench' has no attribute {name!r}")
