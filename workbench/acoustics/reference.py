"""Other people's measurements of the same voices, to compare ours with. Both are extras; the core runs without them.

eGeMAPS (Eyben et al. 2016, "The Geneva minimalistic acoustic parameter set for voice research and affective
computing", IEEE Transactions on Affective Computing 7(2), 190-202) comes from openSMILE, whose licence allows
research only: extra `egemaps`. Praat comes from praat-parselmouth, GPL-3: extra `praat`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from workbench.acoustics import tables, voice
from workbench.errors import WorkbenchError, choose

EXTRAS = {  # name: module, extra, what to know of the licence
    "egemaps": ("opensmile", "egemaps", "openSMILE (for research only)"),
    "praat": ("parselmouth", "praat", "praat-parselmouth (GPL-3)"),
}
PAIRS: dict[str, list[tuple[str, str, str]]] = {  # ours, theirs, how theirs is brought to our unit
    "egemaps": [
        ("pitch_mean", "F0semitoneFrom27.5Hz_sma3nz_amean", "semitones to Hz"),
        ("pitch_median", "F0semitoneFrom27.5Hz_sma3nz_percentile50.0", "semitones to Hz"),
        ("jitter", "jitterLocal_sma3nz_amean", "times 100"),
        ("shimmer", "shimmerLocaldB_sma3nz_amean", ""),
        ("rms_mean", "loudness_sma3_amean", ""),
        ("energy_mean", "equivalentSoundLevel_dBp", ""),
        ("spec_flux_mean", "spectralFlux_sma3_amean", ""),
        *((f"mfcc_mean_{row:02d}", f"mfcc{row}_sma3_amean", "") for row in (1, 2, 3, 4)),
    ],
    "praat": [(name, name, "") for name in ("pitch_mean", "pitch_median", "jitter", "shimmer")],
}
CONVERSIONS: dict[str, Callable] = {
    "semitones to Hz": lambda semitones: 27.5 * 2 ** (semitones / 12),
    "times 100": lambda share: 100 * share,
}
_UNITS = [  # the first pattern found in an eGeMAPS name
    (r"stddevNorm", ""),
    (r"F0semitone.*(Rising|Falling)Slope", "semitones/s"),
    (r"F0semitone.*pctlrange", "semitones"),
    (r"F0semitone", "semitones above 27.5 Hz"),
    (r"^F\d(frequency|bandwidth)", "Hz"),
    (r"dB|logRelF0|LogRelF0|alphaRatio|hammarberg", "dB"),
    (r"^slope", "dB/Hz"),
    (r"PerSec$", "1/s"),
    (r"LengthSec$|SegmentLength$", "s"),
    (r"^loudness.*Slope", "sone/s"),
    (r"^loudness", "sone"),
]


def _extra(name: str):
    module, extra, what = EXTRAS[name]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise WorkbenchError(
            f"{name} needs {what}, and module {module!r} cannot be imported ({error}): pip install 'workbench[{extra}]'"
        ) from None


@lru_cache(maxsize=1)
def _smile():
    opensmile = _extra("egemaps")
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )


def egemaps(waveform: np.ndarray, *, sample_rate: int) -> pd.Series:
    """Return the extended Geneva minimalistic acoustic parameters, version 02, by openSMILE.

    Parameters
    ----------
    waveform : (n,) float32, in [-1, 1]

    Returns
    -------
    egemaps : Series (88,) float64, by openSMILE's names
        NaN where the sound is too short for openSMILE (some 60 ms). `egemaps_unit` tells the units.

    Raises
    ------
    WorkbenchError
        If openSMILE is not installed; the message says how to.
    """
    found = _smile().process_signal(np.asarray(waveform, np.float32), sample_rate).iloc[0]
    return found.astype(np.float64).rename("egemaps")


def egemaps_unit(name: str) -> str:
    """Return the unit of one of the parameters, '' for those without."""
    return next((unit for pattern, unit in _UNITS if re.search(pattern, name)), "")


def praat(waveform: np.ndarray, *, sample_rate: int) -> pd.Series:
    """Return `pitch_mean`, `pitch_median` (Hz), `jitter`, `shimmer` (%) and `shimmer_db` (dB) as Praat measures them.

    The settings are those of `acoustics.voice`: pitch by autocorrelation between 75 and 600 Hz, pulses by
    cross-correlation, periods of 0.1 to 20 ms.

    Raises
    ------
    WorkbenchError
        If praat-parselmouth is not installed; the message says how to.
    """
    parselmouth = _extra("praat")
    call, limits = parselmouth.praat.call, (0, 0, *voice.PERIODS, voice.PERIOD_FACTOR)
    sound = parselmouth.Sound(np.asarray(waveform, np.float64), sample_rate)
    contour = sound.to_pitch_ac(pitch_floor=voice.LOWEST, pitch_ceiling=voice.HIGHEST).selected_array["frequency"]
    voiced = contour[contour > 0]
    points = call(sound, "To PointProcess (periodic, cc)", voice.LOWEST, voice.HIGHEST)
    both = [sound, points]
    return pd.Series(
        {
            "pitch_mean": voiced.mean() if len(voiced) else np.nan,
            "pitch_median": np.median(voiced) if len(voiced) else np.nan,
            "jitter": 100 * call(points, "Get jitter (local)", *limits),
            "shimmer": 100 * call(both, "Get shimmer (local)", *limits, voice.AMPLITUDE_FACTOR),
            "shimmer_db": call(both, "Get shimmer (local_dB)", *limits, voice.AMPLITUDE_FACTOR),
        },
        name="praat",
    )


MEASURES = {"egemaps": egemaps, "praat": praat}


def table(
    name: str,
    clips: pd.DataFrame,
    *,
    sample_rate: int = 16000,
    jobs: int = 1,
    progress: Callable | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the speech of clips by `egemaps` or `praat`.

    Returns
    -------
    table : DataFrame
        One row a clip (the index `clip`), one column a parameter.
    left_out : DataFrame
        `clip, path, reason`: clips without a usable sound.
    """
    _extra(choose("reference", name, MEASURES))
    work = partial(_measured, name=name, sample_rate=sample_rate)
    names, rows, left_out = tables.gather(work, clips, jobs=jobs, progress=progress, what=f"{name} of")
    return pd.DataFrame(rows, index=pd.Index(names, name="clip")), left_out


