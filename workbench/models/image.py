"""Networks for one picture of a face: on a clip, applied to every frame and averaged over the real ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import choose
from workbench.models import checkpoints
from workbench.models.base import Encoder
from workbench.models.resnet import example_frames
from workbench.models.steps import mean_over, on_real
from workbench.models.vgg import DEVIATION, MEAN, Vgg

LUMA = (0.299, 0.587, 0.114)  # grey of red, green and blue (ITU-R BT.601)
# Mean and deviation of the colours of the pictures that VGG-Face and ImageNet's VGG-16 were trained on, 0 to 1.
COLOURS = {
    "vgg_face": ((129.1863 / 255, 104.7624 / 255, 93.5940 / 255), (64 / 255,) * 3),
    "imagenet": (MEAN, DEVIATION),
}


class Stills(Encoder):
    """An encoder whose network, `picture`, turns (N, H, W, 3) uint8 pictures into (N, width)."""

    modality, inputs = "video", "frames"
    size: int

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, H, W, 3) uint8 RGB frames and (B, T) mask to (B, width): the mean over the real frames."""
        return mean_over(on_real(self.picture, x, mask), mask)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random frames of the network's own size, (n_clips, 3, size, size, 3) uint8, and their mask."""
        return example_frames(n_clips, 3, self.size, seed)


