"""What every model is: encoders (one a modality), a fusion, a head. The loss stands outside."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class Encoder(nn.Module):
    """Turns one modality of a batch into one vector a clip.

    A subclass sets `modality` (`audio` or `video`), `inputs` (the name of the array it reads: `mfcc`, `frames`)
    and `width` (its output's size D), and defines ``forward(x, mask) -> (B, D)``, where `mask` (B, T) is True on
    real time steps and False on padding.
    """

    modality: str
    inputs: str
    width: int


class Model(nn.Module):
    """Encoders, fusion, head.

    Parameters
    ----------
    encoders : mapping of modality to Encoder
    fusion : nn.Module
        List of (B, D_i) in, (B, D) out; has `width`. May offer ``side(embeddings) -> {modality: logits}``.
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

        A modality that the batch lacks reaches the fusion as None.
        """
        vectors = [
            encoder(batch[encoder.inputs], batch[f"{encoder.inputs}_mask"]) if encoder.inputs in batch else None
            for encoder in self.encoders.values()
        ]  # list of (B, D_i)
        embedding = self.fusion(vectors)  # (B, D)
        side = self.fusion.side(vectors) if hasattr(self.fusion, "side") else {}
        return {"logits": self.head(embedding), "side": side, "embedding": embedding}


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
