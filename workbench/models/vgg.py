"""VGG-16 and VGG-19 (Simonyan & Zisserman 2015), and the encoder that shows them sound as pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import WorkbenchError, choose
from workbench.models import checkpoints
from workbench.models.base import Encoder
from workbench.models.frontends import example_steps

LAYERS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions in each of the five blocks
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours in [0, 1]


class Vgg(nn.Module):
    """The 13 or 16 convolutions of VGG, (B, C, H, W) to (B, width); H and W of 32 or more, 224 in the original.

    Five blocks of conv 3x3 and ReLU (64, 128, 256, 512, 512 filters), each followed by max-pool 2: 14,714,688
    (VGG-16) or 20,024,384 (VGG-19) weights; with the two dense layers of 4096 and 1000 classes 138,357,544 or
    143,667,240.

    Parameters
    ----------
    depth : {16, 19}
    in_channels : int
    batch_norm : bool
    pool : {'average', 'flatten', 'dense'}
        What makes the vector: the mean over the last map (512), the map at 7 x 7 (25,088), or the two dense layers
        (4096).
    filters, dense : int
        Of the first block; the others follow. Of the two dense layers. Fewer than 64 and 4096 make a smaller net.
    weights : path, optional
        Weights to start from (.safetensors, or .pth that holds tensors only), named as by torchvision. Of one input
        channel, the first layer is the sum over the three colours, as if the picture were grey.
    frozen : int
        The first so many convolutions keep their weights.
    """

    def __init__(
        self,
        depth: int = 16,
        in_channels: int = 3,
        *,
        batch_norm: bool = False,
        pool: str = "average",
        filters: int = 64,
        dense: int = 4096,
        weights: str | Path | None = None,
        frozen: int = 0,
    ):
        super().__init__()
        self.pool = choose("pool", pool, ("average", "flatten", "dense"))
        choose("VGG depth", str(depth), [str(known) for known in LAYERS])
        layers, channels = [], in_channels
        for factor, n_convolutions in zip((1, 2, 4, 8, 8), LAYERS[depth], strict=True):
            for _ in range(n_convolutions):
                layers += [nn.Conv2d(channels, factor * filters, 3, padding=1)]
                layers += [*([nn.BatchNorm2d(factor * filters)] if batch_norm else []), nn.ReLU()]
                channels = factor * filters
            layers += [nn.MaxPool2d(2)]
        self.features = nn.Sequential(*layers)
        self.width = {"average": channels, "flatten": channels * 49, "dense": dense}[pool]
        if pool == "dense":
            first = [nn.Linear(channels * 49, dense), nn.ReLU(), nn.Dropout()]
            self.classifier = nn.Sequential(*first, nn.Linear(dense, dense), nn.ReLU(), nn.Dropout())
        convolutions = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
        for i in convolutions:
            nn.init.kaiming_normal_(layers[i].weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(layers[i].bias)
        if not 0 <= frozen <= len(convolutions):
            raise WorkbenchError(f"frozen is {frozen}, expected 0 to {len(convolutions)}")
        if weights is not None:
            self.load(weights)
        self.n_frozen = [*convolutions, len(layers)][frozen]
        self.features[: self.n_frozen].requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, width)."""
        x = self.features(x)  # (B, 512, H / 32, W / 32)
        if self.pool == "average":
            return x.mean(dim=(2, 3))
        x = F.adaptive_avg_pool2d(x, 7).flatten(1)  # (B, 25088)
        return x if self.pool == "flatten" else self.classifier(x)

    def train(self, mode: bool = True) -> Vgg:
        """As for any module, but for the frozen layers, whose batch norms keep their statistics."""
        super().train(mode)
        self.features[: self.n_frozen].eval()
        return self

    def load(self, path: str | Path) -> None:
        """Take the weights of a file.

        Raises
        ------
        WorkbenchError
            Where the file is missing, or lacks a layer or has it in another shape.
        """
        state = checkpoints.read(path)
        if self.features[0].in_channels == 1 and "features.0.weight" in state:
            state["features.0.weight"] = state["features.0.weight"].sum(dim=1, keepdim=True)
        checkpoints.fill(self, state, path)


class VggPicture(Encoder):
    """VGG on sound as a picture: source 002, section 3.2.2.1 (Table 3-1, model 4), and source 003 (VGG19 on MFCC).

    Source 002 fine-tunes VGG16 on pictures of spectrograms (Adam at 5e-5, lowered on plateaus): 58 % (8 classes,
    RAVDESS speech, random split). Source 003 trains new dense layers on a frozen VGG19 on pictures of MFCC: .389 (7
    classes, SAVEE): ``depth=19, inputs="mfcc", frozen=16``.

    Assumed: the clip fills the picture whatever its length, low frequencies below; grey (three equal colours), as
    bright as the spectrogram's level, or as the coefficients between the clip's least and greatest; ImageNet's mean
    and deviation taken out.

    Parameters
    ----------
    depth, settings : those of `Vgg`.
    inputs : {'spectrogram', 'mfcc'}
    size : int
        Height and width of the picture.
    """

    modality, inputs, source = "audio", "spectrogram", "002, section 3.2.2.1, Table 3-1, model 4; 003"

    def __init__(self, *, depth: int = 16, inputs: str = "spectrogram", size: int = 224, **settings):
        super().__init__()
        self.inputs, self.size = choose("picture", inputs, ("spectrogram", "mfcc")), size
        self.vgg = Vgg(depth, 3, **settings)
        self.width = self.vgg.width
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, F) uint8 levels or float coefficients, and (B, T) mask, to (B, D)."""
        x = x.masked_fill(~mask[:, :, None], 0)  # a clip without sound is shown one step of padding
        lengths = mask.sum(dim=1).clamp(min=1).tolist()
        pictures = torch.stack([self.picture(clip[:length]) for clip, length in zip(x, lengths, strict=True)])
        return self.vgg((pictures - self.mean) / self.deviation)  # (B, 3, size, size) to (B, D)

    def picture(self, clip: Tensor) -> Tensor:
        """(T, F) of one clip to (1, size, size) in [0, 1]."""
        if self.inputs == "spectrogram":
            clip = clip / 255
        else:
            low, high = clip.aminmax()
            clip = (clip - low) / (high - low).clamp(min=1e-6)
        shape = (self.size, self.size)
        return F.interpolate(clip.T.flip(0)[None, None], shape, mode="bilinear", antialias=True)[0]

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return a random input: 250 steps of 257 levels, or 200 of 40 coefficients, and its mask."""
        if self.inputs == "mfcc":
            return example_steps(n_clips, 200, 40, seed)
        x, mask = example_steps(n_clips, 250, 257, seed)
        return (128 + 40 * x).clamp(0, 255).to(torch.uint8), mask
