"""Late fusion: a classical classifier on the probabilities that the uni-modal models gave (source 002, chapter 5).

It is trained on out-of-fold probabilities only: rows that the uni-modal models predicted for clips they had not
been trained on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from workbench.errors import WorkbenchError


def logistic_regression(*, C: float = 1.0) -> Pipeline:
    """Min-max scaling, then logistic regression (source 002, section 5.4.1)."""
    return make_pipeline(MinMaxScaler(), LogisticRegression(C=C, max_iter=2000))


STACKERS = {"logistic_regression": logistic_regression}


def join(members: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, np.ndarray]:
    """Join the members' predictions on the clips (takes) that all of them have.

    Parameters
    ----------
    members : sequence of predictions tables
        One a uni-modal model.

    Returns
    -------
    about : DataFrame
        The first member's rows, without its probabilities, in the order of `take`.
    scores : (n, members x classes) float64
        The members' probabilities side by side.

    Raises
    ------
    WorkbenchError
        If the members share no take.
    """
    tables = [table.set_index("take").sort_index() for table in members]
    shared = sorted(set.intersection(*(set(table.index) for table in tables)))
    if not shared:
        raise WorkbenchError("late fusion: the uni-modal models share no take, so there is nothing to join")
    tables = [table.loc[shared] for table in tables]
    columns = [column for column in tables[0] if column.startswith("p_")]
    about = tables[0].drop(columns=columns).reset_index()
    return about, np.hstack([table[columns].to_numpy(dtype=float) for table in tables])
