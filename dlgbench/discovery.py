"""Finds ablations: from a folder or a file to the `Ablation` that it declares, with its name."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from dlgbench.ablation import Ablation
from dlgbench.errors import DlgbenchError
from dlgbench.recipe import Recipe

PARENTS = ("recipe", "train", "config", "metrics")  # a twin takes all of these from its parent
INHERITED = (
    "slide",
    "tune",
    "select",
    "timing",
    "dataset_overrides",
)  # and each of these that it leaves out


_COMPLETING: list[Path] = []  # the twins whose parents are being loaded


def find_root(start: Path) -> Path:
    """The repository's root: the nearest folder, from `start` upwards, that looks like one.

    That is, one with a pyproject.toml or a folder ablations/. Without such a folder it is `start`.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file() or (folder / "ablations").is_dir():
            return folder
    return start


def declares(file: Path) -> bool:
    """Whether a Python file declares `ABLATION` at its top; it is read, and not imported."""
    try:
        text = file.read_text(encoding="utf-8")
        ours = "ABLATION" in text and "dlgbench" in text
        statements = ast.parse(text).body if ours else []
    except (OSError, UnicodeDecodeError):
        return False
    except SyntaxError:
        return True  # the import will say what is wrong
    return any(
        isinstance(target, ast.Name) and target.id == "ABLATION"
        for statement in statements
        for target in _targets(statement)
    )


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign) else []


def load(file: Path) -> Ablation:
    """The ABLATION that a file declares, with its name, file and protocol filled in.

    Raises:
        DlgbenchError: for a file without ABLATION, or with one that makes no sense.
    """
    module = _imported(file.resolve())
    ablation = getattr(module, "ABLATION", None)
    if not isinstance(ablation, Ablation):
        raise DlgbenchError(f"{file}: expected ABLATION = Ablation(...), got {ablation!r}")
    found = identify(ablation, file)
    return found.named(found.name, found.file, inspect.cleandoc(module.__doc__ or ""))


@functools.cache
def _imported(file: Path) -> ModuleType:
    """The module of an ablation file, which may import its siblings; it is executed once."""
    spec = importlib.util.spec_from_file_location(f"_dlgbench_{file.stem}_{abs(hash(file))}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    except DlgbenchError as error:
        raise DlgbenchError(f"{file}: {error}") from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # pytest's skip and fail are no Exceptions
        came = f"{type(error).__name__}: {error}"
        raise DlgbenchError(f"{file} can't be imported: {came}") from error
    finally:
        sys.path.remove(str(file.parent))
    return module


def identify(ablation: Ablation, file: Path) -> Ablation:
    """The ablation with its name; a twin is completed from its parent.

    The name is the file's place below `ablations/` (or below the root), without `test_`.

    Raises:
        DlgbenchError: for a twin whose parent does not exist, or that does not fit its parent.
    """
    file = file.resolve()
    root = find_root(file.parent)
    place = file.relative_to(root)
    parts = [part for part in place.with_suffix("").parts if part != "ablations"]
    parts[-1] = parts[-1].removeprefix("test_")
    if ablation.twin_of:
        ablation = _completed(ablation, file, root)
    return ablation.named("/".join(parts), place.as_posix())


def _completed(twin: Ablation, file: Path, root: Path) -> Ablation:
    """A twin with what it leaves out, taken from its parent."""
    where = f"{file}, twin_of {twin.twin_of!r}"
    if own := [name for name in PARENTS if getattr(twin, name) is not None]:
        raise DlgbenchError(
            f"{where}: expected what changes in the parent's under override, got {', '.join(own)}"
        )
    folder, _, name = twin.twin_of.rpartition("/")
    candidates = [base / folder / f"test_{name}.py" for base in (root / "ablations", root)]
    found = next((path for path in candidates if path.is_file() and path != file), None)
    if found is None:
        wanted = "the name of another ablation, folder/file without test_"
        raise DlgbenchError(f"{where}: expected {wanted}; there is no file {candidates[0]}")
    if file in _COMPLETING:
        raise DlgbenchError(
            f"{where}: expected an ablation that stands by itself, got a circle of twins"
        )
    _COMPLETING.append(file)
    try:
        parent = load(found)
    finally:
        _COMPLETING.remove(file)
    inherited = {name: getattr(parent, name) for name in PARENTS}
    inherited |= {name: getattr(parent, name) for name in INHERITED if not _is_set(twin, name)}
    scales = {scale: dict(settings) for scale, settings in (twin.scales or {}).items()}
    scales.setdefault("paper", scales.get("gpu", {}))
    for scale, settings in (parent.scales or {}).items():
        shared = {name: value for name, value in settings.items() if name != "arms"}
        scales[scale] = {**shared, **scales.get(scale, {})}
    try:
        work = parent.work.override(twin.override)
        inherited |= {"recipe": work} if isinstance(work, Recipe) else {"config": work.config}
        return dataclasses.replace(twin, twin_of="", override=None, scales=scales, **inherited)
    except DlgbenchError as error:
        raise DlgbenchError(f"{where}: {error}") from None


def _is_set(twin: Ablation, name: str) -> bool:
    """Whether a twin sets a field itself; an empty grid, {}, does: nothing is tuned then."""
    return getattr(twin, name) not in (None, "")


def discover(folder: Path) -> list[Ablation]:
    """Every ablation below a folder, in the order of the paths; or the one that a file declares.

    Raises:
        DlgbenchError: for a folder that does not exist or declares no ablation.
    """
    files = [folder] if folder.is_file() else sorted(folder.rglob("test_*.py"))
    files = [file for file in files if declares(file)]
    if not files:
        raise DlgbenchError(
            f"expected a folder with test_*.py files that declare ABLATION, got {folder}; "
            "name one, or go to its repository"
        )
    return [load(file) for file in files]
