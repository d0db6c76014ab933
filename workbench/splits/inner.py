"""The inner split: part of the training side validates, for early stopping and model selection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError, choose
from workbench.splits.naming import check_classes, known_speakers
from workbench.splits.units import units


def inner_split(
    clips: pd.DataFrame, train: Sequence[int], *, share: float = 0.2, seed: int = 0, by: str = "speaker"
) -> tuple[np.ndarray, np.ndarray]:
    """Divide the training side once more, for early stopping and model selection.

    Parameters
    ----------
    clips : DataFrame
        The clip table that `train` points into.
    train : (n,) int
        Positions of the training clips.
    share : float
        Share of the speakers (of each sex, at least one) or of the takes that validates; 0 < share < 1.
    by : {'speaker', 'take'}
        'speaker': nobody stands on both sides. 'take': stratified by emotion, for protocol `random`, and where only
        one speaker trains (`inner_unit`). Speakers, or takes, that share content stay on one side.

    Returns
    -------
    fit, validation : (k,) and (n - k,) int
        Sorted positions in `clips`.

    Raises
    ------
    WorkbenchError
        If there are fewer than two speakers, too few takes of an emotion, or an emotion would not be fitted.
    """
    choose("inner split", by, ("speaker", "take"))
    train = np.sort(np.asarray(train))
    table = clips.iloc[train]
    groups = known_speakers(table, at_least=2) if by == "speaker" else units(table, by)
    pick = _validation_speakers if by == "speaker" else _validation_takes
    validates = groups.isin(pick(table, groups, share, seed)).to_numpy()
    fit, validation = train[~validates], train[validates]
    check_classes(clips.iloc[train], clips.iloc[fit], "inner split")
    return fit, validation


def inner_unit(clips: pd.DataFrame, train: Sequence[int], *, shares_speakers: bool = False) -> str:
    """Return what an inner split of the training side keeps whole: 'speaker', or 'take' where it has to be.

    It has to be where the protocol shares speakers anyway, and where the training side has a single speaker (or
    several that share content): then the takes that validate are of the speaker that is fitted.
    """
    single = units(clips.iloc[np.asarray(train)], "speaker").nunique() < 2
    return "take" if shares_speakers or single else "speaker"


def _validation_speakers(table: pd.DataFrame, groups: pd.Series, share: float, seed: int) -> list[str]:
    """Return a share of the speakers of each sex; a lone man or woman trains, unless that leaves nobody."""
    rng = np.random.default_rng(seed)
    sex_of = table.groupby(groups)["sex"].first().fillna("")
    chosen: list[str] = []
    for _, speakers in sex_of.groupby(sex_of):
        n = min(max(1, round(share * len(speakers))), len(speakers) - 1)
        chosen += rng.permutation(speakers.index.to_numpy(dtype=object))[:n].tolist()
    return chosen or [rng.choice(sorted(sex_of.index))]


def _validation_takes(table: pd.DataFrame, groups: pd.Series, share: float, seed: int) -> list[str]:
    """Return a share of the takes, stratified by emotion; of a few takes, as many as there are emotions."""
    takes = pd.DataFrame({"take": groups, "emotion": table["emotion"]}).drop_duplicates("take")
    counts = takes["emotion"].value_counts()
    if few := [f"{emotion} ({n})" for emotion, n in counts[counts < 2].sort_index().items()]:
        raise WorkbenchError(
            f"inner split by take: too few takes of {', '.join(few)} on the training side, expected at least 2 of each "
            "emotion (one to fit, one to validate): leave these classes out, or add takes"
        )
    from sklearn.model_selection import train_test_split  # slow to import

    try:
        names, emotions = takes["take"], takes["emotion"]
        n = max(int(np.ceil(share * len(takes))), emotions.nunique())
        _, chosen = train_test_split(names, test_size=n, stratify=emotions, random_state=seed)
    except ValueError as error:
        raise WorkbenchError(f"inner split by take: {error}") from error
    return list(chosen)
