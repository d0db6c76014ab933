"""Losses of the sources that go beyond cross-entropy; each takes what a model returned, and stands outside it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def label_distribution(logits: Tensor, distribution: Tensor, *, reduction: str = "mean") -> Tensor:
    """Cross-entropy with a distribution over emotions instead of one: -sum(d log softmax(logits)), mean over clips.

    Source 000, chapters 2 and 3 (its reference 10, EfficientFace): a face shows a mixture, which a teacher network (a
    ResNet-50 trained on the labels) estimates; published with it: 63.70 % on AffectNet-7, 88.36 % on RAF-DB. Or a crowd
    has voted on it (FER+: Barsoum et al. 2016). With a one-hot distribution this is the plain cross-entropy. It is
    smallest, and then the distribution's entropy, where the softmax equals the distribution. The published training
    code also divides by the number of classes, which only scales the learning rate.

    Parameters
    ----------
    logits : (B, C)
    distribution : (B, C), rows that sum to 1
        A teacher's answer, ``teacher(x).softmax(1)``, taken without gradient, or the shares of a crowd's votes.
    reduction : {'mean', 'none'}
        The mean over clips, or each clip's (B,).
    """
    each = -(distribution.detach() * F.log_softmax(logits.float(), dim=1)).sum(dim=1)
    return each if reduction == "none" else each.mean()
