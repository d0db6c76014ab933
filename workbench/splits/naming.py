"""Names of folds, and what their makers have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.datasets.speakers import short_names
from workbench.emotions import in_order
from workbench.errors import WorkbenchError
from workbench.splits.fold import Fold
from workbench.splits.units import joined, units

UNFIT = re.compile(r"[^\w.,+@ -]")  # what a name of a folder should not hold


def known_speakers(clips: pd.DataFrame, at_least: int = 1) -> pd.Series:
    """Return of each clip its speaker, or the first of the speakers that share content with this one (`units`).

    Raises
    ------
    WorkbenchError
        If a clip has no speaker label, or there are fewer than `at_least` speakers that share no content.
    """
    speakers = clips["speaker"]
    unknown = int((speakers.isna() | (speakers == "")).sum())
    if unknown:
        raise WorkbenchError(
            f"{unknown} of {len(clips)} clips have no speaker label, expected one for each clip; only protocol "
            "'random' can be used without"
        )
    groups = units(clips, "speaker")
    if groups.nunique() >= at_least:
        return groups
    names = sorted(speakers.unique())
    if groups.nunique() == len(names):
        raise WorkbenchError(
            f"a fold would be empty: expected at least {at_least} speakers, found {len(names)} "
            f"({', '.join(names[:5])}); fewer folds, or protocol 'random', can be used"
        )
    shared = "; ".join(" = ".join(names[:6]) for names in joined(clips, "speaker")[:3])
    raise WorkbenchError(
        f"a fold would be empty: expected at least {at_least} groups of speakers that share no sound or picture, found "
        f"{groups.nunique()} among {len(names)} speakers: clips of {shared} have the same content (copies of a file, "
        "or one person under several names)"
    )


def fold_names(clips: pd.DataFrame, groups: Sequence[Sequence[str]]) -> list[str]:
    """Return a name for the fold that tests each group of speakers; no two are equal.

    ``A01,02`` for ravdess-01 and ravdess-02, ``DC,JE`` for savee-DC and savee-JE, ``anna-1`` for folder-anna-1. Where
    these would be equal, the speakers' full names stand.
    """
    corpora = set(clips["corpus"]) if "corpus" in clips else ()
    short = short_names([speaker for group in groups for speaker in group], corpora)
    names = [UNFIT.sub("_", ",".join(short[speaker] for speaker in group)) for group in groups]
    names = [f"A{name}" if name[:1].isdigit() else name for name in names]
    return names if len(set(names)) == len(names) else [",".join(group) for group in groups]


def folds_of(clips: pd.DataFrame, fold_of: Sequence[int], names: Sequence[str]) -> list[Fold]:
    """Return one fold a name; `fold_of` says in which one each clip tests, -1 for never."""
    from sklearn.model_selection import PredefinedSplit  # slow to import

    sides = PredefinedSplit(np.asarray(fold_of, dtype=int)).split()
    folds = [Fold(name, train, test) for name, (train, test) in zip(names, sides, strict=True)]
    for fold in folds:
        check_classes(clips, clips.iloc[fold.train], f"fold {fold.name!r}")
    return folds


def check_number(n_folds: int) -> None:
    """Raise a WorkbenchError for fewer than two folds."""
    if n_folds < 2:
        raise WorkbenchError(f"expected at least 2 folds, found {n_folds}")


def check_classes(clips: pd.DataFrame, train: pd.DataFrame, where: str) -> None:
    """Raise a WorkbenchError if an emotion of the clips has no clip to train on; the counts are given."""
    absent = in_order(set(clips["emotion"]) - set(train["emotion"]))
    if not absent:
        return
    of_class = clips[clips["emotion"].isin(absent)]
    takes, speakers = of_class["take"].nunique(), of_class["speaker"].nunique()
    raise WorkbenchError(
        f"{where}: no training clip of {', '.join(absent)} ({len(train)} training clips of "
        f"{train['speaker'].nunique()} speakers; there are {takes} takes of {', '.join(absent)}, of {speakers} "
        "speakers): leave the class out, or add clips of it by other speakers"
    )
