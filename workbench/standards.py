"""Standardisation within each speaker: what a voice is like as such is taken out, and what it does now is left.

The mean and the deviation are those of all of a speaker's clips at hand, test speakers included. No label is looked at,
but the clips are: it answers for people of whom several recordings are there when the question is asked (a call, an
interview), not for the first word of a stranger. Where the clips are evenly divided among emotions, as in acted
corpora, it is also flattered by that. A run that uses it says so in its parameters (`normalise: speaker`).

It needs `LEAST` recordings of a speaker. A single recording lies at its own mean: every value is 0, whatever the
recording holds, and every answer is the same. Of n values, none lies further than sqrt(n - 1) deviations from their
mean (Samuelson 1968): of two, both lie exactly 1 away; with five, 2 deviations can be told, and the standard error of
the mean is below half a deviation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from workbench.errors import WorkbenchError, choose

CHOICES = ("none", "speaker")
LEAST = 5  # recordings of a speaker, see above


def enough(speakers: Sequence[str]) -> np.ndarray:
    """Return, clip by clip (n,) bool, whether the clip is one of `LEAST` or more of its speaker."""
    _, codes, counts = np.unique(np.asarray(speakers, dtype=str), return_inverse=True, return_counts=True)
    return (counts[codes] >= LEAST) & (np.asarray(speakers, dtype=str) != "")


def left_out(speakers: Sequence[str]) -> str:
    """Return how many clips of how many speakers cannot be standardised and why, in words; '' if all can.

    Parameters
    ----------
    speakers : (n,) str
        Of each clip.
    """
    speakers = np.asarray(speakers, dtype=str)
    short = speakers[~enough(speakers)]
    if not len(short):
        return ""
    n_speakers = len(set(short))
    return (
        f"{len(short)} clip{'s' * (len(short) > 1)} of {n_speakers} speaker{'s' * (n_speakers > 1)} left out: "
        f"normalise: speaker needs at least {LEAST} clips of a speaker"
    )


def too_few(n: int) -> str:
    """Return why `n` recordings of a person get no emotion, in words; '' if they are enough."""
    if n >= LEAST:
        return ""
    return (
        f"no emotion is given: the run standardises within the speaker (normalise: speaker) and needs at least {LEAST} "
        f"recordings of one person that it can use, found {n}; a run without normalise: speaker answers about single "
        "recordings"
    )


class Standards:
    """Mean and deviation of arrays, speaker by speaker.

    Parameters
    ----------
    views : mapping of name to sequence of arrays
        Each clip's array (T, ...) of floats, time first, in the order of `speakers`; None of a clip that lacks it. NaN
        counts for nothing.
    speakers : sequence of str
        Who speaks in each clip.

    Raises
    ------
    WorkbenchError
        If a clip names no speaker, or an array is not of floats.
    """

    def __init__(self, views: Mapping[str, Sequence[np.ndarray]], speakers: Sequence[str]):
        unknown = sum(not speaker for speaker in speakers)
        if unknown:
            raise WorkbenchError(f"{unknown} of {len(speakers)} clips name no speaker: normalise: speaker needs them")
        known, self.codes = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)
        self.values = {}
        for name, mine in views.items():
            kind = next(view.dtype for view in mine if view is not None)
            if not np.issubdtype(kind, np.floating):
                raise WorkbenchError(f"normalise: speaker wants arrays of floats, found {name} of {kind}")
            who = [np.flatnonzero(self.codes == k) for k in range(len(known))]
            found = [_moments([mine[i] for i in positions if mine[i] is not None]) for positions in who]
            self.values[name] = tuple(np.stack(part) for part in zip(*found, strict=True))  # (speakers, ...) each

    def __call__(self, batch: Mapping[str, np.ndarray], positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return a batch of the clips at `positions`, (B, T, ...) and masks (B, T), standardised; padding is zero."""
        out, who = dict(batch), self.codes[np.asarray(positions)]
        for name in self.values.keys() & batch.keys():
            mean, deviation = self.values[name]
            x = (batch[name].astype(np.float32) - mean[who][:, None]) / deviation[who][:, None]
            out[name] = np.where(batch[f"{name}_mask"].reshape(*x.shape[:2], *[1] * (x.ndim - 2)), x, 0)
        return out


def within(rows: np.ndarray, speakers: Sequence[str]) -> np.ndarray:
    """Return rows (n, D), one a clip, standardised within each speaker (`Standards`); NaN stays."""
    standards = Standards({"rows": list(rows[:, None])}, speakers)
    batch = {"rows": rows[:, None], "rows_mask": np.ones((len(rows), 1), bool)}
    return standards(batch, range(len(rows)))["rows"][:, 0].astype(np.float64)


def _moments(views: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation over time of arrays (T, ...), float32; 0 and 1 of what is never known."""
    x = np.concatenate([np.asarray(view, np.float64) for view in views])
    known = ~np.isnan(x)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0).sum(axis=0) / n
    deviation = np.sqrt((np.where(known, x - mean, 0) ** 2).sum(axis=0) / n)
    return mean.astype(np.float32), np.where(deviation > 1e-6, deviation, 1).astype(np.float32)


def check(choice: str) -> str:
    """Return `choice`, one of `CHOICES`, or raise a WorkbenchError."""
    return choose("normalise", choice, CHOICES)
