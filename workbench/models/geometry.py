"""Networks on the geometry of a face: on the 8 action units, or on the 68 landmarks themselves (FP68).

Source 004, section 4.2.1, Table 4.1: trained on frontal faces (CK+), tested with heads turned (RaFD), 4 classes. The
support vector machines that it compares them with are among the classical classifiers (`models.classical`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench.models.base import Encoder
from workbench.models.steps import mean_over, on_real


class Descriptor(Encoder):
    """An encoder whose network, `row`, turns the descriptor of one face (N, n) into (N, width)."""

    modality = "geometry"

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, n) float descriptors and (B, T) mask to (B, width): the mean over the real frames."""
        return mean_over(on_real(self.row, x, mask), mask)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random descriptors of three frames a clip, the last clip having two, and their mask."""
        random = torch.Generator().manual_seed(seed)
        mask = torch.ones(n_clips, 3, dtype=torch.bool)
        mask[-1, 2:] = False
        return torch.randn(n_clips, 3, self.row[0].in_features, generator=random), mask


class ActionUnitNet(Descriptor):
    """The network on action units of source 004, section 4.2.1: dense 8, ReLU; its dense 4 is the model's head.

    (B, T, 8) action units to (B, 8). With the head 108 weights for four classes. Published: 75.4 % (Table 4.1; trained
    on CK+, tested on RaFD's turned heads), with Adam and softmax.
    """

    inputs, source = "action_units", "004, section 4.2.1, Table 4.1"

    def __init__(self, *, hidden: int = 8):
        super().__init__()
        self.row = nn.Sequential(nn.Linear(8, hidden), nn.ReLU())
        self.width = hidden


class LandmarkNet(Descriptor):
    """The network on FP68 of source 004, section 4.2.1: dense 16, batch norm, ReLU, dropout 0.8.

    (B, T, 136), the 68 points levelled (`geometry.levelled`), to (B, 16); the source's dense 4 is the model's head, and
    with it there are 2,292 weights.
    The order within the first layer is the source's notation (F with b, r). Published: 61.1 % (Table 4.1; trained on
    CK+, tested on RaFD's turned heads), with Adam and softmax.
    """

    inputs, source = "fp68", "004, section 4.2.1, Table 4.1"

    def __init__(self, *, hidden: int = 16, dropout: float = 0.8):
        super().__init__()
        self.row = nn.Sequential(nn.Linear(136, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(dropout))
        self.width = hidden
