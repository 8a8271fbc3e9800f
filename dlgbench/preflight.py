"""Checks before anything is trained: the data load, the model is built, the parts fit together."""

from __future__ import annotations

import contextlib
import copy
import gc
import math
import re
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch

from dlgbench import devices
from dlgbench.ablation import Ablation, Cell, Work
from dlgbench.data import load
from dlgbench.data.files import without_downloads
from dlgbench.data.module import DataModule, PlaceholderData, forget_pools
from dlgbench.data_table import sizes
from dlgbench.engine import Engine, loss_of
from dlgbench.errors import DlgbenchError
from dlgbench.fingerprint import PACKAGE, parts_of
from dlgbench.probes.measuring import measure, moments, observers
from dlgbench.probes.receptive_field import field
from dlgbench.probes.subject import Subject
from dlgbench.recipe import Recipe
from dlgbench.registry import DATA, PROBES, TASKS
from dlgbench.scale import SCALES
from dlgbench.tasks.base import Task
from dlgbench.train import (
    MEASURED,
    input_shape,
    no_gpu,
    prepare,
    set_up_device,
    training_rows,
)


def refuse_missing(
    ablations: Sequence[Ablation], scale: str, *, trains: bool = True, timed: Sequence[str] = ()
) -> None:
    """Refuses a run that lacks a GPU or data sets: one message tells all that it lacks.

    What can be downloaded is, but not where the GPU is lacking.

    Args:
        ablations, scale: what is to be run.
        trains: whether this machine trains: with a cluster it needs no GPU, but the data, by which
            runs are known.
        timed: the ablations that measure time, for which it needs one even so.

    Raises:
        DlgbenchError: naming each, data sets with their sizes in memory and the ways to get them.
    """
    reason = no_gpu() if SCALES[scale].cuda and (trains or timed) else ""
    if reason and not trains:
        reason += (
            f"; what measures time ({', '.join(timed)}) runs on this machine also with --ray: "
            "leave it out, -m 'not timing', or start on a machine that has a GPU"
        )
    lacking = [f"- a GPU: {reason}"] if reason else []
    works = {ablation.arm(arm, scale) for ablation in ablations for arm in ablation.arms_at(scale)}
    names = sorted({work.data for work in works if work.data and work.data in DATA})
    reasons: dict[str, list[str]] = {}
    with without_downloads() if lacking else contextlib.nullcontext():
        for name in names:
            try:
                load(name)
            except DlgbenchError as error:  # of a set that is made of another: the other's reason
                reason = re.sub(r"^(data set \w+: )+", "", str(error))
                reasons.setdefault(reason, []).append(f"{name}{_size(name)}")
    lacking += [f"- data {', '.join(sets)}: {reason}" for reason, sets in reasons.items()]
    if lacking:
        listed = "\n".join(lacking)
        raise DlgbenchError(f"scale {scale} needs what is not here:\n{listed}")


def _size(name: str) -> str:
    """The size in memory of one of the suite's own data sets; "" for another, which is not here."""
    with contextlib.suppress(DlgbenchError):
        return f" ({sizes(name).bytes / 1e6:.0f} MB)"
    return ""


def check(work: Work, scale: str) -> None:
    """Loads the data, builds the model and tries every probe once, but those that say not to.

    A user's own training function is not called.

    Raises:
        DlgbenchError: for an unknown or missing data set, a corrupt file, or a model, optimizer or
            probe that does not fit.
    """
    if not isinstance(work, Recipe):
        return
    try:
        _try_parts(work, scale)
    except DlgbenchError:
        raise
    except Exception as error:  # a user's part may raise anything
        probes = f", probes {', '.join(work.probes)}" if work.probes else ""
        reason = f"{_place(error, work)}{error}"
        parts = f"{_parts(work)}, batch_size {work.batch_size}{probes}"
        raise DlgbenchError(f"{parts} do not go together: {reason}") from error


def forget() -> None:
    """Gives back the memory of a GPU that the checks took: those who train need all of it."""
    if torch.cuda.is_initialized():
        forget_pools()
        gc.collect()  # networks in cycles
        devices.release()


