"""The single training loop, blind to modality: batches of named arrays in, weights and a history out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from workbench.augment import Augmented, policy
from workbench.errors import WorkbenchError
from workbench.scale import keep_memory
from workbench.training.checkpoint import Checkpoint
from workbench.training.clips import Clips, Shuffled, loader
from workbench.training.events import recorded, written
from workbench.training.held import Held, hold
from workbench.training.objective import class_weights, loss_of
from workbench.training.requests import Requests
from workbench.training.settings import Settings, make_optimiser, rate_factor


def fit(
    model: nn.Module,
    clips: Clips,
    train: Sequence[int],
    validation: Sequence[int],
    *,
    settings: Settings,
    seed: int,
    folder: Path,
    tensorboard: Path | None = None,
    requests: Requests | None = None,
    progress: Callable | None = None,
) -> pd.DataFrame:
    """Train, keep the best epoch's weights in the model and in `folder/model.safetensors`, return the history.

    A checkpoint is written after an epoch, unless that would take a noticeable share of the time (`Checkpoint`): called
    again on the same folder, training goes on from there and ends with the same weights. `folder/history.csv` gets each
    epoch's row as it ends.

    Clips stay on the device where they fit (`hold`), unless augmentation draws them anew in every epoch.

    Parameters
    ----------
    train, validation : positions in `clips`
        Validation clips decide the best epoch; they are inner speakers of the training side, never test speakers.
        Only training clips are augmented.
    tensorboard : Path, optional
        Folder for TensorBoard's events of this training; needs the extra `tensorboard`.
    requests : Requests, optional
        Where somebody may ask to pause or to stop. Both are done once a checkpoint holds every epoch that has ended: at
        the next batch, or when the epoch ends.
    progress : callable, optional
        Called with each epoch's row.

    Returns
    -------
    DataFrame
        One row an epoch: epoch, train_loss, train_accuracy, clips (those trained on), validation_loss,
        validation_accuracy, validation_commonest (the share of the clips, 0..1, that are taken for the emotion which
        most are taken for), learning_rate, seconds.

    Raises
    ------
    Stopped
        If that was asked for.
    WorkbenchError
        If a clip's array or the loss is not finite, the settings want what the clips do not have, or TensorBoard is not
        installed. Epochs that have ended are kept in the checkpoint.
    """
    from accelerate import Accelerator  # only a training needs it, and not the settings or a prediction
    from accelerate.state import AcceleratorState

    keep_memory()
    clips.check(np.concatenate([np.asarray(train), np.asarray(validation)]))
    AcceleratorState._reset_state()  # or the first training in a process would decide on the precision of all
    accelerator = Accelerator(mixed_precision=settings.precision)
    weights = class_weights(clips, train, settings)
    weights = weights if weights is None else weights.to(accelerator.device)
    if settings.targets == "votes" and "votes" not in clips.labels:
        raise WorkbenchError("training setting targets is votes, but the clips come without a crowd's votes")
    fitted = Augmented(clips, policy(settings.augment), seed=seed, copies=settings.copies)
    order = Shuffled(fitted.with_copies(train), seed)
    given = fitted if settings.augment else clips
    if given is clips or settings.copies:  # alike in every epoch
        given = hold(given, order.positions, accelerator.device)
    batches = loader(given, order, settings.batch_size, drop_single=True)
    validated = hold(clips, validation, accelerator.device)
    checkpoint, history, best = Checkpoint(folder), [], None
    model, batches = accelerator.prepare(model, batches)
    bare, optimiser = accelerator.unwrap_model(model), make_optimiser(model.parameters(), settings)
    if state := checkpoint.load():
        bare.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        history, best = state["history"], state["best"]
    if accelerator.scaler:  # only then: the optimiser that accelerate makes looks for packages on disk at every step
        optimiser = accelerator.prepare(optimiser)
    shown, clock = accelerator.is_main_process, requests.clock if requests else time.perf_counter

    def heed() -> None:
        if requests and checkpoint.epochs == len(history):
            requests.heed()

    with (
        recorded(history, tensorboard if shown else None) as record,
        written(history, Path(folder) / "history.csv" if shown else None) as write,
    ):
        while not _finished(history, settings):
            began, order.epoch, fitted.epoch = clock(), len(history), len(history)
            factor = rate_factor(settings, [row["validation_loss"] for row in history])
            for group in optimiser.param_groups:
                group["lr"] = settings.learning_rate * factor
            torch.manual_seed(seed * 100_003 + order.epoch)  # dropout depends on seed and epoch alone, as the order
            row = {"epoch": order.epoch + 1} | _epoch(model, batches, optimiser, accelerator, settings, weights, heed)
            row |= _validate(bare, validated, validation, settings)
            row |= {"learning_rate": settings.learning_rate * factor, "seconds": clock() - began}
            write(row)
            _check_finite(row)
            if row["validation_loss"] <= min((old["validation_loss"] for old in history), default=np.inf):
                best = {name: x.detach().cpu().clone() for name, x in bare.state_dict().items()}
            history.append(row)
            record(row)
            if shown:
                state = {"model": bare.state_dict(), "optimiser": optimiser.state_dict()}
                state |= {"best": best, "history": history}
                checkpoint.save(state, now=bool(requests and requests.asked()))
            heed()
            if progress:
                progress(row)
    accelerator.unwrap_model(model, keep_fp32_wrapper=False).load_state_dict(best)
    if shown:
        save_file(best, Path(folder) / "model.safetensors", metadata={"settings": str(asdict(settings))})
        checkpoint.remove()
    return pd.DataFrame(history)


def _check_finite(row: dict) -> None:
    for name, clips in {"train_loss": "training", "validation_loss": "validation"}.items():
        if not np.isfinite(row[name]):
            why = f"the loss is {row[name]} on the {clips} clips; try a lower learning rate, or clip_norm"
            raise WorkbenchError(f"epoch {row['epoch']}: {why}")


def _finished(history: list[dict], settings: Settings) -> bool:
    losses = [row["validation_loss"] for row in history]
    return len(losses) >= settings.epochs or (bool(losses) and len(losses) - 1 - np.argmin(losses) >= settings.patience)


def _epoch(model, batches, optimiser, accelerator, settings: Settings, weights: Tensor | None, heed) -> dict:
    model.train()
    losses, answers = [], []
    for batch in batches:
        heed()
        output = model(batch)
        loss = loss_of(output, batch, settings, weights)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        if settings.clip_norm:
            accelerator.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()
        # They stay on the device: asking for a number here would make it wait after every batch.
        losses.append(loss.detach() * len(batch["emotion"]))
        answers.append((output["logits"].detach(), batch["emotion"]))
    logits, emotion = (torch.cat(part) for part in zip(*answers, strict=True))
    sums = [torch.stack(losses).sum(), (logits.argmax(1) == emotion).sum(), torch.ones_like(emotion).sum()]
    loss_sum, correct, seen = accelerator.reduce(torch.stack([x.float() for x in sums])).tolist()
    return {"train_loss": loss_sum / seen, "train_accuracy": correct / seen, "clips": int(seen)}


def _validate(model, clips: Clips | Held, positions: Sequence[int], settings: Settings) -> dict:
    probabilities, _ = predict(model, clips, positions, batch_size=2 * settings.batch_size)
    emotion, predicted = clips.emotion[np.asarray(positions)].numpy(), probabilities.argmax(1)
    chosen = probabilities[np.arange(len(emotion)), emotion]
    return {
        "validation_loss": float(-np.log(np.clip(chosen, 1e-12, 1)).mean()),
        "validation_accuracy": float((predicted == emotion).mean()),
        "validation_commonest": float(np.bincount(predicted).max() / len(predicted)),
    }


@torch.inference_mode()
def predict(
    model: nn.Module, clips: Clips | Held, positions: Sequence[int], *, batch_size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (n, C) float64 (rows sum to 1) and embeddings (n, D) float32 of the clips at `positions`."""
    model.eval()
    device = next(model.parameters()).device
    probabilities, embeddings = [], []
    for batch in loader(clips, np.asarray(positions).tolist(), batch_size):
        output = model({name: x.to(device) for name, x in batch.items()})
        probabilities.append(output["logits"].double().softmax(1).cpu().numpy())
        embeddings.append(output["embedding"].float().cpu().numpy())
    return np.concatenate(probabilities), np.concatenate(embeddings)


__all__ = [
    "Clips",
    "Requests",
    "Settings",
    "Shuffled",
    "class_weights",
    "fit",
    "hold",
    "loader",
    "loss_of",
    "make_optimiser",
    "predict",
    "rate_factor",
]
