"""Encoders of the voice: the 1-D CNN on MFCC, and the shallow CNN and LSTM on raw sound."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import choose
from workbench.models.base import Encoder
from workbench.models.frontends import example_steps, example_waveform, normalise
from workbench.models.steps import at_last, on_real

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "elu": nn.ELU}


class Cnn1d(Encoder):
    """The 1-D CNN of source 002, section 3.3.2 (Table 3-4; Figures 3-41 and 3-68), on MFCC.

    The defaults are the final form (row 10): batch norm on the input; conv1d 128, kernel 12, ReLU, batch norm,
    max-pool 5, dropout 0.1; conv1d 256, kernel 12, ReLU, batch norm, max-pool 5, dropout 0.3; flatten. The one dense
    layer is the model's head. The source trains with Adam at 2e-4 and publishes 85.26 % (six classes, RAVDESS speech
    and song, random split). The reference form (rows 0.1 and 0.2: kernel 8, dropouts 0.3, no batch norm, dense 256
    and 256 before the head; 73.14 % with Adam at 2e-5) and all other rows are variants of the study `benha_3_4`.

    Assumptions, where the source is silent: coefficients are channels and the convolutions run over time, "same"
    padding, a clip is centred in a window of `n_steps` (longer speech is cut at both ends, the rest is zero), and the
    third convolution of rows 2.1 and 2.2 (256 filters; the text prints 265) has no pooling.

    Parameters
    ----------
    inputs : {'mfcc', 'mel'}
        What it reads; the source, MFCC.
    n_mfcc : int
        Coefficients (or bands) a step.
    n_steps : int
        Steps of the window; 200 are 3.2 s at 16 kHz and a hop of 256.
    filters, kernel_size, dropout : of the two layers, or more.
    dense : sequence of int
        Widths of dense layers before the head.
    activation : {'relu', 'tanh', 'elu'}
    input_norm, batch_norm : bool
        Batch norm on the input; after each convolution's activation.
    pool : {'flatten', 'statistics'}
        What turns the (B, 256, n_steps / 25) map into a vector: the source's flattening, or mean and deviation over
        its real steps (fewer weights and no fixed place in time).
    pool_size : int
        Steps that each of the two max-pools makes one; 5 in the source.
    """

    modality, inputs, source = "audio", "mfcc", "002, section 3.3.2, Table 3-4"

    def __init__(
        self,
        *,
        inputs: str = "mfcc",
        n_mfcc: int = 40,
        n_steps: int = 200,
        filters: Sequence[int] = (128, 256),
        kernel_size: int = 12,
        dropout: Sequence[float] = (0.1, 0.3),
        dense: Sequence[int] = (),
        activation: str = "relu",
        input_norm: bool = True,
        batch_norm: bool = True,
        pool: str = "flatten",
        pool_size: int = 5,
    ):
        super().__init__()
        self.pool_size = pool_size ** min(len(filters), 2)
        self.inputs = choose("input", inputs, ("mfcc", "mel"))
        self.n_mfcc, self.n_steps = n_mfcc, n_steps
        self.pool = choose("pool", pool, ("flatten", "statistics"))
        self.norm = nn.BatchNorm1d(n_mfcc) if input_norm else None
        act = ACTIVATIONS[choose("activation", activation, ACTIVATIONS)]
        layers, channels = [], n_mfcc
        for number, (width, rate) in enumerate(zip(filters, dropout, strict=True)):
            layers += [
                nn.ZeroPad1d(((kernel_size - 1) // 2, kernel_size // 2)),
                nn.Conv1d(channels, width, kernel_size),
            ]
            layers += [act(), *([nn.BatchNorm1d(width)] if batch_norm else [])]
            layers += [*([nn.MaxPool1d(pool_size)] if number < 2 else []), nn.Dropout(rate)]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.width = channels * (n_steps // self.pool_size if pool == "flatten" else 2)
        dense_layers = []
        for width in dense:
            dense_layers += [nn.Linear(self.width, width), act()]
            self.width = width
        self.dense = nn.Sequential(*dense_layers)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, n_mfcc) coefficients and (B, T) mask to (B, D)."""
        x = x if self.norm is None else normalise(self.norm, x, mask)  # (B, T, n_mfcc)
        lengths = mask.sum(dim=1)  # (B,)
        x = centre(x.transpose(1, 2), lengths, self.n_steps)  # (B, n_mfcc, n_steps)
        x = self.layers(x)  # (B, 256, n_steps / 25)
        if self.pool == "flatten":
            return self.dense(x.flatten(1))
        real = centre(mask[:, None].float(), lengths, self.n_steps)  # (B, 1, n_steps)
        return self.dense(moments(x, F.max_pool1d(real, self.pool_size)))  # (B, 2 x 256)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return a random input: (B, n_steps, n_mfcc) and its mask."""
        return example_steps(n_clips, self.n_steps, self.n_mfcc, seed)


