"""What every model is: encoders (one a modality), a fusion, a head. The loss stands outside."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

# `scene`: the whole picture; `geometry`: what is made of a face's landmarks; `features`: named numbers of the sound
MODALITIES = ("audio", "video", "scene", "geometry", "text", "features")


class Encoder(nn.Module):
    """Turns one modality of a batch into one vector a clip.

    A subclass sets `modality` (one of `MODALITIES`), `inputs` (the name of the array it reads: `mfcc`, `frames`),
    `width` (its output's size D) and `source` (document, section, table), and defines ``forward(x, mask) -> (B, D)``,
    where `mask` (B, T) is True on real time steps and False on padding, and ``example(n_clips, seed) -> (x, mask)``, a
    random input of the usual shape.
    """

    modality: str
    inputs: str
    width: int
    source: str

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return a random input of the usual shape, and its mask."""
        raise NotImplementedError


class Model(nn.Module):
    """Encoders, fusion, head.

    Parameters
    ----------
    encoders : mapping of modality to Encoder
    fusion : nn.Module
        List of (B, D_i) in, (B, D) out; has `width`. May offer ``side(embeddings) -> {modality: logits}``. One that
        has ``sequences = True`` gets lists of (steps (B, T, D_i), mask (B, T)) instead, from encoders that have
        ``steps(x, mask)``; and one with ``auxiliary(vectors, embedding)`` gives what further losses need.
    head : nn.Module
        (B, D) in, (B, n_classes) logits out.
    """

    def __init__(self, encoders: Mapping[str, Encoder], fusion: nn.Module, head: nn.Module):
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion
        self.head = head

    @property
    def inputs(self) -> list[str]:
        """Names of the prepared arrays that the model reads."""
        return [encoder.inputs for encoder in self.encoders.values()]

    def forward(self, batch: Mapping[str, Tensor]) -> dict:
        """Return `logits` (B, C), `side` (logits of each modality's own branch, if any), `embedding` (B, D).

        A modality that the batch lacks reaches the fusion as None. In training there may be `auxiliary` as well.
        """
        over_steps = getattr(self.fusion, "sequences", False)
        vectors = [
            (encoder.steps if over_steps else encoder)(batch[encoder.inputs], batch[f"{encoder.inputs}_mask"])
            if encoder.inputs in batch
            else None
            for encoder in self.encoders.values()
        ]  # list of (B, D_i), or of ((B, T, D_i), (B, T))
        embedding = self.fusion(vectors)  # (B, D)
        side = self.fusion.side(vectors) if hasattr(self.fusion, "side") else {}
        output = {"logits": self.head(embedding), "side": side, "embedding": embedding}
        if self.training and hasattr(self.fusion, "auxiliary"):
            output["auxiliary"] = self.fusion.auxiliary(vectors, embedding)
        return output


class Scoring(nn.Sequential):
    """The head of source 004, section 5.2: dense, ReLU, feature normalisation (batch norm), dense. (B, D) to (B, C)."""

    def __init__(self, width: int, n_classes: int, *, hidden: int = 64, dropout: float = 0.0):
        super().__init__(
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.BatchNorm1d(hidden),
            nn.Dropout(dropout),
            nn.Linear(hidden, n_classes),
        )
