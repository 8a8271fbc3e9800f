"""train(cell) -> Run: the only Trainer, the only seeding."""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.environments import LightningEnvironment
from torch import nn

from dlgbench import streams
from dlgbench.ablation import Cell, Run
from dlgbench.data.module import DataModule, PlaceholderData
from dlgbench.engine import Engine
from dlgbench.errors import DlgbenchError
from dlgbench.fingerprint import code_of
from dlgbench.interrupt import interruptible
from dlgbench.layers import initialization, sabotage
from dlgbench.layers.noise import seed_noise
from dlgbench.models import create_model
from dlgbench.probes.measuring import ROWS, measure, moments, observers, parameters, summarize
from dlgbench.probes.observers import Observer
from dlgbench.probes.subject import Measurement, Subject
from dlgbench.provenance import provenance
from dlgbench.recipe import Recipe
from dlgbench.registry import MODELS, TASKS, Moment
from dlgbench.scale import SCALES
from dlgbench.tasks.base import Batch, Task

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
MEASURED: tuple[Moment, ...] = ("start", "end", "test")
Sibling = Callable[[], nn.Module]
Siblings = Callable[[], Mapping["Trial", nn.Module]]


def train(cell: Cell) -> Run:
    """Trains the cell's recipe and evaluates it.

    An evaluation reads the test split once; a tuning never does. The run is a pure function of the
    cell: on a CPU equal cells agree to the bit. Seed s gives every arm the same split and order,
    and the same weights where shapes agree. With `steps=0` the network is only probed.

    Raises:
        DlgbenchError: for a recipe that can't be carried out, before anything is trained.
        KeyboardInterrupt: on Ctrl-C. Nothing is returned, so nothing half-trained is ever stored.
    """
    return carry_out([dataclasses.replace(cell, engine="single")], fit)[0]


Fit = Callable[[Sequence["Trial"]], None]


def carry_out(cells: Sequence[Cell], fit: Fit) -> list[Run]:
    """Prepares, probes, trains and evaluates cells; `fit` makes the optimizer steps."""
    device = set_up_device(cells[0])
    started = time.time()
    with streams.isolated(device):
        trials = [Trial(cell, device) for cell in cells]
        siblings = functools.cache(functools.partial(_train_siblings, trials, fit))
        for trial in trials:
            trial.measure("start", siblings)
        if training := [trial for trial in trials if trial.recipe.steps]:
            fit(training)
        for trial in trials:
            trial.measure("end", siblings)
            trial.measure("test", siblings)
    wall = (time.time() - started) / len(cells)
    return [trial.run(started, wall) for trial in trials]


class Trial:
    """A cell while it is carried out: its task and data, and what has been recorded so far."""

    def __init__(self, cell: Cell, device: torch.device) -> None:
        self.cell, self.device, self.recipe = cell, device, recipe_of(cell)
        self.task, self.splits = prepare(cell, device)
        self.summary = parameters(self.task.network)
        self.history: list[tuple[str, int, float]] = []
        self.arrays: dict[str, Any] = {}
        self.diverged = False

    @property
    def data(self) -> DataModule | PlaceholderData:
        """What the training reads."""
        return self.splits or PlaceholderData(self.recipe, self.device)

    def measure(self, when: Moment, siblings: Siblings) -> None:
        """Adds what the recipe's probes measure at a moment; nothing after a divergence."""
        closed = when == "test" and self.cell.purpose != "evaluate"
        if self.diverged or closed or when not in moments(self.recipe):
            return
        pictures = self.cell.purpose == "evaluate" and self.cell.seed == 0
        sibling = (lambda: siblings()[self]) if self.recipe.steps else None
        subject = _subject(self.task, self.splits, when, pictures=pictures, sibling=sibling)
        measured = measure(self.recipe, when, subject)
        self.summary |= measured.metrics
        self.arrays |= measured.arrays
        self.history += _points(measured)

    def finish(
        self,
        engine: Engine,
        watching: Sequence[Observer],
        seconds: float,
        test: Callable[[], object] | None = None,
    ) -> None:
        """Evaluates what `engine` has trained, and adds it to the summary and the history.

        After a divergence the summary has only the metrics that were reached before.

        Args:
            engine, watching: with their histories.
            seconds: what the training took.
            test: evaluates the test split; by default the engine does.
        """
        for observer in watching:
            engine.history += observer.history
        metrics = self._evaluated(engine, watching, test) if not engine.diverged else {}
        self.diverged = engine.diverged
        self.summary |= {"seconds": seconds} | ({} if self.diverged else metrics)
        self.history += engine.history

    def _evaluated(
        self, engine: Engine, watching: Sequence[Observer], test: Callable[[], object] | None
    ) -> dict[str, float]:
        data = self.data
        metrics = summarize(self.recipe, watching)
        last = {metric: value for metric, _, value in engine.history}
        metrics |= {metric: value for metric, value in last.items() if metric.startswith("val/")}
        bf16 = self.cell.precision == "bf16"
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            trained = self.task.evaluate("train", *data.train)
        engine.diverged |= not math.isfinite(trained["train/loss"])
        metrics |= trained
        if self.cell.purpose == "evaluate":
            (test or (lambda: engine.evaluate("test", data.test())))()
            metrics |= {m: value for m, _, value in engine.history if m.startswith("test/")}
        for metric, wanted in self.recipe.target.items():
            points = ((step, value) for name, step, value in engine.history if name == metric)
            reached = next((step for step, value in points if value <= wanted), None)
            censored = {"steps_to_target/censored_at": engine.done}
            metrics |= censored if reached is None else {"steps_to_target": reached}
        return metrics

    def run(self, started: float, wall: float) -> Run:
        """The result, with what made it."""
        about = {"started": f"{started:.3f}", "wall": f"{wall:.3f}"}
        about |= {**code_of(self.recipe, self.cell.engine), **provenance(str(self.device))}
        status: Literal["diverged", "finished"] = "diverged" if self.diverged else "finished"
        return Run(status, self.summary, tuple(self.history), about, self.arrays)


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


