"""Fusion over steps of time: modalities that attend to each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.fusion.neural import Fusion
from workbench.models.steps import mean_over

Steps = tuple[Tensor, Tensor]  # (B, S, D) and which of them are real (B, S)


def completed(sequences: Sequence[Steps | None], widths: Sequence[int]) -> list[Steps]:
    """Return steps with zeros where they are not real; of a modality that the batch lacks, one that is not real."""
    like = next((steps[0] for steps in sequences if steps is not None), None)
    if like is None:
        raise WorkbenchError("the batch has none of the model's modalities: expected one or more")
    none = [(like.new_zeros(len(like), 1, w), like.new_zeros(len(like), 1, dtype=torch.bool)) for w in widths]
    whole = [nothing if steps is None else steps for steps, nothing in zip(sequences, none, strict=True)]
    return [(x.masked_fill(~mask[..., None], 0), mask) for x, mask in whole]


class CrossModal(nn.Module):
    """One cross-modal encoder (source 000, Figure 8): queries of one modality attend to the steps of another.

    Attention, residual, layer norm; dense, GELU, dense, residual, layer norm. `or_nothing` adds a step of zeros to
    attend to, for where the other modality can be missing: not every kernel of attention has an answer to no steps.
    """

    def __init__(self, width: int, n_heads: int, feed_forward: int, dropout: float, *, or_nothing: bool = False):
        super().__init__()
        self.attention = nn.MultiheadAttention(
            width, n_heads, dropout=dropout, batch_first=True, add_zero_attn=or_nothing
        )
        self.dense = nn.Sequential(nn.Linear(width, feed_forward), nn.GELU(), nn.Linear(feed_forward, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, other: Tensor, mask: Tensor) -> Tensor:
        """(B, Q, D) queries, (B, K, D) steps attended to and their (B, K) mask to (B, Q, D)."""
        heard, _ = self.attention(x, other, other, key_padding_mask=~mask, need_weights=False)
        x = self.norms[0](x + self.dropout(heard))
        return self.norms[1](x + self.dropout(self.dense(x)))


class CrossAttention(Fusion):
    """Cross-modal attention (Tsai et al. 2019): the steps of each modality attend to those of all others.

    Each is brought to `width`; one `CrossModal` encoder a modality; the mean over its real steps; side by side. An
    encoder that has no steps gives its vector as one. The published network has several layers for each pair and
    positions, which the encoders here have in them; one layer over all others together is assumed, for corpora of the
    field's size. A missing modality stands at 0 and is attended to by nobody.

    Parameters
    ----------
    width, n_heads, feed_forward, dropout : of the cross-modal encoders.
    """

    sequences = True
    source = "Tsai et al. 2019, section 3.1; 000, chapter 2 (cross-modal attention)"

    def __init__(
        self,
        widths: Sequence[int],
        n_classes: int = 8,
        *,
        width: int = 64,
        n_heads: int = 4,
        feed_forward: int = 128,
        dropout: float = 0.1,
    ):
        super().__init__(widths, n_classes)
        self.enter = nn.ModuleList(nn.Linear(given, width) for given in widths)
        self.across = nn.ModuleList(CrossModal(width, n_heads, feed_forward, dropout, or_nothing=True) for _ in widths)
        self.width = width * len(self.enter)

    def forward(self, sequences: Sequence[Steps | None]) -> Tensor:
        """List of steps (B, S_i, D_i) and masks (B, S_i) to (B, modalities x width)."""
        whole = completed(sequences, self.widths)
        steps = [enter(x) for enter, (x, _) in zip(self.enter, whole, strict=True)]  # (B, S_i, width) each
        masks, vectors = [mask for _, mask in whole], []
        for i, across in enumerate(self.across):
            others = [j for j in range(len(steps)) if j != i]
            heard, real = torch.cat([steps[j] for j in others], 1), torch.cat([masks[j] for j in others], 1)
            vectors.append(mean_over(across(steps[i], heard, real), masks[i]))
        return torch.cat(vectors, dim=1)
