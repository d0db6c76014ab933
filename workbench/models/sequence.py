"""ResNet-18 on every frame, or every segment of a spectrogram, and what makes one vector of the sequence."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import choose
from workbench.models.base import Encoder
from workbench.models.resnet import ResNet18, Standardised, example_frames
from workbench.models.steps import at_last, mean_over, on_real


class Lstm(nn.Module):
    """An LSTM's output at the last real step; `both_ways`, beside that of a second one which runs from the end."""

    def __init__(self, channels: int, width: int, *, both_ways: bool = False):
        super().__init__()
        hidden = width // 2 if both_ways else width
        self.lstm = nn.LSTM(channels, hidden, batch_first=True)
        self.back = nn.LSTM(channels, hidden, batch_first=True) if both_ways else None
        self.width = 2 * hidden if both_ways else hidden

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, channels) and (B, T) mask to (B, width)."""
        last = at_last(self.lstm(x)[0], mask)  # (B, hidden)
        if self.back is None:
            return last
        first = at_last(self.back(backwards(x, mask))[0], mask)  # (B, hidden)
        return torch.cat([last, first], dim=1)


def backwards(x: Tensor, mask: Tensor) -> Tensor:
    """(B, T, D) with each clip's real steps in reverse order; what then stands in the others counts for nothing."""
    index = mask.sum(dim=1, keepdim=True) - 1 - torch.arange(mask.shape[1], device=x.device)  # (B, T)
    return x.gather(1, index.clamp(min=0)[:, :, None].expand_as(x))


class Transformer(nn.Module):
    """Transformer encoder layers over the real steps, and the mean of their outputs.

    Assumptions, for the source says "Transformer(avg)" only: sinusoidal positions, 8 heads, dense layers twice as
    wide, dropout 0.1, one layer.
    """

    def __init__(self, channels: int, width: int, *, n_layers: int = 1, n_heads: int = 8, dropout: float = 0.1):
        super().__init__()
        self.enter = nn.Linear(channels, width) if channels != width else nn.Identity()
        layer = nn.TransformerEncoderLayer(width, n_heads, 2 * width, dropout, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.width = width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, channels) and (B, T) mask to (B, width)."""
        x = self.enter(x)  # (B, T, width)
        x = x + positions(x.shape[1], self.width, x.device)
        unheard = ~mask
        unheard[:, 0] = False  # a clip without real steps hears something, and `mean_over` leaves it out
        return mean_over(self.layers(x, src_key_padding_mask=unheard), mask)


def positions(n_steps: int, width: int, device: torch.device) -> Tensor:
    """(T, width): sines and cosines of the step, the waves 2 pi to 10,000 x 2 pi steps long (Vaswani et al. 2017)."""
    waves = 10000 ** (-torch.arange(0, width, 2, device=device) / width)  # (width / 2,)
    angles = torch.arange(n_steps, device=device)[:, None] * waves
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


class Mean(nn.Module):
    """The mean over the real steps: no weights, and as wide as what it is given."""

    def __init__(self, channels: int):
        super().__init__()
        self.width = channels

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, channels) and (B, T) mask to (B, channels)."""
        return mean_over(x, mask)


def make_aggregator(name: str, channels: int, width: int, **settings) -> nn.Module:
    """Return what turns (B, T, channels) and (B, T) mask into (B, width), or of `mean` (B, channels)."""
    choose("aggregator", name, ("bilstm", "lstm", "mean", "transformer"))
    if name == "mean":
        return Mean(channels)
    if name == "transformer":
        return Transformer(channels, width, **settings)
    return Lstm(channels, width, both_ways=name == "bilstm")


