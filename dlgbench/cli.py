"""`dlgbench list | run | report | ui | models | verdicts | bench`. Also `python -m dlgbench`."""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dlgbench.ablation import Ablation, discover, find_root
from dlgbench.errors import DlgbenchError
from dlgbench.scale import SCALES
from dlgbench.tracking import Store, find_uri

COLORS = {"supported": "green", "refuted": "red", "inconclusive": "yellow"}
VALUED = (
    "-k",
    "-m",
    "-n",
    "-p",
    "-c",
    "-o",
    "-r",
    "-W",
    "--scale",
    "--data",
    "--tracking-uri",
    "--data-root",
    "--rootdir",
    "--numprocesses",
    "--dist",
    "--maxfail",
    "--tb",
    "--durations",
    "--color",
    "--junitxml",
    "--basetemp",
    "--ignore",
    "--deselect",
)  # options of pytest that take a value
MOST_GPU_WORKERS = 8  # that share one GPU


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, pytest's own for `run`, or 2 for a mistake of the user's."""
    args, rest = _parser().parse_known_args(argv)
    if rest and args.command is not run:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        code = int(args.command(rest if args.command is run else args))
        sys.stdout.flush()
    except DlgbenchError as error:
        print(f"dlgbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "dlgbench: interrupted; what is finished is stored, and the next call goes on from there",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # `dlgbench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "dlgbench",
        description="A lecture made executable: every claim a hypothesis, every hypothesis a verdict.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        command: Any,
        text: str,
        *,
        folder: bool = False,
        as_json: bool = False,
        store: bool = False,
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(command=command)
        if folder:
            sub.add_argument(
                "folder",
                nargs="?",
                type=Path,
                help="folder or file of ablations (default: ablations/ of the repository, else here)",
            )
        if store:
            sub.add_argument(
                "--tracking-uri",
                metavar="URI",
                help="MLflow store (default: MLFLOW_TRACKING_URI, else mlflow.db in the repository)",
            )
        if as_json:
            sub.add_argument("--json", action="store_true", help="print JSON, for scripts")
        return sub

    add(
        "list",
        list_,
        "every claim with its slide, its file and its last verdict",
        folder=True,
        as_json=True,
        store=True,
    )
    runs = add(
        "run", run, "run ablations with as many workers as suit the machine, then build the report"
    )
    runs.epilog = "Every other option goes to pytest: dlgbench run -k dropout --scale cpu. Options of pytest: pytest --help, under dlgbench."
    reports = add(
        "report",
        report,
        "rebuild the figures and the page from the store alone, training nothing",
        folder=True,
        store=True,
    )
    reports.add_argument(
        "--scale",
        choices=["cpu", "gpu"],
        help="which runs to show (default: gpu where an ablation has them, else cpu)",
    )
    reports.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to (default: reports/build in the repository)",
    )
    reports.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="also write the verdicts as small JSON files there (and README.md's table)",
    )
    shown = add("ui", ui, "open MLflow on 127.0.0.1 over the store", store=True)
    shown.add_argument("--port", type=int, default=5000, help="port (default: 5000)")
    add(
        "models",
        models,
        "every architecture with family, year, paper, parameters, FLOPs, receptive field, and the test that proves it",
        as_json=True,
    )
    add(
        "verdicts",
        verdicts,
        "every verdict in the store, with its figures",
        folder=True,
        as_json=True,
        store=True,
    )
    benchmarks = add(
        "bench",
        bench,
        "measure what the harness and the networks cost, side by side in one run",
        as_json=True,
    )
    benchmarks.add_argument(
        "what",
        choices=["harness", "workers", "resnet50", "batchnorm"],
        help="harness: cost of a step; workers: two workers against one; resnet50: a step of ours against torchvision's; batchnorm: what it adds to a step",
    )
    return parser


def _ablations(folder: Path | None) -> list[Ablation]:
    ours = find_root(Path.cwd()) / "ablations"
    return discover(folder or (ours if ours.is_dir() else Path.cwd()))


def _store(args: argparse.Namespace) -> Store:
    root = find_root(Path.cwd())
    return Store(find_uri(root, args.tracking_uri), root)


def _rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row per claim, with its last verdict."""
    last = _store(args).last_verdicts()
    rows = []
    for ablation in _ablations(args.folder):
        for claim in ablation.claims:
            found = last.get((ablation.name, claim.id), {})
            row: dict[str, Any] = {
                "ablation": ablation.name,
                "file": ablation.file,
                "claim": claim.statement,
                "slide": claim.slide or ablation.slide,
            }
            row |= {
                "expect": claim.expect,
                "wanted": str(claim.threshold),
                "verdict": found.get("verdict"),
                "scale": found.get("scale"),
            }
            rows.append(row | {"figures": found.get("figures")})
    return rows


