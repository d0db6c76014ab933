"""Augmentation of training clips: sound, spectrograms, pictures, time. Ranges in, the same draw from the same seed out.

`policy` turns what a study declares (``augment: [mrpn, {name: noise, snr: [15, 30], p: 0.5}]``) into a function from a
clip's arrays to arrays; `Augmented` applies it to training clips, batch by batch. Validation and test clips are never
augmented.
"""

from workbench.augment.base import Transform
from workbench.augment.loading import Augmented, Speech, copies
from workbench.augment.pictures import Affine, Blur, Contrast, Mirror, PictureNoise
from workbench.augment.policy import TRANSFORMS, OneOf, Policy, policy
from workbench.augment.presets import PRESETS
from workbench.augment.sound import Gain, Noise, Pitch, Polarity, Specaugment, Stretch
from workbench.augment.timing import Slice

__all__ = [
    "PRESETS",
    "TRANSFORMS",
    "Affine",
    "Augmented",
    "Blur",
    "Contrast",
    "Gain",
    "Mirror",
    "Noise",
    "OneOf",
    "PictureNoise",
    "Pitch",
    "Polarity",
    "Policy",
    "Slice",
    "Specaugment",
    "Speech",
    "Stretch",
    "Transform",
    "copies",
    "policy",
]
