"""Encoders of source 002 that read MFCC and mel spectrograms as pictures, and as steps in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.models.audio import centre
from workbench.models.base import Encoder
from workbench.models.frontends import Mel, example_steps, example_waveform, normalise
from workbench.models.steps import on_real


class CnnTransformer(Encoder):
    """Two parallel CNNs and a Transformer of source 002, section 3.3.1 (Figure 3-21), on MFCC of 40 x 282.

    Each CNN: conv 3x3 of 16, 32, 64 filters, each with batch norm, ReLU, max-pool (2, 4, 4), dropout .3, to 64 x 1 x 8
    = 512 values. Transformer: max-pool 4 over time, 70 steps of 40; 4 layers, 4 heads, 512 hidden, dropout .4; mean
    over time. Together 512 + 512 + 40 = 1064 values; the dense layer is the model's head. The source trains with SGD
    at 0.01 and publishes 73.23 % (8 classes, RAVDESS speech and song, random split).

    The schemas of Table 3-2 are the variants of the study `benha_3_2`.

    Assumptions, where the source is silent: no positional encoding (as in its reference [28]); each coefficient is
    standardised by the training clips (batch norm without weights, over real steps); a clip is centred in the window;
    attention and mean leave out padding; the fourth layer of schema 1, whose map has one row, pools 4 over time.

    Parameters
    ----------
    n_mfcc, n_steps : int
        Coefficients (a multiple of 4) and steps of the window; 282 are 3 s in the source, 4.5 s at a step of 16 ms.
    n_blocks, filters, dropout : CNNs side by side; filters and dropout of their layers.
    n_layers, transformer_dropout : of the Transformer.
    """

    modality, inputs, source = "audio", "mfcc", "002, section 3.3.1, Table 3-2"

    def __init__(
        self,
        *,
        n_mfcc: int = 40,
        n_steps: int = 282,
        n_blocks: int = 2,
        filters: Sequence[int] = (16, 32, 64),
        dropout: Sequence[float] = (0.3, 0.3, 0.3),
        n_layers: int = 4,
        transformer_dropout: float = 0.4,
    ):
        super().__init__()
        self.n_mfcc, self.n_steps = n_mfcc, n_steps
        self.scaler = nn.BatchNorm1d(n_mfcc, affine=False)
        pools = (2, 4, 4, 4)[: len(filters)]
        blocks = [picture_cnn((n_mfcc, n_steps), filters, pools, dropout) for _ in range(n_blocks)]
        self.cnns = nn.ModuleList(cnn for cnn, _ in blocks)
        layer = nn.TransformerEncoderLayer(n_mfcc, 4, 512, transformer_dropout, batch_first=True)
        self.transformer = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.width = sum(size for _, size in blocks) + n_mfcc

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, n_mfcc) coefficients and (B, T) mask to (B, D)."""
        lengths = mask.sum(dim=1)
        x = normalise(self.scaler, x, mask).transpose(1, 2)  # (B, n_mfcc, T)
        x = centre(x, lengths, self.n_steps)  # (B, n_mfcc, n_steps)
        real = centre(mask[:, None].float(), lengths, self.n_steps)  # (B, 1, n_steps)
        seen = [cnn(x[:, None]) for cnn in self.cnns]  # list of (B, 512)
        steps = F.max_pool1d(x, 4).transpose(1, 2)  # (B, n_steps / 4, n_mfcc)
        real = F.max_pool1d(real, 4)[:, 0] > 0  # (B, n_steps / 4)
        real[:, 0] |= ~real.any(dim=1)  # a clip without sound: attention needs one step
        steps = self.transformer(steps, src_key_padding_mask=~real)  # (B, n_steps / 4, n_mfcc)
        share = real / real.sum(dim=1, keepdim=True)
        heard = (steps * share[:, :, None]).sum(dim=1)  # (B, n_mfcc)
        return torch.cat([*seen, heard], dim=1)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return a random input: (B, n_steps, n_mfcc) and its mask."""
        return example_steps(n_clips, self.n_steps, self.n_mfcc, seed)


class StackedCnnLstm(Encoder):
    """Stacked CNN and attention-LSTM of source 002, section 3.2.2.1 (Table 3-1, model 1), on mel spectrograms.

    The spectrogram of 3 s is cut into 7 overlapping chunks of 128 bands x 128 steps. Each chunk: conv 3x3 of 16, 32, 64
    filters, each with batch norm, ReLU, max-pool (2, 4, 4), dropout .3, to 64 x 4 x 4 = 1024 values; bidirectional LSTM
    of 64 over the chunks, dropout .4, attention: 128 values. The linear layer is the model's head. The source trains
    with SGD at 0.01 on noisy copies (15 to 30 dB) and publishes 61 % (8 classes, RAVDESS speech, random split).

    The source gives three blocks, an LSTM and a linear layer; sizes are those of the model it refers to ([29]).
    Assumed: 16 kHz for the source's 48 (set `mel` for it), each band standardised by the training clips, and the
    attention's bias left out, on which its softmax does not depend.

    Parameters
    ----------
    filters, dropout, hidden : of the CNN; of each direction of the LSTM.
    chunk, stride : int
        Steps of a chunk, and between two.
    mel : mapping, optional
        Settings of `frontends.Mel`.
    """

    modality, inputs, source = "audio", "waveform", "002, section 3.2.2.1, Table 3-1, model 1"

    def __init__(
        self,
        *,
        filters: Sequence[int] = (16, 32, 64),
        dropout: Sequence[float] = (0.3, 0.3, 0.3),
        hidden: int = 64,
        chunk: int = 128,
        stride: int = 64,
        mel: Mapping | None = None,
    ):
        super().__init__()
        self.mel, self.chunk, self.stride = Mel(**(mel or {})), chunk, stride
        self.scaler = nn.BatchNorm1d(self.mel.n_mels, affine=False)
        self.cnn, size = picture_cnn((self.mel.n_mels, chunk), filters, (2, 4, 4), dropout)
        self.lstm = AttentionLstm(size, hidden, dropout=0.4)
        self.width = self.lstm.width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N) int16 waveforms and (B, N) mask to (B, 2 hidden)."""
        x, real = self.mel(x, mask)  # (B, T, n_mels), (B, T)
        x = normalise(self.scaler, x, real).unfold(1, self.chunk, self.stride)  # (B, S, n_mels, chunk)
        real = real.unfold(1, self.chunk, self.stride).any(dim=2)  # (B, S)
        chunks = on_real(self.cnn, x[:, :, None], real) * real[:, :, None]  # (B, S, 1024); silent chunks are zero
        return self.lstm(chunks, real)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random waveforms of the window's length and their mask."""
        return example_waveform(n_clips, self.mel.seconds, seed, sample_rate=self.mel.sample_rate)


