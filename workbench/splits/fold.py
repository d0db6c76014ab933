"""What a fold is, and the folds that come with the clips."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError


class Fold(NamedTuple):
    """One division of a clip table: `train` and `test` are sorted positions (as for `iloc`), (n,) int.

    `beside`, by name, holds positions of further clips of the test's speakers, which are predicted beside the test and
    stay out of its score, as they stay out of training.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    beside: Mapping[str, np.ndarray] = MappingProxyType({})


def given(clips: pd.DataFrame) -> list[Fold]:
    """Return the folds that come with the clips: columns `trains_in` and `tests_in`, names with blanks between them.

    Whoever published predictions published them for folds of their own (`datasets.GivenPredictions`).

    Raises
    ------
    WorkbenchError
        If the clip table has no such columns, or a fold lacks a side.
    """
    if absent := [column for column in ("trains_in", "tests_in") if column not in clips]:
        raise WorkbenchError(f"protocol 'given': expected columns {', '.join(absent)}, found {', '.join(clips)}")
    trains, tests = (clips[column].str.split() for column in ("trains_in", "tests_in"))
    folds = []
    for name in sorted(set(tests.explode().dropna())):
        train, test = (np.flatnonzero([name in names for names in side]) for side in (trains, tests))
        if not len(train):
            raise WorkbenchError(f"protocol 'given', fold {name!r}: expected clips to train on, found none")
        folds.append(Fold(name, train, test))
    if not folds:
        raise WorkbenchError("protocol 'given': expected names of folds in column tests_in, found none")
    return folds
