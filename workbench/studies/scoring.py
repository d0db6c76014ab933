"""Ours of what published tables print: numbers of one system under one protocol, from its predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench import evaluation
from workbench.emotions import probability_columns

LEAST = 1e-7  # the least probability that a loss is taken of, as in Keras

SIDED = ("precision", "recall", "f1", "loss")  # what says how a system does on others' clips: shown for both protocols


@dataclass(frozen=True)
class Kind:
    """A kind of number beside accuracy: how tables call it, its unit, and how it is had from predictions.

    `of` takes the predictions of one system under one protocol and returns the number in its unit, NaN where they do
    not say; None for a cost, which is measured when a run is made.
    """

    title: str
    unit: str
    of: Callable[[pd.DataFrame], float] | None = None


def parts(mine: pd.DataFrame, usage: str = "test", measure: Callable | None = None) -> pd.Series:
    """Return a measure by seed or, with a single seed, by fold: what a spread is the spread of.

    Parameters
    ----------
    mine : DataFrame
        Predictions of one system under one protocol.
    measure : callable, optional
        Takes predictions and returns a number for each; their mean counts. By default `right`, in percent.

    Returns
    -------
    Series
        Its index is called `seed` or `fold`. Empty with fewer than two, which have no spread.
    """
    rows = mine[mine["usage"] == usage]
    by = "seed" if rows["seed"].nunique() > 1 else "fold"
    values = (measure or right)(rows).groupby(rows[by], sort=False).mean()
    return values if len(values) > 1 else values.iloc[:0]


def right(rows: pd.DataFrame) -> pd.Series:
    """Return 100 for each prediction that is right, and 0 for each other."""
    return 100.0 * (rows["emotion"] == rows["predicted"])


def loss(rows: pd.DataFrame) -> pd.Series:
    """Return the negative log of the probability given to the true emotion (nats); NaN from a system that gives none.

    The probability counts as `LEAST` at least.
    """
    given = rows.filter(regex="^p_")
    known = given.reindex(columns=probability_columns(rows["emotion"].unique())).fillna(0).clip(lower=LEAST)
    at = known.columns.get_indexer("p_" + rows["emotion"])
    found = -np.log(known.to_numpy()[np.arange(len(rows)), at])
    return pd.Series(found, rows.index).where(given.notna().any(axis=1))


def mean(usage: str, measure: Callable = right) -> Callable[[pd.DataFrame], float]:
    """Return how the mean of a measure over the predictions of a usage is had; NaN where there are none."""
    return lambda mine: float(measure(mine[mine["usage"] == usage]).mean())


def _sd(usage: str, measure: Callable) -> Callable[[pd.DataFrame], float]:
    return lambda mine: float(parts(mine, usage, measure).std())


def _macro(measure: str) -> Callable[[pd.DataFrame], float]:
    """Return how the mean over emotions is had; seeds are scored one by one, as in `evaluation`."""
    return lambda mine: float(
        np.mean([100 * evaluation.per_class(rows)[measure].mean() for _, rows in mine.groupby("seed")])
    )


# Those that stand side by side, in the order of the columns; keys are those of `published` and of a study's `measures`.
KINDS: tuple[dict[str, Kind], ...] = (
    {
        "worst": Kind("worst", "%", lambda mine: float(parts(mine).min())),
        "best": Kind("best", "%", lambda mine: float(parts(mine).max())),
        "sd": Kind("sd", "%", _sd("test", right)),
    },
    {
        "train": Kind("train", "%", mean("train")),
        "train_sd": Kind("sd of train", "%", _sd("train", right)),
        "validation": Kind("validation", "%", mean("validation")),
        "train_loss": Kind("loss in training", "nats", mean("train", loss)),
        "train_loss_sd": Kind("sd of loss in training", "nats", _sd("train", loss)),
    },
    {
        "precision": Kind("precision", "%", _macro("precision")),
        "recall": Kind("recall", "%", _macro("recall")),
        "f1": Kind("F1", "%", _macro("f1")),
        "loss": Kind("loss", "nats", mean("test", loss)),
        "loss_sd": Kind("sd of loss", "nats", _sd("test", loss)),
    },
    {
        "parameters": Kind("parameters", "count"),
        "multiply_adds": Kind("multiply-adds", "count"),
        "latency_ms": Kind("latency", "ms"),
        "bytes_per_clip": Kind("bytes a clip", "bytes"),
    },
)