class ParallelCnnLstm(Encoder):
    """Parallel CNN and attention-LSTM of source 002, section 3.2.2.1 (Table 3-1, model 2), on mel spectrograms.

    CNN: conv 3x3 of 16, 32, 64, 64 filters, each with batch norm, ReLU, max-pool (2, 4, 4, 4), dropout .3, over the
    whole spectrogram of 3 s, to 64 x 1 x 4 = 256 values. LSTM: max-pool (2 bands, 4 steps), bidirectional LSTM of
    128, dropout .1, attention: 256 values. Together 512; the linear layer is the model's head. The source trains with
    SGD at 0.01 on noisy copies and publishes 64.5 % (8 classes, 16 actors of RAVDESS speech, random split).

    Sizes and assumptions are as in `StackedCnnLstm`.

    Parameters
    ----------
    filters, dropout, hidden : of the CNN; of each direction of the LSTM.
    mel : mapping, optional
        Settings of `frontends.Mel`.
    """

    modality, inputs, source = "audio", "waveform", "002, section 3.2.2.1, Table 3-1, model 2"

    def __init__(
        self,
        *,
        filters: Sequence[int] = (16, 32, 64, 64),
        dropout: Sequence[float] = (0.3, 0.3, 0.3, 0.3),
        hidden: int = 128,
        mel: Mapping | None = None,
    ):
        super().__init__()
        self.mel = Mel(**(mel or {}))
        self.scaler = nn.BatchNorm1d(self.mel.n_mels, affine=False)
        self.cnn, size = picture_cnn((self.mel.n_mels, self.mel.n_steps), filters, (2, 4, 4, 4), dropout)
        self.lstm = AttentionLstm(self.mel.n_mels // 2, hidden, dropout=0.1)
        self.width = size + self.lstm.width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N) int16 waveforms and (B, N) mask to (B, D)."""
        x, real = self.mel(x, mask)  # (B, T, n_mels), (B, T)
        x = normalise(self.scaler, x, real).transpose(1, 2)  # (B, n_mels, T)
        steps = F.max_pool2d(x, (2, 4)).transpose(1, 2)  # (B, T / 4, n_mels / 2)
        real = F.max_pool1d(real[:, None].float(), 4)[:, 0] > 0  # (B, T / 4)
        return torch.cat([self.cnn(x[:, None]), self.lstm(steps, real)], dim=1)  # (B, 256 + 2 hidden)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random waveforms of the window's length and their mask."""
        return example_waveform(n_clips, self.mel.seconds, seed, sample_rate=self.mel.sample_rate)


