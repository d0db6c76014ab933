"""YAMNet, a network that names the sounds of the world, on a voice."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.models import checkpoints
from workbench.models.base import Encoder
from workbench.models.frontends import example_waveform
from workbench.models.image import Mean
from workbench.models.steps import mean_over, on_real

RATE, WINDOW, HOP, N_FFT, BANDS = 16000, 400, 160, 512, 64
PATCH, STEP = 15_600, 7680  # samples of 96 windows, and between the beginnings of two patches: 0.975 s and 0.48 s
# Of the layers after the first: strides, and how many times as many filters they have.
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
FACTORS = (2, 4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 32, 32)


class Convolution(nn.Module):
    """Convolution, batch norm, ReLU; where it halves an even map, zeros stand right and below (TensorFlow's "same")."""

    def __init__(self, channels: int, width: int, kernel_size: int = 3, *, stride: int = 1, groups: int = 1):
        super().__init__()
        self.pad = (0, 1, 0, 1) if stride == 2 else (kernel_size // 2,) * 4
        self.conv = nn.Conv2d(channels, width, kernel_size, stride, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=1e-4)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / stride, W / stride)."""
        return F.relu(self.bn(self.conv(F.pad(x, self.pad))))


def mobile_net(filters: int) -> nn.Sequential:
    """Return the fourteen layers, (N, 1, 96, 64) to (N, 32 filters, 3, 2), named as in the port's file."""
    layers, channels = {"layer1": nn.Sequential(OrderedDict(fused=Convolution(1, filters, stride=2)))}, filters
    for number, (stride, factor) in enumerate(zip(STRIDES, FACTORS, strict=True), start=2):
        depthwise = Convolution(channels, channels, stride=stride, groups=channels)
        pointwise = Convolution(channels, factor * filters, 1)
        parts = OrderedDict(depthwise_conv=depthwise, pointwise_conv=pointwise)
        layers[f"layer{number}"], channels = nn.Sequential(parts), factor * filters
    return nn.Sequential(OrderedDict(layers))


class LogMel(nn.Module):
    """(N, 15600) samples in -1 to 1 at 16 kHz to (N, 1, 96, 64): log of mel bands + 0.001, as YAMNet was trained.

    Magnitudes of a Hann window of 25 ms every 10 ms; 64 bands, 125 to 7500 Hz, triangles on the mel scale (those of
    torchaudio are triangles in Hz).
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("bands", mel_bands(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            windows = x.float().unfold(1, WINDOW, HOP) * self.window  # (N, 96, 400)
            level = torch.fft.rfft(windows, N_FFT).abs() @ self.bands  # (N, 96, 64)
            return (level + 0.001).log()[:, None]


def mel_bands() -> Tensor:
    """Return the weights of the frequencies in each band, (257, 64)."""
    mel = 1127 * torch.log1p(torch.linspace(0, RATE / 2, N_FFT // 2 + 1) / 700)[:, None]  # (257, 1)
    low, high = (1127 * torch.log1p(torch.tensor(edge) / 700) for edge in (125.0, 7500.0))
    edges = torch.linspace(float(low), float(high), BANDS + 2)
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


class Yamnet(Encoder):
    """YAMNet (MobileNetV1 on AudioSet, Plakal and Ellis 2019) on raw sound, mean over time (source 003).

    The source trains new dense layers on the 1024 values that it gives of every 0.48 s: .210 on SAVEE, seven classes,
    the least of all its models, "over-fitting as we increase epochs". 3,195,456 weights without those of the 521
    sounds (and without the batch norms' scales, which the published network has not), 69 M multiply-adds a patch.

    Assumptions: the mean over a clip's patches, and the model's linear head. A clip is followed by silence up to a
    whole patch.

    Parameters
    ----------
    weights : path, optional
        Of its port to PyTorch, `yamnet.pth` of github.com/w-hc/torch_audioset; the last dense layer is left out.
    freeze : bool
        Keep it as it began.
    filters : int
        Of the first layer; fewer than 32 make a smaller net.
    """

    modality, inputs, source = "audio", "waveform", "003 (YAMNet)"

    def __init__(self, *, weights: str | Path | None = None, freeze: bool = False, filters: int = 32):
        super().__init__()
        self.freeze, self.width = freeze, FACTORS[-1] * filters
        layers = mobile_net(filters)
        if weights is not None:
            checkpoints.fill(layers, checkpoints.read(weights), weights)
        layers.requires_grad_(not freeze)
        self.patch = nn.Sequential(LogMel(), layers, Mean())
        self.train()

    def train(self, mode: bool = True) -> Yamnet:
        """Set training or evaluation; frozen, it keeps its batch norms' statistics."""
        super().train(mode)
        self.patch[1].train(mode and not self.freeze)
        return self

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N) int16 samples at 16 kHz and (B, N) mask to (B, width)."""
        return mean_over(*self.steps(x, mask))

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same to (B, S, width), a step each 0.48 s, and which are real (B, S)."""
        lengths = mask.sum(dim=1, keepdim=True)  # (B, 1)
        n_patches = 1 + -(-max(0, x.shape[1] - PATCH) // STEP)
        x = F.pad(x * mask / 32768, (0, PATCH + (n_patches - 1) * STEP - x.shape[1]))
        beyond = (lengths - PATCH).clamp(min=0)
        n_real = (1 + torch.div(beyond + STEP - 1, STEP, rounding_mode="floor")) * (lengths > 0)  # (B, 1)
        real = torch.arange(n_patches, device=x.device) < n_real  # (B, S)
        return on_real(self.patch, x.unfold(1, PATCH, STEP), real), real

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random sound of two seconds, and its mask."""
        return example_waveform(n_clips, 2.0, seed)
