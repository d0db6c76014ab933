"""From a waveform to mel spectrograms and MFCC inside the network, and what else encoders of sound share.

A front end cuts a window of fixed length out of every clip, so that neither padding nor company changes its answer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchaudio.functional import create_dct
from torchaudio.transforms import MelSpectrogram


class Mel(nn.Module):
    """The mel spectrogram in dB of a window of each clip, equal to `acoustics.mel_spectrogram` of that window.

    The defaults are the window of source 002, section 3.2.2.1: 3 seconds from 0.5 s on, 128 bands, a step of 5.3 ms
    (in its reference [29]: 256 samples at 48 kHz; 85 at 16 kHz). A clip that ends before the window does is taken
    from earlier on, so that as much of it as fits is heard; what is missing is silence.

    Parameters
    ----------
    sample_rate : int
        Hz of the waveform.
    n_mels, n_fft, hop_length : int
        Bands up to half the sample rate; samples of the Hann window; samples between steps.
    start, seconds : float
        Where the window begins, and how long it is, in seconds.
    """

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        n_mels: int = 128,
        n_fft: int = 1024,
        hop_length: int = 85,
        start: float = 0.5,
        seconds: float = 3.0,
    ):
        super().__init__()
        self.sample_rate, self.seconds, self.hop_length, self.n_mels = sample_rate, seconds, hop_length, n_mels
        self.start, self.n_samples = round(start * sample_rate), round(seconds * sample_rate)
        self.n_steps = 1 + self.n_samples // hop_length
        self.power = MelSpectrogram(
            sample_rate,
            n_fft=n_fft,
            hop_length=hop_length,
            n_mels=n_mels,
            pad_mode="constant",
            norm="slaney",
            mel_scale="slaney",
        )

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) int16 waveforms and (B, N) mask to (B, T, n_mels) dB, raised to 80 below each clip's maximum, and
        (B, T) mask."""
        x, lengths = window(x, mask.sum(dim=1), self.start, self.n_samples)  # (B, n_samples), (B,)
        with torch.autocast(x.device.type, enabled=False):  # powers span more digits than bfloat16 has
            level = 10 * self.power(x / 32767).clamp(min=1e-10).log10()  # (B, n_mels, T)
            level = level.maximum(level.amax(dim=(1, 2), keepdim=True) - 80)
        steps = torch.arange(self.n_steps, device=x.device) * self.hop_length  # the sample each step is centred on
        return level.transpose(1, 2), (steps <= lengths[:, None]) & (lengths[:, None] > 0)


class Mfcc(Mel):
    """Mel-frequency cepstral coefficients of a window of each clip, equal to `acoustics.mfcc` of that window.

    Parameters
    ----------
    n_mfcc : int
    settings : those of `Mel`.
    """

    def __init__(self, *, n_mfcc: int = 40, **settings):
        super().__init__(**settings)
        self.register_buffer("dct", create_dct(n_mfcc, self.n_mels, norm="ortho"), persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) int16 waveforms and (B, N) mask to (B, T, n_mfcc) coefficients and (B, T) mask."""
        level, real = super().forward(x, mask)  # (B, T, n_mels)
        with torch.autocast(x.device.type, enabled=False):
            return level @ self.dct, real  # (B, T, n_mfcc)


def window(x: Tensor, lengths: Tensor, start: int, n_samples: int) -> tuple[Tensor, Tensor]:
    """Cut `n_samples` from sample `start` on out of each clip's first `lengths` samples of (B, N).

    A clip too short for that is cut from earlier on. Returns (B, n_samples), zero past the clip's end, and how many
    samples of each are the clip's, (B,).
    """
    begin = (lengths - n_samples).clamp(min=0, max=start)  # (B,)
    index = begin[:, None] + torch.arange(n_samples, device=x.device)  # (B, n_samples)
    real = index < lengths[:, None]
    return x.gather(1, index.clamp(max=x.shape[1] - 1)) * real, real.sum(dim=1)


def normalise(norm: nn.BatchNorm1d, x: Tensor, mask: Tensor) -> Tensor:
    """Batch norm of (B, T, D) over the real steps alone, so that padding does not sway it; padding becomes zero."""
    out = x.new_zeros(x.shape)
    out[mask] = norm(x[mask]).to(out.dtype)
    return out


def example_steps(n_clips: int, n_steps: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return random (B, T, width) and its mask (B, T); the last of several clips is shorter by a quarter."""
    x = torch.randn(n_clips, n_steps, width, generator=torch.Generator().manual_seed(seed))
    return x, _shorter(n_clips, n_steps)


def example_waveform(n_clips: int, seconds: float, seed: int, *, sample_rate: int = 16000) -> tuple[Tensor, Tensor]:
    """Return random (B, N) int16 waveforms and their mask (B, N); the last of several is shorter by a quarter."""
    n_samples = round(seconds * sample_rate)
    x = 3000 * torch.randn(n_clips, n_samples, generator=torch.Generator().manual_seed(seed))
    return x.to(torch.int16), _shorter(n_clips, n_samples)


def _shorter(n_clips: int, n_steps: int) -> Tensor:
    mask = torch.ones(n_clips, n_steps, dtype=torch.bool)
    if n_clips > 1:
        mask[-1, n_steps - n_steps // 4 :] = False
    return mask
