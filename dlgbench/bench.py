"""What the harness and the networks cost, measured side by side in one run; and `judge`'s errors.

The same net, data and optimizer, one thread, interleaved rounds.
"""

from __future__ import annotations

import dataclasses
import functools
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2 as transforms

from dlgbench import cluster_bench, levels
from dlgbench.ablation import Cell
from dlgbench.data import load
from dlgbench.grouping import most
from dlgbench.lanes.engine import train as train_together
from dlgbench.models import create_model
from dlgbench.probes.timing import in_rounds
from dlgbench.probes.training_step import bare, lightning
from dlgbench.provenance import provenance
from dlgbench.recipe import Recipe
from dlgbench.train import set_up_device, train

ROUNDS = 7
COMPARED = (("train", "bare"), ("lightning", "bare"), ("usual", "bare"), ("usual", "train"))
RECIPE = Recipe(
    model="mlp",
    model_args={"hidden": (128, 128)},
    data="mnist5k",
    data_args={"train": 2000, "val": 1000},
    batch_size=128,
    steps=400,
    evaluations=4,
)
CELL = Cell("bench", "harness", 0, "cpu", RECIPE, "tune")


def harness() -> dict[str, Any]:
    """Seconds per optimizer step of a 784-128-128-10 MLP at batch 128, in four ways.

    A bare loop; `train`; Lightning with tensors, a minibatch at a time (these three by the probe
    `training_step`); and what people usually write (torchvision dataset with transforms,
    DataLoader, Lightning's Trainer with its defaults).

    A ratio is the median over rounds of one way's time divided by another's in the same round.
    """
    set_up_device(CELL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rounds = [{**_in_turn(), "usual": _usual()} for _ in _rounds(ROUNDS + 1)]
    return _result("harness", rounds[1:], COMPARED)  # the first one warms up


Rounds = list[dict[str, float]]


def _result(benchmark: str, rounds: Rounds, compared: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Medians over the rounds: seconds per step of each way, and ratios of pairs of ways."""
    median = statistics.median
    seconds = {name: median(times[name] for times in rounds) for name in rounds[0]}
    ratios = {f"{a} / {b}": median(times[a] / times[b] for times in rounds) for a, b in compared}
    about = {"rounds": len(rounds), **provenance("cpu")}
    return {"benchmark": benchmark, "seconds_per_step": seconds, "ratios": ratios, **about}


def _in_turn() -> dict[str, float]:
    summary = train(
        dataclasses.replace(CELL, work=RECIPE.override(probes=["training_step"]))
    ).summary
    ways = {"bare": "bare", "train": "engine", "lightning": "lightning"}
    return {way: summary[f"training_step/{name}"] / 1e3 for way, name in ways.items()}


class _Pictures(Dataset[tuple[Tensor, int]]):
    """Items like those of torchvision's MNIST: a PIL image, transformed, and its label."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y
        self.transform = transforms.Compose(
            [
                transforms.ToImage(),
                transforms.ToDtype(torch.float32, scale=True),
                transforms.Normalize((0.1307,), (0.3081,)),
            ]
        )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.x[index, 0])), int(self.y[index])


def _usual() -> float:
    x, y = load("mnist5k").pool
    network, steps = create_model("mlp", hidden=(128, 128)), 64
    loader = DataLoader(_Pictures(x[:2000], y[:2000]), RECIPE.batch_size, shuffle=True)
    rule = torch.optim.SGD(network.parameters(), lr=RECIPE.lr)
    took = lightning(network, F.cross_entropy, rule, loader, max_steps=steps, max_epochs=-1)[1]
    return took / steps


FILE = """
from dlgbench import Ablation, Recipe

ABLATION = Ablation(
    question="Bench",
    recipe=Recipe(
        model="mlp",
        data="mnist5k",
        data_args={"train": 1000, "val": 1000},
        steps=600,
        evaluations=4,
    ),
    arms={"a": {}, "b": {"lr": 0.05}},
    scales={"cpu": {"seeds": 20}, "gpu": {}},
)
"""


