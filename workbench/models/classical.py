"""Classical classifiers: scikit-learn pipelines over one row of numbers a clip.

A row sums up arrays over their real steps by some statistics (`rows`): `features` (the named features of source 003,
one step), `mel`, `action_units`, embeddings. Every pipeline puts the training median where a number is missing,
standardises by the training clips and, if asked, prunes by correlation, before its classifier. Settings are
scikit-learn's defaults but where a docstring or a `grid` says otherwise; what a grid offers is chosen on the inner
split (`select`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from workbench.acoustics.pruning import CorrelationPruner
from workbench.classifiers import CLASSICAL, mean_recall, untrained
from workbench.errors import choose


def make(name: str, *, seed: int = 0, n_features: int | None = None, **settings) -> Pipeline:
    """Return an untrained pipeline.

    Parameters
    ----------
    name : of `CLASSICAL`
    seed : int
        Of what the classifier draws.
    n_features : int, optional
        Columns left after pruning by correlation (source 003: 16 of some 40); by default all.
    settings : of the classifier

    Raises
    ------
    WorkbenchError
        For an unknown name or setting.
    """
    classifier = untrained(name, seed=seed, **settings)
    steps = [("imputer", SimpleImputer(strategy="median", keep_empty_features=True)), ("scaler", StandardScaler())]
    if n_features is not None:
        steps.append(("pruner", CorrelationPruner(n_features=n_features)))
    return Pipeline([*steps, ("classifier", classifier)])


ONE_STEP = ("features",)
STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean": lambda x: np.mean(x, axis=0),
    "std": lambda x: np.std(x, axis=0),
    "p10": lambda x: np.percentile(x, 10, axis=0),
    "p50": lambda x: np.percentile(x, 50, axis=0),
    "p90": lambda x: np.percentile(x, 90, axis=0),
    "delta": lambda x: np.abs(np.diff(x, axis=0)).mean(axis=0) if len(x) > 1 else np.zeros(x.shape[1]),
}


def rows(batch: Mapping[str, np.ndarray], settings: Mapping) -> np.ndarray:
    """Return one row a clip (B, D) float64: statistics of arrays over their real steps, side by side.

    Parameters
    ----------
    batch : mapping
        Arrays (B, T, ...) and masks (B, T).
    settings : mapping
        `inputs`, the name of an array or several; `statistics` of those that have several steps, by default the mean
        alone (`std`, percentiles, `delta`: the mean absolute step). `features` are one step, and stand as they are. A
        clip without real steps is NaN throughout (its delta 0).

    Raises
    ------
    WorkbenchError
        For an unknown statistic.
    """
    wanted = [STATISTICS[choose("statistic", name, STATISTICS)] for name in settings.get("statistics", ["mean"])]
    parts = []
    for name in inputs(settings):
        x, mask = np.asarray(batch[name], np.float64), np.asarray(batch[f"{name}_mask"], bool)
        x = x.reshape(*mask.shape, -1)  # (B, T, D)
        mine = [STATISTICS["mean"]] if name in ONE_STEP else wanted
        nothing = np.full((1, x.shape[2]), np.nan)
        clips = [clip[real] if real.any() else nothing for clip, real in zip(x, mask, strict=True)]
        parts.append(np.stack([np.concatenate([statistic(clip) for statistic in mine]) for clip in clips]))
    return np.hstack(parts)


def inputs(settings: Mapping) -> list[str]:
    """Return the names of the arrays that a classifier of these settings reads; by default `features`."""
    names = settings.get("inputs", "features")
    return [names] if isinstance(names, str) else list(names)


def select(
    x: np.ndarray,
    emotion: np.ndarray,
    *,
    fit: Sequence[int],
    validation: Sequence[int],
    settings: Mapping,
    seed: int = 0,
) -> tuple[Pipeline, pd.DataFrame]:
    """Fit every choice of a grid on `fit`, and return the one that is best on `validation`.

    Parameters
    ----------
    x, emotion : (n, D) and (n,)
    fit, validation : positions
        Of inner speakers of the training side, never of test speakers.
    settings : mapping
        `name` and settings that `make` takes; `grid`, settings to choose from (by default those of the classifier in
        `CLASSICAL`, but for what is set); those of `rows` are passed over.

    Returns
    -------
    model : Pipeline
        Trained on `fit`; of equally good ones the first.
    scores : DataFrame
        One row a choice: its settings, `validation_uar` (0..1, over the emotions that the validation clips have) and
        `chosen`.
    """
    fixed = {key: value for key, value in settings.items() if key not in ("name", "grid", "inputs", "statistics")}
    name = choose("classifier", settings.get("name", ""), CLASSICAL)
    grid = settings.get("grid", CLASSICAL[name].grid)
    choices = ParameterGrid({key: list(values) for key, values in grid.items() if key not in fixed})
    choices = [choice for choice in choices if choice.get("n_neighbors", 1) <= len(fit)]  # no more than there are rows
    found = []
    for choice in choices:
        model = make(name, seed=seed, **fixed, **choice).fit(x[fit], emotion[fit])
        uar = mean_recall(emotion[validation], model.predict(x[validation]))
        found.append((model, {**choice, "validation_uar": uar}))
    best = int(np.argmax([row["validation_uar"] for _, row in found]))
    scores = pd.DataFrame([row for _, row in found])
    return found[best][0], scores.assign(chosen=np.arange(len(found)) == best)
