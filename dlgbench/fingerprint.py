"""The fingerprint of a run: a hash of all that determines its result.

Source files are hashed as parsed code, without docstrings and comments, so that a changed comment
trains nothing again. The statement `ABLATION = ...` is left out too, so that a changed claim trains
nothing again; the recipe or config that it declares is hashed as a value. Of the suite's own code,
a run depends on the engine, and on the modules of exactly the parts that its recipe uses, each with
what it imports from the packages `FOLLOWED`. Of a user's code, it depends on the module that
registers a part (or defines the training function), with the modules beside it that it imports.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from dlgbench.ablation import Cell, Work
from dlgbench.recipe import Recipe
from dlgbench.registry import (
    ACTIVATIONS,
    DATA,
    INITIALIZATIONS,
    MODELS,
    OPTIMIZERS,
    PROBES,
    SCHEDULES,
    TASKS,
    Part,
)

PACKAGE = Path(__file__).parent
ENGINE = ("train.py", "engine.py", "streams.py", "recipe.py")  # and their imports from `FOLLOWED`
FOLLOWED = ("data", "equations", "layers", "models", "probes", "tasks")


def fingerprint(cell: Cell) -> str:
    """32 hex digits of SHA-256 over all that determines a cell's result.

    That is: recipe or config, scale, precision, purpose and seed, the data's digest, and the source
    code.

    Raises:
        DlgbenchError: for an unknown part, or a data set that can't be loaded.
    """
    about = [cell.work.to_json(), cell.scale, cell.precision, cell.purpose, str(cell.seed)]
    if cell.work.data is not None:
        from dlgbench.data import load

        about.append(load(cell.work.data).digest)
    return _hashed([*about, *code_of(cell.work).values()])[:32]


def code_of(work: Work) -> dict[str, str]:
    """The digests of the source code: `engine`, and `code` for the parts that the work uses.

    All recipes share the engine. Runs of two engines are never paired, nor are runs of one arm with
    two codes.
    """
    if not isinstance(work, Recipe):
        return {"engine": "own", "code": _digest(with_siblings(work.source))}
    files = {file for part in parts_of(work) for file in _with_imports(part.source)}
    return {"engine": engine(), "code": _digest(files)}


def parts_of(recipe: Recipe) -> list[Part]:
    """The registered parts that a recipe uses.

    Raises:
        DlgbenchError: for a name that is not registered.
    """
    parts: list[Part] = [MODELS[recipe.model], TASKS[recipe.task], OPTIMIZERS[recipe.optimizer]]
    parts += [SCHEDULES[recipe.schedule], *(PROBES[name] for name in recipe.probes)]
    if recipe.data is not None:
        parts.append(DATA[recipe.data])
    init = recipe.init or MODELS[recipe.model].init
    if init != "default":
        parts.append(INITIALIZATIONS[init])
    named = [value for value in recipe.model_args.values() if isinstance(value, str)]
    return parts + [ACTIVATIONS[name] for name in named if name in ACTIVATIONS]


@functools.cache
def engine() -> str:
    """12 hex digits of SHA-256 over the source that computes every run of a recipe."""
    files = {file for name in ENGINE for file in _with_imports(PACKAGE / name)}
    return _digest(files)


@functools.cache
def _with_imports(file: Path) -> frozenset[Path]:
    """A file of this package with what it imports from `FOLLOWED`; another with its siblings.

    The `__init__` of a package is left out: it registers parts that a recipe may not use.
    """
    if PACKAGE not in file.parents:
        return with_siblings(file)
    return _closure(file, _imported_here)


@functools.cache
def with_siblings(file: Path) -> frozenset[Path]:
    """A Python file with all files of its folder that it imports, directly or indirectly."""
    return _closure(file, _imported_siblings)


def _closure(file: Path, imported: Callable[[Path], Iterable[Path]]) -> frozenset[Path]:
    found, todo = set[Path](), [file]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += imported(file)
    return frozenset(found)


def _imported_here(file: Path) -> Iterator[Path]:
    for name in _imports(file):
        package, _, inner = name.partition(".")
        if package == "dlgbench" and inner.partition(".")[0] in FOLLOWED:
            place = PACKAGE.joinpath(*inner.split(".")).with_suffix(".py")
            yield from filter(Path.is_file, [place])


def _imported_siblings(file: Path) -> Iterator[Path]:
    installed = file.parent.name in {"site-packages", "dist-packages"}
    for name in _imports(file):
        words = name.split(".")
        for first, last in itertools.combinations(range(len(words) + 1), 2):
            place = file.parent.joinpath(*words[first:last])  # of a.b: a, a.b and b
            # the packages beside a module in site-packages belong to other projects
            places = place.with_suffix(".py"), *([] if installed else [place / "__init__.py"])
            yield from filter(Path.is_file, places)


def _imports(file: Path) -> Iterator[str]:
    """Dotted names of what a file imports.

    For `from a import b` these are a and a.b, since b may be a module.
    """
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            of = [node.module] if node.module else []  # none in `from . import b`
            yield from of
            yield from (".".join([*of, alias.name]) for alias in node.names)


def _digest(files: Iterable[Path]) -> str:
    """12 hex digits of SHA-256 over the code of files, independent of where they lie."""
    return _hashed(sorted(_hashed([_code(file)]) for file in files))[:12]


def _hashed(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


@functools.cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@functools.cache
def _code(file: Path) -> str:
    """The code of a file without docstrings, comments, layout and the line `ABLATION = ...`."""
    tree = ast.parse(file.read_bytes())
    tree.body = [statement for statement in tree.body if not _declares_ablation(statement)]
    for node in ast.walk(tree):
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _declares_ablation(statement: ast.stmt) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    return any(isinstance(target, ast.Name) and target.id == "ABLATION" for target in targets)
