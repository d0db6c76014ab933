"""What training makes smaller: the cross-entropy of the head and of side branches, weighed, and auxiliary losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from workbench.errors import WorkbenchError
from workbench.models.losses import label_distribution
from workbench.models.mmer import auxiliary_losses
from workbench.training.clips import Clips
from workbench.training.settings import Settings


def class_weights(clips: Clips, train: Sequence[int], settings: Settings) -> Tensor | None:
    """Return the weight of each class (C,) in the loss, None where all count as they are; see `Settings`.

    Raises
    ------
    WorkbenchError
        If the settings name emotions and the clips do not.
    """
    if not settings.class_weights:
        return None
    if settings.class_weights is True:
        counts = clips.emotion[np.asarray(train)].bincount()
        return len(train) / ((counts > 0).sum() * counts.clamp(min=1))
    if not clips.classes:
        raise WorkbenchError("class_weights names emotions, but the clips do not: give them the names of their classes")
    return torch.tensor([float(settings.class_weights.get(name, 1)) for name in clips.classes])


def loss_of(output: dict, batch: Mapping[str, Tensor], settings: Settings, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of the logits (or the Poisson loss), plus that of each side branch (source 004: L_v + L_a + L_va).

    A side branch's is the mean over the clips that have its modality; its logits of others are NaN. A fusion's
    auxiliary tasks (source 000: CTC and contrastive) are added where it has them.

    Parameters
    ----------
    output : dict
        What the model returned.
    batch : mapping
        `emotion` (B,) and, where the settings' targets are votes, `votes` (B, C), rows that sum to 1.
    weights : (C,), optional
        By which the cross-entropies of a class's clips are multiplied.
    """
    loss = _cross_entropy(output["logits"], batch, settings, weights, smoothing=settings.label_smoothing)
    if settings.loss == "poisson":
        loss = (1 + loss) / output["logits"].shape[1]  # probabilities sum to one: see `Settings`
    for logits in output["side"].values():
        has = ~logits.isnan().all(dim=1)
        known = logits.masked_fill(~has[:, None], 0)
        loss = loss + settings.side_weight * _cross_entropy(known, batch, settings, weights, has=has)
    if "auxiliary" in output:
        loss = loss + sum(auxiliary_losses(output["auxiliary"], batch).values())
    return loss


def _cross_entropy(
    logits: Tensor,
    batch: Mapping[str, Tensor],
    settings: Settings,
    weights: Tensor | None,
    *,
    smoothing: float = 0.0,
    has: Tensor | None = None,
) -> Tensor:
    """Cross-entropy with the clips' labels or with the crowd's votes, weighed; the mean over all, or those of `has`."""
    options = {"reduction": "mean" if weights is None and has is None else "none"}
    if settings.targets == "votes":
        votes = (1 - smoothing) * batch["votes"] + smoothing / logits.shape[1]
        each = label_distribution(logits, votes, **options)
    else:
        each = F.cross_entropy(logits, batch["emotion"], label_smoothing=smoothing, **options)
    if weights is not None:
        each = each * weights[batch["emotion"]]
    if has is not None:
        return (each * has).sum() / has.sum().clamp(min=1)
    return each if each.ndim == 0 else each.mean()
