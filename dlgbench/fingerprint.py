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
import importlib.util
import itertools
import json
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dlgbench.ablation import Cell, Engine, Work
from dlgbench.discovery import find_root
from dlgbench.provenance import machine
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
    Registry,
)

PACKAGE = Path(__file__).parent
ENGINE = ("train.py", "engine.py", "streams.py", "recipe.py")  # and their imports from `FOLLOWED`
LANES = ("lanes/engine.py", "lanes/stack.py", "lanes/rules.py", "lanes/losses.py")  # in addition
CLOCK = PACKAGE / "probes" / "timing.py"  # which a training function reaches by a public name
REGISTRIES: tuple[Registry[Any], ...] = (
    *(ACTIVATIONS, DATA, INITIALIZATIONS, MODELS, OPTIMIZERS, PROBES, SCHEDULES, TASKS),
)
FOLLOWED = ("data", "equations", "layers", "models", "probes", "tasks")


def fingerprint(cell: Cell) -> str:
    """32 hex digits of SHA-256 over all that determines a cell's result.

    That is: recipe or config, scale, precision, purpose and seed, the data's digest, and the source
    code; for a cell that measures time also the machine.

    Raises:
        DlgbenchError: for an unknown part, or a data set that can't be loaded.
    """
    about = [cell.work.to_json(), cell.scale, cell.precision, cell.purpose, str(cell.seed)]
    timed = [machine(), code_digest([CLOCK])] if cell.timing else []
    return _hashed([*about, *timed, *code_of(cell.work, cell.engine).values()])[:32]


def sources(works: Iterable[tuple[Work, Engine]]) -> str:
    """A digest of the code of works with their engines, which this process now keeps in mind.

    Whoever calls it early fingerprints what it has imported, whatever a file says later.
    """
    digests = set[str]()
    for work, by in works:
        if isinstance(work, Recipe):
            digests.add(engine(by))
        digests |= {code_digest(with_imports(file)) for file in _sources(work)}
    return _hashed(sorted(digests))[:12]


def own_files(work: Work) -> set[Path]:
    """The user's files that a work depends on, whose code this process now keeps in mind.

    They are those of parts that are registered so far, or of its training function, with all that
    they import. None of the suite's own modules, such as torch's, is imported for it.
    """
    if isinstance(work, Recipe):
        names = set(_strings(work.to_dict()))
        own = (part for registry in REGISTRIES for part in registry.registered_outside(PACKAGE))
        sources = {part.source for part in own if part.name in names}
    else:
        sources = {work.source}
    for file in sources:
        code_digest(with_imports(file))
    files = {file for source in sources for file in with_imports(source)}
    return {file for file in files if PACKAGE not in file.parents}


def _sources(work: Work) -> list[Path]:
    return [part.source for part in parts_of(work)] if isinstance(work, Recipe) else [work.source]


def code_of(work: Work, by: Engine = "single") -> dict[str, str]:
    """What computes a run: `engine`, a digest, and `code`, digests of its parts by name, as JSON.

    Recipes share the two engines; a training function is an engine of its own. A recipe's parts are
    those that are registered, and its data. Runs that differ in the engine, or in a part that both
    use, are never paired.

    Raises:
        DlgbenchError: for a name that is not registered, or a data set that can't be loaded.
    """
    if not isinstance(work, Recipe):
        return {"engine": code_digest(with_imports(work.source)), "code": "{}"}
    parts = {
        f"{type(part).__name__} {part.name}": code_digest(with_imports(part.source))
        for part in parts_of(work)
    }
    if work.data is not None:
        from dlgbench.data import load

        parts[f"data {work.data}"] = load(work.data).digest
    return {"engine": engine(by), "code": json.dumps(parts, sort_keys=True)}


