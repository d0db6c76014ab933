"""Late fusion: a classical classifier on the probabilities that the uni-modal models gave (source 002, chapter 5).

It is trained on out-of-fold probabilities only: rows that the uni-modal models predicted for clips they had not
been trained on.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterGrid, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from workbench import standards
from workbench.classifiers import mean_recall, untrained
from workbench.errors import WorkbenchError, choose
from workbench.fusion.rules import LEAST

MOST_FOLDS = 5


@dataclass(frozen=True)
class Stacker:
    """A classifier of `classifiers.CLASSICAL`, its settings in source 002, section 5.4, and those to choose from."""

    classifier: str
    settings: dict = field(default_factory=dict)
    grid: dict[str, list] = field(default_factory=dict)


# What the source sets stands here; all else is scikit-learn's default, as there.
STACKERS: dict[str, Stacker] = {
    "logistic_regression": Stacker("logistic_regression"),
    "svm_linear": Stacker("svm_linear"),
    "svm_rbf": Stacker("svm_rbf"),
    "svm_sigmoid": Stacker("svm_sigmoid"),
    "knn": Stacker("knn", grid={"n_neighbors": list(range(1, 25))}),
    "mlp": Stacker("mlp", {"hidden_layer_sizes": (40,), "max_iter": 400}),
}


def make(name: str, *, seed: int = 0, **settings) -> Pipeline:
    """Return an untrained stacker: min-max scaling, then the classifier.

    Raises
    ------
    WorkbenchError
        For an unknown name or setting.
    """
    stacker = STACKERS[choose("stacking", name, STACKERS)]
    return make_pipeline(MinMaxScaler(), untrained(stacker.classifier, seed=seed, **{**stacker.settings, **settings}))


def presented(
    scores: np.ndarray, settings: Mapping, *, speakers: Sequence[str] = (), normalise: str | None = None
) -> np.ndarray:
    """Return probabilities side by side, (n, members x classes), as a stacker of these settings is given them.

    With `logarithms` among the settings, their logarithms, in which a network's own scores come back but for a constant
    a clip: close to 0 and 1, where a sure network's probabilities crowd, they tell more. With `normalise` 'speaker',
    they are standardised within each of the `speakers`, test speakers included: no label is looked at, but all of a
    speaker's clips are (`standards`).
    """
    if settings.get("logarithms"):
        scores = np.log(np.maximum(scores, LEAST))
    return standards.within(scores, list(speakers)) if normalise == "speaker" else scores


def fit(
    settings: Mapping,
    scores: np.ndarray,
    emotion: Sequence[str],
    *,
    speakers: Sequence[str] | None = None,
    seed: int = 0,
) -> tuple[Pipeline, pd.DataFrame]:
    """Train a stacker; what its grid offers is chosen by cross-validation over these rows.

    Parameters
    ----------
    settings : mapping
        `name`, of `STACKERS`; settings of the classifier; `grid`, settings to choose from, in place of the stacker's;
        `logarithms`, which `presented` heeds.
    scores : (n, members x classes) float
        Out-of-fold probabilities (`join`, `presented`), none of a test speaker.
    emotion : (n,)
    speakers : (n,), optional
        Folds of the cross-validation keep speakers apart where there are two or more.
    seed : int
        Of what classifier and folds draw.

    Returns
    -------
    model : Pipeline
        Trained on all rows, with the best settings; of equally good ones the first.
    selection : DataFrame
        One row a choice: its settings, `uar` (0..1, mean over the folds; NaN where nothing was to choose) and `chosen`.

    Raises
    ------
    WorkbenchError
        For an unknown name or setting.
    """
    fixed = {key: value for key, value in settings.items() if key not in ("name", "grid", "logarithms")}
    name, emotion = choose("stacking", settings.get("name", ""), STACKERS), np.asarray(emotion)
    offered = {key: list(values) for key, values in settings.get("grid", STACKERS[name].grid).items()}
    choices = list(ParameterGrid({key: values for key, values in offered.items() if key not in fixed}))
    sides = list(folds(emotion, speakers, seed=seed)) if len(choices) > 1 else []
    least = min([len(emotion), *(len(train) for train, _ in sides)])
    choices = [choice for choice in choices if choice.get("n_neighbors", 1) <= least]  # no more than there are rows
    if not choices:
        raise WorkbenchError(f"stacking {name!r}: the grid offers nothing for {least} rows: {offered}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the source's 400 iterations, whether enough or not
        models = [make(name, seed=seed, **fixed, **choice) for choice in choices]
        uar = [np.mean([_uar(model, scores, emotion, side) for side in sides]) if sides else np.nan for model in models]
        best = int(np.argmax(uar)) if sides else 0
        model = models[best].fit(scores, emotion)
    return model, pd.DataFrame(choices).assign(uar=uar, chosen=np.arange(len(choices)) == best)


def _uar(model: Pipeline, scores: np.ndarray, emotion: np.ndarray, side: tuple[np.ndarray, np.ndarray]) -> float:
    train, validation = side
    found = clone(model).fit(scores[train], emotion[train]).predict(scores[validation])
    return mean_recall(emotion[validation], found)


def folds(emotion: np.ndarray, speakers: Sequence[str] | None, *, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions to train and to validate on: up to five folds, speakers apart where two or more are known.

    There are no more folds than speakers, nor than rows of an emotion (with speakers apart, of the most frequent). A
    fold whose training side has fewer than two emotions is left out.
    """
    known = None if speakers is None or "" in set(speakers) or len(set(speakers)) < 2 else np.asarray(speakers)
    counts = np.unique(emotion, return_counts=True)[1]
    n = min(MOST_FOLDS, counts.min() if known is None else min(counts.max(), len(set(known))))
    kind = StratifiedKFold if known is None else StratifiedGroupKFold
    cut = kind(n, shuffle=True, random_state=seed) if n > 1 else None
    for train, validation in cut.split(emotion, emotion, known) if cut else ():
        if len(np.unique(emotion[train])) > 1 and len(validation):
            yield train, validation


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
        If the members share no take, or one of them answers a take twice (one seen by several cameras).
    """
    for table in members:
        if (twice := table["take"][table["take"].duplicated()]).size:
            raise WorkbenchError(f"late fusion: expected one answer a take, found several to {twice.iloc[0]!r}")
    tables = [table.set_index("take").sort_index() for table in members]
    shared = sorted(set.intersection(*(set(table.index) for table in tables)))
    if not shared:
        raise WorkbenchError("late fusion: the uni-modal models share no take, so there is nothing to join")
    tables = [table.loc[shared] for table in tables]
    columns = [column for column in tables[0] if column.startswith("p_")]
    about = tables[0].drop(columns=columns).reset_index()
    return about, np.hstack([table[columns].to_numpy(dtype=float) for table in tables])


def by_member(scores: np.ndarray, n_members: int) -> np.ndarray:
    """Return probabilities side by side, (n, members x classes), as (members, n, classes)."""
    return scores.reshape(len(scores), n_members, -1).swapaxes(0, 1)
