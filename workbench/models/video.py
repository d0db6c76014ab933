"""Encoders of the face in motion."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.base import Encoder
from workbench.models.steps import at_last, example_pictures, on_real


class Lrcn(Encoder):
    """LRCN of source 002, section 4.3.1: a small CNN on every frame, then an LSTM over the frames.

    Four blocks conv (16, 32, 64, 64; "same"), ReLU, max-pool (4, 4, 2, 2), dropout; flatten to 64 values a 64x64
    frame; LSTM; its last output. The defaults are the final form of Table 4-8 (batch norm, kernel 5, dropouts
    .1/.2/.3, LSTM 64; published 93.27 % on six classes of RAVDESS speech and song, random split);
    ``kernel_size=3, batch_norm=False, dropout=(.25, .25, .25), hidden=32`` is the original (73,126 weights in Keras
    with six classes; PyTorch's LSTM has a second bias vector, 128 more).

    Assumptions: where the source says that frames are "normalised", each colour is given mean 0 and deviation 1 over
    the clip, which takes out light and skin; batch norm follows each pooling, for the source does not say where it
    stands.

    Parameters
    ----------
    size : int
        Side of the pictures in pixels; what the poolings leave of it is flattened.
    filters, pool : sequences of int
        Of the blocks; Tables 4-6 and 4-7 have more, fewer and wider ones.
    kernel_size, hidden, batch_norm : as above.
    dropout : sequence of float
        Of all blocks but the last.
    dense : sequence of int
        Widths of dense layers, each with a ReLU, between the LSTM and the head (Table 4-7).
    """

    modality, inputs, source = "video", "frames", "002, section 4.3.1, Tables 4-3 to 4-8"

    def __init__(
        self,
        *,
        size: int = 64,
        filters: Sequence[int] = (16, 32, 64, 64),
        pool: Sequence[int] = (4, 4, 2, 2),
        kernel_size: int = 5,
        dropout: Sequence[float] = (0.1, 0.2, 0.3),
        hidden: int = 64,
        dense: Sequence[int] = (),
        batch_norm: bool = True,
    ):
        super().__init__()
        self.size, side, layers, channels = size, size, [], 3
        for width, factor, rate in zip(filters, pool, (*dropout, 0.0), strict=True):
            # Pooling before the ReLU gives the same values as after it, on a fraction of the memory traffic.
            layers += [nn.Conv2d(channels, width, kernel_size, padding="same"), nn.MaxPool2d(factor), nn.ReLU()]
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers += [nn.Dropout(rate)]
            channels, side = width, side // factor
        if not side:
            raise WorkbenchError(f"lrcn: pooling by {tuple(pool)} leaves nothing of pictures of {size} pixels a side")
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.lstm = nn.LSTM(channels * side * side, hidden, batch_first=True)
        self.width, dense_layers = hidden, []
        for width in dense:
            dense_layers += [nn.Linear(self.width, width), nn.ReLU()]
            self.width = width
        self.dense = nn.Sequential(*dense_layers)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, size, size, 3) uint8 RGB frames and (B, T) mask to (B, D): of the output at the last real frame."""
        x = standardise(x, mask).permute(0, 1, 4, 2, 3)  # (B, T, 3, size, size), channels-last in memory
        x = on_real(self.layers, x, mask)  # (B, T, 64)
        x, _ = self.lstm(x)  # (B, T, hidden)
        return self.dense(at_last(x, mask))

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random frames (n_clips, 30, size, size, 3) and a mask (n_clips, 30)."""
        return example_pictures(n_clips, 30, self.size, seed=seed)


def standardise(x: Tensor, mask: Tensor) -> Tensor:
    """Give each colour of (B, T, H, W, 3) uint8 frames mean 0 and deviation 1 over the clip's real frames."""
    x, width = x.float() / 255, x.shape[3]
    share = (mask / mask.sum(dim=1, keepdim=True).clamp(min=1))[:, :, None]  # (B, T, 1)
    mean = (x.mean(dim=(2, 3)) * share).sum(dim=1)  # (B, 3)
    x = x - _row(mean, width)
    variance = (x.square().mean(dim=(2, 3)) * share).sum(dim=1)  # (B, 3)
    return x / _row(variance.sqrt() + 1e-3, width)


def _row(colours: Tensor, width: int) -> Tensor:
    """Return (B, 3) as (B, 1, 1, width, 3): with whole rows, arithmetic takes a tenth of the time of single pixels."""
    return colours[:, None, None, None].expand(-1, 1, 1, width, -1).contiguous()