class ResNetFrames(Encoder):
    """The image encoder of source 004, sections 4.4 and 5.2: ResNet-18 on every frame, then an aggregator.

    (B, T, H, W, 3) uint8 RGB frames, any size from 32 up, to (B, width). Published with RAVDESS' eight emotions on
    unseen actors: 60.0 to 82.5 % on this modality alone, 64.1 to 87.3 % with random slices of time in training; fused
    with `ResNetSegments` by the residual perceptron 90.8 % (LSTM) and 91.4 % (Transformer), the mean of all folds.

    The source gives no sizes; its count does (section 4.4). 26,813,704 weights are those of ResNet-18 for frames
    (11,176,512) and for spectrograms (one input channel: 11,170,240), each with an LSTM 512 - 512 (2,101,248), and of
    the head 1024 - 256 - 8 (264,456; no weights in its feature norm): to the last one. 4.200483008 G multiply-adds
    are those of *one* frame of 224 x 224 and *one* segment of 257 frequencies by 250 windows (a second), one step of
    each LSTM and the head, to the last one when batch norm's 9,600 weights are added, as the tool that counted does
    (it leaves out the batch, into which the frames were folded). The 3-D count (`resnet.ResNet3d`) is of 25 frames:
    like for like, 25 frames cost 47.8 G here and 56.9 G there, not a fifteenth.

    Assumptions: one LSTM layer and its last output; a BiLSTM has half the width each way; the frames' colours are
    standardised as ImageNet's. The source starts from FER2013 (`weights`).

    Parameters
    ----------
    aggregator : {'lstm', 'bilstm', 'transformer', 'mean'}
        `mean` is the source's "2D-Resnet-18 for Audio Encoder" beside a 3-D ResNet-18, which no LSTM follows.
    width : int
        Of the aggregator; the mean is as wide as its input, 8 filters.
    filters, weights : of `resnet.ResNet18`.
    settings : of the Transformer: n_layers, n_heads, dropout.
    """

    modality, inputs, source = "video", "frames", "004, sections 4.4 and 5.2, Table 5.4"

    def __init__(
        self,
        *,
        aggregator: str = "lstm",
        width: int = 512,
        filters: int = 64,
        weights: str | Path | None = None,
        **settings,
    ):
        super().__init__()
        resnet = ResNet18(filters=filters, weights=weights)
        self.frame = nn.Sequential(Standardised(), resnet)
        self.aggregator = make_aggregator(aggregator, resnet.width, width, **settings)
        self.width = self.aggregator.width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, H, W, 3) frames and (B, T) mask to (B, width)."""
        x = on_real(self.frame, x, mask)  # (B, T, 8 filters)
        return self.aggregator(x, mask)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random frames as prepared: (n_clips, 15, 112, 112, 3) uint8, and their mask."""
        return example_frames(n_clips, 15, 112, seed)


class ResNetSegments(Encoder):
    """The speech encoder of source 004, sections 4.5 and 5.2: ResNet-18 on overlapping segments of a spectrogram.

    (B, T, 257) uint8 spectrogram (255 steps are 80 dB; Hann window of 512 samples every 64 at 16 kHz) to (B, width).
    Published with RAVDESS' eight emotions on unseen actors: 43.5 to 74.1 %, 55.8 to 90.0 % with random slices of time
    in training. Its weights are counted at `ResNetFrames`.

    The source's text is silent about the "fixed duration" of a segment; its multiply-adds are those of 249 or 250
    windows, one second: the default, overlapping by half (assumed), as in `recipes/mrpn.yaml`. Speech of three
    seconds gives five segments. What is left at the end of a clip is dropped, and a shorter clip is followed by
    silence.

    Parameters
    ----------
    segment, step : int
        Windows that a segment has, and between the beginnings of two.
    aggregator, width, filters, settings : as of `ResNetFrames`.
    weights : path, optional
        Of a ResNet-18 for one channel or for colours; the source's learned to tell the speakers of VoxCeleb.
    """

    modality, inputs, source = "audio", "spectrogram", "004, sections 4.5 and 5.2, Table 5.4"

    def __init__(
        self,
        *,
        segment: int = 250,
        step: int = 125,
        aggregator: str = "lstm",
        width: int = 512,
        filters: int = 64,
        weights: str | Path | None = None,
        **settings,
    ):
        super().__init__()
        self.segment, self.step = segment, step
        resnet = ResNet18(1, filters=filters, weights=weights)
        self.picture = nn.Sequential(Standardised((0.5,), (0.25,)), resnet)
        self.aggregator = make_aggregator(aggregator, resnet.width, width, **settings)
        self.width = self.aggregator.width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, 257) spectrogram and (B, T) mask to (B, width)."""
        x, mask = self.segments(x, mask)  # (B, S, 257, segment, 1), (B, S)
        x = on_real(self.picture, x, mask)  # (B, S, 8 filters)
        return self.aggregator(x, mask)

    def segments(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Cut (B, T, F) into S segments, (B, S, F, segment, 1), of which (B, S) are real: `acoustics.segments`."""
        x = F.pad(x * mask[:, :, None], (0, 0, 0, max(0, self.segment - x.shape[1])))
        x = x.unfold(1, self.segment, self.step)[..., None]  # (B, S, F, segment, 1), a view
        length = mask.sum(dim=1, keepdim=True)  # (B, 1)
        n_real = (1 + (length - self.segment).clamp(min=0) // self.step) * (length > 0)
        return x, torch.arange(x.shape[1], device=x.device) < n_real

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random spectrograms of a second and a half: (n_clips, 376, 257) uint8, and their mask."""
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(0, 256, (n_clips, 376, 257), dtype=torch.uint8, generator=random)
        mask = torch.ones(n_clips, 376, dtype=torch.bool)
        if n_clips > 1:
            mask[-1, 250:] = False
        return x, mask
