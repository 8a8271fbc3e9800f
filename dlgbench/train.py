"""train(cell) -> Run: the only Trainer, the only seeding."""

from __future__ import annotations

import ast
import copy
import dataclasses
import functools
import hashlib
import inspect
import logging
import os
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from dlgbench import data, streams
from dlgbench.ablation import Cell, Run
from dlgbench.data.module import DataModule, Nothing
from dlgbench.errors import DlgbenchError, unknown
from dlgbench.layers import initialization, sabotage
from dlgbench.metrics import recorded
from dlgbench.models import MODELS, create_model
from dlgbench.probes import MOMENTS, ROWS, Moment, moments, observers, parameters, probe
from dlgbench.probes.receptive_field import field
from dlgbench.probes.subject import Figures, Subject
from dlgbench.provenance import provenance
from dlgbench.recipe import Recipe
from dlgbench.tasks import TASKS, Task

PACKAGE = Path(__file__).parent
ENGINE = (
    "train.py",
    "streams.py",
    "recipe.py",
    "layers",
    "tasks",
    "probes",
    "reference",
)  # what computes every cell
DATA = tuple(PACKAGE / "data" / name for name in ("module.py", "arrays.py", "augmentation.py"))
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)


def train(cell: Cell) -> Run:
    """Trains what the cell says and evaluates it: on the test split, once, if it is an evaluation; never if it tunes.

    A pure function of the cell: equal cells agree to the bit on a CPU. Seed s gives every arm the same split and order, and
    the same weights where shapes agree. With `steps=0` the network is only probed.

    Raises:
        DlgbenchError: for a recipe that can't be carried out, before anything is trained.
        KeyboardInterrupt: on Ctrl-C; nothing is returned, so nothing half-trained is ever stored.
    """
    device = place(cell)
    started = time.time()
    with streams.isolated(device):
        module, splits = prepare(cell, device)
        recipe = cell.recipe
        figures, history = parameters(module.network), []
        another = functools.partial(_another, cell, device) if recipe.steps else None
        for when in MOMENTS:
            if when == "end" and recipe.steps:
                torch.manual_seed(streams.stream_seed(cell.seed, "noise", recipe.random_stream))
                figures |= _fit(module, splits or Nothing(recipe, device), cell, device)
                history += module.history
            if module.diverged or (when == "test" and cell.purpose != "evaluate"):
                break
            pictures = cell.purpose == "evaluate" and cell.seed == 0
            found, curves = _probe(recipe, when, module, splits, pictures=pictures, another=another)
            figures |= found
            history += [
                (name, layer, value)
                for name, values in curves.items()
                for layer, value in enumerate(values, 1)
            ]
    about = {
        "started": f"{started:.3f}",
        "wall": f"{time.time() - started:.3f}",
        "engine": engine(),
        **provenance(str(device)),
    }
    return Run("diverged" if module.diverged else "finished", figures, tuple(history), about)


def _another(cell: Cell, device: torch.device) -> nn.Module:
    """The network of the same recipe from another start: fresh weights, order and noise on the same split, trained alike; the test split stays closed."""
    recipe = cell.recipe.override(random_stream=cell.recipe.random_stream + 1, probes=())
    again = dataclasses.replace(cell, recipe=recipe, purpose="tune")
    module, splits = prepare(again, device)
    torch.manual_seed(streams.stream_seed(cell.seed, "noise", recipe.random_stream))
    _fit(module, splits or Nothing(recipe, device), again, device)
    return module.to(device).network


