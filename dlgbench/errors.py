"""The one exception for mistakes that a user can mend."""

import difflib
import posixpath
import re
from collections.abc import Iterable

NAME = re.compile(r"[\w\-. :/]{1,250}")  # what MLflow takes as the name of a metric or a param


class DlgbenchError(Exception):
    """A mistake that a user can mend: "where: expected X, got Y".

    It is shown as one message, never as a traceback.
    """


def unknown(what: str, came: object, wanted: Iterable[str], where: str = "") -> DlgbenchError:
    """The error for a name that is not among the known ones; it suggests the nearest.

    `unknown("arm", "dropuot", arms, "claim 3 of dropout")`.
    """
    names = sorted(str(name) for name in wanted)
    near = difflib.get_close_matches(str(came), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    start = f"{where}: " if where else ""
    return DlgbenchError(
        f"{start}no {what} is called {came!r}{hint} Known: {', '.join(names) or 'none'}."
    )


def checked_name(name: str, where: str) -> str:
    """A metric's or a config entry's name, if the tracking store can take it.

    Raises:
        DlgbenchError: for any other name.
    """
    path = posixpath.normpath(name)  # a name is a path too: no empty part, no `..`
    if NAME.fullmatch(name) and path == name and not name.startswith(("/", "..")):
        return name
    wanted = "a name of letters, digits, and _ - . : / or space between them"
    raise DlgbenchError(f"{where}: expected {wanted}, got {name!r}")