class Scaled(nn.Module):
    """(N, H, W, 3) uint8 to (N, C, size, size) float: resized, one `grey` or three colours, (x - mean) / deviation."""

    def __init__(
        self, size: int, *, grey: bool = True, mean: Sequence[float] = (0.5,), deviation: Sequence[float] = (0.5,)
    ):
        super().__init__()
        self.size, self.grey = size, grey
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)
        self.register_buffer("luma", torch.tensor(LUMA)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x.movedim(-1, 1) / 255  # (N, 3, H, W), 0 to 1
        if self.grey:
            x = (x * self.luma).sum(dim=1, keepdim=True)  # (N, 1, H, W)
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return ((x - self.mean) / self.deviation).contiguous()  # see `resnet.Standardised`


class Mean(nn.Module):
    """Global average pooling: (N, C, H, W) to (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def convolution(channels: int, width: int, kernel_size: int, *, stride: int = 1, relu: bool = True) -> list[nn.Module]:
    """Return a "same" convolution, batch norm and, if wanted, ReLU."""
    layer = nn.Conv2d(channels, width, kernel_size, stride, kernel_size // 2, bias=False)
    return [layer, nn.BatchNorm2d(width)] + ([nn.ReLU()] if relu else [])


class ImageCnn1(Stills):
    """CNN-1 of source 004, section 4.2.2: twelve convolutions and global average pooling, nothing dense.

    (B, T, H, W, 3) uint8 frames, made grey and 50 x 50 (or 75 x 75), to (B, maps). Six pairs of convolutions, the
    second of each with stride 2: 16 and 16 (kernel 5), 32 and 32 (5), 64 and 64 (3), 64 (1) and 128 (3), 256 (1) and
    128 (3), 256 (1) and `maps` (3); batch norm after each, ReLU after the second of a pair but the last. Published:
    76.3 % at 50 x 50, 84.7 % at 75 x 75 (Table 4.1; four classes, trained on CK+, tested on RaFD's turned heads).

    Assumptions: "same" padding, no bias before a batch norm, values from -1 to 1. The last maps are the source's
    classes; here the model's linear head follows them, and `maps` should be no fewer than the classes.

    Parameters
    ----------
    size : int
        Of the grey picture; frames of another size are resized.
    maps : int
        Of the last convolution; 4 in the source.
    """

    source = "004, section 4.2.2, Table 4.1"

    def __init__(self, *, size: int = 50, maps: int = 8):
        super().__init__()
        first = [(16, 5), (32, 5), (64, 3), (64, 1), (256, 1), (256, 1)]
        second = [(16, 5), (32, 5), (64, 3), (128, 3), (128, 3), (maps, 3)]
        layers, channels = [Scaled(size)], 1
        for (inner, inner_kernel), (outer, kernel) in zip(first, second, strict=True):
            layers += convolution(channels, inner, inner_kernel, relu=False)
            layers += convolution(inner, outer, kernel, stride=2, relu=outer != maps)
            channels = outer
        self.picture = nn.Sequential(*layers, Mean())
        self.size, self.width = size, maps


class Separable(nn.Module):
    """The unit of CNN-2: two depthwise-separable convolutions and max-pool 3/2, beside a convolution 1/2; their sum."""

    def __init__(self, channels: int, width: int):
        super().__init__()
        layers = []
        for inner in (channels, width):
            layers += [nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False)]
            layers += convolution(inner, width, 1)
        self.work = nn.Sequential(*layers, nn.MaxPool2d(3, 2, 1))
        self.aside = nn.Sequential(*convolution(channels, width, 1, stride=2, relu=False))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / 2, W / 2)."""
        return self.aside(x) + self.work(x)


class ImageCnn2(Stills):
    """CNN-2 of source 004, section 4.2.2: a small Xception, "mini-Xception".

    (B, T, H, W, 3) uint8 frames, made grey and 75 x 75, to (B, maps). Two convolutions of 8, four units `Separable`
    (16, 32, 64, 128), a convolution of `maps`, global average pooling. Published: 83.6 % (Table 4.1; four classes,
    trained on CK+, tested on RaFD's turned heads), and the least distance between training and test. With seven maps
    it has the 56,951 trained weights of the published mini-Xception (Arriaga et al. 2017), with four 53,492.

    Assumptions: as of `ImageCnn1`; both of the first convolutions have batch norm and ReLU, the last has neither.

    Parameters
    ----------
    size, maps : as of `ImageCnn1`.
    """

    source = "004, section 4.2.2, Table 4.1"

    def __init__(self, *, size: int = 75, maps: int = 8):
        super().__init__()
        widths = [8, 16, 32, 64, 128]
        units = [Separable(*pair) for pair in pairwise(widths)]
        last = nn.Conv2d(128, maps, 3, padding=1)
        self.picture = nn.Sequential(Scaled(size), *convolution(1, 8, 3), *convolution(8, 8, 3), *units, last, Mean())
        self.size, self.width = size, maps


class ImageCnn3(Stills):
    """CNN-3 of source 004, section 4.2.2: four convolutions 3 x 3 with ReLU and max-pool 2, one dense layer.

    (B, T, H, W, 3) uint8 frames, made grey and 150 x 150, to (B, 64): convolutions of 32, 32, 64, 64, dense 64, ReLU,
    dropout 0.5; the source's dense 4 is the model's head. 265,760 weights. Published: 87.7 %, the best of Table 4.1
    (four classes, trained on CK+, tested on RaFD's turned heads).

    Assumptions: no padding (the formula, unlike those of CNN-1 and CNN-2, has none), values from -1 to 1.

    Parameters
    ----------
    size : int
        Of the grey picture, 46 or more.
    dropout : float
    """

    source = "004, section 4.2.2, Table 4.1"

    def __init__(self, *, size: int = 150, dropout: float = 0.5):
        super().__init__()
        layers, channels, side = [Scaled(size)], 1, size
        for width in (32, 32, 64, 64):
            layers += [nn.Conv2d(channels, width, 3), nn.ReLU(), nn.MaxPool2d(2)]
            channels, side = width, (side - 2) // 2
        layers += [nn.Flatten(), nn.Linear(64 * side * side, 64), nn.ReLU(), nn.Dropout(dropout)]
        self.picture = nn.Sequential(*layers)
        self.size, self.width = size, 64


class VggFace(Stills):
    """VGG-16 on faces: from face identification (VGG-Face), as source 004, section 4.3, turns it to emotions.

    (B, T, H, W, 3) uint8 frames, resized to 224 x 224, to (B, 4096): 13 convolutions (five blocks, max-pool 2 after
    each), dense 4096, dropout 0.5, dense 4096, dropout 0.5; the source's dense 7 is the model's head. 134,260,544
    weights and 15.47 G multiply-adds a frame; the source says "138 million" and "15.5 billion", which holds for 1000
    classes (138,357,544). Published: 70.47 % (Table 4.3; seven classes of FER2013), with Adam; at a learning rate of
    1e-3 it does not learn, and training all layers is 5 points better than frozen convolutions.

    Source 003 begins from ImageNet instead and trains "only the new added dense layers" on six frames a clip of SAVEE,
    0.73: ``colours="imagenet", pool="average", freeze=True``.

    Assumptions: the formula prints 12 convolutions, VGG-16 has 13; the mean colour of VGG-Face's pictures is
    subtracted, and what is left is divided by 64 to suit a start from random weights as well (a file that follows
    VGG-Face's naming, and so wants 0 to 255, has the first convolution's weights multiplied by 64).

    Parameters
    ----------
    weights : path, optional
        Of VGG-Face (`conv1_1.weight` ... `fc7.bias`), or named as by torchvision (`features.0.weight` ...); the last
        dense layer is left out.
    freeze : bool
        The convolutions keep their weights; the dense layers learn.
    size : int
        Of the picture; the dense layers see its last map at 7 x 7.
    colours : {'vgg_face', 'imagenet'}
        What is subtracted from the colours and what they are divided by: as `weights` were trained.
    pool, filters, dense : of `vgg.Vgg`; fewer filters and dense units make a smaller network.
    """

    source = "004, section 4.3, Table 4.3; 003, image experiments"

    def __init__(
        self,
        *,
        weights: str | Path | None = None,
        freeze: bool = False,
        size: int = 224,
        colours: str = "vgg_face",
        pool: str = "dense",
        filters: int = 64,
        dense: int = 4096,
    ):
        super().__init__()
        vgg = Vgg(16, 3, pool=pool, filters=filters, dense=dense, frozen=13 if freeze else 0)
        mean, deviation = COLOURS[choose("colours", colours, COLOURS)]
        self.picture = nn.Sequential(Scaled(size, grey=False, mean=mean, deviation=deviation), vgg)
        self.size, self.width = size, vgg.width
        if weights is not None:
            checkpoints.fill(vgg, _renamed(checkpoints.read(weights), vgg), weights)


def _renamed(state: dict[str, Tensor], vgg: Vgg) -> dict[str, Tensor]:
    """Return VGG-Face's tensors under torchvision's names and for values of 1/64; others as they are."""
    if "conv1_1.weight" not in state:
        return state
    state["conv1_1.weight"] = 64 * state["conv1_1.weight"]
    convolutions = [f"features.{i}" for i, layer in enumerate(vgg.features) if isinstance(layer, nn.Conv2d)]
    theirs = sorted({name.split(".")[0] for name in state if re.match(r"conv\d_\d\.", name)})
    names = dict(zip(theirs, convolutions, strict=False)) | {"fc6": "classifier.0", "fc7": "classifier.3"}
    found = {}
    for name, x in state.items():
        layer, kind = name.split(".", 1)
        found[f"{names.get(layer, layer)}.{kind}"] = x.flatten(1) if layer.startswith("fc") and x.dim() > 2 else x
    return found
