"""The light model of source 001 for live use: three streams, whole picture, face and raw sound, each a CNN and an LSTM.

A stream hears or sees piece by piece, so that it can also be asked while a recording goes on: see `Streaming`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.models.base import Encoder, Model
from workbench.models.steps import at_last, example_pictures, on_real


def convolution(channels: int, width: int, kernel_size: int, *, stride: int = 1, groups: int = 1, padding: int = 0):
    """Return convolution, batch norm and PReLU, as a list."""
    layer = nn.Conv2d(channels, width, kernel_size, stride, padding, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(width), nn.PReLU(width)]


class Bottleneck(nn.Module):
    """MobileFaceNet's block: widen by `factor`, one depthwise convolution, narrow; plus the input where sizes agree."""

    def __init__(self, channels: int, width: int, factor: int, stride: int):
        super().__init__()
        wide, self.residual = channels * factor, stride == 1 and channels == width
        self.layers = nn.Sequential(
            *convolution(channels, wide, 1),
            *convolution(wide, wide, 3, stride=stride, groups=wide, padding=1),
            nn.Conv2d(wide, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, width, H / stride, W / stride)."""
        return x + self.layers(x) if self.residual else self.layers(x)


# MobileFaceNet's bottlenecks with half of their channels: factor, channels, how many, stride of the first.
BLOCKS = ((2, 32, 5, 2), (4, 64, 1, 2), (2, 64, 6, 1), (4, 64, 1, 2), (2, 64, 2, 1))


class MobileFace(nn.Sequential):
    """MobileFaceNet with half of its channels: (N, 3, size, size) in -1 to 1 to (N, width).

    Convolution and depthwise convolution (32); bottlenecks; 256 channels; one depthwise convolution as large as the map
    that is left, a sixteenth of the picture (7 x 7 of 112); a linear layer.
    """

    def __init__(self, size: int, width: int, blocks: Sequence[Sequence[int]] = BLOCKS):
        layers = [*convolution(3, 32, 3, stride=2, padding=1), *convolution(32, 32, 3, groups=32, padding=1)]
        channels = 32
        for factor, after, n, first in blocks:
            for stride in (first, *(1,) * (n - 1)):
                layers.append(Bottleneck(channels, after, factor, stride))
                channels = after
        layers += convolution(channels, 256, 1)
        layers += [nn.Conv2d(256, 256, size // 16, groups=256, bias=False), nn.BatchNorm2d(256), nn.Flatten()]
        super().__init__(*layers, nn.Linear(256, width, bias=False), nn.BatchNorm1d(width))


class ShallowSound(nn.Sequential):
    """Four blocks of convolution (kernel 3, "same"), batch norm, ELU, max-pool 4: (N, 1, window) to (N, width).

    The mean over what is left of a window is its vector; a window has at least 4 ** len(filters) samples.
    """

    def __init__(self, filters: tuple[int, ...]):
        layers, channels = [], 1
        for width in filters:
            layers += [nn.Conv1d(channels, width, 3, padding=1), nn.BatchNorm1d(width), nn.ELU(), nn.MaxPool1d(4)]
            channels = width
        super().__init__(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())


class Stream(Encoder):
    """A CNN on every piece of time, an LSTM over the pieces; its output after the last real piece.

    A subclass cuts its input into pieces. `step` takes what came since the last call: called on a recording part by
    part it gives, after each part, what `forward` gives on all until then.
    """

    source = "001, sections 2.1 to 2.3"

    def __init__(self, net: nn.Module, n_features: int, hidden: int):
        super().__init__()
        self.net, self.width = net, hidden
        self.lstm = nn.LSTM(n_features, hidden, batch_first=True)

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return whole pieces (B, S, ...), ready for the net, and the rest of x."""
        raise NotImplementedError

    def real(self, mask: Tensor) -> Tensor:
        """Return which of the S pieces are real throughout, (B, S)."""
        return mask

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Array and (B, T) mask to (B, hidden); zeros for a clip shorter than one piece."""
        pieces, _ = self.cut(x)  # (B, S, ...)
        mask = self.real(mask)  # (B, S)
        if not mask.shape[1]:
            return self.start(x)[0]
        x = on_real(self.net, pieces, mask)  # (B, S, n_features)
        x, _ = self.lstm(x)  # (B, S, hidden)
        return at_last(x, mask)  # (B, hidden)

    def start(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the state before anything came: the LSTM's two (B, hidden), and x's uncut rest, as yet empty."""
        zeros = self.lstm.weight_hh_l0.new_zeros(x.shape[0], self.width)
        return zeros, zeros, x[:, :0]

    def step(self, state: tuple[Tensor, Tensor, Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Carry the state on over x, what came since; the state's first part is the answer until now, (B, hidden)."""
        output, cell, rest = state
        pieces, rest = self.cut(torch.cat([rest, x], dim=1) if rest.shape[1] else x)
        if not pieces.shape[1]:
            return output, cell, rest
        x = self.net(pieces.flatten(0, 1)).unflatten(0, pieces.shape[:2])  # (B, S, n_features)
        _, (output, cell) = self.lstm(x, (output[None], cell[None]))
        return output[0], cell[0], rest


class FaceStream(Stream):
    """The face stream of source 001, section 2.2 ("MobileFaceNet ... for visual feature extraction", LSTM over time).

    The source names no sizes, and publishes no figure. Assumptions: MobileFaceNet with half of its channels
    (`MobileFace`), so that the three streams stay below a million weights, its 112 x 112 pictures from 0..255 to -1..1,
    64 values a picture, LSTM 64. 305,472 weights; the three streams with a `Scoring` head for 8 classes have
    761,736, and 2.0 G multiply-adds for 15 pictures of both kinds and 3 s of sound.

    Parameters
    ----------
    size : int
        Side of the pictures in pixels, a multiple of 16.
    n_features, hidden : int
        Values a picture; of the LSTM.
    blocks : of (factor, channels, how many, stride of the first)
        The bottlenecks; their strides make 8 in all.
    """

    modality, inputs = "video", "frames"

    def __init__(
        self, *, size: int = 112, n_features: int = 64, hidden: int = 64, blocks: Sequence[Sequence[int]] = BLOCKS
    ):
        if size < 16 or size % 16:
            raise WorkbenchError(f"size is {size}, expected a multiple of 16")
        super().__init__(MobileFace(size, n_features, blocks), n_features, hidden)
        self.size = size

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, size, size, 3) uint8 RGB to (B, T, 3, size, size); nothing is left."""
        if x.shape[2:] != (self.size, self.size, 3):
            raise WorkbenchError(f"{self.inputs} are {tuple(x.shape[2:])}, expected ({self.size}, {self.size}, 3)")
        return ((x - 127.5) / 127.5).permute(0, 1, 4, 2, 3), x[:, :0]

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random pictures, 15 a clip, and their mask."""
        return example_pictures(n_clips, 15, self.size, seed=seed)


class SceneStream(FaceStream):
    """The stream of whole pictures of source 001, section 2.1 ("contextual information"): a `FaceStream` of its own."""

    modality, inputs = "scene", "whole"


class SoundStream(Stream):
    """The stream of raw sound of source 001, section 2.2 ("a 1D CNN", its reference 6; LSTM over time).

    The source names no sizes, and publishes no figure. Assumptions: windows of 0.1 s at 16 kHz, side by side (an
    incomplete last one is not heard); in each the blocks of reference 6 (`ShallowSound`: 64, 64, 128, 128 filters) and
    their mean; LSTM 64. 137,024 weights.

    Parameters
    ----------
    window : int
        Samples of a window.
    filters : of the blocks.
    hidden : int
        Values of the LSTM.
    """

    modality, inputs = "audio", "waveform"

    def __init__(self, *, window: int = 1600, filters: tuple[int, ...] = (64, 64, 128, 128), hidden: int = 64):
        if window < 4 ** len(filters):
            raise WorkbenchError(f"window is {window} samples, expected {4 ** len(filters)} or more")
        super().__init__(ShallowSound(tuple(filters)), filters[-1], hidden)
        self.window = window

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) int16 to (B, S, 1, window) in -1 to 1, and the (B, less than window) samples left."""
        whole = x.shape[1] // self.window * self.window
        return x[:, :whole].unflatten(1, (-1, 1, self.window)) / 32768, x[:, whole:]

    def real(self, mask: Tensor) -> Tensor:
        """(B, N) to (B, S): windows without padding."""
        return mask[:, self.window - 1 :: self.window]

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return random sound, 3 s a clip, and its mask."""
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(-32768, 32768, (n_clips, 48_000), dtype=torch.int16, generator=random)
        return x, torch.ones_like(x).bool()


class Streaming(nn.Module):
    """A model of streams, asked while a recording goes on.

    ``logits, state = streaming.step(state, inputs)``, first with the state ``{}``: inputs are the model's arrays
    (B, T, ...) that came since, of any length, any of them or none; the logits (B, C) are those of the model on all
    until then. A modality of which nothing came yet is missing. Calling it does the same, with gradients.
    """

    def __init__(self, model: Model):
        super().__init__()
        if strange := [name for name, encoder in model.encoders.items() if not isinstance(encoder, Stream)]:
            raise WorkbenchError(f"the encoder of {', '.join(strange)} carries no state: choose streams")
        if model.fusion.sequences:
            raise WorkbenchError("a fusion over steps would need them all again: choose one of vectors")
        self.model = model.eval()

    def forward(self, state: Mapping[str, tuple], inputs: Mapping[str, Tensor]) -> tuple[Tensor, dict]:
        """Return logits (B, C) and the state for the next call: {modality: output, cell, rest}."""
        state = dict(state)
        for modality, encoder in self.model.encoders.items():
            if encoder.inputs in inputs:
                x = inputs[encoder.inputs]
                state[modality] = encoder.step(state.get(modality) or encoder.start(x), x)
        vectors = [state[modality][0] if modality in state else None for modality in self.model.encoders]
        return self.model.head(self.model.fusion(vectors)), state

    @torch.no_grad()
    def step(self, state: Mapping[str, tuple], inputs: Mapping[str, Tensor]) -> tuple[Tensor, dict]:
        """Return logits (B, C) and the state for the next call, without gradients."""
        return self(state, inputs)