class Cnn2d(Encoder):
    """The 2-D CNN of six layers of source 002, section 3.2.2.1 (Table 3-1, model 3), on log-mel spectrograms.

    Six times conv 3x3, batch norm, ELU, max-pool 2, dropout; flatten to 64 x 2 x 4 = 512; the dense layer is the
    model's head. The source gives the order of layers; filters (128, 128, 64, 64, 64, 64), ELU, dropouts (.5, then
    .25) and the input of 128 x 259 are those of the model it refers to ([31]: 3 s at 44.1 kHz, steps of 512 samples;
    341,644 weights in Keras with 12 classes). Adam; published 69 % (6 classes, RAVDESS speech and song, random
    split).

    Assumed: 16 kHz, steps of 186 samples, and each band standardised by the training clips.

    Parameters
    ----------
    filters, dropout : of the layers.
    mel : mapping, optional
        Settings of `frontends.Mel`, on top of a step of 186 samples and a window from 0 to 3 s.
    """

    modality, inputs, source = "audio", "waveform", "002, section 3.2.2.1, Table 3-1, model 3"

    def __init__(
        self,
        *,
        filters: Sequence[int] = (128, 128, 64, 64, 64, 64),
        dropout: Sequence[float] = (0.5, 0.25, 0.25, 0.25, 0.25, 0.25),
        mel: Mapping | None = None,
    ):
        super().__init__()
        self.mel = Mel(**{"hop_length": 186, "start": 0.0, **(mel or {})})
        self.scaler = nn.BatchNorm1d(self.mel.n_mels, affine=False)
        shape = (self.mel.n_mels, self.mel.n_steps)
        self.cnn, self.width = picture_cnn(shape, filters, [2] * len(filters), dropout, activation=nn.ELU)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N) int16 waveforms and (B, N) mask to (B, D)."""
        x, real = self.mel(x, mask)  # (B, T, n_mels), (B, T)
        x = normalise(self.scaler, x, real).transpose(1, 2)  # (B, n_mels, T)
        return self.cnn(x[:, None])  # (B, 512)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random waveforms of the window's length and their mask."""
        return example_waveform(n_clips, self.mel.seconds, seed, sample_rate=self.mel.sample_rate)


class AttentionLstm(nn.Module):
    """A bidirectional LSTM over (B, T, D), dropout, the attention-weighted mean of its real steps: (B, 2 hidden)."""

    def __init__(self, width: int, hidden: int, *, dropout: float):
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(2 * hidden, 1, bias=False)
        self.width = 2 * hidden

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, D) and (B, T) mask to (B, 2 hidden)."""
        x = self.dropout(self.lstm(x)[0])  # (B, T, 2 hidden)
        score = self.score(x)[:, :, 0].float()  # (B, T)
        score = score.masked_fill(~mask, torch.finfo(score.dtype).min)
        return (score.softmax(dim=1)[:, :, None] * x).sum(dim=1)


def picture_cnn(
    shape: tuple[int, int],
    filters: Sequence[int],
    pools: Sequence[int],
    dropout: Sequence[float],
    *,
    activation: type[nn.Module] = nn.ReLU,
) -> tuple[nn.Sequential, int]:
    """Return a CNN over pictures (B, 1, H, W), and how many values it flattens them to.

    Its layers: conv 3x3 ("same"), batch norm, activation, max-pool (not beyond what is left of the picture), dropout.
    """
    layers, channels, (height, width) = [], 1, shape
    for n_filters, pool, rate in zip(filters, pools, dropout, strict=True):
        window = min(pool, height), min(pool, width)
        layers += [nn.Conv2d(channels, n_filters, 3, padding="same"), nn.BatchNorm2d(n_filters), activation()]
        layers += [nn.MaxPool2d(window), nn.Dropout(rate)]
        channels, height, width = n_filters, height // window[0], width // window[1]
    return nn.Sequential(*layers, nn.Flatten()), channels * height * width
