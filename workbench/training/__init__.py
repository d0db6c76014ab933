"""The single training loop, blind to modality: batches of named arrays in, weights and a history out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, Sampler

from workbench.augment import Augmented, Speech, policy
from workbench.errors import WorkbenchError
from workbench.models.mmer import auxiliary_losses
from workbench.scale import keep_memory
from workbench.standards import Standards
from workbench.store import Reader
from workbench.training.settings import OPTIMISERS, Settings, rate_factor


class Clips:
    """Prepared clips to train on and predict: the model's inputs and masks, and `emotion`, class numbers (n,).

    `speech`, needed only where augmentation acts on sound, gives training the clips' speech as a waveform. With
    `standards`, arrays are standardised within each speaker, after augmentation. `classes` names the class numbers,
    where settings name emotions.
    """

    def __init__(
        self,
        reader: Reader,
        emotion: Sequence[int],
        *,
        speech: Speech | None = None,
        standards: Standards | None = None,
        classes: Sequence[str] = (),
    ):
        self.reader, self.speech, self.standards, self.classes = reader, speech, standards, list(classes)
        self.emotion = torch.as_tensor(np.asarray(emotion), dtype=torch.int64)

    def arrays(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the clips at `positions` as arrays (B, T, ...) and masks (B, T)."""
        return self.standardised(self.reader.batch(positions), positions)

    def standardised(self, arrays: dict[str, np.ndarray], positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return arrays of the clips at `positions` as the model is given them."""
        return self.standards(arrays, positions) if self.standards else arrays

    def batch(self, positions: list[int]) -> dict[str, Tensor]:
        """Return the clips at `positions` as one batch: arrays (B, T, ...), masks (B, T), `emotion` (B,)."""
        return self.to_tensors(self.arrays(positions)) | {"emotion": self.emotion[positions]}

    @staticmethod
    def to_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
        """Return arrays as tensors, half precision as single."""
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {name: x.float() if x.dtype == torch.float16 else x for name, x in batch.items()}


class Shuffled(Sampler):
    """Given positions in an order that depends on the seed and the epoch alone, so that a resumed run repeats it."""

    def __init__(self, positions: Sequence[int], seed: int):
        self.positions, self.seed, self.epoch = np.asarray(positions), seed, 0

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self):
        yield from np.random.default_rng([self.seed, self.epoch]).permutation(self.positions).tolist()


def loader(
    clips: Clips | Augmented, order: Sequence[int] | Sampler, batch_size: int, *, drop_single: bool = False
) -> DataLoader:
    """Return a loader of batches over the positions in `order`.

    `drop_single` drops a last batch of one clip: in training, batch norm needs two.
    """
    drop_last = drop_single and len(order) > 1 and len(order) % batch_size == 1
    # The loader's items are the positions themselves: a whole batch is gathered at once, in the collate function.
    batches = BatchSampler(order, batch_size, drop_last)
    return DataLoader(range(len(clips.emotion)), batch_sampler=batches, collate_fn=clips.batch)


def class_weights(clips: Clips, train: Sequence[int], settings: Settings) -> Tensor | None:
    """Return the weight of each class (C,) in the loss, None where all count as they are; see `Settings`.

    Raises
    ------
    WorkbenchError
        If the settings name emotions and the clips do not.
    """
    if not settings.class_weights:
        return None
    if settings.class_weights is True:
        counts = clips.emotion[np.asarray(train)].bincount()
        return len(train) / ((counts > 0).sum() * counts.clamp(min=1))
    if not clips.classes:
        raise WorkbenchError("class_weights names emotions, but the clips do not: give them the names of their classes")
    return torch.tensor([float(settings.class_weights.get(name, 1)) for name in clips.classes])


def loss_of(output: dict, batch: Mapping[str, Tensor], settings: Settings, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of the logits, plus that of each side branch (source 004: L = L_v + L_a + L_va).

    A side branch's is the mean over the clips that have its modality; its logits of others are NaN. A fusion's
    auxiliary tasks (source 000: CTC and contrastive) are added where it has them. `weights` (C,) of the classes
    multiply the clips' cross-entropies.
    """
    emotion = batch["emotion"]
    weight = 1 if weights is None else weights[emotion]  # (B,)
    smoothing, reduction = settings.label_smoothing, "mean" if weights is None else "none"
    loss = F.cross_entropy(output["logits"], emotion, reduction=reduction, label_smoothing=smoothing)
    loss = loss if weights is None else (loss * weight).mean()
    for logits in output["side"].values():
        has = ~logits.isnan().all(dim=1)
        each = F.cross_entropy(logits.masked_fill(~has[:, None], 0), emotion, reduction="none") * has
        loss = loss + settings.side_weight * (each * weight).sum() / has.sum().clamp(min=1)
    if "auxiliary" in output:
        loss = loss + sum(auxiliary_losses(output["auxiliary"], batch).values())
    return loss


def fit(
    model: nn.Module,
    clips: Clips,
    train: Sequence[int],
    validation: Sequence[int],
    *,
    settings: Settings,
    seed: int,
    folder: Path,
    progress: Callable | None = None,
) -> pd.DataFrame:
    """Train, keep the best epoch's weights in the model and in `folder/model.safetensors`, return the history.

    A checkpoint is written after every epoch: called again on the same folder, training goes on where it stopped
    and ends with the same weights.

    Parameters
    ----------
    train, validation : positions in `clips`
        Validation clips decide the best epoch; they are inner speakers of the training side, never test speakers.
        Only training clips are augmented.
    progress : callable, optional
        Called with each epoch's row.

    Returns
    -------
    DataFrame
        One row an epoch: epoch, train_loss, validation_loss, train_accuracy, validation_accuracy, learning_rate,
        seconds.

    Raises
    ------
    WorkbenchError
        If the loss is not finite.
    """
    keep_memory()
    accelerator = Accelerator(mixed_precision=settings.precision)
    optimiser = OPTIMISERS[settings.optimiser](
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    fitted = Augmented(clips, policy(settings.augment), seed=seed, copies=settings.copies)
    order = Shuffled(fitted.with_copies(train), seed)
    batches = loader(fitted if settings.augment else clips, order, settings.batch_size, drop_single=True)
    weights = class_weights(clips, train, settings)
    weights = weights if weights is None else weights.to(accelerator.device)
    checkpoint, history, best = Path(folder) / "checkpoint.pt", [], None
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location="cpu")
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        history, best = state["history"], state["best"]
    model, optimiser, batches = accelerator.prepare(model, optimiser, batches)
    bare = accelerator.unwrap_model(model)
    while not _finished(history, settings):
        began, order.epoch, fitted.epoch = time.perf_counter(), len(history), len(history)
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate_factor(settings, [row["validation_loss"] for row in history])
        torch.manual_seed(seed * 100_003 + order.epoch)  # dropout depends on seed and epoch alone, as the order does
        row = {"epoch": order.epoch + 1} | _epoch(model, batches, optimiser, accelerator, settings, weights)
        row |= _validate(bare, clips, validation, settings)
        row |= {"learning_rate": optimiser.param_groups[0]["lr"], "seconds": time.perf_counter() - began}
        if not np.isfinite(row["train_loss"]):
            raise WorkbenchError(f"epoch {row['epoch']}: the loss is {row['train_loss']}; try a lower learning rate")
        if row["validation_loss"] <= min((old["validation_loss"] for old in history), default=np.inf):
            best = {name: x.detach().cpu().clone() for name, x in bare.state_dict().items()}
        history.append(row)
        if accelerator.is_main_process:
            state = {
                "model": bare.state_dict(),
                "optimiser": optimiser.state_dict(),
                "best": best,
                "history": history,
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            os.replace(checkpoint.with_suffix(".part"), checkpoint)
        if progress:
            progress(row)
    bare.load_state_dict(best)
    if accelerator.is_main_process:
        save_file(best, Path(folder) / "model.safetensors", metadata={"settings": str(asdict(settings))})
        checkpoint.unlink(missing_ok=True)
    return pd.DataFrame(history)


def _finished(history: list[dict], settings: Settings) -> bool:
    losses = [row["validation_loss"] for row in history]
    return len(losses) >= settings.epochs or (bool(losses) and len(losses) - 1 - np.argmin(losses) >= settings.patience)


def _epoch(model, batches, optimiser, accelerator, settings: Settings, weights: Tensor | None) -> dict:
    model.train()
    loss_sum = correct = seen = 0
    for batch in batches:
        output = model(batch)
        loss = loss_of(output, batch, settings, weights)
        optimiser.zero_grad(set_to_none=True)
        accelerator.backward(loss)
        optimiser.step()
        # Stay on the device: asking for a number here would make it wait after every batch.
        loss_sum = loss_sum + loss.detach() * len(batch["emotion"])
        correct = correct + (output["logits"].argmax(1) == batch["emotion"]).sum()
        seen += len(batch["emotion"])
    sums = accelerator.reduce(
        torch.stack([loss_sum.float(), correct.float(), torch.tensor(float(seen)).to(loss.device)])
    )
    loss_sum, correct, seen = sums.tolist()
    return {"train_loss": loss_sum / seen, "train_accuracy": correct / seen}


def _validate(model, clips: Clips, positions: Sequence[int], settings: Settings) -> dict:
    probabilities, _ = predict(model, clips, positions, batch_size=2 * settings.batch_size)
    emotion = clips.emotion[np.asarray(positions)].numpy()
    chosen = probabilities[np.arange(len(emotion)), emotion]
    return {
        "validation_loss": float(-np.log(np.clip(chosen, 1e-12, 1)).mean()),
        "validation_accuracy": float((probabilities.argmax(1) == emotion).mean()),
    }


@torch.inference_mode()
def predict(
    model: nn.Module, clips: Clips, positions: Sequence[int], *, batch_size: int = 64
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
    "OPTIMISERS",
    "Clips",
    "Settings",
    "Shuffled",
    "class_weights",
    "fit",
    "loader",
    "loss_of",
    "predict",
    "rate_factor",
]
