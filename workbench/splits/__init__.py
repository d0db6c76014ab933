"""Fold makers that yield positions, the inner split for model selection, and an audit of what leaks.

The default everywhere is speaker-disjoint: nobody is heard or seen both in training and in testing.
Protocol `random` exists to replicate published tables and shares speakers by construction; it still keeps a
take whole. Equal content (copies of a recording, column `content`) stands on one side under every protocol.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from workbench.errors import WorkbenchError, choose
from workbench.splits.coverage import check_coverage
from workbench.splits.fold import Fold, given
from workbench.splits.inner import inner_split, inner_unit
from workbench.splits.leaks import LeakError, audit
from workbench.splits.makers import (
    DEFAULT_FOLDS,
    frontal_to_turned,
    grouped,
    leave_one_speaker_out,
    random_folds,
    speaker_pairs,
)
from workbench.splits.units import joined, units

PROTOCOLS: dict[str, Callable[..., list[Fold]]] = {
    "leave-one-speaker-out": leave_one_speaker_out,
    "speaker-pairs": speaker_pairs,
    "speaker-disjoint": grouped,
    "frontal-to-turned": frontal_to_turned,
    "given": given,
    "random": random_folds,
}
SHARING = ("random",)  # what shares speakers between the sides, and so never stands alone
COUNTED = ("leave-one-speaker-out", "speaker-pairs", "given")  # who or what is there decides how many folds


def make_folds(
    clips: pd.DataFrame, protocol: str = "speaker-disjoint", n_folds: int | None = None, seed: int = 0
) -> list[Fold]:
    """Return the folds of `protocol`, each audited.

    Parameters
    ----------
    clips : DataFrame
        Clip table, one row a clip. Where it has a column `content`, clips of equal content stay on one side.
    protocol : of `PROTOCOLS`
    n_folds : int, optional
        Number of folds, 5 unless told. Where the clips decide (pairs, leave-one-out, given), leave it out.
    seed : int
        Which of the equally good divisions; without effect where the clips decide.

    Raises
    ------
    WorkbenchError
        For an unknown protocol, a number of folds that cannot be, an empty fold, an emotion that a fold's
        training lacks, or a clip that would not be tested exactly once (`check_coverage`).
    LeakError
        If a fold shares a take, a clip or content, or (unless `random`) a speaker.
    """
    maker = PROTOCOLS[choose("protocol", protocol, PROTOCOLS)]
    if protocol in COUNTED:
        folds = maker(clips)
        if n_folds not in (None, len(folds)):
            raise WorkbenchError(f"protocol {protocol!r} makes {len(folds)} folds here, not {n_folds}")
    else:
        folds = maker(clips, DEFAULT_FOLDS if n_folds is None else n_folds, seed)
    for fold in folds:
        for held_out in (fold.test, *fold.beside.values()):
            audit(clips, fold.train, held_out, allow=("speaker",) if protocol in SHARING else ())
    check_coverage(clips, protocol, folds)
    return folds


__all__ = [
    "COUNTED",
    "DEFAULT_FOLDS",
    "PROTOCOLS",
    "SHARING",
    "Fold",
    "LeakError",
    "audit",
    "frontal_to_turned",
    "given",
    "grouped",
    "inner_split",
    "inner_unit",
    "joined",
    "leave_one_speaker_out",
    "make_folds",
    "random_folds",
    "speaker_pairs",
    "units",
]
