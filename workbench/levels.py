"""How loud a sound is where voices are, and from which level on it is one."""

from __future__ import annotations

import numpy as np

WINDOW, HOP = 0.025, 0.010  # s: length of the windows of a level, and between their beginnings

QUIETEST = -60.0  # dB of full scale: under this nobody speaks


def voice_band(sample_rate: int) -> np.ndarray:
    """Return the filter (sections, 6) of a sound's part between 100 and 3000 Hz, for `scipy.signal.sosfilt`."""
    from scipy.signal import butter  # slow to import: not before a sound is read

    return butter(2, [100, min(3000, 0.45 * sample_rate)], "bandpass", fs=sample_rate, output="sos")


def voice_level(waveform: np.ndarray, *, sample_rate: int = 16000) -> np.ndarray:
    """Return the level (t,) dB of a sound between 100 and 3000 Hz, where voices stand out from rumble and breath.

    Windows of 25 ms, one every 10 ms; median-filtered over 90 ms, which removes clicks. `waveform` has two windows or
    more.
    """
    from scipy.ndimage import median_filter
    from scipy.signal import sosfilt

    window, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    voice = sosfilt(voice_band(sample_rate), waveform)
    windows = np.lib.stride_tricks.sliding_window_view(voice, window)[::hop]
    power = np.einsum("tw,tw->t", windows, windows) / window
    return median_filter(10 * np.log10(power + 1e-10), size=9, mode="nearest")


def voice_threshold(level: np.ndarray, *, quietest: float = -np.inf) -> float:
    """Return the level in dB above which a voice is heard, infinite where nothing stands out by 6 dB.

    What lies within 25 dB of the loud parts (95th percentile of `level` (t,) dB) and also in the upper 60 % of the
    range between the noise floor (10th percentile) and them; at least `quietest`. A clip holds a voice, however soft; a
    recording may go on for long without one, and for it this is `QUIETEST`, or rustling in a silent room would be one.
    """
    floor, loud = np.percentile(level, [10, 95])
    return max(loud - 25, floor + 0.4 * (loud - floor), quietest) if loud - floor >= 6 else np.inf
