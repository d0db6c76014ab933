"""MRPN end to end at the size of RAVDESS: how long the published protocol's twelve folds take on this machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from workbench.bench.training import random_clips
from workbench.errors import WorkbenchError
from workbench.models import build
from workbench.training import Clips, Settings, fit, predict

# A clip as `recipes/mrpn.yaml` prepares it: 15 frames of 112 x 112, three seconds of spectrogram (five segments).
SHAPES = {"frames": (15, 112, 112, 3), "spectrogram": (750, 257)}
SPEAKERS, N_FOLDS = 24, 12


def mrpn(
    *,
    folds: int = 1,
    epochs: int = 20,
    clips: int = 1440,
    batch_size: int = 32,
    precision: str | None = None,
    filters: int = 64,
    shapes: Mapping[str, Sequence[int]] = SHAPES,
) -> dict[str, float]:
    """Train the fusion N2 over ResNet-18 on frames and on segments, on random arrays (source 004, Table 5.2).

    The folds are those of the source: two of 24 speakers are tested, of the others four validate. No encoder starts
    from weights or is frozen, nothing is augmented, and every epoch is trained.

    Parameters
    ----------
    folds : int
        How many of the twelve are trained, 1 to 12; the time of all is projected from these.
    epochs : int
        Of each fold; the source gives no number.
    clips : int
        Of all 24 speakers, 24 or more; RAVDESS has 1,440 of speech.
    precision : {'no', 'bf16', 'fp16'}, optional
        By default `bf16` on a graphics card, else `no`.
    filters : int
        Of the ResNets; 64 is the published size.

    Raises
    ------
    WorkbenchError
        For fewer clips than speakers, or more folds than twelve.
    """
    if clips < SPEAKERS or not 1 <= folds <= N_FOLDS:
        raise WorkbenchError(f"bench mrpn: {clips} clips, {folds} folds: expected {SPEAKERS} or more, 1 to {N_FOLDS}")
    cuda = torch.cuda.is_available()
    training = {"optimiser": "adamw", "learning_rate": 5e-5, "weight_decay": 0.01, "schedule": "plateau"}
    precision = precision or ("bf16" if cuda else "no")
    settings = Settings(epochs=epochs, patience=epochs, batch_size=batch_size, precision=precision, **training)
    data, took = random_clips(shapes, clips), []
    for fold in range(folds):
        began = time.perf_counter()
        _train(data, fold, settings, filters)
        took.append(time.perf_counter() - began)
    seconds = float(np.median(took))
    found = {"mrpn.clips": clips, "mrpn.epochs": epochs, "mrpn.folds": folds, "mrpn.seconds_per_fold": seconds}
    found |= {"mrpn.seconds_per_epoch": seconds / epochs, "mrpn.minutes_of_12_folds": N_FOLDS * seconds / 60}
    return found | ({"mrpn.peak_gpu_mb": torch.cuda.max_memory_allocated() / 2**20} if cuda else {})


def _train(data: Clips, fold: int, settings: Settings, filters: int) -> None:
    """Train the model of a fold and predict its test clips."""
    speaker = np.arange(len(data.emotion)) * SPEAKERS // len(data.emotion)
    turn = (speaker - 2 * fold) % SPEAKERS  # 0 and 1 are tested, 2 to 5 validate
    test, validation, train = (np.flatnonzero(which) for which in (turn < 2, (turn >= 2) & (turn < 6), turn >= 6))
    torch.manual_seed(fold)
    encoders = {"video": {"name": "resnet_frames"}, "audio": {"name": "resnet_segments"}}
    encoders = {modality: {**encoder, "filters": filters} for modality, encoder in encoders.items()}
    model = build(encoders, 8, fusion={"name": "n2", "hidden": 256, "affine": False})
    with tempfile.TemporaryDirectory() as folder:
        fit(model, data, train, validation, settings=settings, seed=fold, folder=Path(folder))
    predict(model, data, test)
