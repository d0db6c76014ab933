"""The training loop: what it costs beyond bare PyTorch, and what it gains by keeping freed memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from workbench import scale
from workbench.models import build
from workbench.scale.numerics import one_thread
from workbench.store import Reader
from workbench.training import Clips, Settings, Shuffled, fit, loader, make_optimiser

# Networks to train: encoders, what they read of a clip, how many clips; every fifth clip validates.
CASES = {
    "cnn1d": ({"audio": {"name": "cnn1d"}}, {"mfcc": (200, 40)}, 320),
    "lrcn": ({"video": {"name": "lrcn"}}, {"frames": (15, 64, 64, 3)}, 160),
}


def random_clips(shapes: Mapping[str, Sequence[int]], n_clips: int, *, seed: int = 0, n_classes: int = 8) -> Clips:
    """Return clips of random arrays of these shapes, time first: frames and spectrogram uint8, all else float16."""
    rng, views = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        levels = name in ("frames", "spectrogram")
        views[name] = [
            rng.integers(0, 256, shape, dtype=np.uint8) if levels else rng.normal(size=shape).astype(np.float16)
            for _ in range(n_clips)
        ]
    return Clips(Reader.of(views), np.arange(n_clips) % n_classes)


def overhead(*, repeats: int = 7, epochs: int = 4) -> dict[str, float]:
    """Time the training loop against a bare one of plain PyTorch at equal work, for a small network and a larger one.

    Equal are the network and its first weights, the device, the clips and their order, the loss, the epochs, and the
    validation after each. The bare loop is given its batches as tensors on the device, and writes nothing. Both train
    in turn, `repeats` times after a warm-up, in one thread, as a study's runs do. `train.overhead` is the median of the
    ratios of elapsed time less 1, of LRCN; `train.overhead_cnn1d` that of the 1-D CNN, whose steps take a
    quarter of the time. `..._processor` are of processor time, which others on the machine disturb less.
    """
    found = {}
    for network, case in CASES.items():
        name, settings = "" if network == "lrcn" else f"_{network}", Settings(epochs=epochs, batch_size=16)
        turns = [one_thread(turn)((*case, settings, seed)) for seed in range(repeats + 1)][1:]
        loop, bare = (np.array([took[which] for took in turns]) for which in ("loop", "bare"))  # (repeats, 2)
        elapsed, processor = np.median(loop / bare, axis=0) - 1
        found |= {f"train.overhead{name}": elapsed, f"train.overhead{name}_processor": processor}
        found |= {f"train.seconds{name}": np.median(loop[:, 0]), f"train.seconds{name}_bare": np.median(bare[:, 0])}
    return {name: float(value) for name, value in found.items()}


def turn(case: tuple) -> dict[str, tuple[float, float]]:
    """Train with the loop and with the bare one, which first depends on the seed; return elapsed and processor s."""
    encoders, shapes, n_clips, settings, seed = case
    clips, positions = random_clips(shapes, n_clips, seed=seed), np.arange(n_clips)
    train, validation = positions[positions % 5 > 0], positions[positions % 5 == 0]
    device, order, epochs = Accelerator().device, Shuffled(train, seed), []
    for order.epoch in range(settings.epochs):
        epochs.append([_to(device, batch) for batch in loader(clips, order, settings.batch_size)])
    validated = [_to(device, batch) for batch in loader(clips, validation.tolist(), 2 * settings.batch_size)]
    took = {}
    for which in ("loop", "bare") if seed % 2 else ("bare", "loop"):
        torch.manual_seed(seed)
        model = build(encoders, 8).to(device)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter(), time.process_time()
            if which == "loop":
                fit(model, clips, train, validation, settings=settings, seed=seed, folder=Path(folder))
            else:
                bare_loop(model, epochs, validated, settings)
            took[which] = time.perf_counter() - began[0], time.process_time() - began[1]
    return took


def bare_loop(
    model: nn.Module, epochs: Sequence[Sequence[dict]], validation: Sequence[dict], settings: Settings
) -> list[float]:
    """Train a model on the batches of each epoch with nothing but PyTorch; return the validation losses."""
    optimiser, losses = make_optimiser(model.parameters(), settings), []
    for batches in epochs:
        model.train()
        for batch in batches:
            loss = F.cross_entropy(model(batch)["logits"], batch["emotion"])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        model.eval()
        with torch.inference_mode():
            sums = [F.cross_entropy(model(batch)["logits"], batch["emotion"], reduction="sum") for batch in validation]
        losses.append((sum(sums) / sum(len(batch["emotion"]) for batch in validation)).item())
    return losses


def _to(device: torch.device, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: x.to(device) for name, x in batch.items()}


def allocation(*, steps: int = 20, repeats: int = 3) -> dict[str, float]:
    """Time training steps of LRCN (16 clips of 15 frames) in processes that keep freed memory and in ones that do not.

    Seconds of processor time a step, medians over `repeats` of each in turn; `train.allocation_ratio` is how many times
    as long a step takes without, `train.allocation_memory` how many times as much memory is in use at most with it.
    """
    found = {keep: [] for keep in (True, False)}
    for _ in range(repeats):
        for keep, mine in found.items():
            code = f"from workbench.bench.training import lrcn_steps; print(*lrcn_steps({steps}, keep={keep}))"
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
