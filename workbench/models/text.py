"""Encoders of what is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workbench.errors import choose
from workbench.models.base import Encoder
from workbench.models.hub import CONFIG, TOKENISER, backbone, locate, needs_transformers
from workbench.models.steps import mean_over


class Roberta(Encoder):
    """RoBERTa on the words, mean over tokens (source 000, chapter 3: RoBERTa base as the contextual encoder of MMER).

    Paper: base 125 M weights, 12 layers, 768 wide; large 355 M, 24 layers, 1024 wide (Liu et al. 2019). Here without
    the pooler (0.6 M), which none of the systems uses. The source publishes no figure for the words alone.

    Assumptions: frozen, as the published code of MMER has it, and the mean over the real tokens, the marks of
    beginning and end among them. Words are made into tokens by `tokenise`; more than `n_tokens` (512) are cut.

    Parameters
    ----------
    weights : str or Path
        A folder, or a name on the hub such as ``roberta-base``.
    config : mapping, instead of `weights`
        ``{"model_type": "roberta", "hidden_size": 32, ...}``: fields of the configuration; weights are random.
    fine_tune : {'nothing', 'all'}
    pool : {'mean', 'first'}
        'first' takes the token that marks the beginning.
    download : bool
        Fetch weights that are not there.
    """

    modality, inputs, source = "text", "tokens", "000, chapter 3 (RoBERTa)"

    def __init__(
        self,
        *,
        weights: str | Path = "",
        config: Mapping | None = None,
        fine_tune: str = "nothing",
        pool: str = "mean",
        download: bool = False,
    ):
        super().__init__()
        self.fine_tune = choose("fine_tune", fine_tune, ("nothing", "all"))
        self.pool = choose("pool", pool, ("mean", "first"))
        self.backbone, _ = backbone(weights, config, ("roberta", "xlm-roberta"), download=download)
        self.backbone.pooler = None
        self.backbone.requires_grad_(fine_tune == "all")
        self.padding = self.backbone.config.pad_token_id
        self.n_tokens = self.backbone.config.max_position_embeddings - self.padding - 1
        self.width = self.backbone.config.hidden_size
        self.train()

    @property
    def settings(self) -> dict:
        """What builds this encoder again without the files it began with, for weights kept in a run."""
        return {"config": self.backbone.config.to_diff_dict(), "fine_tune": self.fine_tune, "pool": self.pool}

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T) int64 tokens and (B, T) mask, padding at the end, to (B, width)."""
        x, mask = self.steps(x, mask)
        return mean_over(x, mask) if self.pool == "mean" else x[:, 0].float()

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T) tokens and (B, T) mask to (B, T, width) and which are real (B, T)."""
        x, mask = x[:, : self.n_tokens].long(), mask[:, : self.n_tokens]
        x = x.masked_fill(~mask, self.padding)  # what stood there need not be a token
        seen = mask | (torch.arange(x.shape[1], device=x.device) == 0)  # attention needs one token, even of no words
        with torch.no_grad() if self.fine_tune == "nothing" else nullcontext():
            x = self.backbone(x, attention_mask=seen.long()).last_hidden_state  # (B, T, width)
        return x, seen

    def train(self, mode: bool = True) -> Roberta:
        """Switch dropout on or off; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.fine_tune == "nothing":
            self.backbone.eval()
        return self

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Nine random tokens a clip; the last one has six."""
        random = torch.Generator().manual_seed(seed)
        x = torch.randint(4, self.backbone.config.vocab_size, (n_clips, 9), generator=random)
        mask = torch.ones(n_clips, 9, dtype=torch.bool)
        mask[-1, 6:] = False
        return x.masked_fill(~mask, 0), mask


def tokenise(texts: Sequence[str], weights: str | Path, *, download: bool = False) -> list[np.ndarray]:
    """Return the tokens of each text, (T,) int64, with the marks of beginning and end; at most 512.

    Parameters
    ----------
    weights : str or Path
        The folder or hub name whose tokeniser to use: that of the encoder.
    download : bool
        Fetch it where it is not there.

    Raises
    ------
    WorkbenchError
        If transformers is not installed, or the tokeniser is not on this machine; where it was looked
        for, and what brings it.
    """
    needs_transformers()
    from transformers import AutoTokenizer

    folder = locate(weights, wants=(CONFIG, TOKENISER), download=download)
    tokeniser = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    found = tokeniser(list(texts), truncation=True, max_length=512)["input_ids"]
    return [np.asarray(tokens, dtype=np.int64) for tokens in found]
