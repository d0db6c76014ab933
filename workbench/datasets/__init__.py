"""The corpora: each a declaration. `corpus(name, root)` opens one."""

from __future__ import annotations

from pathlib import Path

from workbench.datasets.base import Card, Corpus, select
from workbench.datasets.ckplus import CkPlus
from workbench.datasets.cremad import Cremad
from workbench.datasets.demo import Demo
from workbench.datasets.demo_stills import DemoStills
from workbench.datasets.fer2013 import Fer2013
from workbench.datasets.folder import Folder
from workbench.datasets.given_features import GivenFeatures
from workbench.datasets.given_predictions import GivenPredictions
from workbench.datasets.meld import Meld
from workbench.datasets.rafd import Rafd
from workbench.datasets.ravdess import Ravdess
from workbench.datasets.savee import Savee
from workbench.errors import choose

CORPORA: dict[str, type[Corpus]] = {
    kind.card.name: kind
    for kind in (
        Demo,
        DemoStills,
        Ravdess,
        Savee,
        Cremad,
        Meld,
        Fer2013,
        CkPlus,
        Rafd,
        Folder,
        GivenFeatures,
        GivenPredictions,
    )
}


def fetch(name: str, root: str | Path | None = None, **options) -> Corpus:
    """Open a corpus by name, bringing it first where that is asked for (`Corpus.fetch`); synthetic ones are made."""
    return CORPORA[choose("corpus", name, CORPORA)].fetch(root, **options)


def corpus(name: str, root: str | Path | None = None, **options) -> Corpus:
    """Open a corpus by name, or by `NAME:TARGET`, with options of its own (`target`, for one).

    Raises
    ------
    WorkbenchError
        For an unknown name (the choices are listed) or a missing root.
    """
    name, _, target = name.partition(":")
    options |= {"target": options.get("target") or target} if target else {}
    return CORPORA[choose("corpus", name, CORPORA)](root, **options)


def card_of(label: str) -> Card | None:
    """Return the card of a corpus by its label (`NAME` or `NAME:TARGET`), None if it is none of these."""
    kind = CORPORA.get(label.partition(":")[0])
    return None if kind is None else kind.card


__all__ = ["CORPORA", "Card", "Corpus", "card_of", "corpus", "fetch", "select"]
