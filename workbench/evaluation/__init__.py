"""From a predictions table to numbers: scores, intervals over speakers, confusion, ROC, paired comparisons.

Every function but `summary` takes the predictions of *one* system and looks at its test rows only. The folds
of a seed are pooled, so that a clip counts once; several seeds are scored one by one and the scores averaged.
All scores are in 0..1 and run over the emotions that occur in the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from workbench.emotions import in_order
from workbench.errors import WorkbenchError, choose
from workbench.evaluation.calibration import reliability
from workbench.evaluation.curves import area, precision_recall_f1, roc_curve
from workbench.evaluation.pairs import differences, paired, sign_flips
from workbench.evaluation.speakers import SYSTEM, drawn, n_resampled, of_one_system, quantiles, rows_tested
from workbench.speakers import n_known


def _accuracy(counts: np.ndarray) -> np.ndarray:
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def _uar(counts: np.ndarray) -> np.ndarray:
    return np.nanmean(_share(_hits(counts), counts.sum(axis=-1)), axis=-1)


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    true, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    return np.nanmean(np.where(true > 0, _share(2 * _hits(counts), true + predicted), np.nan), axis=-1)


def _hits(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


# Each maps confusion counts (..., k, k), rows true, to scores (...,): one definition for score and interval.
METRICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "accuracy": _accuracy,
    "uar": _uar,
    "macro_f1": _macro_f1,
}


def accuracy(predictions: pd.DataFrame) -> float:
    """Return the share of clips whose emotion is predicted."""
    return _score(predictions, "accuracy")


def uar(predictions: pd.DataFrame) -> float:
    """Return the unweighted average recall: the mean over emotions of the share recognised."""
    return _score(predictions, "uar")


def macro_f1(predictions: pd.DataFrame) -> float:
    """Return the mean over emotions of F1."""
    return _score(predictions, "macro_f1")


def score(predictions: pd.DataFrame) -> dict[str, float]:
    """Return ``accuracy, uar, macro_f1, auc, n_clips, n_speakers`` of one system.

    `auc` is the macro mean of the one-against-rest areas under the ROC curve; NaN for a system that gives no
    probabilities, and over the seeds that tested two emotions or more. `n_clips` counts distinct clips, `n_speakers`
    known speakers: a clip without a speaker label counts for none.
    """
    tested = of_one_system(predictions)
    counts = _counts(tested).sum(axis=1)
    scores = {name: float(metric(counts).mean()) for name, metric in METRICS.items()}
    areas = [area for _, rows in tested.groupby("seed") if not np.isnan(area := _auc(rows))]
    sizes = {"n_clips": tested["clip"].nunique(), "n_speakers": n_known(tested["speaker"])}
    return {**scores, "auc": float(np.mean(areas)) if areas else float("nan"), **sizes}


def interval(
    predictions: pd.DataFrame,
    metric: str = "accuracy",
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of `metric` over *speakers*, drawn with replacement.

    Clips of one person are alike, so resampling clips would promise too much; the interval says how far the
    score would move with other speakers of the same kind. All clips and seeds of a drawn speaker come along; the
    score of a resample is the mean over the seeds that tested a speaker in it. With a single speaker, or where the
    speaker of a clip is not known, it is (nan, nan).

    Parameters
    ----------
    metric : {'accuracy', 'uar', 'macro_f1'}
    level : float
        Coverage, 0 < level < 1.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    choose("metric", metric, METRICS)
    return _intervals(of_one_system(predictions), n_resamples, level, seed)[metric]


def summary(
    predictions: pd.DataFrame,
    by: Sequence[str] = SYSTEM,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Return one row a system, in the order of the table.

    Columns: those of `by`; what `score` gives; ``<metric>_low, <metric>_high`` for accuracy, UAR and macro-F1
    as `interval` gives them, and their `level`; `n_seeds`, `n_emotions`, and `chance`, the accuracy of always
    naming the commonest emotion; `speaker_clips`, the clips of its speaker that a prediction rests on (the median), and
    `transductive`, whether these are more than one.
    """
    rows = []
    for names, system in rows_tested(predictions).groupby(list(by), sort=False, dropna=False):
        intervals = _intervals(of_one_system(system), n_resamples, level, seed)
        bounds = {
            f"{metric}_{side}": bound
            for metric, pair in intervals.items()
            for side, bound in zip(("low", "high"), pair, strict=True)
        }
        shares = system["emotion"].value_counts(normalize=True)
        sizes = {"n_seeds": system["seed"].nunique(), "n_emotions": len(shares), "chance": shares.max()}
        sizes |= _speaker_clips(system)
        names = dict(zip(by, names, strict=True))
        rows.append({**names, **score(system), **bounds, "level": level, **sizes})
    return pd.DataFrame(rows)


def _speaker_clips(system: pd.DataFrame) -> dict:
    """Return `speaker_clips` and `transductive` of one system's test rows; one clip where they do not tell."""
    counts = system.get("speaker_clips", pd.Series(1, system.index))
    return {"speaker_clips": float(counts.median()), "transductive": bool((counts > 1).any())}


def by_yaw(predictions: pd.DataFrame, by: Sequence[str] = SYSTEM, **options) -> pd.DataFrame:
    """Return `summary` for each angle by which a head is turned: column `yaw`, degrees, 0 frontal, either side alike.

    Takes predictions by protocol frontal-to-turned: the test's turned heads, and the `frontal` pictures of the same
    people.

    Raises
    ------
    WorkbenchError
        If they do not say how far a head is turned.
    """
    if "yaw" not in predictions:
        raise WorkbenchError("expected predictions with a column yaw (protocol frontal-to-turned), found none")
    seen = predictions[predictions["usage"].isin(["test", "frontal"])]
    seen = seen.assign(usage="test", yaw=seen["yaw"].abs())
    return summary(seen.sort_values("yaw", kind="stable"), [*by, "yaw"], **options)


