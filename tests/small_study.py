"""A study whose networks train in seconds: voice, face, both in a network, and both by their answers."""

import dataclasses

from workbench import studies

VOICE = {"audio": {"name": "cnn1d", "filters": [8, 8]}}
FACE = {"video": {"name": "lrcn", "kernel_size": 3}}
VARIANTS = {
    "voice": {"encoders": VOICE},
    "face": {"encoders": FACE},
    "both": {"encoders": VOICE | FACE, "fusion": {"name": "concatenation"}},
    "sides": {"encoders": VOICE | FACE, "fusion": {"name": "n1"}},
    "late": {"members": ["voice", "face"], "rule": {"name": "mean"}},
}
PROFILE = {"n_folds": 2, "folds": 1, "training": {"epochs": 2, "batch_size": 8}, "recipe": {"n_frames": 5, "size": 64}}


def study(*names: str) -> studies.Study:
    """Return the study, of all its variants or of those named."""
    chosen = {name: VARIANTS[name] for name in names or VARIANTS}
    return dataclasses.replace(
        studies.load("thread"), name="small", variants=chosen, profiles={"smoke": PROFILE}, recipe={"name": "benha"}
    )
