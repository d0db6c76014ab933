"""What every model is: encoders (one a modality), a fusion, a head. The loss stands outside."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from workbench.errors import WorkbenchError
from workbench.fusion.neural import Fusion, ModalityDropout, Scoring
from workbench.representation import card

# `scene`: the whole picture; `geometry`: what is made of a face's landmarks; `features`: named numbers of the sound
MODALITIES = ("audio", "video", "scene", "geometry", "text", "features")


def weights_of(module: nn.Module) -> int:
    """Return how many numbers a module has learned, or will."""
    return sum(x.numel() for x in module.parameters())


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

    def steps(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a fusion over steps sees, (B, S, D), and which of it is real (B, S); by default one step."""
        return self(x, mask)[:, None], mask.any(dim=1, keepdim=True)

    def example(self, n_clips: int = 2, seed: int = 0) -> tuple[Tensor, Tensor]:
        """Return a random input of the usual shape, and its mask."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        facts = {"modality": self.modality, "reads": self.inputs, "width": self.width, "source": self.source}
        return card("Encoder", type(self).__name__, facts | {"parameters": weights_of(self)})


class Model(nn.Module):
    """Encoders, fusion, head.

    Parameters
    ----------
    encoders : mapping of modality to Encoder
    fusion : Fusion
        List of (B, D_i) in, (B, D) out; has `width`.
    head : nn.Module
        (B, D) in, (B, n_classes) logits out.
    dropout : ModalityDropout, optional
        What takes modalities from the fusion in training.
    """

    def __init__(
        self,
        encoders: Mapping[str, Encoder],
        fusion: Fusion,
        head: nn.Module,
        *,
        dropout: ModalityDropout | None = None,
    ):
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.fusion = fusion
        self.head = head
        self.dropout = dropout
        self.frozen = False

    @property
    def inputs(self) -> list[str]:
        """Names of the prepared arrays that the model reads."""
        return [encoder.inputs for encoder in self.encoders.values()]

    def forward(self, batch: Mapping[str, Tensor]) -> dict:
        """Return `logits` (B, C), `side` (logits of each modality's own branch, if any), `embedding` (B, D).

        A modality that the batch lacks reaches the fusion as None, and one that a clip lacks, its mask all False, as
        NaN (see `Fusion`). Only in training are there side branches, and there may be `auxiliary` as well.
        """
        given = [self.encode(encoder, batch) for encoder in self.encoders.values()]
        if not self.training:
            embedding = self.fusion(given)  # (B, D)
            return {"logits": self.head(embedding), "side": {}, "embedding": embedding}
        dropped, side = None, {}
        if self.dropout is not None:
            given, dropped = self.dropout(given)  # dropped (B, M)
        if hasattr(self.fusion, "with_side"):
            embedding, sides = self.fusion.with_side(given)
            if dropped is not None:  # noise is nothing to learn a modality from
                sides = [x.masked_fill(dropped[:, i, None], torch.nan) for i, x in enumerate(sides)]
            side = dict(zip(self.encoders, sides, strict=True))
        else:
            embedding = self.fusion(given)
        output = {"logits": self.head(embedding), "side": side, "embedding": embedding}
        if hasattr(self.fusion, "auxiliary"):
            output["auxiliary"] = self.fusion.auxiliary(given, embedding)
        return output

    def encode(self, encoder: Encoder, batch: Mapping[str, Tensor]) -> Tensor | tuple[Tensor, Tensor] | None:
        """Return what the fusion is given of a modality: (B, D), or steps (B, S, D) and mask (B, S), or None."""
        if encoder.inputs not in batch:
            return None
        x, mask = batch[encoder.inputs], batch[f"{encoder.inputs}_mask"]
        has = mask.any(dim=1, keepdim=True)  # (B, 1)
        if self.fusion.sequences:
            x, real = encoder.steps(x, mask)
            return x, real & has
        x = encoder(x, mask)
        if len(self.encoders) == 1:
            return x
        # An encoder that fails is not a missing modality: its NaN goes on as infinity, and the loss tells.
        return x.masked_fill(x.isnan(), torch.inf).masked_fill(~has, torch.nan)

    def begin(self, modality: str, trained: Model) -> None:
        """Begin with the encoder of a trained model of `modality`, and with its head where the fusion sees scores.

        Raises
        ------
        WorkbenchError
            If the two have other layers.
        """
        try:
            self.encoders[modality].load_state_dict(trained.encoders[modality].state_dict())
            if hasattr(self.fusion, "heads"):
                self.fusion.heads[list(self.encoders).index(modality)].load_state_dict(trained.head.state_dict())
        except (KeyError, RuntimeError) as error:
            raise WorkbenchError(f"start: the trained model of {modality} has other layers: {error}") from None

    def freeze(self) -> Model:
        """Keep the encoders, and heads of their own where the fusion has them, as they are: late fusion (source 004).

        Their weights get no gradient; in training too they are in evaluation mode, without dropout and with batch norms
        as they were.
        """
        self.frozen = True
        for part in self.unimodal():
            part.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Model:
        """Set training or evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        if self.frozen:
            for part in self.unimodal():
                part.eval()
        return self

    def _repr_html_(self) -> str:
        parts = {f"encoder of {name}": one for name, one in self.encoders.items()}
        parts |= {"fusion": self.fusion, "head": self.head}
        rows = [
            {
                "part": name,
                "": type(one).__name__,
                "reads": getattr(one, "inputs", ""),
                "parameters": weights_of(one),
                "source": getattr(one, "source", ""),
            }
            for name, one in parts.items()
        ]
        facts = {"parameters": weights_of(self), "encoders frozen": "yes" if self.frozen else ""}
        return card("Model", " and ".join(self.encoders), facts, table=rows)

    def unimodal(self) -> list[nn.Module]:
        """Return the parts that one modality alone has trained, or could have."""
        return [self.encoders, *([self.fusion.heads] if hasattr(self.fusion, "heads") else [])]


__all__ = ["MODALITIES", "Encoder", "Model", "Scoring"]
