"""What every number rests on: the test rows of one system, their known speakers, and speakers drawn anew."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.speakers import all_known, n_known

SYSTEM = ("corpus", "study", "variant", "model", "modality", "fusion", "protocol")


def rows_tested(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows, speakers that are not known as ''.

    Raises
    ------
    WorkbenchError
        If there is none.
    """
    tested = predictions[predictions["usage"] == "test"]
    if tested.empty:
        raise WorkbenchError(f"no test row among {len(predictions)} predictions")
    return tested.assign(speaker=tested["speaker"].fillna(""))


def of_one_system(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the test rows, having made sure that they are of one system and name a clip once a seed.

    Raises
    ------
    WorkbenchError
        If they are of several, or a clip was tested twice; which is named.
    """
    tested = rows_tested(predictions)
    systems = tested[[name for name in SYSTEM if name in tested]].drop_duplicates()
    if len(systems) > 1:
        several = {name: values for name in systems if len(values := list(systems[name].unique())) > 1}
        raise WorkbenchError(f"expected the predictions of one system, found {len(systems)}: {several}")
    if tested.duplicated(["seed", "clip"]).any():
        (seed, clip), rows = max(tested.groupby(["seed", "clip"]), key=lambda group: len(group[1]))
        found = f"clip {clip!r} was tested {len(rows)} times under seed {seed}"
        raise WorkbenchError(f"{found}, in runs {sorted(set(rows['run']))}: keep the runs of one setting")
    return tested


def n_resampled(speakers: pd.Series) -> int:
    """Return how many speakers an interval can be resampled over: 0 where a speaker is not known."""
    return n_known(speakers) if all_known(speakers) else 0


def drawn(n_speakers: int, n_resamples: int, seed: int) -> np.ndarray:
    """Return how often each speaker is drawn in each resample, (r, s)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_resamples).astype(float)


def quantiles(values: np.ndarray, level: float, n_speakers: int) -> tuple[float, float]:
    """Return the bounds that hold the share `level` of values (r,) between them; NaN with fewer than two speakers."""
    if n_speakers < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
