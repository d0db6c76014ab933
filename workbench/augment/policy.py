"""Augmentation as declared in a study: names and ranges in, a function from a clip's arrays to arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workbench.augment import pictures, sound, timing
from workbench.augment.base import Transform
from workbench.augment.presets import PRESETS
from workbench.errors import WorkbenchError, choose

# Kind of augmentation -> the arrays of a clip that it changes; `speech` is the waveform between beginning and end of
# the speech, of which the arrays of FROM_SOUND are made anew.
ARRAYS = {
    "sound": ("waveform", "speech"),
    "spectrogram": ("mel", "mfcc", "spectrogram"),
    "pictures": ("frames", "whole"),
    "time": ("waveform", "speech", "mel", "mfcc", "spectrogram", "frames", "whole"),
}
FROM_SOUND = ("features", *ARRAYS["spectrogram"])


@dataclass(frozen=True, kw_only=True)
class OneOf(Transform):
    """One of several augmentations of one kind, each as likely.

    Parameters
    ----------
    options : list
        Settings, as in a policy.
    """

    options: Sequence = ()

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "options", tuple(_expanded(self.options)))
        kinds = sorted({option.acts_on for option in self.options})
        if len(kinds) != 1:
            raise WorkbenchError(f"augmentation 'one_of': expected options of one kind, found {kinds or 'none'}")

    @property
    def acts_on(self) -> str:
        """What the options act on."""
        return self.options[0].acts_on

    def settings(self) -> dict[str, Any]:
        """Return the parameters, those of the options with them."""
        return {"name": self.name, "p": self.p, "options": [option.settings() for option in self.options]}

    def apply(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the drawn option makes of it."""
        return self.options[rng.integers(len(self.options))](x, rng)


TRANSFORMS: dict[str, type[Transform]] = {
    "noise": sound.Noise,
    "pitch": sound.Pitch,
    "stretch": sound.Stretch,
    "gain": sound.Gain,
    "polarity": sound.Polarity,
    "specaugment": sound.Specaugment,
    "slice": timing.Slice,
    "mirror": pictures.Mirror,
    "affine": pictures.Affine,
    "blur": pictures.Blur,
    "contrast": pictures.Contrast,
    "picture_noise": pictures.PictureNoise,
    "one_of": OneOf,
}


@dataclass(frozen=True)
class Policy:
    """Augmentations, applied one after another; those of spectrograms after those of sound."""

    transforms: tuple[Transform, ...] = ()

    def __len__(self) -> int:
        return len(self.transforms)

    def settings(self) -> list[dict[str, Any]]:
        """Return all settings, presets spelled out, as JSON-able values: `policy` makes the same of them."""
        return [transform.settings() for transform in self.transforms]

    def needs_speech(self, names: Iterable[str]) -> list[str]:
        """Return which augmentations act on the sound that some of the arrays `names` are made of."""
        heard = set(names) & set(FROM_SOUND)
        return [transform.name for transform in self.transforms if transform.acts_on == "sound" and heard]

    def __call__(
        self,
        arrays: Mapping[str, np.ndarray],
        rng: np.random.Generator,
        *,
        remake: Callable[[np.ndarray, Sequence[str]], Mapping[str, np.ndarray]] | None = None,
    ) -> dict[str, np.ndarray]:
        """Return a clip's arrays, augmented.

        Parameters
        ----------
        arrays : mapping
            By name, as in a store, time first; `waveform` and `speech` (n,) float32. What no augmentation acts on is
            returned as it is.
        rng : Generator
            All arrays of a kind get the same draws: a slice is the same in sound and pictures.
        remake : callable, optional
            Called with the augmented speech and names of arrays that are made of it; returns them.
        """
        out = dict(arrays)
        steps = [(transform, int(rng.integers(2**63))) for transform in self.transforms]
        speech = self._apply([step for step in steps if step[0].acts_on != "spectrogram"], out)
        if speech and remake is not None:
            out |= remake(out["speech"], [name for name in FROM_SOUND if name in out])
        self._apply([step for step in steps if step[0].acts_on == "spectrogram"], out)
        return out

    @staticmethod
    def _apply(steps: Iterable[tuple[Transform, int]], arrays: dict[str, np.ndarray]) -> bool:
        """Apply augmentations in place of the entries; tell whether one acting on sound changed the speech."""
        heard = False
        for transform, seed in steps:
            for name in ARRAYS[transform.acts_on]:
                if name in arrays:
                    before = arrays[name]
                    arrays[name] = transform(before, np.random.default_rng(seed))
                    heard |= name == "speech" and transform.acts_on == "sound" and arrays[name] is not before
        return heard


def policy(spec) -> Policy:
    """Return the policy that a study's `augment` declares.

    Parameters
    ----------
    spec : None, str, mapping, Policy, or sequence of str and mappings
        The name of an augmentation or of a preset, or an augmentation's settings, such as
        ``{name: noise, snr: [15, 30], p: 0.5}``. What is not set has its default.

    Raises
    ------
    WorkbenchError
        For an unknown name or setting, or a value out of range.

    Examples
    --------
    >>> len(policy(["awgn", {"name": "specaugment", "time": 20}]))
    2
    """
    return spec if isinstance(spec, Policy) else Policy(tuple(_expanded(spec)))


def _expanded(spec) -> Iterable[Transform]:
    if spec is None:
        return
    if isinstance(spec, str | Mapping | Transform):
        spec = [spec]
    if not isinstance(spec, Sequence):
        raise WorkbenchError(f"augment is {spec!r}, expected a list of names and settings")
    for one in spec:
        if isinstance(one, Transform):
            yield one
            continue
        if not isinstance(one, str | Mapping):
            raise WorkbenchError(f"augment holds {one!r}, expected a name or settings with a name")
        settings = {"name": one} if isinstance(one, str) else dict(one)
        name = choose("augmentation", str(settings.pop("name", "")), (*TRANSFORMS, *PRESETS))
        if name in PRESETS:
            if settings:
                raise WorkbenchError(f"augmentation preset {name!r} takes no settings, found {', '.join(settings)}")
            yield from _expanded(PRESETS[name][1])
        else:
            for key in settings:
                choose(f"setting of augmentation {name!r}", key, TRANSFORMS[name].parameters())
            yield TRANSFORMS[name](**settings)
