"""Named features of many clips: a long table with units, a wide one for classifiers, and curves of one length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from workbench import media, scale
from workbench.acoustics.named import FEATURES, features
from workbench.errors import MediaError, choose

LEAST_SECONDS = 0.1
LEFT_OUT = ["clip", "path", "reason"]
CURVES = tuple(name for name, feature in FEATURES.items() if feature.kind == "curve")


def _voiced_share(values: np.ndarray, axis=None):
    return np.mean(values > 0, axis=axis)


STATISTICS: dict[str, Callable] = {
    "value": lambda values, axis=None: values,
    "mean": np.mean,
    "median": np.median,
    "std": np.std,
    "range": np.ptp,
    "max": np.max,
    "voiced_share": _voiced_share,
}


def statistics(found: dict[str, float | np.ndarray]) -> dict[tuple[str, str], float]:
    """Return the statistics over time of what `features` found, by (feature, statistic).

    Those of a matrix's row carry its number: ``("mfcc", "mean_03")``. `range` is max - min, `std` divides by n,
    `voiced_share` is the share of frames above 0.
    """
    rows = {}
    for name, values in found.items():
        for statistic in FEATURES[name].statistics:
            value = STATISTICS[statistic](np.asarray(values, np.float64), axis=1 if FEATURES[name].by_row else None)
            if FEATURES[name].by_row:
                rows |= {(name, f"{statistic}_{row:02d}"): float(one) for row, one in enumerate(value)}
            else:
                rows[name, statistic] = float(value)
    return rows


def summary(speech: np.ndarray, *, sample_rate: int, **settings) -> dict[str, float]:
    """Return the statistics of the named features of speech (n,) by column name, and, last, its `duration` in s.

    `settings` are those of `features`. NaN where a feature is not defined. The duration is none of source 003's
    features; it is here since slow speech is sad or calm speech.
    """
    found = statistics(features(speech, sample_rate=sample_rate, **settings))
    return {column(*key): value for key, value in found.items()} | {"duration": len(speech) / sample_rate}


def table(
    clips: pd.DataFrame,
    *,
    sample_rate: int = 16000,
    n_mfcc: int = 40,
    jobs: int = 1,
    progress: Callable | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the speech of clips: every named feature, summed up over time.

    Parameters
    ----------
    clips : DataFrame
        Clip table: `clip`, `audio_path`. Each sound is resampled to `sample_rate` and cut to `media.speech_span`.
    n_mfcc : int
        Coefficients of `mfcc` and `mfcc_delta`.
    jobs : int
        Processes.
    progress : callable, optional
        Wraps an iterable: ``progress(items, total=..., description=...)``.

    Returns
    -------
    table : DataFrame
        Long: `clip, feature, statistic, value, unit`, one row a number, in the order of the clips and of `FEATURES`.
        NaN where a feature is not defined (pitch, jitter and shimmer of a clip without voice).
    left_out : DataFrame
        `clip, path, reason`: clips without a usable sound.
    """
    work = partial(_measured, sample_rate=sample_rate, n_mfcc=n_mfcc)
    names, rows, left_out = gather(work, clips, jobs=jobs, progress=progress, what="features of")
    keys = next(iter(rows), {})
    found = pd.DataFrame(
        {
            "clip": np.repeat(np.array(names, dtype=object), len(keys)),
            "feature": [feature for feature, _ in keys] * len(rows),
            "statistic": [statistic for _, statistic in keys] * len(rows),
            "value": np.array([list(row.values()) for row in rows], dtype=np.float64).ravel(),
            "unit": [unit(*key) for key in keys] * len(rows),
        }
    )
    return found, left_out


def unit(feature: str, statistic: str) -> str:
    """Return the unit of a statistic: its feature's, or none for a share."""
    return "" if statistic == "voiced_share" else FEATURES[feature].unit


def column(feature: str, statistic: str) -> str:
    """Return the name of a wide table's column: ``rms_mean``, ``mfcc_mean_03``; a scalar's is its own."""
    return feature if statistic == "value" else f"{feature}_{statistic}"


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """Return a long table as one row a clip (the index `clip`) and one column a number, in the order met.

    The units stand in ``attrs["units"]``, by column; Parquet files keep them.
    """
    named = {key: column(*key) for key in dict.fromkeys(zip(table["feature"], table["statistic"], strict=True))}
    labels = [named[key] for key in zip(table["feature"], table["statistic"], strict=True)]
    found = table.assign(column=labels).pivot(index="clip", columns="column", values="value")
    found = found.loc[table["clip"].unique(), list(named.values())].rename_axis(columns=None)
    found.attrs["units"] = columns(table)["unit"].to_dict()
    return found


def columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return what the columns of the wide table are: `feature, statistic, unit, about`, the index `column`."""
    found = table.drop_duplicates(["feature", "statistic"])[["feature", "statistic", "unit"]]
    about = [FEATURES[name].about if name in FEATURES else "" for name in found["feature"]]
    names = [column(*key) for key in zip(found["feature"], found["statistic"], strict=True)]
    return found.assign(about=about).set_index(pd.Index(names, name="column"))


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """Return, of each named feature's first statistic: `feature, statistic, unit, median, spread, undefined`.

    `median` and `spread` (between the quartiles) go over clips, `undefined` counts the clips where it is NaN.
    """
    first = table.drop_duplicates("feature")[["feature", "statistic"]]
    groups = table.merge(first).groupby(["feature", "statistic", "unit"], sort=False)["value"]
    quarter = groups.quantile([0.25, 0.75]).unstack()
    found = groups.median().to_frame("median").assign(spread=quarter[0.75] - quarter[0.25])
    return found.assign(undefined=groups.apply(lambda values: int(values.isna().sum()))).reset_index()


def curves(
    clips: pd.DataFrame,
    *,
    names: Sequence[str] = CURVES,
    length: int = 64,
    n_mfcc: int = 13,
    sample_rate: int = 16000,
    jobs: int = 1,
    progress: Callable | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the curves of clips, each stretched to `length` points, side by side: what `pruning.CurvePca` takes.

    Parameters
    ----------
    names : sequence of str
        Curves, or matrices, whose rows count as curves (``mfcc`` gives ``mfcc_00`` to ``mfcc_12``).

    Returns
    -------
    table : DataFrame
        One row a clip (the index `clip`), columns ``rms_000`` to ``rms_063``, then the next curve's.
    left_out : DataFrame
        As of `table`.
    """
    kinds = {name: feature for name, feature in FEATURES.items() if feature.kind != "scalar"}
    for name in names:
        choose("curve", name, kinds)
    work = partial(_stretched, sample_rate=sample_rate, n_mfcc=n_mfcc, names=tuple(names), length=length)
    found, rows, left_out = gather(work, clips, jobs=jobs, progress=progress, what="curves of")
    labels = [f"{name}_{point:03d}" for name in next(iter(rows), {}) for point in range(length)]
    values = [np.concatenate(list(row.values())) for row in rows]
    return pd.DataFrame(values, index=pd.Index(found, name="clip"), columns=labels), left_out


def resample(curve: np.ndarray, length: int) -> np.ndarray:
    """Return a curve (t,) or curves (k, t), t >= 1, at `length` evenly spaced points, by linear interpolation."""
    curve = np.asarray(curve, np.float64)
    if curve.ndim > 1:
        return np.stack([resample(row, length) for row in curve])
    return np.interp(np.linspace(0, len(curve) - 1, length), np.arange(len(curve)), curve)


def speech(path: str, *, sample_rate: int = 16000) -> np.ndarray:
    """Return the speech of a recording (n,) float32: its sound, cut to `media.speech_span`.

    Raises
    ------
    MediaError
        If it has no sound, only silence, or less than 0.1 s.
    """
    waveform = media.read_waveform(path, sample_rate=sample_rate)
    if media.is_silent(waveform):
        raise MediaError(f"{path}: the sound is silent, expected a voice")
    if len(waveform) < LEAST_SECONDS * sample_rate:
        seconds = len(waveform) / sample_rate
        raise MediaError(f"{path}: the sound lasts {seconds:.3f} s, expected at least {LEAST_SECONDS} s")
    start, end = (round(second * sample_rate) for second in media.speech_span(waveform, sample_rate=sample_rate))
    return waveform[start:end]


def _measured(path: str, *, sample_rate: int, n_mfcc: int) -> dict[tuple[str, str], float]:
    return statistics(features(speech(path, sample_rate=sample_rate), sample_rate=sample_rate, n_mfcc=n_mfcc))


def _stretched(path: str, *, sample_rate: int, n_mfcc: int, names: Sequence[str], length: int) -> dict:
    found = features(speech(path, sample_rate=sample_rate), sample_rate=sample_rate, n_mfcc=n_mfcc)
    rows = {}
    for name in names:
        stretched = resample(found[name], length)
        many = stretched.ndim > 1
        rows |= {f"{name}_{row:02d}": one for row, one in enumerate(stretched)} if many else {name: stretched}
    return rows


def attempt(path: str, work: Callable[[str], dict]) -> tuple[dict | None, str]:
    """Return what `work` finds in a recording and '', or None and the reason why it cannot."""
    try:
        if not path:
            raise MediaError("the clip has no sound")
        return work(path), ""
    except MediaError as error:
        return None, str(error)


def gather(
    work: Callable[[str], dict],
    clips: pd.DataFrame,
    *,
    jobs: int = 1,
    progress: Callable | None = None,
    what: str = "measuring",
) -> tuple[list[str], list[dict], pd.DataFrame]:
    """Return the names and rows of the clips whose sound `work(path)` can use, and the table of those it cannot."""
    paths = clips["audio_path"].tolist()
    done: Iterable = scale.fan_out(partial(attempt, work=work), paths, jobs=jobs)
    if progress:
        done = progress(done, total=len(paths), description=f"{what} {len(paths)} clips")
    names, rows, left_out = [], [], []
    for clip, path, (row, reason) in zip(clips["clip"], paths, done, strict=True):
        if row is None:
            left_out.append((clip, path, reason))
        else:
            names.append(clip)
            rows.append(row)
    return names, rows, pd.DataFrame(left_out, columns=LEFT_OUT)