def _seed_noise(trial: Trial) -> None:
    """Seeds the random numbers that layers draw during training: dropout and other noise."""
    seed, number = trial.cell.seed, trial.recipe.random_stream
    seed_noise(trial.task.network, seed, number)
    # for layers of a user's own
    streams.seed_global(streams.stream_seed(seed, "noise", number), trial.device)


def _train_siblings(trials: Sequence[Trial], fit: Fit) -> dict[Trial, nn.Module]:
    """The same recipes, trained with other weights, order and noise on the same splits.

    Each trial's sibling, for all trials at once. The test split stays closed.
    """
    siblings = {}
    for trial in trials:
        if not trial.diverged:
            stream = trial.recipe.random_stream + 1
            recipe = trial.recipe.override(random_stream=stream, probes=())
            cell = dataclasses.replace(trial.cell, work=recipe, purpose="tune")
            siblings[trial] = Trial(cell, trial.device)
    fit(list(siblings.values()))
    return {trial: sibling.task.to(trial.device).network for trial, sibling in siblings.items()}


def set_up_device(cell: Cell) -> torch.device:
    """Sets up the device of a cell and returns it: one thread on a CPU; TF32 as the scale chooses.

    Raises:
        DlgbenchError: for a scale that needs CUDA, where there is none.
    """
    cuda = SCALES[cell.scale].cuda
    if cuda and (reason := no_gpu()):
        raise DlgbenchError(f"scale {cell.scale}: {reason}")
    if not torch.cuda.is_available():
        # otherwise a CUDA build of torch looks for the driver in each optimizer step: 0.1 ms
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(1)
    _keep_freed_memory()
    # gradients of an overfitted net fall below 1e-38, which makes a step on a CPU 1.2x slower
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high" if cell.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = cell.precision == "tf32"
    # with its number: what is kept on one GPU is not used on another
    return torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")


def no_gpu() -> str:
    """Why there is no GPU to train on, and what to do; "" where torch finds one."""
    if torch.cuda.is_available():
        return ""
    apple = "; Apple's mps is not supported" if torch.backends.mps.is_available() else ""
    return f"expected a CUDA device, but torch finds none here{apple}; use --scale cpu"


@functools.cache
def _keep_freed_memory() -> None:
    """Lets glibc keep the memory of freed tensors for the next ones.

    It would give it back to the system and fetch it again in each step: a quarter of a step of a
    dense conv net, and a fifth of one of 50 layers.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        trim_threshold, mmap_threshold = -1, -3  # as in malloc.h
        mallopt(mmap_threshold, 2**30)
        mallopt(trim_threshold, 2**31 - 1)


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
    if type(network).__module__.partition(".")[0] == "dlgbench":  # other code may use view()
        # images with their channels last: a step of a conv net takes 0.6 to 0.97 of the time
        network.to(memory_format=torch.channels_last)
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


def fit(trials: Sequence[Trial]) -> None:
    """Trains and evaluates trials, one by one, with Lightning."""
    for trial in trials:
        _seed_noise(trial)
        engine, watching = Engine(trial.task), observers(trial.recipe)
        trainer = _trainer(trial.cell, trial.device, watching)
        clock, data = time.perf_counter(), trial.data
        _quietly(trainer.fit, engine, data)
        seconds = time.perf_counter() - clock
        engine.to(trial.device)  # Lightning leaves it on the CPU
        test = functools.partial(_quietly, trainer.test, engine, data, verbose=False)
        trial.finish(engine, watching, seconds, test)
        engine.to(trial.device)


def _trainer(cell: Cell, device: torch.device, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """Lightning's Trainer without loggers, checkpoints and progress bars, which only cost time.

    It takes no notice of Slurm, whose job is the whole session: it would refuse the job's number of
    tasks, requeue the job, and go on from checkpoints in the current folder.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Trainer(
            plugins=[LightningEnvironment()],
            default_root_dir=os.devnull,
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1 if device.index is None else [device.index],
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