class RawCnnLstm(Encoder):
    """The shallow 1-D CNN and LSTM of source 001, section 2.2, on raw sound.

    Sound is cut into frames of 0.1 s. Each frame: four times conv1d 3 (64, 64, 128, 128 filters), batch norm, ELU,
    max-pool 4; flattened to 128 x 6 = 768 values; LSTM over the frames; its last output. The source names a shallow
    1-D CNN (its reference [6], Zhao, Mao & Chen 2019, of which these layers are, as in the End2You toolkit) and an
    LSTM, and publishes no figure for sound alone.

    Assumptions, where the source is silent: the length of the frames, an LSTM of one layer of 64 (the model is to be
    light), and samples divided by 32,768.

    Parameters
    ----------
    frame : int
        Samples of a frame; 1600 are 0.1 s at 16 kHz.
    filters : of the convolutions.
    hidden : of the LSTM.
    """

    modality, inputs, source = "audio", "waveform", "001, section 2.2"

    def __init__(self, *, frame: int = 1600, filters: Sequence[int] = (64, 64, 128, 128), hidden: int = 64):
        super().__init__()
        self.frame = frame
        layers, channels = [], 1
        for width in filters:
            layers += [nn.Conv1d(channels, width, 3, padding=1), nn.BatchNorm1d(width), nn.ELU(), nn.MaxPool1d(4)]
            channels = width
        self.cnn = nn.Sequential(*layers, nn.Flatten())
        self.lstm = nn.LSTM(channels * (frame // 4 ** len(filters)), hidden, batch_first=True)
        self.width = hidden

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N) int16 waveforms and (B, N) mask to (B, hidden): the output at the last frame with sound."""
        rest = -x.shape[1] % self.frame
        x = F.pad(x * mask / 32768, (0, rest)).unflatten(1, (-1, self.frame))  # (B, T, frame)
        mask = F.pad(mask, (0, rest)).unflatten(1, (-1, self.frame)).any(dim=2)  # (B, T)
        x = on_real(self.cnn, x[:, :, None], mask)  # (B, T, 768)
        x, _ = self.lstm(x)  # (B, T, hidden)
        return at_last(x, mask)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random waveforms of ten frames and their mask."""
        return example_waveform(n_clips, 10 * self.frame / 16000, seed)


def moments(x: Tensor, real: Tensor) -> Tensor:
    """Return mean and deviation over time of (B, C, T), weighted by (B, 1, T) of 0 and 1: (B, 2 C); 0 of nothing."""
    x, share = x.float(), real / real.sum(dim=2, keepdim=True).clamp(min=1)
    mean = (x * share).sum(dim=2)  # (B, C)
    variance = ((x - mean[:, :, None]) ** 2 * share).sum(dim=2)
    return torch.cat([mean, (variance + 1e-5).sqrt()], dim=1)


def centre(x: Tensor, lengths: Tensor, n_steps: int) -> Tensor:
    """Centre each clip's first `lengths` steps of (B, C, T) in a window of `n_steps`; what is longer is cut."""
    shift = torch.div(n_steps - lengths, 2, rounding_mode="floor")  # (B,); negative where the clip is longer
    source = torch.arange(n_steps, device=x.device)[None] - shift[:, None]  # (B, n_steps)
    inside = (source >= 0) & (source < lengths[:, None])
    x = F.pad(x, (0, max(0, n_steps - x.shape[-1])))
    index = source.clamp(0, x.shape[-1] - 1)[:, None].expand(-1, x.shape[1], -1)
    return x.gather(-1, index).masked_fill(~inside[:, None], 0)
