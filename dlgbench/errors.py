"""The one exception for mistakes that a user can mend."""

import difflib
from collections.abc import Iterable


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
