"""EfficientFace: a light network for one face (ShuffleNet-V2 with local features), and its answer over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.base import Encoder
from workbench.models.checkpoints import read
from workbench.models.steps import OverTime, example_pictures, on_real

# Colours of RAF-DB's faces, which the network's authors subtract and divide by (red, green, blue; 0 to 1).
MEAN, DEVIATION = (0.57535914, 0.44928582, 0.40079932), (0.20735591, 0.18981615, 0.18132027)
REPEATS, CHANNELS = (4, 8, 4), (29, 116, 232, 464, 1024)


def convolution(channels: int, width: int, kernel_size: int, *, stride: int = 1, groups: int = 1, relu: bool = True):
    """Return convolution, batch norm and, if wanted, ReLU, as a list; a group for each channel is "depthwise"."""
    layer = nn.Conv2d(channels, width, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(width)] + ([nn.ReLU()] if relu else [])


class Shuffled(nn.Module):
    """A block of ShuffleNet-V2: half of the channels pass, half are worked on, then both are shuffled.

    With `stride` 2 both halves see all channels, and height and width are halved.
    """

    def __init__(self, channels: int, width: int, stride: int):
        super().__init__()
        half, self.stride = width // 2, stride
        self.aside = nn.Sequential()
        if stride == 2:
            self.aside = nn.Sequential(
                *convolution(channels, channels, 3, stride=2, groups=channels, relu=False),
                *convolution(channels, half, 1),
            )
        self.work = nn.Sequential(
            *convolution(channels if stride == 2 else half, half, 1),
            *convolution(half, half, 3, stride=stride, groups=half, relu=False),
            *convolution(half, half, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / stride, W / stride)."""
        aside, work = (x, x) if self.stride == 2 else x.chunk(2, dim=1)
        x = torch.cat([self.aside(aside), self.work(work)], dim=1)  # (N, width, H / stride, W / stride)
        return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class Local(nn.Module):
    """The local-feature extractor: each quarter of the map has two depthwise convolutions of its own."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.quarters = nn.ModuleList(
            nn.Sequential(
                *convolution(channels, width, 3, stride=2, groups=channels),
                *convolution(width, width, 3, groups=width),
            )
            for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / 2, W / 2); H and W multiples of 4."""
        halves = [half.chunk(2, dim=2) for half in x.chunk(2, dim=3)]  # left and right, upper and lower of each
        upper_left, lower_left, upper_right, lower_right = (
            net(quarter) for net, quarter in zip(self.quarters, halves[0] + halves[1], strict=True)
        )  # (N, width, H / 4, W / 4) each
        left, right = torch.cat([upper_left, lower_left], dim=2), torch.cat([upper_right, lower_right], dim=2)
        return torch.cat([left, right], dim=3)


