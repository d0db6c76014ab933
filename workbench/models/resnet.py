"""ResNet-18 for pictures and for moving pictures, and the encoder that looks at a whole clip at once."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.models import checkpoints
from workbench.models.base import Encoder
from workbench.models.steps import spread

# Colours of ImageNet, 0 to 1 (source 004, section 2.3.1, where the last deviation is misprinted as 0.255).
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LAYERS = {2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d), 3: (nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d)}


class Block(nn.Module):
    """Two convolutions of kernel 3 and a way around them; `stride` 2 halves the map (and time, in 3-D)."""

    def __init__(self, channels: int, width: int, stride: int, *, dims: int = 2):
        super().__init__()
        conv, norm, _ = LAYERS[dims]
        self.conv1 = conv(channels, width, 3, stride, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = conv(width, width, 3, 1, 1, bias=False)
        self.bn2 = norm(width)
        self.downsample = None
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(conv(channels, width, 1, stride, bias=False), norm(width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, ...) to (N, width, ...)."""
        around = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + around)


class ResNet18(nn.Module):
    """ResNet-18 (He et al. 2016), without its last dense layer: 11,176,512 weights for colour pictures.

    In 3-D it is the video network of Hara et al. (2018), whose convolutions also run over time: 33,203,904 weights;
    with ``stem=3, pool=False`` it is torchvision's R3D-18: 33,166,272.
    Parameters have the names that torchvision gives those of ResNet-18, in 3-D as well.

    Parameters
    ----------
    channels : int
        Of the input: 3 colours, or 1.
    filters : int
        Maps after the first convolution; the last stage has eight times as many, `width`.
    dims : {2, 3}
    stem : int
        Extent in time of the first convolution, in 3-D.
    pool : bool
        Max-pooling after the first convolution.
    weights : path, optional
        Of ResNet-18, or in 3-D of R3D-18 (either naming): torchvision's files, Hara's, or one's own from faces or
        voices. Where the file was trained on colours and the input has one channel, the first convolution's weights
        are summed over the colours, which is the answer to a grey picture.
    """

    def __init__(
        self,
        channels: int = 3,
        *,
        filters: int = 64,
        dims: int = 2,
        stem: int = 7,
        pool: bool = True,
        weights: str | Path | None = None,
    ):
        super().__init__()
        conv, norm, max_pool = LAYERS[dims]
        first = {"kernel_size": 7, "stride": 2, "padding": 3}
        if dims == 3:
            first = {"kernel_size": (stem, 7, 7), "stride": (1, 2, 2), "padding": (stem // 2, 3, 3)}
        self.conv1 = conv(channels, filters, **first, bias=False)
        self.bn1 = norm(filters)
        self.pool = max_pool(3, 2, 1) if pool else nn.Identity()
        widths = [filters, filters, 2 * filters, 4 * filters, 8 * filters]
        for i in range(1, 5):
            blocks = (Block(widths[i - 1], widths[i], min(i, 2), dims=dims), Block(widths[i], widths[i], 1, dims=dims))
            setattr(self, f"layer{i}", nn.Sequential(*blocks))
        self.width = widths[-1]
        for module in self.modules():
            if isinstance(module, conv):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if weights is not None:
            self.load(weights)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W), or (N, channels, T, H, W) in 3-D, to (N, width): the mean over the last map."""
        x = F.relu(self.bn1(self.conv1(x)))  # (N, filters, H / 2, W / 2)
        x = self.pool(x)  # (N, filters, H / 4, W / 4)
        x = self.layer1(x)  # (N, filters, H / 4, W / 4)
        x = self.layer2(x)  # (N, 2 filters, H / 8, W / 8)
        x = self.layer3(x)  # (N, 4 filters, H / 16, W / 16)
        x = self.layer4(x)  # (N, 8 filters, H / 32, W / 32)
        return x.flatten(2).mean(dim=2)

    def load(self, path: str | Path) -> None:
        """Take the weights of a file (see `checkpoints.read`); its last dense layer is left out."""
        state = {_name(name): x for name, x in checkpoints.read(path).items()}
        first = state.get("conv1.weight")
        if first is not None and first.shape[1] == 3 and self.conv1.in_channels == 1:
            state["conv1.weight"] = first.sum(dim=1, keepdim=True)
        checkpoints.fill(self, state, path)


def _name(name: str) -> str:
    """Return our name of a parameter of torchvision's R3D-18 (`stem.0`, `layer1.0.conv1.1`); others stay."""
    name = re.sub(r"^stem\.([01])\.", lambda found: ("conv1.", "bn1.")[int(found[1])], name)
    name = re.sub(r"^(layer\d\.\d)\.conv(\d)\.0\.", r"\1.conv\2.", name)
    return re.sub(r"^(layer\d\.\d)\.conv(\d)\.1\.", r"\1.bn\2.", name)


class Standardised(nn.Module):
    """(N, ..., C) uint8 to (N, C, ...) float: each colour, from 0 to 1, less its mean and over its deviation.

    Channels come first in memory as well: with channels last, oneDNN (torch 2.13, CPU) writes past its memory in the
    gradient of a 1 x 1 convolution of stride 2 on fewer than 16 channels (oneDNN issue 6035).
    """

    def __init__(self, mean: tuple[float, ...] = MEAN, deviation: tuple[float, ...] = DEVIATION):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return ((x / 255 - self.mean) / self.deviation).movedim(-1, 1).contiguous()


class ResNet3d(Encoder):
    """The 3-D ResNet-18 that source 004, section 4.4, sets against its ResNet-18 + LSTM.

    (B, T, H, W, 3) uint8 RGB frames to (B, 512). The source is silent about the network's form; its counts tell it.
    44.6386 M weights are those of Hara's 3-D ResNet-18 (first convolution 7 x 7 x 7; 33,203,904), of a 2-D ResNet-18
    with one input channel for sound (11,170,240; no LSTM follows it) and of the head 1024 - 256 - 8 (264,456): to
    the last one. 56.933271744 G multiply-adds are those of 25 frames (a second) of 224 x 224, and of a sound
    segment of 257 frequencies by 250 windows, to the last one when batch norm's weights are added, as the tool that
    counted does. `sequence.ResNetFrames` tells what the other count holds: one frame, where this holds 25.

    Assumptions: any clip is shown as `n_frames` of its real frames, evenly spaced (repeated where there are fewer),
    so that padding is never seen; colours are standardised as ImageNet's. No result is published for it.

    Parameters
    ----------
    n_frames : int
    filters, stem, pool, weights : of `ResNet18`.
    """

    modality, inputs, source = "video", "frames", "004, section 4.4"

    def __init__(
        self,
        *,
        n_frames: int = 25,
        filters: int = 64,
        stem: int = 7,
        pool: bool = True,
        weights: str | Path | None = None,
    ):
        super().__init__()
        self.n_frames = n_frames
        self.standardise = Standardised()
        self.resnet = ResNet18(filters=filters, dims=3, stem=stem, pool=pool, weights=weights)
        self.width = self.resnet.width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, H, W, 3) frames and (B, T) mask to (B, 8 filters); zeros for a clip without real frames."""
        x = spread(x, mask, self.n_frames)  # (B, n_frames, H, W, 3)
        x = self.standardise(x)  # (B, 3, n_frames, H, W)
        # On a CPU (torch 2.13) the bfloat16 gradient of a 3-D convolution over few steps is wrong, or corrupts memory.
        with torch.autocast("cpu", enabled=False):
            return self.resnet(x) * mask.any(dim=1, keepdim=True)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random frames as prepared: (n_clips, 15, 112, 112, 3) uint8, and their mask."""
        return example_frames(n_clips, 15, 112, seed)


def example_frames(n_clips: int, n_frames: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return random (B, T, size, size, 3) uint8 frames and their mask (B, T); the last of several clips is shorter."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 256, (n_clips, n_frames, size, size, 3), dtype=torch.uint8, generator=random)
    mask = torch.ones(n_clips, n_frames, dtype=torch.bool)
    if n_clips > 1:
        mask[-1, n_frames - n_frames // 4 :] = False
    return x, mask
