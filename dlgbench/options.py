"""The options of `pytest ablations`."""

from __future__ import annotations

import argparse

import pytest

from dlgbench.baseline import FOLDER
from dlgbench.scale import SCALES


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of `pytest ablations`."""
    group = parser.getgroup("dlgbench", "dlgbench: ablations")
    group.addoption(
        "--scale",
        choices=[*SCALES, "auto"],
        default="auto",
        help="how much to run: smoke (plumbing), cpu (40 minutes to two hours on two cores), gpu "
        "(by estimate an hour of an H100), paper (the papers' own budgets); default: gpu with "
        "CUDA, else cpu",
    )
    group.addoption(
        "--rehearse",
        action="store_true",
        help="with --scale smoke: also what gpu and paper train, at its real width, in two steps "
        "on a few images; files of noise stand in for the data sets that are downloaded",
    )
    group.addoption(
        "--data",
        metavar="NAME",
        help="run on this data set instead of an ablation's own: does the claim replicate? "
        "digits, mnist5k, mnist, fashion_mnist, cifar10, or one of your own",
    )
    group.addoption(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (default: MLFLOW_TRACKING_URI, else mlflow.db in the root folder)",
    )
    group.addoption(
        "--data-root",
        metavar="DIR",
        help="where data sets lie (default: DLGBENCH_DATA, else ~/.cache/dlgbench)",
    )
    group.addoption(
        "--workers-per-gpu",
        metavar="N",
        type=_count,
        help="how many workers share a GPU (default: one for every 8 GiB of its memory, at most 8; "
        "half of them go on where it runs out)",
    )
    group.addoption(
        "--ray",
        metavar="ADDRESS",
        help="train on a Ray cluster, without xdist: auto (the one that this machine belongs to), "
        "HOST:PORT, or local (one of this machine alone, for this run); see docs/cluster.md",
    )
    group.addoption("--rerun", action="store_true", help="run every cell again, finished or not")
    group.addoption("--no-report", action="store_true", help="make no page at the end")
    group.addoption(
        "--baseline",
        metavar="FILE",
        help="verdicts of an earlier run: what is not as expected, but as it was there, does not "
        f"fail (default: {FOLDER}/<scale>.json of the repository, if there)",
    )
    group.addoption(
        "--no-baseline",
        action="store_true",
        help="every claim that is decided against what was expected fails",
    )
    group.addoption(
        "--save-baseline",
        action="store_true",
        help=f"at the end write the store's verdicts to {FOLDER}, as the next runs' baseline; what "
        "other ablations have there stays",
    )
    group.addoption(
        "--ablations",
        action="store_true",
        help="without a file or folder, run ablations/ of the repository (as dlgbench run does)",
    )


def _count(text: str) -> int:
    """A whole number of at least 1, as an option's value."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return int(text)