def workers() -> dict[str, Any]:
    """Wall time of the same 40 cells with two xdist workers, divided by that with one worker.

    Three rounds, each session in a fresh store. The start (interpreters, imports) is left out: the
    time of the same call over one finished cell is subtracted.
    """
    rounds = []
    for _ in _rounds(3):
        seconds = {n: _session(n) for n in (1, 2)}
        rounds.append({"one": seconds[1], "two": seconds[2], "ratio": seconds[2] / seconds[1]})
    names = ("one", "two")
    return {
        "benchmark": "workers",
        "seconds": {name: statistics.median(times[name] for times in rounds) for name in names},
        "ratios": {"two / one": statistics.median(times["ratio"] for times in rounds)},
        "rounds": len(rounds),
        **provenance("cpu"),
    }


def _session(workers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ablations" / "test_bench.py"
        file.parent.mkdir()
        file.write_text(FILE)
        uri = f"sqlite:///{folder}/mlflow.db"
        command = [sys.executable, "-m", "pytest", str(file), "-q", "--scale", "cpu", "--no-report"]
        command += ["-n", str(workers), "--tracking-uri", uri, "--rootdir", folder]

        def seconds(*more: str) -> float:
            start = time.perf_counter()
            subprocess.run([*command, *more], check=True, cwd=folder, capture_output=True)
            return time.perf_counter() - start

        seconds("-k", "a-s0")  # makes the store and runs one cell
        idle = seconds("-k", "a-s0")
        return seconds() - idle


def resnet50() -> dict[str, Any]:
    """Seconds of a training step (forward, backward, SGD) of our ResNet-50 and of torchvision's.

    8 images of 224x224, one thread, interleaved rounds.
    """
    from torchvision.models import resnet50 as torchvision_resnet50

    networks = {"dlgbench": create_model("resnet50"), "torchvision": torchvision_resnet50()}
    x, y = torch.randn(8, 3, 224, 224), torch.randint(0, 1000, (8,))
    return _compared("resnet50", networks, x, y, steps=1)


def batchnorm() -> dict[str, Any]:
    """What batch normalization adds to a training step.

    The nets are those of `normalization/batchnorm_speed`: minibatches of 50 images of 14x14, one
    thread. Its gain in steps, divided by this ratio, is its gain in time.
    """
    networks = {}
    for activation in ("sigmoid", "relu"):
        for name, norm in (("_bn", "batch"), ("", "none")):
            args = {"input_shape": (1, 14, 14), "hidden": (100,) * 3, "norm": norm}
            network = create_model("mlp", activation=activation, **args)
            networks[f"{activation}{name}"] = network
    x, y = torch.randn(50, 1, 14, 14), torch.randint(0, 10, (50,))
    return _compared("batchnorm", networks, x, y, steps=200)


_IMAGES = Recipe(
    model="mlp",
    data="mnist5k",
    data_args={"train": 2000, "val": 1000, "shrink": 2},
    steps=200,
    evaluations=2,
)
NETS: dict[str, Recipe] = {  # of these ablations at scale cpu, with fewer steps; and of `harness`
    "linearization_width": Recipe(
        model="mlp",
        model_args={"hidden": (3,), "activation": "tanh"},
        data="annulus",
        steps=400,
        evaluations=4,
    ),
    "local_minima": _IMAGES.override(
        {"model_args.hidden": (8,)}, optimizer="adam", schedule="linear", lr=0.01, steps=400
    ),
    "gradient_depth": _IMAGES.override({"model_args.hidden": (64,) * 10}),
    "dropout": _IMAGES.override(
        {"model_args": {"hidden": (256, 256), "dropout": 0.5, "input_dropout": 0.2}},
        optimizer="adam",
        schedule="linear",
        lr=0.001,
        batch_size=50,
    ),
    "784-128-128-10": RECIPE.override(steps=200, evaluations=2),
}


def lanes() -> dict[str, Any]:
    """Seconds of a run in the single engine, and of one in lanes, as many as the rule allows.

    One thread; a round trains one group of lanes and two runs of the single engine, interleaved.
    Everything counts that a run needs: data, initial weights, steps, evaluations.
    """
    groups = {}
    for name, recipe in NETS.items():
        cell = Cell("bench", name, 0, "cpu", recipe, "tune", engine="lanes")
        groups[name] = [dataclasses.replace(cell, seed=seed) for seed in range(most(cell))]
    set_up_device(CELL)
    rounds = [_both_engines(groups) for _ in _rounds(ROUNDS + 1)][1:]  # the first one warms up
    ratios = {
        name: statistics.median(t[f"{name}, single"] / t[f"{name}, lanes"] for t in rounds)
        for name in groups
    }
    return {
        "benchmark": "lanes",
        "seconds": {name: statistics.median(t[name] for t in rounds) for name in rounds[0]},
        "ratios": ratios,
        "lanes": {name: len(cells) for name, cells in groups.items()},
        "rounds": len(rounds),
        **provenance("cpu"),
    }


def _rounds(n: int) -> Iterator[int]:
    """Counts rounds that take long, and shows each on stderr."""
    for k in range(n):
        print(f"dlgbench: round {k + 1} of {n}", file=sys.stderr, flush=True)
        yield k


def _both_engines(groups: dict[str, list[Cell]]) -> dict[str, float]:
    times = {}
    for name, cells in groups.items():
        start = time.perf_counter()
        for cell in cells[:2]:
            train(dataclasses.replace(cell, engine="single"))
        middle = time.perf_counter()
        train_together(cells)
        end = time.perf_counter()
        times[f"{name}, single"] = (middle - start) / len(cells[:2])
        times[f"{name}, lanes"] = (end - middle) / len(cells)
    return times


def _compared(
    benchmark: str, networks: dict[str, nn.Module], x: Tensor, y: Tensor, steps: int
) -> dict[str, Any]:
    """Seconds of a training step of each network, in rounds of `steps` steps each.

    Every second round runs the networks in reverse order. Ratios are those of each pair of
    networks, the first divided by the second.
    """
    torch.set_num_threads(1)
    rules = {
        name: torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
        for name, network in networks.items()
    }

    batches = [(x, y)] * steps
    ways = {
        name: functools.partial(bare, network, F.cross_entropy, rules[name], batches)
        for name, network in networks.items()
    }
    rounds = [
        {name: took / steps for name, took in times.items()} for times in in_rounds(ways, ROUNDS)
    ]
    return _result(benchmark, rounds, zip(*[iter(networks)] * 2, strict=True))


def ray() -> dict[str, Any]:
    """200 cells on two Ray nodes of one core against one, in three rounds (`cluster_bench`)."""
    return cluster_bench.measured(_rounds(3))


def judge() -> dict[str, Any]:
    """Wrong verdicts and power in percent, of 40,000 simulated samples of each kind."""
    return {**levels.simulate(40_000), **provenance("cpu")}


BENCHMARKS = {
    benchmark.__name__: benchmark
    for benchmark in (harness, lanes, workers, ray, resnet50, batchnorm, judge)
}


def table(result: dict[str, Any]) -> str:
    """A benchmark's result for a terminal."""
    if result["benchmark"] == "judge":
        return levels.table(result)
    times = result.get("seconds_per_step", {})
    lines = [f"{name:>27}  {1e3 * value:9.3f} ms a step" for name, value in times.items()]
    lines += [f"{name:>27}  {value:9.4f} s" for name, value in result.get("seconds", {}).items()]
    lines += [f"{name:>27}  {value:9.3f}" for name, value in result["ratios"].items()]
    where = f"on {result['device']}, torch {result['version.torch']}"
    return "\n".join([*lines, f"median of {result['rounds']} interleaved rounds {where}"])