def long(theirs: pd.DataFrame) -> pd.DataFrame:
    """Return a table of eGeMAPS as a long one with units, to stand below that of `acoustics.table`."""
    found = theirs.rename_axis(columns="feature").stack(future_stack=True).rename("value").reset_index()
    found = found.assign(statistic="value", unit=found["feature"].map(egemaps_unit))
    return found[["clip", "feature", "statistic", "value", "unit"]]


def _measured(path: str, *, name: str, sample_rate: int) -> dict[str, float]:
    return MEASURES[name](tables.speech(path, sample_rate=sample_rate), sample_rate=sample_rate).to_dict()


def compare(ours: pd.DataFrame, theirs: pd.DataFrame, name: str = "egemaps") -> pd.DataFrame:
    """Say how well two measurements of the same clips agree.

    Parameters
    ----------
    ours : DataFrame
        A wide table (`acoustics.wide`).
    theirs : DataFrame
        What `table` made.
    name : {'egemaps', 'praat'}
        Which pairs (`PAIRS`) to compare.

    Returns
    -------
    agreement : DataFrame
        One row a pair: `ours, theirs, clips` (that have both), `rank_correlation` (Spearman's), `median_ours`,
        `median_theirs` and `median_difference` (ours - theirs; NaN where the units differ).
    """
    rows = []
    for mine, other, conversion in PAIRS[choose("reference", name, PAIRS)]:
        both = pd.DataFrame({"ours": ours[mine], "theirs": theirs[other]}).dropna()
        same = name == "praat" or conversion in CONVERSIONS
        values = CONVERSIONS.get(conversion, np.asarray)(both["theirs"])
        rows.append(
            {
                "ours": mine,
                "theirs": other,
                "clips": len(both),
                "rank_correlation": spearmanr(both["ours"], values).statistic if len(both) > 2 else np.nan,
                "median_ours": both["ours"].median(),
                "median_theirs": float(np.median(values)) if len(both) else np.nan,
                "median_difference": float(np.median(both["ours"] - values)) if same and len(both) else np.nan,
            }
        )
    return pd.DataFrame(rows)
