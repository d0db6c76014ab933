"""Losses of the sources that go beyond cross-entropy; each takes what a model returned, and stands outside it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def label_distribution(logits: Tensor, distribution: Tensor) -> Tensor:
    """Cross-entropy with a distribution over emotions instead of one: mean over clips of -sum(d log softmax(logits)).

    Source 000, chapters 2 and 3 (its reference 10, EfficientFace): a face shows a mixture, which a teacher network (a
    ResNet-50 trained on the labels) estimates; published with it: 63.70 % on AffectNet-7, 88.36 % on RAF-DB. With a
    one-hot distribution this is the plain cross-entropy. It is smallest, and then the distribution's entropy, where
    the softmax equals the distribution. The published training code also divides by the number of classes, which
    only scales the learning rate.

    Parameters
    ----------
    logits : (B, C)
    distribution : (B, C), rows that sum to 1
        Usually a teacher's answer, ``teacher(x).softmax(1)``, taken without gradient.
    """
    return -(distribution.detach() * F.log_softmax(logits.float(), dim=1)).sum(dim=1).mean()
