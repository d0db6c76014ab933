"""Classifiers of the geometry of a face: on the 8 action units, or on the 68 landmarks themselves (FP68).

Source 004, section 4.2.1, Table 4.1: trained on frontal faces (CK+), tested with heads turned (RaFD), 4 classes.
Published accuracy in the test, on action units and on FP68: SSVM 0.411 and 0.335, SVM (poly) 0.442 and 0.404, DNN
0.754 and 0.611. The source does not say what its structured SVM (SSVM) is: assumed is the joint multi-class machine of
Crammer and Singer (2001), to which the structured SVM comes down where the answer is one label.
"""

from __future__ import annotations

import torch
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import Tensor, nn

from workbench.errors import choose
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


def svm(name: str, *, regularisation: float = 1.0, degree: int = 3, seed: int = 0) -> Pipeline:
    """Return an untrained pipeline, standardising and classifying, for rows of action units or of FP68.

    The source gives no settings; these are the usual ones.

    Parameters
    ----------
    name : {'svm_poly', 'svm_linear', 'ssvm'}
    regularisation : float
        The C of the machine.
    degree : int
        Of the polynomial.

    Raises
    ------
    WorkbenchError
        For an unknown name.
    """
    machines = {
        "svm_poly": lambda: SVC(kernel="poly", degree=degree, C=regularisation, coef0=1.0),
        "svm_linear": lambda: LinearSVC(C=regularisation, random_state=seed),
        "ssvm": lambda: LinearSVC(C=regularisation, multi_class="crammer_singer", random_state=seed),
    }
    return make_pipeline(StandardScaler(), machines[choose("classifier", name, machines)]())