def parts_of(recipe: Recipe) -> list[Part]:
    """The registered parts that a recipe uses.

    Raises:
        DlgbenchError: for a name that is not registered.
    """
    model = MODELS[recipe.model]
    parts: list[Part] = [model, TASKS[recipe.task], OPTIMIZERS[recipe.optimizer]]
    parts += [SCHEDULES[recipe.schedule], *(PROBES[name] for name in recipe.probes)]
    if recipe.data is not None:
        parts.append(DATA[recipe.data])
    init = recipe.init or model.init
    if init != "default":
        parts.append(INITIALIZATIONS[init])
    # the suite's models import the activations that are their defaults
    defaults = {} if PACKAGE in model.file.parents else model.defaults
    names = _strings(defaults | dict(recipe.model_args))
    return parts + [ACTIVATIONS[name] for name in names if name in ACTIVATIONS]


def _strings(value: Any) -> Iterator[str]:
    """Every string in a model's nested arguments: one may name an activation."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _strings(tuple(value.values()))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _strings(item)


@functools.cache
def engine(by: Engine = "single") -> str:
    """The engine's name, and 12 hex digits of SHA-256 over the source that all its runs share."""
    names = ENGINE + LANES if by == "lanes" else ENGINE
    files = {file for name in names for file in with_imports(PACKAGE / name)}
    return f"{by} {code_digest(files)}"


@functools.cache
def with_imports(file: Path) -> frozenset[Path]:
    """A Python file with all files that it imports, directly or indirectly, and that count.

    Of dlgbench's packages in `FOLLOWED` all modules count, but no `__init__`: that registers parts
    which a recipe may not use. Of other code, what lies in the file's folder, in its package, or
    in a folder above it up to the repository's root; what is installed beside it is left out.
    """
    found, todo = set[Path](), [file]
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += _imported(file)
    return frozenset(found)


def _imported(file: Path) -> Iterator[Path]:
    for level, name in _imports(file):
        words = name.split(".") if name else []
        if not level and words[0] == "dlgbench":
            if len(words) > 2 and words[1] in FOLLOWED:
                place = PACKAGE.joinpath(*words[1:]).with_suffix(".py")
                yield from filter(Path.is_file, [place])
        elif PACKAGE not in file.parents:
            folders = [file.parents[level - 1]] if level else _roots(file, words[0])
            for folder, end in itertools.product(folders, range(len(words) + 1)):
                place = folder.joinpath(*words[:end])  # of a.b: a and a.b
                modules = [place.with_suffix(".py")] if end else []
                yield from filter(Path.is_file, [*modules, place / "__init__.py"] if end else [])


def _roots(file: Path, package: str) -> list[Path]:
    """The folders in which an absolute import of a user's file may find a package of the user's."""
    top = file.parent  # the folder of the outermost package that the file is in
    while (top / "__init__.py").is_file():
        top = top.parent
    if top.name in {"site-packages", "dist-packages"}:
        own = file.relative_to(top).parts[0].removesuffix(".py") == package
        beside = (top / f"{package}.py").is_file()  # a project of single modules
        return [top] if own or beside else []
    root = find_root(file.parent)
    above = [folder for folder in file.parents if root == folder or root in folder.parents]
    return list(dict.fromkeys([file.parent, top, *above, *_outside(package)]))


@functools.cache
def _outside(package: str) -> list[Path]:
    """The folder of a package of the user's that lies elsewhere on the path, as under `src/`.

    What is installed in site-packages, or comes with Python, is not the user's.
    """
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return []
    place = Path(spec.origin)
    foreign = {"site-packages", "dist-packages"} & set(place.parts)
    if foreign or Path(sysconfig.get_path("stdlib")) in place.parents:
        return []
    return [place.parents[1] if place.name == "__init__.py" else place.parent]


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """What a file imports: the level of a relative import, 0 for others, and the dotted name.

    For `from a import b` these are a and a.b, since b may be a module.
    """
    for node in ast.walk(_parsed(file)):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            of = [node.module] if node.module else []  # none in `from . import b`
            yield node.level, ".".join(of)
            yield from ((node.level, ".".join([*of, alias.name])) for alias in node.names)


def code_digest(files: Iterable[Path]) -> str:
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
