"""Votes of a crowd in a clip table: columns `votes_<emotion>`, how many of a clip's raters chose it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError


def columns(emotions: Iterable[str]) -> list[str]:
    """Return the clip table's columns of votes for `emotions`."""
    return [f"votes_{emotion}" for emotion in emotions]


def counted(clips: pd.DataFrame) -> list[str]:
    """Return the columns of votes that a clip table has."""
    return [column for column in clips if column.startswith("votes_")]


def shares(clips: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Return the share of its votes that each class got of each clip (n, C) float32, rows that sum to 1.

    Votes for what is none of the classes are left out, and a class that nobody could choose has none.

    Raises
    ------
    WorkbenchError
        If the table has no votes, or a clip none for any of the classes.
    """
    if not counted(clips):
        raise WorkbenchError(
            f"the clips of {', '.join(map(repr, sorted(set(clips['corpus']))))} come without a crowd's votes, which "
            "targets: votes needs; there are some of cremad with target vote_audio, vote_video or vote_audiovisual "
            "(and tabulatedVotes.csv), and of fer2013 with target ferplus"
        )
    votes = clips.reindex(columns=columns(classes)).fillna(0).to_numpy(np.float64)
    nobody = votes.sum(axis=1) == 0
    if nobody.any():
        example = clips["clip"][nobody].iloc[0]
        raise WorkbenchError(
            f"{nobody.sum()} of {len(clips)} clips (such as {example!r}) have no vote for any of {', '.join(classes)}"
        )
    return (votes / votes.sum(axis=1, keepdims=True)).astype(np.float32)
