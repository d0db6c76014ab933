"""N0, N1 and N2 of source 004: concatenation, with side branches, with residual perceptrons (MRPN)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.fusion.neural.base import FeatureNorm, Normed, Scoring, Vectors


class Concatenation(Normed):
    """N0 of source 004, section 5.2.1: each vector normalised (batch norm), concatenated, normalised again.

    The concatenation of source 003 (film and sound) too, whose layers after it are not described. Published for N0,
    end to end: 87.55 % on RAVDESS, 81.30 % on CREMA-D (Table 5.4, unseen speakers).

    Parameters
    ----------
    hidden : int
        Values in the head (`Scoring`), between its two dense layers. The source's count of weights (section 4.4) is met
        by 256, see `ResNetFrames`.
    affine : bool
        Whether the feature norms, and the head's, have weights; the same count is met without.
    """

    source = "004, section 5.2.1, equations 26, 27 and 30"

    def __init__(self, widths: Sequence[int], n_classes: int = 8, *, hidden: int = 64, affine: bool = True):
        super().__init__(widths, n_classes, affine=affine)
        self.width, self.hidden, self.affine = sum(widths), hidden, affine
        self.norm = nn.BatchNorm1d(self.width, affine=affine)

    def head(self) -> nn.Module:
        """(B, width) to (B, n_classes)."""
        return Scoring(self.width, self.n_classes, hidden=self.hidden, affine=self.affine)

    def each(self, vectors: Vectors) -> tuple[list[Tensor], list[Tensor]]:
        """Return what is concatenated, (B, D_m) each, and which clips have it (B,): here f^_m."""
        return self.normed(vectors)

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, sum of D_i); a missing modality stands at its training mean, 0."""
        return self.norm(torch.cat(self.each(vectors)[0], dim=1))


class SideBranches(Concatenation):
    """N1 of source 004, section 5.2.1: N0, and in training a score of each modality alone, s_m = Dense(f^_m).

    The loss has a term for each, L = L_v + L_a + L_va (`training.loss_of`), with any number of modalities. Published:
    89.8 % on RAVDESS, 77.0 % on CREMA-D (Table 5.4, unseen speakers). Settings as of `Concatenation`.
    """

    source = "004, section 5.2.1, equation 31"

    def __init__(self, widths: Sequence[int], n_classes: int = 8, **settings):
        super().__init__(widths, n_classes, **settings)
        self.sides = nn.ModuleList(nn.Linear(width, n_classes) for width in widths)

    def with_side(self, vectors: Vectors) -> tuple[Tensor, list[Tensor]]:
        """List of (B, D_i) to (B, sum of D_i) and logits (B, C) of each, NaN for a clip without the modality."""
        parts, present = self.each(vectors)
        sides = [
            side(x).masked_fill(~has[:, None], torch.nan)
            for side, x, has in zip(self.sides, parts, present, strict=True)
        ]
        return self.norm(torch.cat(parts, dim=1)), sides


class ResidualPerceptron(nn.Module):
    """f' = f^ + FeatureNorm(Sigmoid(Dense(f^))) (source 004, equation 29)."""

    def __init__(self, width: int, *, affine: bool = True):
        super().__init__()
        self.dense, self.norm = nn.Linear(width, width), FeatureNorm(width, affine=affine)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(B, D) and which clips are there (B,) to (B, D); 0 for the others."""
        return x + self.norm(self.dense(x).sigmoid(), present)


class Mrpn(SideBranches):
    """N2 of source 004, section 5.2.1, the multimodal residual perceptron network (MRPN).

    N1 in which side scores and fusion see f'_m, what a residual perceptron makes of f^_m. Published: 90.8 % on
    RAVDESS, 83.00 % on CREMA-D (ResNet-18 and LSTM; Table 5.4, unseen speakers). Settings as of `Concatenation`.
    """

    source = "004, section 5.2.1, equations 29 and 32"

    def __init__(self, widths: Sequence[int], n_classes: int = 8, **settings):
        super().__init__(widths, n_classes, **settings)
        self.perceptrons = nn.ModuleList(ResidualPerceptron(width, affine=self.affine) for width in widths)

    def each(self, vectors: Vectors) -> tuple[list[Tensor], list[Tensor]]:
        """Return f'_m (B, D_m) of each modality, and which clips have it (B,)."""
        parts, present = self.normed(vectors)
        return [perceptron(*pair) for perceptron, *pair in zip(self.perceptrons, parts, present, strict=True)], present
