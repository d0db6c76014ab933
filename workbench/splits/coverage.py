"""Whether the folds of a protocol test what they should: each clip once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.splits.fold import Fold
from workbench.splits.makers import paired, yaws
from workbench.splits.units import units


def check_coverage(clips: pd.DataFrame, protocol: str, folds: Sequence[Fold]) -> None:
    """Check that fold names are unique, and that each clip that should be tested is tested in exactly one fold.

    Which clips should be: under `speaker-pairs` all clips of paired speakers (and of those that share content with
    them), under `frontal-to-turned` the turned ones, under `given` those that name a fold in `tests_in`; all clips
    under any other protocol.

    Raises
    ------
    WorkbenchError
        Naming the fold or the clip.
    """
    names = [fold.name for fold in folds]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise WorkbenchError(f"protocol {protocol!r}: expected folds of different names, found two called {twice[0]!r}")
    times = np.bincount(np.concatenate([fold.test for fold in folds]).astype(int), minlength=len(clips))
    wrong = np.flatnonzero(times != _expected(clips, protocol))
    if not len(wrong):
        return
    at = wrong[0]
    testing = [fold.name for fold in folds if at in fold.test] or ["no fold"]
    raise WorkbenchError(
        f"protocol {protocol!r}: {len(wrong)} of {len(clips)} clips, such as {clips['clip'].iloc[at]!r}, are tested "
        f"{times[at]} times ({', '.join(testing)}), expected {int(_expected(clips, protocol)[at])}"
    )


def _expected(clips: pd.DataFrame, protocol: str) -> np.ndarray:
    """Return of each clip whether it should be tested, (n,) bool."""
    if protocol == "speaker-pairs":
        groups, speakers = units(clips, "speaker"), [speaker for pair in paired(clips) for speaker in pair]
        return groups.isin(set(groups[clips["speaker"].isin(speakers)])).to_numpy()
    if protocol == "frontal-to-turned":
        yaw = yaws(clips)
        return np.isfinite(yaw) & (yaw != 0)
    if protocol == "given":
        return (clips["tests_in"].fillna("").str.strip() != "").to_numpy()
    return np.ones(len(clips), bool)
