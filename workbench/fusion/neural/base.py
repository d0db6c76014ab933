"""What every fusion inside the network is, and what stands for a modality that is missing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import WorkbenchError

Vectors = Sequence[Tensor | None]


class Scoring(nn.Sequential):
    """The head of source 004, section 5.2: dense, ReLU, feature normalisation (batch norm), dense. (B, D) to (B, C).

    `affine` is whether the batch norm has weights.
    """

    def __init__(self, width: int, n_classes: int, *, hidden: int = 64, dropout: float = 0.0, affine: bool = True):
        super().__init__(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.BatchNorm1d(hidden, affine=affine),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )


class Fusion(nn.Module):
    """Joins the modalities' vectors into one.

    A subclass takes ``(widths, n_classes, **settings)``, sets `width` (its output's size D) and `source`, and defines
    ``forward(vectors) -> (B, D)``. The vectors are a list of (B, D_i), one a modality, any number of them. A modality
    that the whole batch lacks is None; a clip that lacks one has a row of NaN there. `complete` makes zeros of both.

    A fusion with side branches also defines ``with_side(vectors) -> ((B, D), [(B, C) or None, ...])``, which is called
    in training only and adds the logits of each modality's own branch; a clip without the modality has NaN there, and
    counts for nothing in the loss. Both come from one call, so that batch norms count a batch once. One that has
    ``sequences = True`` is given (steps (B, S, D_i), mask (B, S)) instead of vectors, all False for a missing modality.
    One with ``auxiliary(vectors, embedding)`` gives, in training, what further losses need.
    """

    sequences = False
    width: int
    source: str

    def __init__(self, widths: Sequence[int], n_classes: int = 8):
        super().__init__()
        self.widths, self.n_classes = list(widths), n_classes

    def head(self) -> nn.Module:
        """Return a new head for this fusion, (B, width) to (B, n_classes); `Scoring` unless a fusion has its own."""
        return Scoring(self.width, self.n_classes)

    def complete(self, vectors: Vectors) -> tuple[list[Tensor], list[Tensor]]:
        """Return the vectors with zeros where there is nothing, and which clips have each modality, (B,) bool each.

        Raises
        ------
        WorkbenchError
            If there is no modality at all.
        """
        like = next((x for x in vectors if x is not None), None)
        if like is None:
            raise WorkbenchError("the batch has none of the model's modalities: expected one or more")
        whole = [
            like.new_full((len(like), width), torch.nan) if x is None else x
            for x, width in zip(vectors, self.widths, strict=True)
        ]
        present = [~x.isnan().all(dim=1) for x in whole]
        return [x.masked_fill(~has[:, None], 0) for x, has in zip(whole, present, strict=True)], present


class Alone(Fusion):
    """No fusion: the one modality's vector as it is, and a linear head."""

    def __init__(self, widths: Sequence[int], n_classes: int = 8):
        super().__init__(widths, n_classes)
        (self.width,) = widths

    def head(self) -> nn.Module:
        """(B, D) to (B, n_classes)."""
        return nn.Linear(self.width, self.n_classes)

    def forward(self, vectors: Vectors) -> Tensor:
        """[(B, D)] to (B, D)."""
        return vectors[0]


class FeatureNorm(nn.BatchNorm1d):
    """Batch norm over the clips that have the modality; the others stand at the mean of training, 0.

    A single clip has no spread, and is normalised by the running statistics in training too.
    """

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(B, D) and which clips are there (B,) to (B, D)."""
        if not self.training:
            return super().forward(x).masked_fill(~present[:, None], 0)
        real = x[present]
        if len(real) > 1:
            real = super().forward(real)
        elif len(real):
            real = F.batch_norm(real, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        out = real.new_zeros(x.shape)
        out[present] = real
        return out


class Normed(Fusion):
    """A fusion of normalised vectors, as in source 004: f^_m = FeatureNorm(f_m); `affine`: with weights."""

    def __init__(self, widths: Sequence[int], n_classes: int = 8, *, affine: bool = True):
        super().__init__(widths, n_classes)
        self.norms = nn.ModuleList(FeatureNorm(width, affine=affine) for width in widths)

    def normed(self, vectors: Vectors) -> tuple[list[Tensor], list[Tensor]]:
        """Return f^_m (B, D_m) of each modality, 0 where it is missing, and which clips have it (B,)."""
        whole, present = self.complete(vectors)
        return [norm(*pair) for norm, *pair in zip(self.norms, whole, present, strict=True)], present
