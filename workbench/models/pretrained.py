"""Encoders of sound that others have trained: wav2vec 2.0, HuBERT and WavLM.

Weights are a folder or a name on the Hugging Face hub. They are looked for on this machine only, unless
``download=True`` is given; what is missing is named, with the command that brings it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn

from workbench.errors import choose
from workbench.models.base import Encoder
from workbench.models.hub import backbone
from workbench.models.steps import mean_over

SPEECH = ("hubert", "wav2vec2", "wavlm")


class PretrainedSpeech(Encoder):
    """wav2vec 2.0, HuBERT or WavLM on raw sound, mean over time (source 000, chapter 4: wav2vec2, 1024 wide).

    Each clip is given mean 0 and variance 1 where the weights were trained so; convolutions turn 16 kHz into one
    step each 20 ms (windows of 25 ms); a transformer; the mean over real steps. The model's head is the linear layer of
    the source, which publishes 91.25 % on RAVDESS speech and song (8 classes, test set of its own making). Papers:
    wav2vec 2.0 base 95 M weights, 768 wide, large 317 M, 1024 wide (Baevski et al. 2020); HuBERT alike (Hsu et al.
    2021); WavLM base 94.7 M, large 316.6 M (Chen et al. 2022).

    Assumptions, where the source is silent: the encoder is frozen, and when fine-tuned, neither are steps masked (that
    would draw from NumPy's global random numbers, not from the seed; augmentation has its own place) nor layers
    dropped. Padding changes nothing: "base" weights normalise over time, and here over the real steps only.

    Parameters
    ----------
    weights : str or Path
        A folder, or a name on the hub such as ``facebook/wav2vec2-large``.
    config : mapping, instead of `weights`
        ``{"model_type": "wav2vec2", "hidden_size": 32, ...}``: fields of the configuration; weights are random.
    fine_tune : {'nothing', 'transformer', 'all'}
        What is trained; 'transformer' leaves the convolutions as they are.
    normalise : bool, optional
        By default as the weights' `preprocessor_config.json` says, else True.
    download : bool
        Fetch weights that are not there.
    """

    modality, inputs, source = "audio", "waveform", "000, chapter 4 (wav2vec 2.0)"

    def __init__(
        self,
        *,
        weights: str | Path = "",
        config: Mapping | None = None,
        fine_tune: str = "nothing",
        normalise: bool | None = None,
        download: bool = False,
    ):
        super().__init__()
        self.fine_tune = choose("fine_tune", fine_tune, ("nothing", "transformer", "all"))
        as_trained = {"apply_spec_augment": False, "layerdrop": 0.0}
        self.backbone, folder = backbone(weights, config, SPEECH, download=download, **as_trained)
        self.normalise = _normalises(folder) if normalise is None else normalise
        self.windows = list(zip(self.backbone.config.conv_kernel, self.backbone.config.conv_stride, strict=True))
        self.width = self.backbone.config.hidden_size
        _over_real_steps(self.backbone.feature_extractor.conv_layers[0])
        if fine_tune == "nothing":
            self.backbone.requires_grad_(False)
        elif fine_tune == "transformer":
            self.backbone.freeze_feature_encoder()
        if hasattr(self.backbone, "masked_spec_embed"):
            self.backbone.masked_spec_embed.requires_grad_(False)  # only masking would use it
        self.train()

    @property
    def settings(self) -> dict:
        """What builds this encoder again without the files it began with, for weights kept in a run."""
        config = self.backbone.config.to_diff_dict()
        return {"config": config, "fine_tune": self.fine_tune, "normalise": self.normalise}

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, N) int16 samples at 16 kHz and (B, N) mask, padding at the end, to (B, width)."""
        return mean_over(*self.steps(x, mask))

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) samples and (B, N) mask to (B, S, width), one step each 20 ms, and which are real (B, S)."""
        least = max(0, self.n_samples(1) - x.shape[1])  # less than one window is filled with silence
        x, mask = nn.functional.pad(x, (0, least)), nn.functional.pad(mask, (0, least))
        x = self.scaled(x, mask)  # (B, N)
        lengths = mask.sum(dim=1).clamp(min=self.n_samples(1))  # (B,)
        mask = torch.arange(x.shape[1], device=x.device) < lengths[:, None]
        norm = getattr(self.backbone.feature_extractor.conv_layers[0], "layer_norm", None)
        if isinstance(norm, RealGroupNorm):
            norm.lengths = self.n_steps(lengths, self.windows[:1])
        with torch.no_grad() if self.fine_tune == "nothing" else nullcontext():
            x = self.backbone(x, attention_mask=mask.long()).last_hidden_state  # (B, S, width)
        return x, torch.arange(x.shape[1], device=x.device) < self.n_steps(lengths, self.windows)[:, None]

    def scaled(self, x: Tensor, mask: Tensor) -> Tensor:
        """Samples as the weights want them: -1..1, or mean 0 and variance 1 over the real ones; padding is 0."""
        x, n_real = x.float().masked_fill(~mask, 0) / 32768, mask.sum(dim=1, keepdim=True).clamp(min=1)
        if self.normalise:
            x = (x - x.sum(dim=1, keepdim=True) / n_real).masked_fill(~mask, 0)
            x = x / ((x**2).sum(dim=1, keepdim=True) / n_real + 1e-7).sqrt()
        return x

    def n_samples(self, n_steps: int) -> int:
        """How many samples make so many steps."""
        for kernel, stride in reversed(self.windows):
            n_steps = (n_steps - 1) * stride + kernel
        return n_steps

    @staticmethod
    def n_steps(n_samples: Tensor, windows: Sequence[tuple[int, int]]) -> Tensor:
        """How many steps so many samples make, after these convolutions."""
        for kernel, stride in windows:
            n_samples = torch.div(n_samples - kernel, stride, rounding_mode="floor") + 1
        return n_samples

    def train(self, mode: bool = True) -> PretrainedSpeech:
        """Switch dropout on or off; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.fine_tune == "nothing":
            self.backbone.eval()
        return self

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Half a second of noise a clip; the last one is shorter."""
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(-3000, 3000, (n_clips, 8000), generator=random).to(torch.int16)
        mask = torch.ones(x.shape, dtype=torch.bool)
        mask[-1, 6000:] = False
        return x.masked_fill(~mask, 0), mask


class RealGroupNorm(nn.GroupNorm):
    """Group norm, a channel a group, over each clip's first `lengths` (B,) steps; padding becomes whatever it does."""

    lengths: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) to (B, C, T)."""
        x, lengths = x.float(), self.lengths[:, None, None]
        share = (torch.arange(x.shape[-1], device=x.device) < lengths) / lengths  # (B, 1, T)
        mean = (x * share).sum(dim=-1, keepdim=True)  # (B, C, 1)
        variance = ((x - mean) ** 2 * share).sum(dim=-1, keepdim=True)
        return (x - mean) * (variance + self.eps).rsqrt() * self.weight[:, None] + self.bias[:, None]


def _over_real_steps(layer: nn.Module) -> None:
    """Let the first convolution's group norm, if it has one, see real steps only; its weights stay the same."""
    old = getattr(layer, "layer_norm", None)
    if isinstance(old, nn.GroupNorm):
        layer.layer_norm = RealGroupNorm(old.num_groups, old.num_channels, eps=old.eps, device="meta")
        layer.layer_norm.weight, layer.layer_norm.bias = old.weight, old.bias


def _normalises(folder: Path | None) -> bool:
    file = folder / "preprocessor_config.json" if folder else None
    return bool(json.loads(file.read_text()).get("do_normalize", True)) if file and file.is_file() else True
