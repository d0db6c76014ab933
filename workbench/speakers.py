"""Speaker labels: how many speakers are known, in numbers and in words. A missing label is no speaker."""

from __future__ import annotations

import pandas as pd


def n_known(speakers: pd.Series) -> int:
    """Return how many different speakers are known; '' and missing values are no speaker."""
    return len(set(speakers.dropna()) - {""})


def all_known(speakers: pd.Series) -> bool:
    """Return whether every row has a speaker label."""
    return not (speakers.isna() | (speakers == "")).any()


def count_in_words(speakers: pd.Series) -> str:
    """Return ``of 24 speakers``, or what is known of the speakers where labels are missing, to follow a count.

    Parameters
    ----------
    speakers : (n,) str
        One a row, '' or missing where it is not known.
    """
    n = n_known(speakers)
    if all_known(speakers):
        return f"of {n} speaker{'' if n == 1 else 's'}"
    return f"of {n} known speaker{'' if n == 1 else 's'} and of speakers not known" if n else "(speakers not known)"
