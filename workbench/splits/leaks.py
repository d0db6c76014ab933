"""What stands on both sides of a split, and should not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError, choose

KINDS = ("speaker", "take", "clip")


class LeakError(WorkbenchError):
    """Something stands on both sides of a split."""


def audit(
    clips: pd.DataFrame, train: Sequence[int], test: Sequence[int], *, allow: Iterable[str] = ()
) -> dict[str, object]:
    """Report what stands on both sides of a split.

    Returns ``{"leaks": bool, "shared": {"speaker": n, "take": n, "clip": n}, "unknown": {...}}``: `shared` counts
    distinct speakers, takes and clips. A name left empty is not known and does not count there: `unknown` says of how
    many clips on either side, and as long as it is not 0, `leaks` being False proves nothing about that kind.

    Raises
    ------
    LeakError
        If anything of a kind that is not in `allow` is shared; the message gives examples.
    """
    allow = {choose("kind of leak", kind, KINDS) for kind in allow}
    sides = clips.iloc[np.asarray(train)], clips.iloc[np.asarray(test)]
    shared = {kind: sorted(set.intersection(*(_known(side[kind]) for side in sides))) for kind in KINDS}
    found = [
        f"{len(names)} {kind}{'s' * (len(names) > 1)} (such as {', '.join(map(str, names[:3]))})"
        for kind, names in shared.items()
        if names and kind not in allow
    ]
    if found:
        raise LeakError(f"both sides of the split hold {', '.join(found)}; expected none")
    return {
        "leaks": any(shared.values()),
        "shared": {kind: len(names) for kind, names in shared.items()},
        "unknown": {kind: sum(int((side[kind].fillna("") == "").sum()) for side in sides) for kind in KINDS},
    }


def _known(names: pd.Series) -> set:
    return set(names.dropna()) - {""}
