"""What was computed elsewhere, clip by clip: embeddings in files, and arrays in memory that stand beside a store's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.base import Encoder
from workbench.models.steps import OverTime, mean_over, on_real


class Embeddings(Encoder):
    """Embeddings made elsewhere, such as YAMNet's (1024 values each 0.48 s), mean over time (source 003).

    The source publishes accuracy .210 for YAMNet on SAVEE (7 classes) and is silent about pooling and classifier: the
    mean over the real steps and the model's linear head are assumed. `read_embeddings` reads the files.

    Parameters
    ----------
    width : int
        Values a step.
    modality : str
        What they were made from.
    inputs : str
        The array's name.
    norm : bool
        Standardise values by the training clips (batch norm).
    hidden : int
        Values that a dense layer, with dropout before it and ReLU after it, makes of the vector; none with 0.
    dropout : float
    pool : {'real', 'convolutions', 'dense', 'mean', 'max'}
        What makes one vector of the steps: the mean of the real ones, or `OverTime` of `n_steps` evenly spaced ones.
    n_steps : int
    """

    modality, inputs, source = "audio", "embeddings", "003 (YAMNet)"

    def __init__(
        self,
        *,
        width: int = 1024,
        modality: str = "audio",
        inputs: str = "embeddings",
        norm: bool = False,
        hidden: int = 0,
        dropout: float = 0.0,
        pool: str = "real",
        n_steps: int = 4,
    ):
        super().__init__()
        self.given, self.modality, self.inputs = width, modality, inputs
        self.norm = nn.BatchNorm1d(width) if norm else None
        self.over_time = None if pool == "real" else OverTime(pool, n_steps, width)
        width = width if self.over_time is None else self.over_time.width
        layers = [nn.Dropout(dropout), nn.Linear(width, hidden), nn.ReLU()] if hidden else []
        self.layers, self.width = nn.Sequential(*layers), hidden or width

    def normed(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, given) and (B, T) mask to (B, T, given), standardised where there is a norm."""
        if x.shape[-1] != self.given:
            raise WorkbenchError(f"embeddings have {x.shape[-1]} values a step, expected width={self.given}")
        return x.float() if self.norm is None else on_real(self.norm, x.float(), mask)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, given) float embeddings and (B, T) mask to (B, width)."""
        x = self.normed(x, mask)
        return self.layers(mean_over(x, mask) if self.over_time is None else self.over_time(x, mask))

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The steps (B, S, width) and which are real (B, S), each by itself through the same layers."""
        x = self.normed(x, mask)
        if self.over_time is not None:
            x, mask = self.over_time.steps(x, mask)
        return self.layers(x), mask

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Seven steps a clip; the last one has five."""
        random = torch.Generator().manual_seed(seed)
        mask = torch.ones(n_clips, 7, dtype=torch.bool)
        mask[-1, 5:] = False
        return torch.randn(n_clips, 7, self.given, generator=random), mask


def read_embeddings(path: str | Path, clips: Sequence[str]) -> list[np.ndarray]:
    """Return the embeddings of each clip, (T, D) float32.

    Parameters
    ----------
    path : str or Path
        A folder with one `<clip>.npy` a clip, or one `.npz` with an array a clip: (T, D), or (D,) for a whole clip.
    clips : sequence of str

    Raises
    ------
    WorkbenchError
        If a clip has none, widths differ, or numbers are not finite.
    """
    path = Path(path).expanduser()
    found = _read(path, clips)
    missing = [clip for clip in clips if clip not in found]
    if missing:
        raise WorkbenchError(
            f"embeddings in {path}: expected an array a clip, found none for {len(missing)} of {len(clips)} clips "
            f"({', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''})"
        )
    out = {clip: np.atleast_2d(found[clip]).astype(np.float32) for clip in clips}
    kinds = {array.shape[1:]: f"{clip}: {array.shape}" for clip, array in out.items()}
    if len(kinds) > 1 or any(len(kind) != 1 for kind in kinds):
        raise WorkbenchError(f"embeddings in {path}: expected (T, D) with one D, found {', '.join(kinds.values())}")
    broken = [clip for clip, array in out.items() if not (array.size and np.isfinite(array).all())]
    if broken:
        raise WorkbenchError(f"embeddings in {path}: empty or not finite for {len(broken)} clips ({broken[0]}, ...)")
    return [out[clip] for clip in clips]


def _read(path: Path, clips: Sequence[str]) -> dict[str, np.ndarray]:
    if path.is_dir():
        files = {clip: path / f"{clip}.npy" for clip in clips}
        return {clip: np.load(file, allow_pickle=False) for clip, file in files.items() if file.is_file()}
    if path.is_file() and path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return {clip: arrays[clip] for clip in clips if clip in arrays}
    raise WorkbenchError(f"embeddings: expected a folder of .npy files or one .npz file at {path}, found neither")


class Arrays:
    """Arrays in memory as a reader: positions in, padded batch out, as `store.Reader` does.

    Parameters
    ----------
    views : mapping of name to sequence of arrays
        Each clip's array (T, ...), time first, in the order that positions refer to: `embeddings`, `tokens`.
    beside : reader, optional
        One whose batches are joined to these, of the same clips.
    """

    def __init__(self, views: Mapping[str, Sequence[np.ndarray]], *, beside=None):
        self.views, self.beside = dict(views), beside

    def batch(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """Return each array for `positions`, (B, T, ...) zero-padded to the longest, and `<name>_mask` (B, T) bool."""
        out = self.beside.batch(positions) if self.beside is not None else {}
        for name, views in self.views.items():
            chosen = [views[position] for position in positions]
            lengths = np.array([len(view) for view in chosen])
            out[name] = np.zeros((len(chosen), lengths.max(), *chosen[0].shape[1:]), chosen[0].dtype)
            for row, view in zip(out[name], chosen, strict=True):
                row[: len(view)] = view
            out[f"{name}_mask"] = np.arange(lengths.max()) < lengths[:, None]
        return out
