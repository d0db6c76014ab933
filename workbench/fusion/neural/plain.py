"""The fusions of source 000, and the concatenation of the light model of source 001: nothing is normalised."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.errors import choose
from workbench.fusion.neural.base import Fusion, Vectors

ACTIVATIONS = {"elu": nn.ELU, "relu": nn.ReLU}


class Plain(Fusion):
    """Fusions 2 and 3 of source 000: the vectors side by side, and one linear layer to the classes.

    What tells 2 from 3 is how the face's encoder makes one vector of its frames (`FUSIONS_1_TO_5`). A missing modality
    stands at 0. Published on RAVDESS (test): fusion 2 74.38 %, fusion 3 96.04 %.
    """

    source = "000, chapter 4, Figures 11 and 12"

    def __init__(self, widths: Sequence[int], n_classes: int = 8):
        super().__init__(widths, n_classes)
        self.width = sum(widths)

    def head(self) -> nn.Module:
        """(B, width) to (B, n_classes)."""
        return nn.Linear(self.width, self.n_classes)

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, sum of D_i)."""
        return torch.cat(self.complete(vectors)[0], dim=1)


class Dense(Plain):
    """Fusions 4 and 5 of source 000: concatenation, linear, dropout, ELU; then one linear layer to the classes.

    Also the fusion of source 001, whose three streams are "simply concatenated and processed through several fully
    connected layers" of sizes that it does not give: ``{name: dense, hidden: 64, activation: relu}`` is assumed.
    Published on RAVDESS (test): fusion 4 97.08 %, fusion 5 97.08 %. Assumed: dropout 0.5.

    Parameters
    ----------
    hidden : int
        Values after the linear layer.
    dropout : float
    activation : {'elu', 'relu'}
    """

    source = "000, chapter 4, Figures 13 and 14; 001, section 2.3"

    def __init__(
        self,
        widths: Sequence[int],
        n_classes: int = 8,
        *,
        hidden: int = 1024,
        dropout: float = 0.5,
        activation: str = "elu",
    ):
        super().__init__(widths, n_classes)
        activate = ACTIVATIONS[choose("activation", activation, ACTIVATIONS)]()
        self.layers = nn.Sequential(nn.Linear(sum(widths), hidden), nn.Dropout(dropout), activate)
        self.width = hidden

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, hidden)."""
        return self.layers(super().forward(vectors))


class Scores(Plain):
    """Fusion 1 of source 000: each modality's own scores side by side, and one linear layer (8 + 8 to 8).

    A modality's scores are a linear layer on its vector, `heads`, which may begin as that of a trained model of the
    modality alone (`models.Model.begin`). A missing modality's scores stand at 0. Published on RAVDESS (test):
    93.75 %.
    """

    source = "000, chapter 4, Figure 10"

    def __init__(self, widths: Sequence[int], n_classes: int = 8):
        super().__init__(widths, n_classes)
        self.heads = nn.ModuleList(nn.Linear(width, n_classes) for width in widths)
        self.width = n_classes * len(self.heads)

    def forward(self, vectors: Vectors) -> Tensor:
        """List of (B, D_i) to (B, modalities x C)."""
        whole, present = self.complete(vectors)
        scores = [
            head(x).masked_fill(~has[:, None], 0) for head, x, has in zip(self.heads, whole, present, strict=True)
        ]
        return torch.cat(scores, dim=1)


# Of each of the five: the fusion, and what turns the face's 15 x 1024 values into 1024 (`pool` of `efficientface`).
FUSIONS_1_TO_5 = {
    1: {"pool": "convolutions", "fusion": {"name": "scores"}},
    2: {"pool": "dense", "fusion": {"name": "plain"}},
    3: {"pool": "mean", "fusion": {"name": "plain"}},
    4: {"pool": "mean", "fusion": {"name": "dense"}},
    5: {"pool": "max", "fusion": {"name": "dense"}},
}
