"""What stands on both sides of a split, and should not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError, choose

KINDS = ("speaker", "take", "clip", "content")
ALLOWED = ("speaker", "take", "clip")  # what a protocol may share; equal content, never


class LeakError(WorkbenchError):
    """Something stands on both sides of a split."""


def audit(
    clips: pd.DataFrame, train: Sequence[int], test: Sequence[int], *, allow: Iterable[str] = ()
) -> dict[str, object]:
    """Report what stands on both sides of a split.

    Returns ``{"leaks": bool, "shared": {"speaker": n, "take": n, "clip": n, "content": n}, "unknown": {...}}``:
    `shared` counts distinct speakers, takes, clips, and hashes of content (column `content` of the clip table, hashes
    with blanks between: `datasets.content`). A name left empty is not known and does not count there: `unknown` says of
    how many clips on either side, and as long as it is not 0, `leaks` being False proves nothing about that kind. In a
    table without the column, the content of every clip is unknown.

    Raises
    ------
    LeakError
        If anything of a kind that is not in `allow` is shared; the message gives examples. Equal content cannot be
        allowed.
    """
    allow = {choose("kind of leak", kind, ALLOWED) for kind in allow}
    sides = clips.iloc[np.asarray(train)], clips.iloc[np.asarray(test)]
    shared = {kind: sorted(set.intersection(*(_known(side, kind) for side in sides))) for kind in KINDS}
    found = [
        f"{len(names)} {kind}{'s' * (len(names) > 1)} (such as {_examples(sides, kind, names)})"
        for kind, names in shared.items()
        if names and kind not in allow
    ]
    if found:
        raise LeakError(f"both sides of the split hold {', '.join(found)}; expected none")
    return {
        "leaks": any(shared.values()),
        "shared": {kind: len(names) for kind, names in shared.items()},
        "unknown": {kind: sum(_unknown(side, kind) for side in sides) for kind in KINDS},
    }


def _known(side: pd.DataFrame, kind: str) -> set:
    if kind == "content":
        return set(" ".join(side[kind].dropna()).split()) if kind in side else set()
    return set(side[kind].dropna()) - {""}


def _unknown(side: pd.DataFrame, kind: str) -> int:
    return int((side[kind].fillna("") == "").sum()) if kind in side else len(side)


def _examples(sides: tuple[pd.DataFrame, pd.DataFrame], kind: str, names: list) -> str:
    """Return up to three of the names; of content, the clips on either side that hold it."""
    if kind != "content":
        return ", ".join(map(str, names[:3]))
    first = names[0]
    holders = [side.loc[[first in (text or "").split() for text in side[kind]], "clip"].iloc[0] for side in sides]
    return f"the same {first.partition(':')[0]} in clips {holders[0]!r} and {holders[1]!r}"
