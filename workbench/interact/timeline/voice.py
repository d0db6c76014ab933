"""Where a voice is heard: the level of speech bands against the minute before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.levels import HOP, QUIETEST, WINDOW, voice_level, voice_threshold
from workbench.media import SILENCE

MEMORY = 60.0  # s that the noise floor and the loud parts are taken from
RUN_UP = 0.2  # s before a stretch that its level is computed with
PAUSE, BURST = 0.3, 0.15  # s: shorter gaps in a voice are part of it, shorter voices are none


class Voice:
    """Tells, stretch by stretch, where a voice is heard; what it remembers does not grow with the recording.

    A voice is what `levels.voice_threshold` makes of the last minute. Music and noise that come and go stand out like
    a voice: they are not told apart.
    """

    def __init__(self, sample_rate: int = 16000):
        self.sample_rate = sample_rate
        self.tail, self.levels = np.zeros(round(RUN_UP * sample_rate), np.float32), np.empty(0)

    def hear(self, waveform: np.ndarray) -> np.ndarray:
        """Return whether a voice is heard in each 10 ms of the next stretch (n,) float32, (t,) bool."""
        n = round(len(waveform) / self.sample_rate / HOP)
        longer = np.concatenate([self.tail, waveform])
        self.tail = longer[-len(self.tail) :].copy()
        if not n:
            return np.zeros(0, bool)
        level = voice_level(longer, sample_rate=self.sample_rate)[-n:]
        level = np.pad(level, (n - len(level), 0), mode="edge")
        if np.abs(waveform).max() < SILENCE:
            return np.zeros(n, bool)
        self.levels = np.concatenate([self.levels, level])[-round(MEMORY / HOP) :]
        return level > voice_threshold(self.levels, quietest=QUIETEST)

    def state(self) -> dict[str, np.ndarray]:
        """Return what it remembers."""
        return {"tail": self.tail, "levels": self.levels}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Remember what another one did when it gave its `state`."""
        self.tail, self.levels = state["tail"], state["levels"]


def span(voiced: np.ndarray) -> tuple[float, float]:
    """Return where the voice begins and ends, in s, of voiced (t,) bool, one a 10 ms; as `media.speech_span` would."""
    at = np.flatnonzero(voiced)
    return max(0.0, at[0] * HOP - 0.1), min(len(voiced) * HOP, at[-1] * HOP + WINDOW + 0.1)


def runs(voiced: np.ndarray, begin: float) -> list[tuple[float, float]]:
    """Return (start, end) in s of each run of True in voiced (t,), which begins at `begin` s."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], voiced.astype(np.int8), [0]])))
    return [(begin + a * HOP, begin + b * HOP) for a, b in edges.reshape(-1, 2)]


def segments(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the stretches of voice (`start`, `end` in s): runs joined over short pauses, without short bursts."""
    joined = []
    for start, end in runs[["start", "end"]].itertuples(index=False):
        if joined and start - joined[-1][1] < PAUSE:
            joined[-1][1] = end
        else:
            joined.append([start, end])
    return pd.DataFrame([one for one in joined if one[1] - one[0] >= BURST], columns=["start", "end"]).round(2)
