"""train(cell) -> Run: the only Trainer, the only seeding."""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from dlgbench import streams
from dlgbench.ablation import Cell, Run
from dlgbench.data.module import DataModule, PlaceholderData
from dlgbench.engine import Engine
from dlgbench.errors import DlgbenchError
from dlgbench.fingerprint import code_of
from dlgbench.interrupt import interruptible
from dlgbench.layers import initialization, sabotage
from dlgbench.models import create_model
from dlgbench.probes.measuring import ROWS, measure, moments, observers, parameters, summarize
from dlgbench.probes.subject import Measurement, Subject
from dlgbench.provenance import provenance
from dlgbench.recipe import Recipe
from dlgbench.registry import MODELS, TASKS, Moment
from dlgbench.tasks.base import Batch, Task

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
MEASURED: tuple[Moment, ...] = ("start", "end", "test")
Sibling = Callable[[], nn.Module]


def train(cell: Cell) -> Run:
    """Trains the cell's recipe and evaluates it.

    An evaluation reads the test split once; a tuning never does. The run is a pure function of the
    cell: on a CPU equal cells agree to the bit. Seed s gives every arm the same split and order,
    and the same weights where shapes agree. With `steps=0` the network is only probed.

    Raises:
        DlgbenchError: for a recipe that can't be carried out, before anything is trained.
        KeyboardInterrupt: on Ctrl-C. Nothing is returned, so nothing half-trained is ever stored.
    """
    device = set_up_device(cell)
    started = time.time()
    with streams.isolated(device):
        task, splits = prepare(cell, device)
        recipe = recipe_of(cell)
        summary = parameters(task.network)
        history: list[tuple[str, int, float]] = []
        arrays: dict[str, Any] = {}
        diverged = False
        sibling = functools.partial(train_sibling, cell, device) if recipe.steps else None
        pictures = cell.purpose == "evaluate" and cell.seed == 0
        for when in MEASURED:
            if when == "end" and recipe.steps:
                _seed_noise(cell)
                metrics, engine = _fit(
                    task, splits or PlaceholderData(recipe, device), cell, device
                )
                summary |= metrics
                history += engine.history
                diverged = engine.diverged
            if diverged or (when == "test" and cell.purpose != "evaluate"):
                break
            if when not in moments(recipe):
                continue
            subject = _subject(task, splits, when, pictures=pictures, sibling=sibling)
            measured = measure(recipe, when, subject)
            summary |= measured.metrics
            arrays |= measured.arrays
            history += _points(measured)
    wall = time.time() - started
    about = {"started": f"{started:.3f}", "wall": f"{wall:.3f}"}
    about |= {**code_of(recipe), **provenance(str(device))}
    return Run("diverged" if diverged else "finished", summary, tuple(history), about, arrays)


def recipe_of(cell: Cell) -> Recipe:
    """The recipe that is the cell's work."""
    assert isinstance(cell.work, Recipe)
    return cell.work


def _points(measured: Measurement) -> list[tuple[str, int, float]]:
    """Curves over layers or settings as points of the history, the first at step 1."""
    return [
        (name, place, value)
        for name, values in measured.curves.items()
        for place, value in enumerate(values, 1)
    ]


def _seed_noise(cell: Cell) -> None:
    """Seeds the random numbers that layers draw during training: dropout and other noise."""
    stream = recipe_of(cell).random_stream
    torch.manual_seed(streams.stream_seed(cell.seed, "noise", stream))


def train_sibling(cell: Cell, device: torch.device) -> nn.Module:
    """The same recipe, trained with other weights, order and noise on the same split.

    The test split stays closed.
    """
    recipe = recipe_of(cell)
    recipe = recipe.override(random_stream=recipe.random_stream + 1, probes=())
    sibling = dataclasses.replace(cell, work=recipe, purpose="tune")
    task, splits = prepare(sibling, device)
    _seed_noise(sibling)
    _fit(task, splits or PlaceholderData(recipe, device), sibling, device)
    return task.to(device).network


def set_up_device(cell: Cell) -> torch.device:
    """Sets up the device of a cell and returns it: one thread on a CPU; TF32 as the scale chooses.

    Raises:
        DlgbenchError: for scale gpu where there is no CUDA.
    """
    if cell.scale == "gpu" and not torch.cuda.is_available():
        raise DlgbenchError(
            "scale gpu: expected a CUDA device, but torch finds none here; use --scale cpu"
        )
    if not torch.cuda.is_available():
        # otherwise a CUDA build of torch looks for the driver in each optimizer step: 0.1 ms
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    # gradients of an overfitted net fall below 1e-38, which makes a step on a CPU 1.2x slower
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if cell.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = cell.precision == "tf32"
    return torch.device("cuda" if cell.scale == "gpu" else "cpu")


