"""Augmented training clips: drawn when a batch is gathered, from numbers that depend on seed, clip and epoch alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.augment.policy import Policy
from workbench.errors import WorkbenchError


class Speech:
    """The speech of prepared clips as sound, for augmentations that have to hear it; nothing is read before `open`.

    Parameters
    ----------
    store : Store
        Its `waveform` is the speech.
    clips : sequence of str
        In the order that positions refer to.
    recipe : Recipe
        Its `sample_rate`, Hz, is the store's.
    make : callable
        ``make(waveform, (start, end), recipe)`` returns what the store holds of a sound (`prepare.sound_arrays`).
    """

    def __init__(self, store, clips: Sequence[str], recipe, make: Callable[..., Mapping[str, np.ndarray]]):
        self.store, self.clips, self.recipe, self.make = store, list(clips), recipe, make
        self.views = []

    def open(self) -> None:
        """Map the waveforms.

        Raises
        ------
        WorkbenchError
            If the store keeps no `waveform` of a clip.
        """
        lengths = self.store.lengths("waveform", self.clips)
        absent = [clip for clip, n in zip(self.clips, lengths, strict=True) if n == 0]
        if absent:
            raise WorkbenchError(
                f"{self.store.folder} keeps no waveform of {len(absent)} of {len(self.clips)} clips (such as "
                f"{absent[0]!r}), which augmentation of sound needs: add waveform to what the recipe keeps, or use "
                "specaugment or slice"
            )
        self.views = [self.store.array("waveform", clip) for clip in self.clips]

    def waveform(self, position: int) -> np.ndarray:
        """Return the speech of a clip (n,) float32 in [-1, 1]."""
        return _as_float(self.views[position])

    def remake(self, speech: np.ndarray, names: Sequence[str]) -> Mapping[str, np.ndarray]:
        """Return what the store would hold of speech (n,) float32 under these names: `mfcc`, `spectrogram`."""
        recipe = replace(self.recipe, keep=tuple(names))
        return self.make(speech, (0.0, len(speech) / recipe.sample_rate), recipe) if names else {}


class Augmented:
    """Training clips as `training.Clips` gives them, augmented. Validation and test clips never pass through here.

    Without copies each clip is drawn anew in every epoch. With `copies`, as sources 002 and 003 did, each clip stands
    once as recorded and `copies` times augmented, the same in every epoch: positions n to 2 n - 1 are the first
    copies of positions 0 to n - 1, and so on.

    Parameters
    ----------
    clips : Clips
        Has `reader`, `labels`, `to_tensors`, `standardised`, and `speech` (a `Speech`, or None where nothing acts on
        sound).
    policy : Policy
    seed, copies : int

    Raises
    ------
    WorkbenchError
        If an augmentation acts on sound and the clips come without it.
    """

    def __init__(self, clips, policy: Policy, *, seed: int, copies: int = 0):
        self.clips, self.policy, self.seed, self.copies, self.epoch = clips, policy, seed, copies, 0
        self.labels = {name: torch.cat([x] * (copies + 1)) for name, x in clips.labels.items()}
        needed = policy.needs_speech(clips.reader.batch([0])) if len(policy) else []
        if needed and clips.speech is None:
            raise WorkbenchError(f"augmentation {', '.join(needed)} acts on sound: give the clips their speech")
        self.hears = bool(needed)
        if self.hears:
            clips.speech.open()

    @property
    def emotion(self) -> Tensor:
        """Class numbers of the clips and their copies ((copies + 1) * n,)."""
        return self.labels["emotion"]

    def with_copies(self, positions: Sequence[int]) -> np.ndarray:
        """Return `positions` and those of their copies, ((copies + 1) * k,)."""
        n_clips = len(self.clips.emotion)
        return np.concatenate([np.asarray(positions) + copy * n_clips for copy in range(self.copies + 1)])

    def batch(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Return a batch as `training.Clips.batch` does, augmented."""
        arrays = self.clips.reader.stack([self.sample(position) for position in positions])
        arrays = self.clips.standardised(arrays, np.asarray(positions) % len(self.clips.emotion))
        return self.clips.to_tensors(arrays) | {name: x[list(positions)] for name, x in self.labels.items()}

    def sample(self, position: int) -> dict[str, np.ndarray]:
        """Return one clip's arrays, time first, of the types that the store has."""
        copy, clip = divmod(int(position), len(self.clips.emotion))
        arrays = {name: x[0] for name, x in self.clips.reader.batch([clip]).items() if not name.endswith("_mask")}
        if self.copies and not copy:
            return arrays
        rng = np.random.default_rng([self.seed, clip, copy if self.copies else self.epoch])
        types = {name: x.dtype for name, x in arrays.items()}
        if "waveform" in arrays:
            arrays["waveform"] = _as_float(arrays["waveform"])
        if self.hears:
            arrays["speech"] = self.clips.speech.waveform(clip)
        arrays = self.policy(arrays, rng, remake=self.clips.speech.remake if self.hears else None)
        arrays.pop("speech", None)
        return {name: _as_type(x, types[name]) for name, x in arrays.items()}


def copies(clips: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return the clip table with `n` copies of each clip: column `copy` 0 (as recorded) to n, names `<clip>#<copy>`.

    A copy keeps the take and the speaker of its clip, so that no split keeps it apart from it, and
    `splits.audit` finds it if one did.

    Raises
    ------
    WorkbenchError
        If a clip names no take, for then nothing would hold its copies together, or n is less than 0.
    """
    if n < 0:
        raise WorkbenchError(f"copies is {n}, expected 0 or more")
    unnamed = clips.loc[clips["take"].isna() | (clips["take"] == ""), "clip"].tolist()
    if unnamed:
        raise WorkbenchError(f"{len(unnamed)} clips name no take (such as {unnamed[0]!r}): their copies could be split")
    parts = [clips.assign(copy=0)]
    parts += [clips.assign(copy=copy, clip=clips["clip"] + f"#{copy}") for copy in range(1, n + 1)]
    return pd.concat(parts, ignore_index=True)


def _as_float(waveform: np.ndarray) -> np.ndarray:
    if waveform.dtype == np.int16:
        return waveform.astype(np.float32) / np.float32(32767)
    return np.asarray(waveform, np.float32)


def _as_type(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype == np.int16 and x.dtype != dtype:
        return np.round(np.clip(x, -1, 1) * 32767).astype(np.int16)
    return x.astype(dtype, copy=False)
