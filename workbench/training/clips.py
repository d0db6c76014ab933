"""What a training sees: prepared clips in batches of named tensors, and the order in which they come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Sampler

from workbench.augment import Augmented, Speech
from workbench.errors import WorkbenchError
from workbench.standards import Standards
from workbench.store import Reader
from workbench.training.held import Held

MAY_MISS = ("features",)  # arrays in which NaN stands for a value that is missing


class Clips:
    """Prepared clips to train on and predict: the model's inputs and masks, and `emotion`, class numbers (n,).

    Parameters
    ----------
    reader : Reader
    emotion : sequence of int
        Class numbers, from 0.
    speech : Speech, optional
        The clips' speech as a waveform, needed only where augmentation acts on sound.
    standards : Standards, optional
        Arrays are standardised within each speaker, after augmentation.
    classes : sequence of str
        Names of the class numbers, needed where settings name emotions.
    votes : array (n, C), optional
        The share of a crowd's votes that each class got, rows that sum to 1, to train against (`targets: votes`).
    names : sequence of str
        Names of the clips, for errors.
    """

    def __init__(
        self,
        reader: Reader,
        emotion: Sequence[int],
        *,
        speech: Speech | None = None,
        standards: Standards | None = None,
        classes: Sequence[str] = (),
        votes: np.ndarray | None = None,
        names: Sequence[str] = (),
    ):
        self.names = list(names)
        self.reader, self.speech, self.standards, self.classes = reader, speech, standards, list(classes)
        self.labels = {"emotion": torch.as_tensor(np.asarray(emotion), dtype=torch.int64)}
        if votes is not None:
            self.labels["votes"] = torch.as_tensor(votes, dtype=torch.float32)

    @property
    def emotion(self) -> Tensor:
        """Class numbers (n,)."""
        return self.labels["emotion"]

    def arrays(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return the clips at `positions` as arrays (B, T, ...) and masks (B, T)."""
        return self.standardised(self.reader.batch(positions), positions)

    def standardised(self, arrays: dict[str, np.ndarray], positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return arrays of the clips at `positions` as the model is given them."""
        return self.standards(arrays, positions) if self.standards else arrays

    def check(self, positions: Sequence[int]) -> None:
        """Read the clips at `positions`, and refuse those that a network cannot be given.

        Named features may hold NaN, for which a network puts their training mean, but not infinity.

        Raises
        ------
        WorkbenchError
            If an array of a clip holds NaN or infinity; clips and arrays are named.
        """
        views = {name: of for name, of in self.reader.views.items() if _floats(of[int(positions[0])])}
        broken = [
            f"{self.name(position)}: {name}"
            for position in np.asarray(positions).tolist()
            for name, of in views.items()
            if not _taken(name, of[position])
        ]
        if broken:
            more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
            raise WorkbenchError(
                f"{len(broken)} array(s) of clips hold NaN or infinity, expected finite numbers: "
                f"{', '.join(broken[:5])}{more}; leave these clips out, or make their arrays anew"
            )

    def name(self, position: int) -> str:
        """Return the name of the clip at a position, or its number where names are not known."""
        return self.names[position] if self.names else f"clip {position}"

    def batch(self, positions: list[int]) -> dict[str, Tensor]:
        """Return the clips at `positions` as one batch: arrays (B, T, ...), masks (B, T), `emotion` (B,), votes."""
        return self.to_tensors(self.arrays(positions)) | {name: x[positions] for name, x in self.labels.items()}

    @staticmethod
    def to_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
        """Return arrays as tensors, half precision as single."""
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {name: x.float() if x.dtype == torch.float16 else x for name, x in batch.items()}


def _floats(array: np.ndarray) -> bool:
    return np.issubdtype(array.dtype, np.floating)


def _taken(name: str, array: np.ndarray) -> bool:
    """Return whether a network can be given the array (T, ...)."""
    return bool((~np.isinf(array)).all() if name in MAY_MISS else np.isfinite(array).all())


class Shuffled(Sampler):
    """Given positions in an order that depends on the seed and the epoch alone, so that a resumed run repeats it."""

    def __init__(self, positions: Sequence[int], seed: int):
        self.positions, self.seed, self.epoch = np.asarray(positions), seed, 0

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self):
        yield from np.random.default_rng([self.seed, self.epoch]).permutation(self.positions).tolist()


def loader(
    clips: Clips | Augmented | Held, order: Sequence[int] | Sampler, batch_size: int, *, drop_single: bool = False
) -> DataLoader:
    """Return a loader of batches over the positions in `order`.

    `drop_single` drops a last batch of one clip: in training, batch norm needs two.
    """
    drop_last = drop_single and len(order) > 1 and len(order) % batch_size == 1
    # The loader's items are the positions themselves: a whole batch is gathered at once, in the collate function.
    batches = BatchSampler(order, batch_size, drop_last)
    return DataLoader(range(len(clips.emotion)), batch_sampler=batches, collate_fn=clips.batch)
