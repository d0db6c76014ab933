"""Measurements anyone can repeat: each prints one flat object, name to number; ratios are taken within one run."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import av
import numpy as np
import pandas as pd

from workbench import geometry, recipes, scale
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
        bare.append(_seconds(lambda: [decode(file) for file in files]))
        with tempfile.TemporaryDirectory() as folder:
            whole.append(_seconds(partial(_fill, clips, recipe, Path(folder))))
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
        rates[jobs] = len(many) / _seconds(lambda: list(done))  # noqa: B023
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
        seconds = [_seconds(lambda: [reader.batch(batch) for batch in order]) for order in orders]  # noqa: B023
    return n_clips / median(seconds[1:])


def memory(files: Sequence[str | Path], *, few: int = 100, many: int = 1000) -> dict[str, float]:
    """Return the peak memory (MB) of preparing `few` and `many` clips, each in a fresh process, and their ratio."""
    peaks = {n: _peak([str(file) for file in files], n) for n in (few, many)}
    return {
        f"prepare.peak_mb_{few}": peaks[few],
        f"prepare.peak_mb_{many}": peaks[many],
        "prepare.memory_ratio": peaks[many] / peaks[few],
    }


def fit(model: geometry.FaceModel, *, n_faces: int = 300) -> dict[str, float]:
    """Time fitting pose and action units to turned, acting faces whose 68 points are off by 1 % of the eyes' distance.

    Seconds are of one core, all that this process computes meanwhile.
    """
    rng = np.random.default_rng(0)
    units = rng.uniform(-0.2, 0.8, (n_faces, len(model.action_units)))
    turns, places = rng.normal(0, 0.2, (n_faces, 3)), rng.uniform(200, 300, (n_faces, 2))
    none = np.zeros(len(model.shape_units))
    acted = geometry.Fit(np.full(n_faces, 100.0), turns, places, units, none, np.zeros(n_faces))
    landmarks = np.zeros((n_faces, 68, 2))
    landmarks[:, model.landmarks] = geometry.project(model, acted)[:, model.tied]
    landmarks += rng.normal(0, 0.6, landmarks.shape)
    geometry.fit(landmarks[:5], model)
    began = time.process_time()
    geometry.fit(landmarks, model)
    seconds = time.process_time() - began
    return {"fit.faces": n_faces, "fit.seconds": seconds, "fit.faces_per_second": n_faces / seconds}


def allocation(*, steps: int = 20, repeats: int = 3) -> dict[str, float]:
    """Time training steps of LRCN (16 clips of 15 frames) in processes that keep freed memory and in ones that do not.

    Seconds of processor time a step, medians over `repeats` of each in turn; `train.allocation_ratio` is how many times
    as long a step takes without, `train.allocation_memory` how many times as much memory is in use at most with it.
    """
    found = {keep: [] for keep in (True, False)}
    for _ in range(repeats):
        for keep, mine in found.items():
            code = f"from workbench import bench; print(*bench.lrcn_steps({steps}, keep={keep}))"
            out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
            mine.append([float(word) for word in out.split()[-2:]])
    kept, peak = np.median(found[True], axis=0).tolist()
    given_back, usual = np.median(found[False], axis=0).tolist()
    return {
        "train.step_seconds": kept,
        "train.step_seconds_without": given_back,
        "train.allocation_ratio": given_back / kept,
        "train.allocation_memory": peak / usual,
    }


def lrcn_steps(n: int, *, keep: bool) -> tuple[float, float]:
    """Train LRCN for `n` steps on random frames in one thread; return processor seconds a step and the peak MB."""
    import torch

    from workbench.models import build

    torch.set_num_threads(1)
    if keep:
        scale.keep_memory()
    model = build({"video": {"name": "lrcn"}}, 8)
    batch, emotion = {"frames": torch.randint(0, 256, (16, 15, 64, 64, 3), dtype=torch.uint8)}, torch.arange(16) % 8
    batch["frames_mask"] = torch.ones(16, 15, dtype=torch.bool)
    optimiser = torch.optim.Adam(model.parameters())

    def train(steps: int) -> float:
        began = time.process_time()
        for _ in range(steps):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model(batch)["logits"], emotion).backward()
            optimiser.step()
        return time.process_time() - began

    train(2)
    return train(n) / n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _peak(files: list[str], n_clips: int) -> float:
    code = "import sys; from workbench import bench; print(bench.peak_of(sys.argv[2:], int(sys.argv[1])))"
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


def _seconds(work: Callable) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
