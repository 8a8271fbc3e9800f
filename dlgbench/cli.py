"""The command `dlgbench`, also `python -m dlgbench`; `--help` lists what it can do."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlgbench import words
from dlgbench.ablation import Ablation
from dlgbench.baseline import FOLDER, Baseline, compared, of_store, read
from dlgbench.claim import COLORS, Claim, Verdict
from dlgbench.database import path_of
from dlgbench.discovery import discover, find_root
from dlgbench.errors import DlgbenchError
from dlgbench.interrupt import KEPT
from dlgbench.scale import JUDGED, SCALES
from dlgbench.tracking import Store, find_uri

if TYPE_CHECKING:
    from dlgbench.plan import Totals

BENCHMARKS = {
    "harness": "cost of a step",
    "lanes": "small networks side by side against one by one",
    "workers": "two workers against one",
    "ray": "two nodes of a Ray cluster against one",
    "resnet50": "a step of ours against torchvision's",
    "batchnorm": "what it adds to a step",
    "judge": "how often verdicts are wrong, by simulation",
}
RUN_HELP = """\
run ablations with as many workers as suit the machine, then build the report

It is `pytest --ablations -n auto`, and all options are pytest's (`pytest --help`, under dlgbench):
  dlgbench run -k dropout --scale cpu      dlgbench run path/to/test_mine.py
On a Ray cluster, or on this machine as one (docs/cluster.md):
  dlgbench run --ray auto                  dlgbench run --ray local
