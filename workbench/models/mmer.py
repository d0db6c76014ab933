"""MMER: speech and words that attend to each other (source 000, chapters 2 and 3; Ghosh et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.errors import WorkbenchError, choose
from workbench.fusion.neural import Fusion
from workbench.models.contrastive import CONTRASTIVE
from workbench.models.crossmodal import CrossModal, Steps, completed
from workbench.models.steps import mean_over

CHARACTERS = " 'abcdefghijklmnopqrstuvwxyz"  # 1, 2, 3...; 0 is CTC's blank


class Mmer(Fusion):
    """The fusion of MMER: three cross-modal encoders and the acoustic gate, over the steps of speech and words.

    Speech-aware words: speech attends to words, and words to the result, which gives one vector a word again.
    Word-aware speech: words attend to speech. Acoustic gate: a sigmoid of both says, value by value, how much of the
    word-aware speech is let through. Both concatenated, mean over words, a dense layer; the mean of the speech itself
    beside it. Published for MMER, with wav2vec 2.0 base and a frozen RoBERTa base: 81.2 % on IEMOCAP
    (four emotions).

    Assumptions, where the source is silent: sizes are those of a BERT layer (12 heads, 3072, dropout 0.1), and the
    second attention of the speech-aware words, the dense layer and the speech beside it are as in the published code,
    whose self-attention over the words before all this is left out, for RoBERTa is that. So is MMER's third
    auxiliary task (a clip and its augmented copy), of which the source gives no account. A modality that is missing
    stands as one step of zeros.

    Parameters
    ----------
    widths : (D_speech, D_words)
    width, n_heads, feed_forward, dropout : of the cross-modal encoders.
    n_characters : int
        Outputs of the CTC branch: the alphabet of `spell` and the blank.
    projected : int
        Size of the embedding that the contrastive loss sees.
    """

    sequences = True  # wants each encoder's steps, not its vector
    source = "000, chapters 2 and 3; Ghosh et al. 2023"

    def __init__(
        self,
        widths: Sequence[int],
        n_classes: int = 8,
        *,
        width: int = 768,
        n_heads: int = 12,
        feed_forward: int = 3072,
        dropout: float = 0.1,
        n_characters: int = len(CHARACTERS) + 1,
        projected: int = 128,
    ):
        super().__init__(widths, n_classes)
        if len(self.widths) != 2:
            raise WorkbenchError(f"mmer joins speech and words, found {len(self.widths)} modalities")
        speech, words = self.widths
        self.speech, self.words = nn.Linear(speech, width), nn.Linear(words, width)
        self.speech_on_words = CrossModal(width, n_heads, feed_forward, dropout)
        self.words_on_that = CrossModal(width, n_heads, feed_forward, dropout)
        self.words_on_speech = CrossModal(width, n_heads, feed_forward, dropout)
        self.gate = nn.Linear(2 * width, width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.width = speech + width
        self.ctc = nn.Linear(speech, n_characters)
        self.projection = nn.Sequential(nn.Linear(self.width, width), nn.GELU(), nn.Linear(width, projected))

    def forward(self, sequences: Sequence[Steps | None]) -> Tensor:
        """[(B, S, D_speech) and mask, (B, T, D_words) and mask] to (B, D_speech + width)."""
        (heard, heard_mask), (said, said_mask) = self.complete(sequences)
        speech = self.speech(self.dropout(heard))  # (B, S, D)
        words = self.words(self.dropout(said))  # (B, T, D)
        speech_aware = self.speech_on_words(speech, words, said_mask)  # (B, S, D)
        speech_aware = self.words_on_that(words, speech_aware, heard_mask)  # (B, T, D)
        word_aware = self.words_on_speech(words, speech, heard_mask)  # (B, T, D)
        gate = self.gate(torch.cat([speech_aware, word_aware], dim=-1)).sigmoid()  # (B, T, D)
        both = torch.cat([speech_aware, gate * word_aware], dim=-1)  # (B, T, 2 D)
        both = self.down(mean_over(both, said_mask))  # (B, D)
        return torch.cat([mean_over(heard, heard_mask), both], dim=-1)

    def complete(self, sequences: Sequence[Steps | None]) -> list[Steps]:
        """Put one step of zeros where the batch or a clip lacks a modality: attention needs something to attend to."""
        out = []
        for x, mask in completed(sequences, self.widths):
            first = torch.arange(mask.shape[1], device=mask.device) == 0
            out.append((x, mask | (first & ~mask.any(dim=1, keepdim=True))))
        return out

    def auxiliary(self, sequences: Sequence[Steps | None], embedding: Tensor) -> dict[str, Tensor]:
        """Return what `auxiliary_losses` needs.

        `contrastive` (B, projected) and, where there is speech, `ctc` (B, S, n_characters), log probabilities of the
        characters at each step, and `ctc_mask` (B, S).
        """
        out = {"contrastive": self.projection(embedding)}
        if sequences[0] is not None:
            heard, mask = sequences[0]
            out |= {"ctc": self.ctc(self.dropout(heard)).float().log_softmax(dim=-1), "ctc_mask": mask}
        return out


def auxiliary_losses(
    output: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
    *,
    ctc: float = 0.1,
    contrastive: float = 0.1,
    form: str = "out",
    temperature: float = 0.07,
) -> dict[str, Tensor]:
    """Return the weighted losses of MMER's auxiliary tasks, to be added to the cross-entropy.

    Parameters
    ----------
    output : mapping
        What `Mmer.auxiliary` returned.
    batch : mapping
        `emotion` (B,) and, for CTC, `characters` (B, L) int64 (`spell`) with `characters_mask` (B, L); without them
        CTC is left out.
    ctc, contrastive : float
        Weights; the source gives none, 0.1 is assumed.
    form : {'out', 'in'}
        Of the contrastive loss: equation 1 or 2.
    temperature : float
        Of the contrastive loss.
    """
    measure = CONTRASTIVE[choose("form of the contrastive loss", form, CONTRASTIVE)]
    losses = {"contrastive": contrastive * measure(output["contrastive"], batch["emotion"], temperature=temperature)}
    if "ctc" in output and "characters" in batch:
        n_steps, n_characters = output["ctc_mask"].sum(dim=1), batch["characters_mask"].sum(dim=1)
        log_shares = output["ctc"].transpose(0, 1)  # (S, B, n_characters)
        # A text too long for its speech has no alignment: it counts as 0, not as infinite.
        lost = F.ctc_loss(log_shares, batch["characters"], n_steps, n_characters, blank=0, zero_infinity=True)
        losses["ctc"] = ctc * lost
    return losses


def spell(text: str) -> np.ndarray:
    """Return the characters of a text as numbers (L,) int64, for CTC: 0 is the blank, 1 the space between words.

    Letters are made small; what is neither letter nor apostrophe parts words.
    """
    kept = "".join(letter if letter in CHARACTERS else " " for letter in text.lower().replace("’", "'"))
    return np.array([CHARACTERS.index(letter) + 1 for letter in " ".join(kept.split())], dtype=np.int64)
