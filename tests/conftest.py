"""What the tests share: small recordings made on the spot, and real data where there is some."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from workbench import media

RATE, FPS, LEVELS = 16000, 30, 4


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings: $WORKBENCH_SHARED, by default `../shared` beside the project."""
    folder = Path(os.environ.get("WORKBENCH_SHARED") or Path(__file__).parents[1] / ".." / "shared").resolve()
    if not (folder / "data").is_dir():
        pytest.skip(f"no real recordings: expected {folder / 'data'} (set WORKBENCH_SHARED to their folder)")
    return folder


@pytest.fixture(scope="session")
def real_clips(shared) -> list[Path]:
    """Twelve real videos with a face: six of RAVDESS (720p h264), six of CREMA-D (VP6 in flv)."""
    data = shared / "data"
    clips = [*data.glob("ravdess/Video*/*/*.mp4"), *data.glob("cremad/VideoFlash/*.flv")]
    if len(clips) < 12:
        pytest.skip(f"expected 12 real videos under {data}, found {len(clips)}")
    return sorted(clips)


@pytest.fixture(scope="session")
def voice() -> np.ndarray:
    """One second of a voice-like sound in the middle of three (48000,), peak 0.3."""
    time = np.arange(3 * RATE) / RATE
    harmonics = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    syllables = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)
    burst = np.where((time >= 1) & (time < 2), harmonics * syllables, 0)
    return (0.3 * burst / np.abs(burst).max()).astype(np.float32)


@pytest.fixture(scope="session")
def numbered() -> np.ndarray:
    """Sixty frames (60, 48, 64, 3) of which frame i is grey of level `LEVELS` * i."""
    return np.broadcast_to((LEVELS * np.arange(60, dtype=np.uint8))[:, None, None, None], (60, 48, 64, 3))


@pytest.fixture
def clip(tmp_path, numbered, voice) -> Path:
    """A recording of two numbered seconds with three seconds of sound."""
    return media.write_clip(tmp_path / "clip.mp4", numbered, voice, fps=FPS, sample_rate=RATE)