def confusion(predictions: pd.DataFrame, normalise: bool = True) -> pd.DataFrame:
    """Return the confusion matrix (k, k): rows true, columns predicted, emotions in their usual order.

    Only emotions that are true or predicted of some clip appear. Normalised, each row sums to 1 (a row of NaN
    for an emotion that is only predicted); otherwise clips are counted, over all seeds.
    """
    tested = of_one_system(predictions)
    emotions = _emotions(tested)
    rows, columns = pd.Index(emotions, name="emotion"), pd.Index(emotions, name="predicted")
    table = pd.DataFrame(_counts(tested).sum(axis=(0, 1)), rows, columns)
    return table.div(table.sum(axis=1), axis=0) if normalise else table.astype(int)


def per_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return, one row a true emotion, `precision`, `recall`, `f1` over all seeds, and `support` in clips."""
    tested = of_one_system(predictions)
    columns = precision_recall_f1(_counts(tested).sum(axis=(0, 1)))
    table = pd.DataFrame(columns, pd.Index(_emotions(tested), name="emotion")).loc[in_order(tested["emotion"])]
    return table.assign(support=tested.groupby("emotion", observed=True)["clip"].nunique())


def roc(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return one-against-rest ROC curves over all seeds, tidy: ``emotion, fpr, tpr, auc``.

    `fpr` and `tpr` rise together from 0 to 1; `auc` is that of the emotion, on each of its rows.

    Raises
    ------
    WorkbenchError
        If the system gives no probabilities, or only one emotion was tested.
    """
    tested = of_one_system(predictions)
    emotions = in_order(tested["emotion"])
    if len(emotions) < 2 or not _has_probabilities(tested):
        found = f"found {list(tested.filter(regex='^p_'))} and {len(emotions)} emotions"
        raise WorkbenchError(f"ROC needs columns p_<emotion> and at least two emotions, {found}")
    curves = []
    for emotion in emotions:
        fpr, tpr = roc_curve((tested["emotion"] == emotion).to_numpy(), _probability(tested, emotion))
        curves.append(pd.DataFrame({"emotion": emotion, "fpr": fpr, "tpr": tpr, "auc": area(fpr, tpr)}))
    return pd.concat(curves, ignore_index=True)


def _emotions(tested: pd.DataFrame) -> list[str]:
    return in_order([*tested["emotion"].unique(), *tested["predicted"].unique()])


def _counts(tested: pd.DataFrame) -> np.ndarray:
    """Return confusion counts (seeds, speakers, k, k), rows true, in the order of `_emotions`."""
    emotions = _emotions(tested)
    seeds, speakers = (pd.factorize(tested[name], sort=True)[0] for name in ("seed", "speaker"))
    true, predicted = (pd.Categorical(tested[name], emotions).codes for name in ("emotion", "predicted"))
    counts = np.zeros((seeds.max() + 1, speakers.max() + 1, len(emotions), len(emotions)))
    np.add.at(counts, (seeds, speakers, true, predicted), 1)
    return counts


def _score(predictions: pd.DataFrame, metric: str) -> float:
    return float(METRICS[metric](_counts(of_one_system(predictions)).sum(axis=1)).mean())


def _intervals(tested: pd.DataFrame, n_resamples: int, level: float, seed: int) -> dict[str, tuple[float, float]]:
    """Return the interval of every metric over the speakers of test rows."""
    n = n_resampled(tested["speaker"])
    if n < 2:
        return dict.fromkeys(METRICS, (float("nan"), float("nan")))
    counts = np.tensordot(drawn(n, n_resamples, seed), _counts(tested), axes=(1, 1))  # (resamples, seeds, k, k)
    there = counts.any(axis=(2, 3))  # a resample may have no speaker that a seed tested
    return {name: quantiles(_by_resample(metric, counts, there), level, n) for name, metric in METRICS.items()}


def _by_resample(metric: Callable, counts: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the mean score (r,) of each resample over the seeds that are `there` (r, s) in it."""
    if there.all():
        return metric(counts).mean(axis=1)
    scores = np.zeros(there.shape)
    scores[there] = metric(counts[there])
    return scores.sum(axis=1) / there.sum(axis=1)


def _has_probabilities(tested: pd.DataFrame) -> bool:
    return bool(tested.filter(regex="^p_").notna().any(axis=None))


def _probability(tested: pd.DataFrame, emotion: str) -> np.ndarray:
    """Return the probabilities of `emotion`, (n,); 0 where the system does not know it."""
    column = f"p_{emotion}"
    return tested[column].fillna(0).to_numpy() if column in tested else np.zeros(len(tested))


def _auc(tested: pd.DataFrame) -> float:
    emotions = in_order(tested["emotion"])
    if len(emotions) < 2 or not _has_probabilities(tested):
        return float("nan")
    true = tested["emotion"].to_numpy()
    return float(np.mean([area(*roc_curve(true == name, _probability(tested, name))) for name in emotions]))


__all__ = [
    "METRICS",
    "SYSTEM",
    "accuracy",
    "by_yaw",
    "confusion",
    "differences",
    "interval",
    "macro_f1",
    "paired",
    "per_class",
    "reliability",
    "roc",
    "score",
    "sign_flips",
    "summary",
    "uar",
]
