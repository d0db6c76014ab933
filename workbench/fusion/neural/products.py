"""Fusions in which modalities multiply: gates, low-rank tensors, bilinear forms.

All of them see normalised vectors, so that a missing modality stands at its training mean: this project's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.fusion.neural.base import Normed, Vectors


class Gated(Normed):
    """The gated multimodal unit (Arevalo et al. 2017, section 3.1): h = sum of z_m * tanh(W_m f_m).

    z_m = sigmoid(V_m [f_1, ..., f_M]); with two modalities the second gate is one less the first. No biases, as
    published, so that a missing modality adds nothing.

    Parameters
    ----------
    width : int
        Values of h.
    """

    source = "Arevalo et al. 2017, section 3.1"

    def __init__(self, widths: Sequence[int], n_classes: int = 8, *, width: int = 64):
        super().__init__(widths, n_classes)
        self.width = width
        self.values = nn.ModuleList(nn.Linear(given, width, bias=False) for given in widths)
        n_gates = len(self.values) if len(self.values) > 2 else 1
        self.gates = nn.Linear(sum(widths), n_gates * width, bias=False)

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, width)."""
        parts, _ = self.normed(vectors)
        gates = self.gates(torch.cat(parts, dim=1)).sigmoid().split(self.width, dim=1)  # (B, width) each
        if len(parts) == 2:
            gates = (gates[0], 1 - gates[0])
        values = [value(x).tanh() for value, x in zip(self.values, parts, strict=True)]
        return sum(gate * value for gate, value in zip(gates, values, strict=True))


class LowRank(Normed):
    """Low-rank tensor fusion (Liu et al. 2018, section 3.2): the product over modalities of W_m^r [f_m, 1].

    h = b + sum over r of a_r times the product. The 1 is the bias of each factor's linear layer, so that what is said
    by some of the modalities stays where others are missing.

    Parameters
    ----------
    width : int
        Values of h.
    rank : int
        Factors a modality.
    """

    source = "Liu et al. 2018, section 3.2"

    def __init__(self, widths: Sequence[int], n_classes: int = 8, *, width: int = 64, rank: int = 4):
        super().__init__(widths, n_classes)
        self.width, self.rank = width, rank
        self.factors = nn.ModuleList(nn.Linear(given, rank * width) for given in widths)
        self.weights = nn.Linear(rank, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, width)."""
        parts, _ = self.normed(vectors)
        factors = [factor(x) for factor, x in zip(self.factors, parts, strict=True)]  # (B, rank x width) each
        product = torch.stack(factors).prod(dim=0).unflatten(1, (self.rank, self.width))  # (B, rank, width)
        return self.weights(product.transpose(1, 2))[:, :, 0] + self.bias


class Bilinear(Normed):
    """Bilinear forms of pairs (Zadeh et al. 2017, section 4.2, with a learned form in place of the whole tensor).

    h = sum over pairs of [g_m, 1]^T W [g_n, 1], with g_m = P_m f_m, `inner` values: the 1 keeps what each modality says
    alone.

    Parameters
    ----------
    width : int
        Values of h.
    inner : int
        Values of each modality that meet those of the others.
    """

    source = "Zadeh et al. 2017, section 4.2"

    def __init__(self, widths: Sequence[int], n_classes: int = 8, *, width: int = 64, inner: int = 32):
        super().__init__(widths, n_classes)
        self.width = width
        self.enter = nn.ModuleList(nn.Linear(given, inner, bias=False) for given in widths)
        pairs = combinations(range(len(self.enter)), 2)
        self.forms = nn.ModuleList(nn.Bilinear(inner + 1, inner + 1, width, bias=False) for _ in pairs)

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, width)."""
        parts, _ = self.normed(vectors)
        inner = [enter(x).to(enter.weight.dtype) for enter, x in zip(self.enter, parts, strict=True)]  # never half
        inner = [F.pad(x, (0, 1), value=1.0) for x in inner]  # (B, inner + 1) each
        return sum(form(x, y) for form, (x, y) in zip(self.forms, combinations(inner, 2), strict=True))
