"""Modality dropout: in training, clips lose whole modalities, so that the fusion learns to do without (source 000)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError, choose

Given = Tensor | tuple[Tensor, Tensor] | None
FILLS = ("zeros", "noise")


class ModalityDropout(nn.Module):
    """Each modality of each clip is dropped with a probability, in training mode only; one of each clip always stays.

    Where all would go, one of those that the clip has, drawn at random, stays: two modalities are dropped with
    p - p^2 / 2 each. torch's global generator draws.

    Parameters
    ----------
    probability : float
        0 to 1.
    fill : {'zeros', 'noise'}
        `zeros`: the clip is without the modality, as it would be at test time (a row of NaN, or steps none of which is
        real; the fusion makes zeros of it). `noise`: normal noise of the mean and spread that each value has in the
        batch (assumed; the source says "noise").
    """

    def __init__(self, probability: float, fill: str = "zeros"):
        super().__init__()
        if not 0 <= probability <= 1:
            raise WorkbenchError(f"modality dropout: probability is {probability}, expected 0 to 1")
        self.probability, self.fill = probability, choose("fill of modality dropout", fill, FILLS)

    def forward(self, given: Sequence[Given]) -> tuple[list[Given], Tensor]:
        """Vectors (B, D_i), or steps and masks, to the same with some dropped, and which were dropped (B, M)."""
        first = next(x for x in given if x is not None)
        nobody = (first[0] if isinstance(first, tuple) else first).new_zeros(len(_has(first)), dtype=torch.bool)
        present = torch.stack([nobody if x is None else _has(x) for x in given], dim=1)  # (B, M)
        dropped = self.draw(present)
        return [x if x is None else self.without(x, dropped[:, i]) for i, x in enumerate(given)], dropped

    def draw(self, present: Tensor) -> Tensor:
        """Return which of the modalities that are present, (B, M) bool, are dropped."""
        if not self.training or not self.probability:
            return torch.zeros_like(present)
        dropped = (torch.rand(present.shape, device=present.device) < self.probability) & present
        lots = torch.rand(present.shape, device=present.device).masked_fill(~present, -1)
        kept = torch.zeros_like(present).scatter(1, lots.argmax(dim=1, keepdim=True), True)
        bereft = (dropped == present).all(dim=1, keepdim=True)
        return dropped & ~(bereft & kept)

    def without(self, x: Tensor | tuple[Tensor, Tensor], dropped: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return a modality without the clips that are dropped (B,)."""
        if isinstance(x, tuple):
            steps, mask = x
            if self.fill == "zeros":
                return steps, mask & ~dropped[:, None]
            return torch.where(dropped[:, None, None], _noise(steps, mask), steps), mask
        if self.fill == "zeros":
            return x.masked_fill(dropped[:, None], torch.nan)
        return torch.where(dropped[:, None], _noise(x, _has(x)), x)


def _has(x: Tensor | tuple[Tensor, Tensor]) -> Tensor:
    """Return which clips have the modality, (B,)."""
    return x[1].any(dim=1) if isinstance(x, tuple) else ~x.isnan().all(dim=1)


@torch.no_grad()
def _noise(x: Tensor, real: Tensor) -> Tensor:
    """Return normal noise in the shape of x, (..., D), with the mean and spread of each value where it is `real`."""
    rows = x[real].float()  # (N, D)
    if not len(rows):
        return torch.zeros_like(x)
    return (torch.randn_like(x, dtype=torch.float32) * rows.std(dim=0, correction=0) + rows.mean(dim=0)).to(x.dtype)