def place(cell: Cell) -> torch.device:
    """The device of a cell, set up: one thread on a CPU; TF32 as the scale chooses.

    Raises:
        DlgbenchError: for scale gpu where there is no CUDA.
    """
    if cell.scale == "gpu" and not torch.cuda.is_available():
        raise DlgbenchError("scale gpu wants a CUDA device; torch finds none here. Use --scale cpu")
    if not torch.cuda.is_available():
        os.environ["CUDA_VISIBLE_DEVICES"] = (
            ""  # else a CUDA build of torch looks for the driver in each optimizer step: 0.1 ms
        )
    torch.set_num_threads(1)
    torch.set_flush_denormal(
        True
    )  # an over-fitted net's gradients fall below 1e-38, where a CPU is 1.2x slower a step
    torch.set_float32_matmul_precision("high" if cell.precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = cell.precision == "tf32"
    return torch.device("cuda" if cell.scale == "gpu" else "cpu")


def check(recipe: Recipe, scale: str) -> None:
    """Loads the recipe's data and builds its model once, so that what can't work is said before anything is trained.

    Raises:
        DlgbenchError: for an unknown or missing data set, a corrupt file, a model, optimizer or probe that does not fit.
    """
    cell = Cell("check", "check", 0, scale, recipe, "tune")
    module, splits = prepare(cell, place(cell))
    module.configure_optimizers()
    rows = splits.train if splits is not None else Nothing(recipe, torch.device("cpu")).train
    where = f"model {recipe.model}, task {recipe.task}, data {recipe.data}"
    try:
        if recipe.steps:
            _try(module, rows[0], rows[1])
        for observer in observers(recipe):
            observer.suits(module.network)
        another = (lambda: copy.deepcopy(module.network)) if recipe.steps else None
        for when in MOMENTS:
            _probe(recipe, when, module, splits, another=another, rehearsal=True)
    except DlgbenchError as error:
        raise DlgbenchError(f"{where}: {error}") from None
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        probed = f", probes {', '.join(recipe.probes)}" if recipe.probes else ""
        raise DlgbenchError(f"{where}{probed} do not go together: {error}") from error


def _try(module: Task, x: Tensor, y: Tensor) -> None:
    """One pass forward and back over a few rows: do outputs and targets fit?"""
    network = copy.deepcopy(module.network)
    z = network.eval()(x[:8])
    if said := module.misfit(z, y if y.dim() == 1 else y[:8]):
        raise DlgbenchError(said)
    if (
        z.dim() == 4
        and z.shape[2:] != y.shape[-2:]
        and (seen := field(network, x.shape[1:])) is not None
        and seen[1] != 1
    ):
        raise DlgbenchError(
            f"an answer for every pixel is wanted; the network answers for one in {seen[1]} a side"
        )
    module.objective(network.train()(x[:8]), y[:8]).backward()


def _probe(
    recipe: Recipe,
    when: Moment,
    module: Task,
    splits: DataModule | None,
    *,
    another: Callable[[], nn.Module] | None,
    pictures: bool = False,
    rehearsal: bool = False,
) -> Figures:
    """What the recipe's probes of a moment measure; in a rehearsal, the test split stays closed and training rows stand in."""
    if when not in moments(recipe):
        return {}, {}
    if splits is None:
        shape = recipe.model_args.get("input_shape") or MODELS[recipe.model].default("input_shape")
        return probe(
            recipe,
            when,
            Subject(module.network, tuple(shape), None, module.objective, pictures, another),
        )
    x, y = (
        splits.test()
        if when == "test" and not rehearsal
        else (part[:ROWS] for part in splits.train)
    )
    return probe(
        recipe,
        when,
        Subject(module.network, splits.input_shape, (x, y), module.objective, pictures, another),
    )


def prepare(cell: Cell, device: torch.device) -> tuple[Task, DataModule | None]:
    """The LightningModule, initialized, and its data, on the device; nothing is trained yet."""
    recipe, splits = cell.recipe, None
    recorded(recipe)  # refuses an unknown task, probe or target
    if recipe.model not in MODELS:
        raise unknown("model", recipe.model, MODELS)
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
    module = TASKS[recipe.task](network, recipe).to(device)
    if init == "lsuv":
        if splits is None:
            raise DlgbenchError(
                "init lsuv scales each layer on a batch of data; a recipe without data came"
            )
        initialization.lsuv(module.network, splits.train[0][:ROWS])
    return module, splits


def _fit(
    module: Task, splits: DataModule | Nothing, cell: Cell, device: torch.device
) -> dict[str, float]:
    """Trains and evaluates; returns the summary. A figure that a diverged run never reached is not in it."""
    watching = observers(cell.recipe)
    trainer = trainer_for(cell, device, watching)
    clock = time.perf_counter()
    _interruptible(trainer.fit, module, splits)
    figures = {"seconds": time.perf_counter() - clock}
    for observer in watching:
        module.history += observer.history
    if module.diverged:
        return figures
    figures |= {name: value for observer in watching for name, value in observer.figures().items()}
    module.to(device)  # Lightning leaves it on the CPU
    last = {metric: value for metric, _, value in module.history}
    figures |= {metric: value for metric, value in last.items() if metric.startswith("val/")}
    with (
        torch.no_grad(),
        torch.autocast(device.type, torch.bfloat16, enabled=cell.precision == "bf16"),
    ):
        figures |= module.evaluate("train", *splits.train)
    if cell.purpose == "evaluate":
        _interruptible(trainer.test, module, splits, verbose=False)
        figures |= {
            metric: value for metric, _, value in module.history if metric.startswith("test/")
        }
        module.to(device)
    for metric, wanted in cell.recipe.target.items():
        reached = [
            step for name, step, value in module.history if name == metric and value <= wanted
        ]
        figures |= (
            {"steps_to_target": reached[0]}
            if reached
            else {"steps_to_target/censored_at": module.done}
        )
    return {"seconds": figures["seconds"]} if module.diverged else figures


def trainer_for(
    cell: Cell, device: torch.device, callbacks: Sequence[pl.Callback] = ()
) -> pl.Trainer:
    """Lightning's Trainer with nothing on that costs time and shows nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pl.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if cell.precision == "bf16" else "32-true",
            max_epochs=1,
            val_check_interval=1,
            num_sanity_val_steps=0,
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )


def _interruptible(call: Any, *args: Any, **kwargs: Any) -> None:
    """Lightning turns Ctrl-C into SystemExit and deafens SIGINT; here it stays a KeyboardInterrupt."""
    ears = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(*args, **kwargs)
    except SystemExit:
        signal.signal(signal.SIGINT, ears)
        raise KeyboardInterrupt from None


def fingerprint(cell: Cell) -> str:
    """32 hex digits of SHA-256 over all that determines a cell's result.

    That is: the resolved recipe, scale, precision, purpose and seed, the data's digest, and the source that computes it (the engine, and the
    files of its model and its data set with the siblings that they import).

    Raises:
        DlgbenchError: for an unknown model or data set.
    """
    recipe: Recipe = cell.recipe
    if recipe.model not in MODELS:
        raise unknown("model", recipe.model, MODELS)
    parts = [recipe.to_json(), cell.scale, cell.precision, cell.purpose, str(cell.seed)]
    files = [
        *(PACKAGE / name for name in ENGINE),
        *_with_siblings(Path(inspect.getfile(MODELS[recipe.model].build))),
    ]
    if recipe.data is not None:
        parts.append(data.load(recipe.data).digest)
        files += [*DATA, *_with_siblings(Path(inspect.getfile(data.LOADERS[recipe.data])))]
    return hashlib.sha256("\n".join([*parts, *_digests(files)]).encode()).hexdigest()[:32]


def engine() -> str:
    """12 hex digits of SHA-256 over the source that computes every cell: runs of two engines are never paired."""
    return hashlib.sha256(
        "\n".join(_digests([*(PACKAGE / name for name in ENGINE), *DATA])).encode()
    ).hexdigest()[:12]


@functools.cache
def _with_siblings(file: Path) -> frozenset[Path]:
    """A Python file, and those of its folder that it imports, and they in turn."""
    found, todo = set[Path](), [file]
    while todo:
        if (file := todo.pop()) in found:
            continue
        found.add(file)
        imports = [
            node
            for node in ast.walk(ast.parse(_source(file)))
            if isinstance(node, (ast.Import, ast.ImportFrom))
        ]
        names = {
            part
            for node in imports
            for name in (getattr(node, "module", None) or "", *(alias.name for alias in node.names))
            for part in name.split(".")
        }
        todo += [
            sibling
            for name in names
            if name and (sibling := file.with_name(f"{name}.py")).is_file()
        ]
    return frozenset(found)


def _digests(files: Sequence[Path]) -> list[str]:
    """The SHA-256 of each file, and of each Python file of a folder, wherever they lie."""
    sources = {
        source for file in files for source in (file.rglob("*.py") if file.is_dir() else [file])
    }
    return sorted(hashlib.sha256(_source(source)).hexdigest() for source in sources)


_SOURCES: dict[Path, bytes] = {}


def _source(file: Path) -> bytes:
    return _SOURCES.setdefault(file, file.read_bytes())
