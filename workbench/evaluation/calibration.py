"""How sure a system is, against how often it is right."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from workbench.evaluation.speakers import rows_tested

EDGES = (0.0, 0.4, 0.6, 0.8, 1.0)  # of the greatest probability


def reliability(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how often a system is right on its test clips where it seems so sure: a row a range of `EDGES`.

    Columns `probability` (the range of the greatest probability, in words), `clips` (how many), `right` (which share of
    them, 0..1; NaN without a clip). Of a calibrated system, the share lies in the range (Niculescu-Mizil & Caruana
    2005, ICML).
    """
    tested = rows_tested(predictions)
    surest = tested.filter(regex="^p_").max(axis=1)
    right = (tested["emotion"] == tested["predicted"]).groupby(np.digitize(surest, EDGES[1:-1])).agg(["size", "mean"])
    right = right.reindex(range(len(EDGES) - 1))
    names = [f"{low:.0%} to {high:.0%}" for low, high in pairwise(EDGES)]
    clips = right["size"].fillna(0).astype(int).to_numpy()
    return pd.DataFrame({"probability": names, "clips": clips, "right": right["mean"].to_numpy()})