class Modulator(nn.Module):
    """The channel-spatial modulator, after BAM: the map times sigmoid(channel weight x place weight)."""

    def __init__(self, width: int, *, reduction: int = 16, dilation: int = 4):
        super().__init__()
        few = width // reduction
        self.channel = nn.Sequential(nn.Linear(width, few), nn.BatchNorm1d(few), nn.ReLU(), nn.Linear(few, width))
        wide = [nn.Conv2d(few, few, 3, padding=dilation, dilation=dilation) for _ in range(2)]
        layers = [nn.Conv2d(width, few, 1), *wide]
        layers = [part for layer in layers for part in (layer, nn.BatchNorm2d(few), nn.ReLU())]
        self.place = nn.Sequential(*layers, nn.Conv2d(few, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        channel = self.channel(x.mean(dim=(2, 3)))[:, :, None, None]  # (N, width, 1, 1)
        return torch.sigmoid(channel * self.place(x)) * x


class Face(nn.Module):
    """EfficientFace without its last layer: (N, H, W, 3) uint8 RGB to (N, 1024); H and W multiples of 16.

    `repeats` are the blocks of the three stages, `channels` those of Conv1, the stages and Conv5. The parts stand in
    the order of the published file, by which `load` knows them.
    """

    def __init__(self, repeats: Sequence[int] = REPEATS, channels: Sequence[int] = CHANNELS):
        super().__init__()
        self.conv1 = nn.Sequential(*convolution(3, channels[0], 3, stride=2))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = [
            nn.Sequential(Shuffled(before, width, 2), *(Shuffled(width, width, 1) for _ in range(n - 1)))
            for n, before, width in zip(repeats, channels[:3], channels[1:4], strict=True)
        ]
        self.stage2, self.stage3, self.stage4 = stages
        self.local = Local(channels[0], channels[1])
        self.modulator = Modulator(channels[1])
        self.conv5 = nn.Sequential(*convolution(channels[3], channels[4], 1))
        self.width = channels[4]
        self.register_buffer("mean", torch.tensor(MEAN), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, 1024)."""
        if x.shape[1] % 16 or x.shape[2] % 16:
            raise WorkbenchError(f"frames are {x.shape[1]} x {x.shape[2]}, expected multiples of 16")
        x = ((x / 255 - self.mean) / self.deviation).permute(0, 3, 1, 2)  # (N, 3, H, W)
        x = self.pool(self.conv1(x))  # (N, 29, H / 4, W / 4)
        x = self.modulator(self.stage2(x)) + self.local(x)  # (N, 116, H / 8, W / 8)
        x = self.stage4(self.stage3(x))  # (N, 464, H / 32, W / 32)
        return self.conv5(x).mean(dim=(2, 3))  # (N, 1024)


def load(face: Face, path: Path | str) -> None:
    """Load a file of weights that was trained elsewhere into `face`; its last layer (`fc`) is left out.

    The file has the names of `Face`, or is a published one (``.pth.tar``), which names the tensors otherwise but has
    them in the same order.

    Raises
    ------
    WorkbenchError
        If the file is missing or holds other tensors.
    """
    given = {name: x for name, x in read(path).items() if not name.startswith("fc.")}
    wanted = face.state_dict()
    if given.keys() != wanted.keys():
        given = dict(zip(wanted, given.values(), strict=False)) if len(given) == len(wanted) else {}
    if any(name not in given or given[name].shape != x.shape for name, x in wanted.items()):
        home = "https://github.com/zengqunzhao/EfficientFace"
        raise WorkbenchError(f"{path}: expected the {len(wanted)} tensors of EfficientFace, as published at {home}")
    face.load_state_dict(given)


class EfficientFace(Encoder):
    """EfficientFace on every frame, then convolutions over time: source 000, chapter 3, with 15 frames a clip.

    A frame: Conv1, ShuffleNet-V2 stages of 4, 8, 4 blocks, Conv5 (29, 116, 232, 464, 1024 channels); to the output of
    Stage2, weighted by a modulator, are added local features of the four quarters of Conv1's map; mean over the
    picture. 1,268,118 weights, with a last layer for seven classes 1,275,293 (published in the source's reference 10:
    1.28 M); 149.7 M multiply-adds of convolutions and dense layers a frame of 224 x 224 (published, all operations:
    154.18 M). Published: 74.92 % on eight classes of RAVDESS (test), 63.70 % on AffectNet-7 (stills).

    Assumptions, where the source is silent: the quarters are of Conv1's map after its max-pool (only then do the sizes
    agree); the modulator is BAM's with reduction 16 and dilation 4, its two weights multiplied; colours are
    standardised by those of RAF-DB (all three: the authors' published code); the convolutions over time are four, 64,
    64, 128, 128, kernel 3, batch norm, ReLU, and their mean over time (the code of the source's family); a clip of more
    or fewer frames gives evenly spaced ones.

    Parameters
    ----------
    n_frames : int
        Frames that the part over time sees.
    pool : {'convolutions', 'dense', 'mean', 'max'}
        What turns n_frames x 1024 values into a vector: the convolutions (128 values); one dense layer (1024; the
        source's fusion 2); mean or maximum over the frames (1024; fusions 3 and 4, and 5).
    weights : path, optional
        A file to begin from, such as the authors' ``EfficientFace_Trained_on_AffectNet7.pth.tar``.
    frozen : bool
        Keep the frames' part as it began.
    size : int
        Side of the pictures of `example`, in pixels; any multiple of 16 is read.
    repeats, channels : of `Face`; fewer make a smaller net, which no published file fits.
    """

    modality, inputs = "video", "frames"
    source = "000, chapter 3 (Figures 3 to 6), and its reference 10"

    def __init__(
        self,
        *,
        n_frames: int = 15,
        pool: str = "convolutions",
        weights: str | None = None,
        frozen: bool = False,
        size: int = 224,
        repeats: Sequence[int] = REPEATS,
        channels: Sequence[int] = CHANNELS,
    ):
        super().__init__()
        self.n_frames, self.pool, self.frozen, self.size = n_frames, pool, frozen, size
        self.face = Face(repeats, channels)
        if weights is not None:
            load(self.face, weights)
        self.face.requires_grad_(not frozen)
        self.over_time = OverTime(pool, n_frames, self.face.width)
        self.width = self.over_time.width
        self.train()

    def train(self, mode: bool = True) -> EfficientFace:
        """Set training or evaluation; a frozen part keeps its batch norms' statistics."""
        super().train(mode)
        self.face.train(mode and not self.frozen)
        return self

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, H, W, 3) uint8 RGB frames, H and W multiples of 16, and (B, T) mask to (B, width)."""
        return self.over_time(on_real(self.face, x, mask), mask)

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The same to what is pooled, (B, n_frames, width), one step where dense, and which are real (B, n_frames)."""
        return self.over_time.steps(on_real(self.face, x, mask), mask)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random frames and their mask."""
        return example_pictures(n_clips, self.n_frames, self.size, seed=seed)
