"""Tables to figures fit for a thesis, 6.3 inches wide; `save` writes each with the data behind it.

No function reads a file or keeps state: a table goes in, a matplotlib `Figure` comes out. Each takes a
`title` (left out where the caption says it) and a `note`, printed small under the figure.
"""

from workbench.plots.augmentation import augmentations
from workbench.plots.clips import answers, clip_over_time, heat_maps
from workbench.plots.corpora import counts, durations, lags
from workbench.plots.faces import detectors, landmarks
from workbench.plots.geometry import accuracy_by_yaw, fit_quality, fitted_face
from workbench.plots.live import session_over_time
from workbench.plots.material import face_strip, scatter, waveform_and_mel
from workbench.plots.results import (
    bars,
    confusion_matrix,
    differences,
    per_class,
    protocol_gap,
    roc_curves,
)
from workbench.plots.style import save
from workbench.plots.timeline import emotion_shares, emotions_over_time, reactions
from workbench.plots.training import compare_learning, learning_curves

__all__ = [
    "accuracy_by_yaw",
    "answers",
    "augmentations",
    "bars",
    "clip_over_time",
    "compare_learning",
    "confusion_matrix",
    "counts",
    "detectors",
    "differences",
    "durations",
    "emotion_shares",
    "emotions_over_time",
    "face_strip",
    "fit_quality",
    "fitted_face",
    "heat_maps",
    "lags",
    "landmarks",
    "learning_curves",
    "per_class",
    "protocol_gap",
    "reactions",
    "roc_curves",
    "save",
    "scatter",
    "session_over_time",
    "waveform_and_mel",
]
