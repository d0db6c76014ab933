"""Preparation against merely decoding: time, size on disk, loading, memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

import av
import numpy as np
import pandas as pd

from workbench import recipes, scale
from workbench.bench import seconds
from workbench.errors import WorkbenchError
from workbench.prepare import fill, prepare_clip
from workbench.recipes import Recipe
from workbench.store import Reader, Store

BATCH = 32


def decode(path: str | Path) -> int:
    """Decode every picture of a file in one thread, converting none; return how many there were."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        return sum(1 for _ in container.decode(stream))


def prepare(files: Sequence[str | Path], *, repeats: int = 5) -> dict[str, float]:
    """Time the whole preparation of clips (sound, speech, frames, faces, crops, MFCC, writing) against decoding.

    Both are timed in turn, `repeats` times, after one warm-up; seconds are medians over all files, the ratio is the
    median of the ratios. The recipe is `benha` at 15 frames of 64 x 64; `prepare.bytes_per_clip` is of 15 frames of
    112 x 112 with the sound (`efficientface`), `store.*` of random batches from a store of 15 x 64 x 64.

    Raises
    ------
    WorkbenchError
        If there is no file, or one cannot be prepared.
    """
    if not files:
        raise WorkbenchError("bench prepare: expected at least one video file")
    recipe, clips = recipes.load("benha", n_frames=15), [_clip(file) for file in files]
    for clip in clips:
        _, arrays, notes = prepare_clip(clip, recipe)
        if "frames" not in arrays:
            raise WorkbenchError(f"bench prepare: {notes[0]['reason']}")
    bare, whole = [], []
    for _ in range(repeats):
        bare.append(seconds(lambda: [decode(file) for file in files]))
        with tempfile.TemporaryDirectory() as folder:
            whole.append(seconds(partial(_fill, clips, recipe, Path(folder))))
    one, two = processes(clips, recipe)
    return {
        "prepare.clips": len(files),
        "prepare.decode_seconds": median(bare),
        "prepare.seconds": median(whole),
        "prepare.ratio_to_decode": median(b / a for a, b in zip(bare, whole, strict=True)),
        "prepare.clips_per_second": one,
        "prepare.clips_per_second_2": two,
        "prepare.speedup_2": two / one,
        "prepare.bytes_per_clip": stored_bytes(clips),
        "store.bytes_per_clip": stored_bytes(clips, recipe),
        "store.clips_per_second": loading(clips),
    }


def processes(clips: Sequence[dict], recipe: Recipe, *, least: int = 48) -> tuple[float, float]:
    """Return clips/s in this process and in two, these started and warm, over `least` clips or more."""
    many = [clip for _ in range(-(-least // len(clips))) for clip in clips]
    rates = {}
    for jobs in (1, 2):
        # The first items start the workers and import the package in them; what comes after is timed.
        done = scale.fan_out(partial(prepare_clip, recipe=recipe), many[: 8 * jobs] + many, jobs=jobs)
        for _ in range(8 * jobs):
            next(done)
        rates[jobs] = len(many) / seconds(lambda: list(done))  # noqa: B023
    return rates[1], rates[2]


def stored_bytes(clips: Sequence[dict], recipe: Recipe | None = None) -> float:
    """Return the bytes on disk of a clip; by default of 15 frames of 112 x 112 with the sound."""
    with tempfile.TemporaryDirectory() as folder:
        store = _fill(clips, recipe or recipes.load("efficientface", size=112), Path(folder))
        return store.n_bytes / len(clips)


def loading(clips: Sequence[dict], *, n_clips: int = 1024, repeats: int = 5) -> float:
    """Return clips/s of random batches from a store of 15 frames of 64 x 64 of `n_clips` clips."""
    recipe = recipes.load("benha", n_frames=15, keep=("frames",))
    with tempfile.TemporaryDirectory() as folder:
        store, made = Store(Path(folder)), [prepare_clip(clip, recipe) for clip in clips]
        for first in range(0, n_clips, BATCH):
            which = [made[k % len(made)] for k in range(first, first + BATCH)]
            rows = [row | {"clip": f"{first + k}"} for k, (row, _, _) in enumerate(which)]
            store.write(rows, [arrays for _, arrays, _ in which])
        reader = Reader(store, store.index.index.tolist(), ["frames"])
        orders = [np.random.default_rng(seed).permutation(n_clips).reshape(-1, BATCH) for seed in range(repeats + 1)]
        took = [seconds(lambda: [reader.batch(batch) for batch in order]) for order in orders]  # noqa: B023
    return n_clips / median(took[1:])


def memory(files: Sequence[str | Path], *, few: int = 100, many: int = 1000) -> dict[str, float]:
    """Return the peak memory (MB) of preparing `few` and `many` clips, each in a fresh process, and their ratio."""
    peaks = {n: _peak([str(file) for file in files], n) for n in (few, many)}
    return {
        f"prepare.peak_mb_{few}": peaks[few],
        f"prepare.peak_mb_{many}": peaks[many],
        "prepare.memory_ratio": peaks[many] / peaks[few],
    }


def _peak(files: list[str], n_clips: int) -> float:
    code = "import sys; from workbench.bench.preparation import peak_of; print(peak_of(sys.argv[2:], int(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(n_clips), *files]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_of(files: Sequence[str], n_clips: int) -> float:
    """Prepare `n_clips` clips, the files over and over under new names, in this process; return its peak MB."""
    files = [Path(file).resolve() for file in files]
    with tempfile.TemporaryDirectory() as folder:
        clips = pd.DataFrame([_clip(files[k % len(files)]) | {"clip": f"{k:06d}"} for k in range(n_clips)])
        fill(Store(Path(folder)), clips, Recipe())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _clip(file: str | Path) -> dict:
    return {"clip": Path(file).stem, "path": str(file), "audio_path": str(file)}


def _fill(clips: Sequence[dict], recipe: Recipe, folder: Path) -> Store:
    rows, arrays, _ = zip(*(prepare_clip(clip, recipe) for clip in clips), strict=True)
    store = Store(folder)
    store.write(rows, arrays)
    return store
