"""Classifiers of the geometry of a face: on the 8 action units, or on the 68 landmarks themselves (FP68).

Source 004, section 4.2.1, Table 4.1: trained on frontal faces (CK+), tested with heads turned (RaFD), 4 classes.
Published accuracy in the test, on action units and on FP68: SSVM 0.411 and 0.335, SVM (poly) 0.442 and 0.404, DNN
0.754 and 0.611. The source does not say what its structured SVM (SSVM) is: assumed is the joint multi-class machine of
Crammer and Singer (2001), to which the structured SVM comes down where the answer is one label.
"""

from __future__ import annotations

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import Tensor, nn

from workbench.errors import WorkbenchError, choose


class ActionUnitNet(nn.Module):
    """The source's network on action units, (B, 8) to logits (B, n_classes): dense 8, ReLU, dense. Adam, softmax."""

    def __init__(self, n_classes: int = 4, *, n_units: int = 8, hidden: int = 8):
        super().__init__()
        self.hidden = nn.Linear(n_units, hidden)
        self.out = nn.Linear(hidden, n_classes)

    def forward(self, units: Tensor) -> Tensor:
        return self.out(self.hidden(units).relu())  # (B, C)


class LandmarkNet(nn.Module):
    """The source's network on FP68, (B, 136) to logits: dense 16, batch norm, ReLU, dropout 0.8, dense. Adam, softmax.

    The order within the first layer is the source's notation (F with b, r); 136 are the 68 points from `levelled`.
    """

    def __init__(self, n_classes: int = 4, *, hidden: int = 16, dropout: float = 0.8):
        super().__init__()
        self.hidden = nn.Linear(136, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, n_classes)

    def forward(self, points: Tensor) -> Tensor:
        x = self.norm(self.hidden(points)).relu()  # (B, 16)
        return self.out(self.dropout(x))  # (B, C)


def svm(name: str, *, regularisation: float = 1.0, degree: int = 3, seed: int = 0) -> Pipeline:
    """Return an untrained pipeline, standardising and classifying, for rows of action units or of `levelled` points.

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


def levelled(landmarks: np.ndarray) -> np.ndarray:
    """Return landmarks (t, 68, 2) as rows (t, 136) float32 that do not depend on where and how large the face is.

    Assumed, for the source is silent: centred, and divided by the root mean square distance from the centre. The
    head's turn is left in, for it is what the source tests.

    Raises
    ------
    WorkbenchError
        If the landmarks are not (t, 68, 2).
    """
    points = np.asarray(landmarks, np.float64)
    if points.shape[1:] != (68, 2):
        raise WorkbenchError(f"expected landmarks (t, 68, 2), found {points.shape}")
    points = points - points.mean(axis=1, keepdims=True)
    size = np.sqrt((points**2).sum(axis=2).mean(axis=1))
    return (points / size[:, None, None]).reshape(len(points), -1).astype(np.float32)