"""


def main(argv: Sequence[str] | None = None) -> int:
    """The command line.

    Returns:
        The exit code: 0; pytest's own for `run`; 2 for a user's mistake; 130 for Ctrl-C.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["run"] and not {"-h", "--help"} & set(given):
        return run(given[1:])
    args = _parser().parse_args(given)
    try:
        code = int(args.command(args))
        sys.stdout.flush()
    except DlgbenchError as error:
        print(f"dlgbench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"dlgbench: interrupted: {KEPT}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `dlgbench list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser() -> argparse.ArgumentParser:
    about = "A lecture made executable: every claim a hypothesis, every hypothesis a verdict."
    parser = argparse.ArgumentParser("dlgbench", description=about)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        command: Callable[[argparse.Namespace], int],
        text: str,
        *,
        folder: bool = False,
        as_json: bool = False,
        store: bool = False,
    ) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(command=command)
        if folder:
            where = "folders or files of ablations (default: ablations/ in the repository, or here)"
            sub.add_argument("places", nargs="*", metavar="PLACE", type=Path, help=where)
        if store:
            where = "MLflow store (default: MLFLOW_TRACKING_URI, else mlflow.db in the repository)"
            sub.add_argument("--tracking-uri", metavar="URI", help=where)
        if as_json:
            sub.add_argument("--json", action="store_true", help="print JSON, for scripts")
        return sub

    text = "every claim with its slide, its file and its last verdict"
    add("list", list_, text, folder=True, as_json=True, store=True)
    commands.add_parser(
        "run",
        help=RUN_HELP.splitlines()[0],
        description=RUN_HELP,
        usage="dlgbench run [FILE_OR_FOLDER ...] [OPTIONS OF PYTEST]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    text = "rebuild the figures and the page from the store alone, training nothing"
    reports = add("report", report, text, folder=True, store=True)
    text = "which runs to show (default: of each ablation the first of paper, gpu, cpu that it has)"
    reports.add_argument("--scale", choices=JUDGED, help=text)
    text = "where to (default: reports/build in the repository)"
    reports.add_argument("--out", type=Path, metavar="DIR", help=text)
    text = "also write the verdicts there, as JSON and as a table, and the tally in README.md"
    reports.add_argument("--reference", type=Path, metavar="DIR", help=text)
    shown = add("ui", ui, "open MLflow on 127.0.0.1 over the store", store=True)
    shown.add_argument("--port", type=int, default=5000, help="port (default: 5000)")
    text = (
        "every architecture with family, year, paper, parameters, FLOPs, receptive field, and the "
        "test that proves it"
    )
    add("models", models, text, as_json=True)
    text = "every verdict in the store, with its numbers"
    add("verdicts", verdicts, text, folder=True, as_json=True, store=True)
    text = "what a run takes, without training: cells, steps, operations, data, and the time here"
    planning = add("plan", plan, text, folder=True, as_json=True, store=True)
    text = "of which scale (default: gpu with CUDA, else cpu)"
    planning.add_argument("--scale", choices=list(SCALES), help=text)
    text = "only ablations whose name contains this, such as dropout"
    planning.add_argument("-k", dest="keyword", metavar="WORD", default="", help=text)
    text = "which verdicts of two runs differ: of stores, or of files that --save-baseline wrote"
    _add_sides(add("compare", compare, text, as_json=True))
    text = "count the runs in the store that count for nothing: of reruns, doubled, unfinished"
    cleaning = add("clean", clean, text, store=True)
    text = "mark them deleted in MLflow (mlflow gc removes them for good)"
    cleaning.add_argument("--delete", action="store_true", help=text)
    text = "measure what the harness and the networks cost, and how often verdicts are wrong"
    benchmarks = add("bench", bench, text, as_json=True)
    text = "; ".join(f"{name}: {meaning}" for name, meaning in BENCHMARKS.items())
    benchmarks.add_argument("what", choices=list(BENCHMARKS), help=text)
    return parser


def _add_sides(comparing: argparse.ArgumentParser) -> None:
    comparing.epilog = "Exit code: 0 where all verdicts that both have are equal, else 1."
    text = (
        f"an MLflow store (a URI, or its file mlflow.db), or a file such as {FOLDER / 'cpu.json'}"
    )
    comparing.add_argument("a", metavar="A", help=text)
    comparing.add_argument("b", metavar="B", help="the same, of the other run")
    text = "which verdicts of a store (default: those of the file, else the first that both have)"
    comparing.add_argument("--scale", choices=JUDGED, help=text)


def _ablations(places: list[Path]) -> list[Ablation]:
    ours = find_root(Path.cwd()) / "ablations"
    default = ours if ours.is_dir() else Path.cwd()
    return [ablation for place in places or [default] for ablation in discover(place)]


def _store(args: argparse.Namespace) -> Store:
    root = find_root(Path.cwd())
    return Store(find_uri(root, args.tracking_uri), root)


def _rows(args: argparse.Namespace) -> list[tuple[Claim, dict[str, Any]]]:
    """Each claim, and its row with its last verdict."""
    last = _store(args).last_verdicts()
    rows: list[tuple[Claim, dict[str, Any]]] = []
    for ablation in _ablations(args.places):
        for claim in ablation.claims:
            stored = last.get((ablation.name, claim.id), {})
            if stored.get("asked", claim.asked) != claim.asked:
                stored = {}  # the claim was another one then
            row = {
                "ablation": ablation.name,
                "file": ablation.file,
                "claim": claim.statement,
                "slide": claim.slide or ablation.slide,
                "expect": claim.expect,
                "wanted": str(claim.threshold),
                "verdict": stored.get("verdict"),
                "scale": stored.get("scale"),
                "numbers": stored.get("figures"),
            }
            rows.append((claim, row))
    return rows


def _finite(value: Any) -> Any:
    """The value with null for every number that is not finite: JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
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
    rows = [row for _, row in _rows(args)]
    if args.json:
        named = [{key: value for key, value in row.items() if key != "numbers"} for row in rows]
        _print_json(named)
        return 0
    table = [
        (row["file"], row["claim"], row["slide"], _colored(row["verdict"]), row["scale"] or "")
        for row in rows
    ]
    columns = {
        "file": {"style": "dim"},
        "claim": {"ratio": 2},
        "slide": {},
        "last verdict": {"no_wrap": True},
        "scale": {},
    }
    _print_table(columns, table)
    return 0


def verdicts(args: argparse.Namespace) -> int:
    """Every claim that has a verdict, with effect, interval, p and n.

    JSON has the numbers as they were computed, of a log ratio the logarithm.
    """
    from dlgbench.stats import enough

    rows, table = [], []
    for claim, row in _rows(args):
        if not (numbers := row.pop("numbers")):
            continue
        verdict = Verdict(**json.loads(numbers))
        undecided = words.undecided(enough(verdict, claim.threshold))
        rows.append({**row, **dataclasses.asdict(verdict), "undecided": undecided})
        note = words.fragile(verdict.fragile) or undecided
        effect, interval = words.found(verdict, claim.effect.scale)
        cells = (
            row["ablation"],
            f"{claim.statement}\n{note}".strip(),
            effect,
            interval.replace("[", r"\["),
            words.wanted(claim),
            "" if verdict.p is None else f"{verdict.p:.2g}",
            str(verdict.n),
            _colored(verdict.verdict),
            row["scale"],
        )
        table.append(cells)
    if args.json:
        _print_json(rows)
        return 0
    if not rows:
        print("no verdicts yet: dlgbench run makes them")
        return 0
    names = (
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
    _print_table({name: {} for name in names}, table)
    return 0


def run(rest: Sequence[str]) -> int:
    """Replaces this process by pytest over the ablations, with workers; signals reach pytest."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    on_cluster = any(option.partition("=")[0] == "--ray" for option in rest)
    workers = [] if "no:xdist" in rest or on_cluster else ["-n", "auto"]
    command = [sys.executable, "-m", "pytest", "--ablations", *workers, *rest]
    return os.execv(sys.executable, command)


def report(args: argparse.Namespace) -> int:
    """Plots and page, from the store alone."""
    from dlgbench.reports import results
    from dlgbench.reports.page import build
    from dlgbench.reports.watch import Watch

    ablations, store, root = _ablations(args.places), _store(args), find_root(Path.cwd())
    page = build(ablations, store, args.scale, args.out or root / "reports" / "build", Watch())
    print(f"report: {page.resolve().as_uri()}")
    if not args.reference:
        return 0
    scales = [args.scale] if args.scale else JUDGED
    judged = [s for s in scales if any(store.runs(ablation, s) for ablation in ablations)]
    if not judged:
        raise DlgbenchError(f"--reference: expected runs at scale {', '.join(scales)}, got none")
    for scale in judged:
        file = results.write(ablations, store, scale, args.reference)
        print(f"reference: {file}")
        if results.refresh(root / "README.md", file):
            print("the tally of README.md is made of it")
    return 0


def plan(args: argparse.Namespace) -> int:
    """A plan of the ablations' cells."""
    from dlgbench import plan as plans
    from dlgbench.session import scale_here

    scale = args.scale or scale_here()
    chosen = [ablation for ablation in _ablations(args.places) if args.keyword in ablation.name]
    arms = plans.plan(chosen, scale, _store(args).seconds(scale))
    if args.json:
        _print_json([dataclasses.asdict(arm) for arm in arms])
        return 0
    table = []
    for name in dict.fromkeys(arm.ablation for arm in arms):
        of = [arm for arm in arms if arm.ablation == name]
        numbers = plans.totals(of)
        basis = ", ".join(dict.fromkeys(arm.basis for arm in of))
        table.append((name, *_amounts(numbers), basis if numbers.seconds else "unknown"))
    right = {"justify": "right", "no_wrap": True}
    columns = ("cells", "steps", "FLOPs", "data", "core-seconds")
    names = {"ablation": {"no_wrap": True}, **dict.fromkeys(columns, right), "time is": {}}
    _print_table(names, table)
    print(plans.summary(arms, scale))
    return 0


def _amounts(numbers: Totals) -> tuple[str, ...]:
    counts = f"{numbers.cells:,}", f"{numbers.steps:,}", _si(numbers.operations)
    return (*counts, f"{_si(numbers.bytes)}B", f"{numbers.seconds:,.0f}")


def compare(args: argparse.Namespace) -> int:
    """The verdicts that differ between two runs; needs no torch."""
    files = [Path(place) for place in (args.a, args.b) if place.endswith(".json")]
    scales = {read(file).scale for file in files} | ({args.scale} if args.scale else set())
    if len(scales) > 1:
        got = " and ".join(sorted(scales))
        raise DlgbenchError(f"compare: expected verdicts of one scale, got those of {got}")
    for scale in scales or JUDGED:  # of two stores the first that both have
        a, b = _side(args.a, scale), _side(args.b, scale)
        if both := compared(a, b):
            break
    else:
        at = f"scale {scale}" if scales else f"one of the scales {', '.join(JUDGED)}"
        raise DlgbenchError(
            f"compare: expected claims that both have asked at {at}, got none: {args.a} has "
            f"{len(a.verdicts)} there, {args.b} {len(b.verdicts)}"
        )
    differ = [entry for entry in both if entry[1].verdict != entry[2].verdict]
    moved = sum(repr(x.effect) != repr(y.effect) for _, x, y in both)  # nan is nan
    shared = len(a.verdicts.keys() & b.verdicts.keys())
    alone, other = [len(one.verdicts) - shared for one in (a, b)], shared - len(both)
    if args.json:
        rows = [
            {"ablation": ablation, "claim": x.statement}
            | {"a": dataclasses.asdict(x), "b": dataclasses.asdict(y)}
            for (ablation, _), x, y in differ
        ]
        counts = {"both": len(both), "other_effect": moved, "only_a": alone[0], "only_b": alone[1]}
        counts["asked_otherwise"] = other
        _print_json({"scale": scale, "differ": rows, **counts})
        return bool(differ)
    if differ:
        names = ("ablation", "claim", f"A: {a.source}", f"B: {b.source}")
        found = [(x[0], p.statement, str(p), str(q)) for x, p, q in differ]
        _print_table(
            {name: {} for name in names},
            [[cell.replace("[", r"\[") for cell in row] for row in found],
        )
    parts = [(alone[0], "only in A"), (alone[1], "only in B"), (other, "asked otherwise in A")]
    only = "; ".join(f"{n} {what}" for n, what in parts if n)
    equal = f"{len(both)} claims in both at scale {scale}: {len(both) - len(differ)} verdicts equal"
    print(f"{equal}, {len(differ)} differ; {moved} effects differ{f'; {only}' if only else ''}")
    return bool(differ)


def _side(place: str, scale: str) -> Baseline:
    """The verdicts in a file, or at a scale in a store."""
    if place.endswith(".json"):
        return read(Path(place))
    uri = place if "://" in place else f"sqlite:///{place}"
    file = path_of(uri)
    if file and not file.exists():
        raise DlgbenchError(f"compare: expected a store or a file of verdicts, got {place}")
    return of_store(Store(uri, find_root(Path.cwd())), scale)


def clean(args: argparse.Namespace) -> int:
    """Surplus runs; nothing is deleted unless it is asked for."""
    store = _store(args)
    found = store.surplus(sorted(store.ablations()), delete=args.delete)
    done = "marked deleted in MLflow" if args.delete else "counted; --delete marks them deleted"
    print(f"{store.uri}: {found} surplus runs {done}")
    return 0


def ui(args: argparse.Namespace) -> int:
    """Replaces this process by MLflow's own user interface; signals reach MLflow.

    It returns only for a store that is a server, which has a user interface of its own.
    """
    store = _store(args)
    if store.uri.startswith(("http://", "https://")):
        print(f"the store has a user interface of its own: {store.uri}")
        return 0
    store.open()
    print(f"MLflow: http://127.0.0.1:{args.port} over {store.uri} (Ctrl-C ends it)", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.client_uri]
    command += ["--host", "127.0.0.1", "--port", str(args.port)]
    return os.execv(sys.executable, command)


def models(args: argparse.Namespace) -> int:
    """The registry of architectures; needs no torch."""
    from dlgbench.model_table import rows as model_rows

    rows = model_rows()
    if args.json:
        _print_json(rows)
        return 0
    table = [
        (
            row["name"],
            row["family"],
            str(row["year"] or ""),
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
        "FLOPs": right,
        "field": right,
        "proved by (tests/models/)": {"overflow": "fold"},
    }
    _print_table(columns, table)
    return 0


def _si(number: float) -> str:
    """Three digits and a prefix: 8.18 G."""
    for exponent, prefix in ((15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
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
