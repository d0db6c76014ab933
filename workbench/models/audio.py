"""Encoders of the voice."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.models.base import Encoder


class Cnn1d(Encoder):
    """The final 1-D CNN of source 002, section 3.3.2 (Table 3-4, row 10; Figure 3-68), on MFCC.

    Batch norm on the input; conv1d 128, kernel 12, ReLU, batch norm, max-pool 5, dropout 0.1; conv1d 256, kernel 12,
    ReLU, batch norm, max-pool 5, dropout 0.3; flatten. The one dense layer is the model's head. The source trains
    with Adam at 2e-4 and publishes 85.26 % (six classes, RAVDESS speech and song, random split).

    Assumptions, where the source is silent: coefficients are channels and the convolutions run over time, "same"
    padding, and a clip is centred in a window of `n_steps` (longer speech is cut at both ends, the rest is zero).

    Parameters
    ----------
    n_mfcc : int
        Coefficients a step.
    n_steps : int
        Steps of the window; 200 are 3.2 s at 16 kHz and a hop of 256.
    filters, kernel_size, dropout : of the two layers.
    pool : {'flatten', 'statistics'}
        What turns the (B, 256, n_steps / 25) map into a vector: the source's flattening, or mean and maximum over
        time (fewer weights and no fixed place in time).
    """

    modality, inputs = "audio", "mfcc"

    def __init__(
        self,
        *,
        n_mfcc: int = 40,
        n_steps: int = 200,
        filters: tuple[int, int] = (128, 256),
        kernel_size: int = 12,
        dropout: tuple[float, float] = (0.1, 0.3),
        pool: str = "flatten",
    ):
        super().__init__()
        self.n_steps, self.pool = n_steps, pool
        self.norm = nn.BatchNorm1d(n_mfcc)
        layers, channels = [], n_mfcc
        for width, rate in zip(filters, dropout, strict=True):
            layers += [
                nn.ZeroPad1d(((kernel_size - 1) // 2, kernel_size // 2)),
                nn.Conv1d(channels, width, kernel_size),
            ]
            layers += [nn.ReLU(), nn.BatchNorm1d(width), nn.MaxPool1d(5), nn.Dropout(rate)]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.width = channels * (n_steps // 25 if pool == "flatten" else 2)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, n_mfcc) coefficients and (B, T) mask to (B, D)."""
        x = self.normalise(x, mask).transpose(1, 2)  # (B, n_mfcc, T)
        x = centre(x, mask.sum(dim=1), self.n_steps)  # (B, n_mfcc, n_steps)
        x = self.layers(x)  # (B, 256, n_steps / 25)
        return x.flatten(1) if self.pool == "flatten" else torch.cat([x.mean(-1), x.amax(-1)], dim=1)

    def normalise(self, x: Tensor, mask: Tensor) -> Tensor:
        """Batch norm over the real steps only, so that padding does not sway its statistics; padding becomes zero."""
        out = x.new_zeros(x.shape)
        out[mask] = self.norm(x[mask]).to(out.dtype)
        return out


def centre(x: Tensor, lengths: Tensor, n_steps: int) -> Tensor:
    """Centre each clip's first `lengths` steps of (B, C, T) in a window of `n_steps`; what is longer is cut."""
    shift = torch.div(n_steps - lengths, 2, rounding_mode="floor")  # (B,); negative where the clip is longer
    source = torch.arange(n_steps, device=x.device)[None] - shift[:, None]  # (B, n_steps)
    inside = (source >= 0) & (source < lengths[:, None])
    x = F.pad(x, (0, max(0, n_steps - x.shape[-1])))
    index = source.clamp(0, x.shape[-1] - 1)[:, None].expand(-1, x.shape[1], -1)
    return x.gather(-1, index) * inside[:, None]
