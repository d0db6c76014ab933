"""Naming schemes by which clips are known where the recordings are not at hand: features and predictions of others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.datasets import cremad, ravdess
from workbench.datasets.base import Card
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Scheme:
    """A corpus's way of naming clips: its card, a name such as it has, and what a name says (None: nothing)."""

    card: Card
    example: str
    parse: Callable[[Path], dict | None]

    def describe(self, card: Card) -> Card:
        """Return `card`, of things made of this corpus, with what the corpus itself says of its clips."""
        mine = self.card
        return replace(
            card,
            title=f"{card.title}: {mine.title}",
            citation=f"{mine.citation} {card.citation}",
            licence=f"{card.licence} Recordings: {mine.licence}.",
            label_source=mine.label_source,
            emotions=mine.emotions,
            labels=mine.labels,
            speakers=mine.speakers,
        )


SCHEMES = {
    "cremad": Scheme(cremad.Cremad.card, Path(cremad.Cremad.example).stem, cremad.parse_name),
    "ravdess": Scheme(ravdess.Ravdess.card, Path(ravdess.Ravdess.example).stem, ravdess.parse_name),
}


def scheme_of(clips: Iterable[str], where: str) -> str:
    """Return the name of the scheme, of `SCHEMES`, by which the first of the clips is named.

    Raises
    ------
    WorkbenchError
        If it is named by none; `where` says where the names stand.
    """
    first = next(iter(clips))
    for name, scheme in SCHEMES.items():
        if scheme.parse(Path(first)):
            return name
    examples = ", ".join(f"{scheme.example} ({name})" for name, scheme in SCHEMES.items())
    raise WorkbenchError(f"{where}: expected the name of a clip, such as {examples}, found {first!r}")