def _finite(value: Any) -> Any:
    """JSON knows no infinity: what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_json(rows: Any) -> None:
    print(json.dumps(_finite(rows), indent=2, allow_nan=False))


def _print_table(columns: dict[str, Any], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name, options in columns.items():
        table.add_column(name, **options)
    for row in rows:
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)


def _colored(verdict: str | None) -> str:
    return f"[{COLORS[verdict]}]{verdict}[/]" if verdict else "[dim]not run[/]"


def list_(args: argparse.Namespace) -> int:
    """Every claim; imports neither torch nor mlflow."""
    rows = _rows(args)
    if args.json:
        _print_json(
            [{key: value for key, value in row.items() if key != "figures"} for row in rows]
        )
        return 0
    table = [
        (row["file"], row["claim"], row["slide"], _colored(row["verdict"]), row["scale"] or "")
        for row in rows
    ]
    _print_table(
        {
            "file": {"style": "dim"},
            "claim": {"ratio": 2},
            "slide": {},
            "last verdict": {"no_wrap": True},
            "scale": {},
        },
        table,
    )
    return 0


def verdicts(args: argparse.Namespace) -> int:
    """Every claim that has a verdict, with effect, interval, p and n."""
    rows = [{**row, **json.loads(row["figures"])} for row in _rows(args) if row["figures"]]
    for row in rows:
        del row["figures"]
    if args.json:
        _print_json(rows)
        return 0
    if not rows:
        print("no verdicts yet: dlgbench run makes them")
        return 0
    table = [
        (
            row["ablation"],
            row["claim"],
            f"{row['effect']:.4g}",
            "[{:.4g}, {:.4g}]".format(*row["interval"]).replace("[", r"\["),
            row["wanted"],
            "" if row["p"] is None else f"{row['p']:.2g}",
            str(row["n"]),
            _colored(row["verdict"]),
            row["scale"],
        )
        for row in rows
    ]
    _print_table(
        {
            name: {}
            for name in (
                "ablation",
                "claim",
                "effect",
                "interval",
                "wanted",
                "p (Holm)",
                "n",
                "verdict",
                "scale",
            )
        },
        table,
    )
    return 0


def run(rest: Sequence[str]) -> int:
    """Pytest over the ablations with workers, then the report."""
    root = find_root(Path.cwd())
    values = {k + 1 for k, arg in enumerate(rest) if arg in VALUED}
    given = [
        arg
        for k, arg in enumerate(rest)
        if k not in values and not arg.startswith("-") and Path(arg.partition("::")[0]).exists()
    ]
    command = [sys.executable, "-m", "pytest", *([] if given else [str(root / "ablations")]), *rest]
    if not given and not (root / "ablations").is_dir():
        raise DlgbenchError(
            f"no folder ablations/ in {root}: go to the repository, or name a folder or file"
        )
    scale = _option(rest, "--scale") or "auto"
    if not any(arg.startswith(("-n", "--numprocesses", "--collect-only", "--co")) for arg in rest):
        command += ["-n", str(workers(scale))]
    code = _call(command)
    if scale == "smoke" or code not in (0, 1) or "--collect-only" in rest or "--co" in rest:
        return code
    uri = _option(rest, "--tracking-uri")
    folder = (
        Path(given[0].partition("::")[0]) if given and not (root / "ablations").is_dir() else None
    )
    report(
        argparse.Namespace(
            folder=folder,
            tracking_uri=uri,
            scale=scale if scale in ("cpu", "gpu") else None,
            out=None,
            reference=None,
        )
    )
    return code


def _option(rest: Sequence[str], name: str) -> str | None:
    for k, arg in enumerate(rest):
        if arg == name and k + 1 < len(rest):
            return rest[k + 1]
        if arg.startswith(f"{name}="):
            return arg.partition("=")[2]
    return None


def _call(command: Sequence[str]) -> int:
    """Runs a command that gets Ctrl-C itself, and waits for it to put its things in order."""
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


def workers(scale: str) -> int:
    """One for each core this process may use, each with one torch thread; on a GPU at most `MOST_GPU_WORKERS`."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    has_gpu = scale == "gpu" or (scale == "auto" and Path("/dev/nvidiactl").exists())
    return min(cores, MOST_GPU_WORKERS) if has_gpu else cores


