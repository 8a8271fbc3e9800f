"""Before anything is trained: does a recipe's data load, its model build, do its parts go together?"""

from __future__ import annotations

import copy

import torch

from dlgbench.ablation import Ablation, Cell, Work
from dlgbench.data import load
from dlgbench.data.module import DataModule, PlaceholderData
from dlgbench.engine import Engine
from dlgbench.errors import DlgbenchError
from dlgbench.probes.measuring import ROWS, measure, moments, observers
from dlgbench.probes.receptive_field import field
from dlgbench.probes.subject import Subject
from dlgbench.recipe import Recipe
from dlgbench.registry import MODELS
from dlgbench.tasks.base import Task
from dlgbench.train import MEASURED, prepare, set_up_device


def check(work: Work, scale: str) -> None:
    """Loads the data, builds the model and tries every probe once; one's own training code is not called.

    Raises:
        DlgbenchError: for an unknown or missing data set, a corrupt file, or a model, optimizer or probe
            that does not fit.
    """
    if not isinstance(work, Recipe):
        return
    cell = Cell("check", "check", 0, scale, work, "tune")
    device = set_up_device(cell)
    task, splits = prepare(cell, device)
    Engine(task).configure_optimizers()
    where = f"model {work.model}, task {work.task}, data {work.data}"
    try:
        if work.steps:
            _try_step(task, splits or PlaceholderData(work, device))
        for observer in observers(work):
            observer.check(task.network)
        for when in MEASURED:
            if when in moments(work):
                measure(work, when, _rehearsed(task, splits))
    except DlgbenchError as error:
        raise DlgbenchError(f"{where}: {error}") from None
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        probes = f", probes {', '.join(work.probes)}" if work.probes else ""
        raise DlgbenchError(f"{where}{probes} do not go together: {error}") from error


def _try_step(task: Task, splits: DataModule | PlaceholderData) -> None:
    """One pass forward and back over a few rows: do outputs and targets fit?"""
    x, y = splits.train
    few = x[:8], y[:8]
    network = copy.deepcopy(task.network)
    with torch.no_grad():
        z = network.eval()(few[0])
    task.check_shapes(z, y if y.dim() == 1 else few[1])  # all classes, not those of 8 rows alone
    if z.dim() == 4 and z.shape[2:] != y.shape[-2:]:
        seen = field(network, x.shape[1:])
        if seen is not None and seen[1] != 1:
            wanted = "an answer for every pixel"
            raise DlgbenchError(f"expected {wanted}, got one for every {seen[1]} pixels a side")
    trained, task.network = task.network, network.train()
    try:
        loss = task.training_step(few, 0)
        (loss["loss"] if isinstance(loss, dict) else loss).backward()
    finally:
        task.network = trained


def _rehearsed(task: Task, splits: DataModule | None) -> Subject:
    """What probes look at here: the network before training, and training rows at every moment."""
    recipe = task.recipe
    sibling = (lambda: copy.deepcopy(task.network)) if recipe.steps else None
    if splits is None:
        given = recipe.model_args.get("input_shape")
        shape = tuple(given or MODELS[recipe.model].default("input_shape"))
        return Subject(task.network, shape, None, task.objective, False, sibling)
    batch = splits.train[0][:ROWS], splits.train[1][:ROWS]
    return Subject(task.network, splits.input_shape, batch, task.objective, False, sibling)


def why_unsuited(ablation: Ablation, scale: str) -> str:
    """Why the data set that stands in does not suit an ablation: too few examples, too small for a net.

    "" where it does, or where the ablation's own data have the same fault.
    """
    try:
        load(ablation.data)
    except DlgbenchError:
        return ""  # it can't be had at all, which is said once, for all ablations
    own = ablation.with_own_data()
    for arm in ablation.arms_on_other_data(scale):
        reason = _complaint(ablation.arm(arm, scale), scale)
        if reason and not _complaint(own.arm(arm, scale), scale):
            return reason
    return ""


def _complaint(work: Work, scale: str) -> str:
    try:
        check(work, scale)
    except DlgbenchError as error:
        return str(error)
    return ""
