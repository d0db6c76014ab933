"""The errors a user may see: one line that names what was found, what was expected, and the choices."""

from __future__ import annotations

import difflib
from collections.abc import Hashable


class WorkbenchError(Exception):
    """Something the user can mend. The command line prints it as one line, without a traceback."""


class Stopped(Exception):
    """The work has ended before it was done, as somebody asked; called again, it goes on."""


class MediaError(WorkbenchError):
    """A recording that cannot be used; the message names the file, what was found and what was expected."""


def choose(kind: str, name: str, choices) -> str:
    """Return `name` if it is one of `choices`, else raise an error that lists them.

    Raises
    ------
    WorkbenchError
        Such as ``unknown corpus 'ravdes': choose from demo, ravdess; did you mean 'ravdess'?``.
    """
    if not isinstance(name, Hashable) or name not in choices:
        close = difflib.get_close_matches(str(name), choices, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise WorkbenchError(f"unknown {kind} {name!r}: choose from {', '.join(sorted(choices))}{meant}")
    return name