def prepare(cell: Cell, device: torch.device) -> tuple[Task, DataModule | None]:
    """The task with its initialized network, and the data, on the device; nothing is trained yet.

    Raises:
        DlgbenchError: for a recipe that can't be carried out.
    """
    recipe, splits = recipe_of(cell), None
    recipe.recorded()  # refuses an unknown task, probe or target
    init = recipe.init or MODELS[recipe.model].init
    args = dict(recipe.model_args)
    if recipe.data is not None:
        splits = DataModule(recipe, cell.seed, device, may_test=cell.purpose == "evaluate")
        args = {"input_shape": splits.input_shape, "num_classes": splits.num_classes} | args
    network = initialization.build(
        lambda: create_model(recipe.model, **args), init, cell.seed, recipe.random_stream
    )
    for name in recipe.identity:
        sabotage.replace_by_identity(network, name)
    kind = TASKS[recipe.task].make
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise DlgbenchError(
            f"task {recipe.task}: expected a subclass of dlgbench.Task, got {kind!r}"
        )
    task = kind(network, recipe).to(device)
    if init == "lsuv":
        if splits is None:
            wanted = "a recipe with data, since it scales each layer on a batch"
            raise DlgbenchError(f"init lsuv: expected {wanted}, got one without")
        initialization.lsuv(task.network, splits.train[0][:ROWS])
    return task, splits


def _subject(
    task: Task,
    splits: DataModule | None,
    when: Moment,
    *,
    pictures: bool,
    sibling: Sibling | None,
) -> Subject:
    """What the probes of a moment look at: rows of the training split, or the whole test split."""
    batch = splits.test() if splits and when == "test" else training_rows(splits)
    shape = input_shape(task.recipe, splits)
    return Subject(task.network, shape, batch, task.objective, pictures, sibling)


def input_shape(recipe: Recipe, splits: DataModule | None) -> tuple[int, ...]:
    """The shape of one input: that of the data, or without data that of the model's arguments."""
    if splits is not None:
        return splits.input_shape
    shape = recipe.model_args.get("input_shape") or MODELS[recipe.model].default("input_shape")
    return tuple(shape)


def training_rows(splits: DataModule | None) -> Batch | None:
    """The first `ROWS` rows of the training split; None without data."""
    if splits is None:
        return None
    x, y = splits.train
    return x[:ROWS], y[:ROWS]


def _fit(
    task: Task, splits: DataModule | PlaceholderData, cell: Cell, device: torch.device
) -> tuple[dict[str, float], Engine]:
    """Trains and evaluates; returns the summary and the engine.

    The summary of a diverged run has only the metrics that were reached before it diverged.
    """
    engine, watching = Engine(task), observers(recipe_of(cell))
    trainer = _trainer(cell, device, watching)
    clock = time.perf_counter()
    _quietly(trainer.fit, engine, splits)
    seconds = {"seconds": time.perf_counter() - clock}
    for observer in watching:
        engine.history += observer.history
    if engine.diverged:
        return seconds, engine
    metrics = seconds | summarize(recipe_of(cell), watching)
    engine.to(device)  # Lightning leaves it on the CPU
    last = {metric: value for metric, _, value in engine.history}
    metrics |= {metric: value for metric, value in last.items() if metric.startswith("val/")}
    bf16 = cell.precision == "bf16"
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        trained = task.evaluate("train", *splits.train)
    engine.diverged |= not math.isfinite(trained["train/loss"])
    metrics |= trained
    if cell.purpose == "evaluate":
        _quietly(trainer.test, engine, splits, verbose=False)
        tested = {m: value for m, _, value in engine.history if m.startswith("test/")}
        metrics |= tested
        engine.to(device)
    for metric, wanted in recipe_of(cell).target.items():
        points = ((step, value) for name, step, value in engine.history if name == metric)
        reached = next((step for step, value in points if value <= wanted), None)
        censored = {"steps_to_target/censored_at": engine.done}
        metrics |= censored if reached is None else {"steps_to_target": reached}
    return (seconds if engine.diverged else metrics), engine


def _trainer(cell: Cell, device: torch.device, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """Lightning's Trainer without loggers, checkpoints and progress bars, which only cost time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if cell.precision == "bf16" else "32-true",
            max_epochs=1,
            val_check_interval=1,
            num_sanity_val_steps=0,
            inference_mode=False,  # so that a probe of the test split can take gradients
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


def _quietly(call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """Calls a method of Lightning without its warnings; Ctrl-C stays a KeyboardInterrupt."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interruptible(call, *args, **kwargs)
