"""Measurements anyone can repeat: each prints one flat object, name to number; ratios are taken within one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import av

from workbench.errors import WorkbenchError
from workbench.prepare import Recipe, prepare_clip
from workbench.store import Store


def decode(path: str | Path) -> int:
    """Decode every picture of a file in one thread, converting none; return how many there were."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        return sum(1 for _ in container.decode(stream))


def prepare(files: Sequence[str | Path], *, repeats: int = 5) -> dict[str, float]:
    """Time the whole preparation of clips (sound, speech, frames, faces, crops, MFCC, writing) against decoding.

    Both are timed in turn, `repeats` times, after one warm-up; seconds are medians over all files, the ratio is the
    median of the ratios.

    Raises
    ------
    WorkbenchError
        If there is no file, or one cannot be prepared.
    """
    if not files:
        raise WorkbenchError("bench prepare: expected at least one video file")
    recipe = Recipe()
    clips = [{"clip": Path(file).stem, "path": str(file), "audio_path": str(file)} for file in files]
    for clip in clips:
        _, arrays, notes = prepare_clip(clip, recipe)
        if "frames" not in arrays:
            raise WorkbenchError(f"bench prepare: {notes[0]['reason']}")
    bare, whole, sizes = [], [], []
    for _ in range(repeats):
        bare.append(_seconds(lambda: [decode(file) for file in files]))
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder))
            whole.append(_seconds(lambda: _prepare_all(clips, recipe, store)))  # noqa: B023
            sizes.append(store.n_bytes)
    return {
        "prepare.clips": len(files),
        "prepare.decode_seconds": median(bare),
        "prepare.seconds": median(whole),
        "prepare.ratio_to_decode": median(b / a for a, b in zip(bare, whole, strict=True)),
        "prepare.clips_per_second": len(files) / median(whole),
        "prepare.bytes_per_clip": sizes[-1] / len(files),
    }


def _prepare_all(clips: list[dict], recipe: Recipe, store: Store) -> None:
    rows, arrays, _ = zip(*(prepare_clip(clip, recipe) for clip in clips), strict=True)
    store.write(rows, arrays)


def _seconds(work: Callable) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
