"""Supervised contrastive losses: clips of one emotion are drawn together, others pushed apart.

Two forms (P. Khosla et al. 2020, Supervised contrastive learning, equations 2 and 3; source 000, equations 1 and 2).
They differ in where the mean over the positives stands: outside the logarithm or inside it. By Jensen's inequality the
inner form is never larger, and with one positive an anchor they are equal. Khosla et al. find the outer one the better.
Source 000 prints its equation 2 with a second sum and logarithm nested in the braces, which would reward a large
equation 1; that is taken for a slip, and the inner form stands here as its origin gives it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive_out(z: Tensor, emotion: Tensor, *, temperature: float = 0.07) -> Tensor:
    """Equation 1: minus the mean over positives p of log softmax(z_i . z_p / temperature), averaged over anchors i.

    Parameters
    ----------
    z : (B, D) float
        Embeddings; they are scaled to length 1.
    emotion : (B,) int64
        Clips with the same number are each other's positives P(i); A(i) is every other clip of the batch.
    temperature : float
        Assumed: 0.07, as in the published code of MMER.

    Returns
    -------
    Tensor, a scalar
        The mean over the anchors that have a positive, where the source writes a sum, so that it does not depend on
        the batch's size; 0 if none has one.
    """
    log_share, positive = _log_shares(z, emotion, temperature)
    n_positive = positive.sum(dim=1)
    each = -log_share.masked_fill(~positive, 0).sum(dim=1) / n_positive.clamp(min=1)  # (B,)
    return _over_anchors(each, n_positive)


def contrastive_in(z: Tensor, emotion: Tensor, *, temperature: float = 0.07) -> Tensor:
    """Equation 2: minus the log of the mean over positives of the softmax; for the rest as `contrastive_out`."""
    log_share, positive = _log_shares(z, emotion, temperature)
    n_positive = positive.sum(dim=1)
    least = torch.finfo(log_share.dtype).min  # stands in for log 0, whose gradient would not be a number
    each = n_positive.clamp(min=1).log() - log_share.masked_fill(~positive, least).logsumexp(dim=1)  # (B,)
    return _over_anchors(each, n_positive)


CONTRASTIVE = {"out": contrastive_out, "in": contrastive_in}


def _log_shares(z: Tensor, emotion: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Return log softmax of the similarities over A(i) (B, B), 0 on the diagonal, and who is whose positive (B, B)."""
    z = F.normalize(z if z.dtype == torch.float64 else z.float(), dim=1)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    with torch.autocast(z.device.type, enabled=False):
        similarity = z @ z.T / temperature  # (B, B)
    log_share = similarity - similarity.masked_fill(itself, torch.finfo(z.dtype).min).logsumexp(dim=1, keepdim=True)
    return log_share.masked_fill(itself, 0), (emotion[:, None] == emotion[None]) & ~itself


def _over_anchors(each: Tensor, n_positive: Tensor) -> Tensor:
    anchors = n_positive > 0
    return each.masked_fill(~anchors, 0).sum() / anchors.sum().clamp(min=1)
