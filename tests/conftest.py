"""What the tests share: small recordings made on the spot, and real data where there is some."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import corpora
import leftovers
import numpy as np
import pytest

from workbench import cli, media
from workbench.datasets import demo
from workbench.interact.timeline import stage

RATE, FPS, LEVELS = 16000, 30, 4
# The files that take longest, in this order.
LONGEST = ("test_notebooks_open", "test_notebooks", "test_studies_all", "test_studies_running", "test_training_panel",
           "test_under_way", "test_scale", "test_encoders", "test_conditions", "test_cli", "test_plots", "test_live",
           "test_audio_models", "test_models_light", "test_late_fusion", "test_training", "test_timeline")  # fmt: skip


def pytest_collection_modifyitems(items) -> None:
    """Begin with the files that take longest, so that no process is left alone with one of them at the end."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONGEST)))


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


@pytest.fixture(scope="session", autouse=True)
def _isolated(tmp_path_factory):
    """Tests reach neither the home folder, nor the user's data, nor any network but this machine's own.

    At the end no process that they have started is left.
    """
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("home")
    patch.setenv("HOME", str(home))
    patch.setenv("WORKBENCH_DATA", str(home / "data"))
    patch.setenv("WORKBENCH_FIGURES", str(home / "figures"))
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
            "127.0.0.1",
            "::1",
            "localhost",
        ):
            raise RuntimeError(f"a test tried to reach {address}")
        return connect(self, address)

    patch.setattr(socket.socket, "connect", guarded)
    yield
    left = leftovers.end(home)
    patch.undo()
    assert not left, f"tests have left processes behind: {left}"


@pytest.fixture
def data_folder(tmp_path, monkeypatch) -> Path:
    """A data folder of the test's own."""
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("WORKBENCH_FIGURES", str(tmp_path / "figures"))
    return tmp_path / "data"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> demo.Demo:
    """The demo corpus at its smallest: 4 speakers, 2 emotions, 1 statement, 2 intensities, 16 clips."""
    root = tmp_path_factory.mktemp("corpora") / "tiny"
    return corpora.generate(root, tmp_path_factory, n_speakers=4, emotions=("happy", "sad"), statements=(1,))


@pytest.fixture(scope="session")
def eight(tmp_path_factory) -> demo.Demo:
    """The demo corpus with 8 clips of each of 4 speakers, enough to standardise within a speaker; 2 emotions."""
    root = tmp_path_factory.mktemp("corpora") / "eight"
    return corpora.generate(root, tmp_path_factory, n_speakers=4, emotions=("happy", "sad"), statements=(1, 2))


@pytest.fixture
def call(monkeypatch, capsys, data_folder):
    """Run the command line in this process; return its exit status, output and error output."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
            raise SystemExit(0)
        return stop.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def two(tiny, tmp_path_factory):
    """A film of about 12 s in which two drawn heads speak side by side, both all the time."""
    clips = tiny.clips()
    by = [clips.loc[clips["speaker"] == name, "path"].tolist() for name in sorted(set(clips["speaker"]))]
    return stage([by[0], by[1]], tmp_path_factory.mktemp("films") / "two.mp4", seconds=8, size=(320, 320))


@pytest.fixture(scope="session")
def one(tiny, tmp_path_factory):
    """A film of about 12 s of one drawn head."""
    clips = tiny.clips()
    mine = clips.loc[clips["speaker"] == clips["speaker"].min(), "path"].tolist()
    return stage([mine], tmp_path_factory.mktemp("films") / "one.mp4", seconds=8, size=(320, 320))
