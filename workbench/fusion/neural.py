"""Fusions inside the network: list of (B, D_i) in, (B, D) out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Alone(nn.Module):
    """No fusion: the one modality's vector as it is."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        (self.width,) = widths

    def forward(self, vectors: list[Tensor]) -> Tensor:
        """[(B, D)] to (B, D)."""
        return vectors[0]


class Concatenation(nn.Module):
    """N0 of source 004, section 5.2.1: each vector normalised (batch norm), concatenated, normalised again."""

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths)
        self.width = sum(widths)
        self.norm = nn.BatchNorm1d(self.width)

    def forward(self, vectors: list[Tensor | None]) -> Tensor:
        """List of (B, D_i) to (B, sum of D_i); a missing modality (None) stands at its training mean, 0."""
        present = next(x for x in vectors if x is not None)
        normed = [
            present.new_zeros(len(present), norm.num_features) if x is None else norm(x)
            for norm, x in zip(self.norms, vectors, strict=True)
        ]
        return self.norm(torch.cat(normed, dim=1))