def _try_parts(recipe: Recipe, scale: str) -> None:
    cell = Cell("check", "check", 0, scale, recipe, "tune")
    device = set_up_device(cell)
    task, splits = prepare(cell, device)
    rule = Engine(task).configure_optimizers()
    try:
        for observer in observers(recipe):
            observer.check(task.network)
        tried = recipe.override(probes=[name for name in recipe.probes if PROBES[name].tried])
        for when in MEASURED:
            if when in moments(tried):
                measure(tried, when, _untrained(task, splits))
        if recipe.steps:
            _try_step(task, rule, splits or PlaceholderData(recipe, device))
    except DlgbenchError as error:
        raise DlgbenchError(f"{_parts(recipe)}: {error}") from None


def _parts(recipe: Recipe) -> str:
    return f"model {recipe.model}, task {recipe.task}, data {recipe.data}"


def _place(error: Exception, recipe: Recipe) -> str:
    """The line of the user's own part that an error comes from; "" where none is in it."""
    own = {str(part.source) for part in parts_of(recipe)}
    lines = [
        f"{frame.filename}, line {frame.lineno}: {type(error).__name__}: "
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename in own and PACKAGE not in Path(frame.filename).parents
    ]
    return lines[-1] if lines else ""


def _try_step(
    task: Task, rule: torch.optim.Optimizer, splits: DataModule | PlaceholderData
) -> None:
    """Makes the first training step, to see whether outputs, targets and optimizer fit.

    Its minibatch is the recipe's own: batch normalization takes no single row, for example. The
    network is changed by it, and not used again.
    """
    x, y = splits.train
    few = x[:8], y[:8]
    network = task.network
    with torch.no_grad():
        z = network.eval()(few[0])
    task.check_shapes(z, y if y.dim() == 1 else few[1])  # all classes, not those of 8 rows alone
    if z.dim() == 4 and z.shape[2:] != y.shape[-2:]:
        seen = field(network, x.shape[1:])
        if seen is not None and seen[1] != 1:
            wanted = "an answer for every pixel"
            raise DlgbenchError(f"expected {wanted}, got one for every {seen[1]} pixels a side")
    network.train()
    minibatch = next(next(iter(splits.train_dataloader())).minibatches())
    loss_of(task.training_step(minibatch, 0)).backward()
    rule.step()
    task.after_step()
    _check_metrics(task, task.evaluate("val", *few))


def _check_metrics(task: Task, measured: dict[str, float]) -> None:
    """Refuses a task that measures other metrics than its registration announces."""
    finite = math.isfinite(measured.get("val/loss", 0.0))
    names = ("loss", *TASKS[task.recipe.task].metrics_on(task.recipe.data)) if finite else ("loss",)
    expected = {f"val/{name}" for name in names}
    if set(measured) != expected:
        announced, came = ", ".join(sorted(expected)), ", ".join(sorted(measured)) or "none"
        raise DlgbenchError(f"expected the metrics that are announced, {announced}, got {came}")


def _untrained(task: Task, splits: DataModule | None) -> Subject:
    """What probes look at here: the untrained network, and rows of the training split."""
    return Subject(
        task.network,
        input_shape(task.recipe, splits),
        training_rows(splits),
        task.objective,
        train_sibling=(lambda: copy.deepcopy(task.network)) if task.recipe.steps else None,
    )


def why_unsuited(ablation: Ablation, scale: str) -> str:
    """Why the data set of `--data` does not suit an ablation; "" where it does.

    For example it has too few examples, or its images are too small for a net. It is also "" where
    the ablation's own data have the same fault.
    """
    try:
        load(ablation.data)
    except DlgbenchError:
        return ""  # it can't be loaded at all: one message for all ablations says so
    own = ablation.with_own_data()
    for arm in ablation.arms_on_other_data(scale):
        reason = _error(ablation.arm(arm, scale), scale)
        if reason and not _error(own.arm(arm, scale), scale):
            return reason
    return ""


def _error(work: Work, scale: str) -> str:
    """The message of `check`; "" where it passes."""
    try:
        check(work, scale)
    except DlgbenchError as error:
        return str(error)
    return ""