def report(args: argparse.Namespace) -> int:
    """Figures and page from the store."""
    from dlgbench.reports import results
    from dlgbench.reports.page import build

    ablations, store = _ablations(args.folder), _store(args)
    page = build(
        ablations, store, args.scale, args.out or find_root(Path.cwd()) / "reports" / "build"
    )
    print(f"report: {page.resolve().as_uri()}")
    if args.reference:
        for scale in [args.scale] if args.scale else [name for name in SCALES if name != "smoke"]:
            if any(store.runs(ablation, scale) for ablation in ablations):
                file = results.write(ablations, store, scale, args.reference)
                print(f"reference: {file}")
                if results.refresh(find_root(Path.cwd()) / "README.md", file):
                    print("the table of README.md is made of it")
    return 0


def ui(args: argparse.Namespace) -> int:
    """MLflow's own user interface; returns only where the store is a server, which has one of its own."""
    store = _store(args)
    if store.uri.startswith(("http://", "https://")):
        print(f"the store has a user interface of its own: {store.uri}")
        return 0
    store.open()
    print(f"MLflow: http://127.0.0.1:{args.port} over {store.uri} (Ctrl-C ends it)", flush=True)
    command = [
        "-m",
        "mlflow",
        "ui",
        "--backend-store-uri",
        store.uri,
        "--host",
        "127.0.0.1",
        "--port",
        str(args.port),
    ]
    return os.execv(
        sys.executable, [sys.executable, *command]
    )  # MLflow in this process's place: a signal to it is a signal to MLflow


def models(args: argparse.Namespace) -> int:
    """The registry: every model as its paper has it, built without memory."""
    import torch
    from rich.console import Console
    from rich.progress import track

    from dlgbench.models import MODELS
    from dlgbench.probes.cost import flops
    from dlgbench.probes.receptive_field import field
    from dlgbench.probes.subject import Subject

    rows: list[dict[str, Any]] = []
    listed = sorted(MODELS.values(), key=lambda m: (m.year, m.family))
    for m in track(listed, "looking at every model", console=Console(stderr=True), transient=True):
        with torch.device("meta"):
            network = m.build().eval()
        shape = tuple(m.default("input_shape"))
        seen = field(network, shape) if len(shape) == 3 else None
        row: dict[str, Any] = {
            "name": m.name,
            "family": m.family,
            "year": m.year,
            "paper": m.paper,
            "task": m.task,
            "input_shape": shape,
        }
        row |= {
            "parameters": sum(p.numel() for p in network.parameters()),
            "flops": flops(Subject(network, shape))[0]["flops"],
        }
        rows.append(row | {"receptive_field": None if seen is None else seen[0], "proof": m.proof})
    if args.json:
        _print_json(rows)
        return 0
    table = [
        (
            row["name"],
            row["family"],
            str(row["year"]),
            row["paper"],
            "x".join(map(str, row["input_shape"])),
            f"{row['parameters']:,}",
            _si(row["flops"]),
            "all" if row["receptive_field"] is None else str(row["receptive_field"]),
            row["proof"].removeprefix("tests/models/"),
        )
        for row in rows
    ]
    right = {"justify": "right", "no_wrap": True}
    columns = {
        "name": {"no_wrap": True},
        "family": {},
        "year": {},
        "paper": {"ratio": 1},
        "input": {"no_wrap": True},
        "parameters": right,
    }
    _print_table(
        columns
        | {"FLOPs": right, "field": right, "proved by (tests/models/)": {"overflow": "fold"}},
        table,
    )
    return 0


def _si(number: float) -> str:
    """Three digits and a prefix: 8.18 G."""
    for exponent, prefix in ((9, "G"), (6, "M"), (3, "k")):
        if number >= 10**exponent:
            return f"{number / 10**exponent:.3g} {prefix}"
    return f"{number:.0f}"


def bench(args: argparse.Namespace) -> int:
    """The benchmarks of the harness."""
    from dlgbench import bench as benchmarks

    result = benchmarks.BENCHMARKS[args.what]()
    if args.json:
        _print_json(result)
    else:
        print(benchmarks.table(result))
    return 0
