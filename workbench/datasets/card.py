"""What a corpus declares of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workbench.emotions import COLOURS, EMOTIONS
from workbench.remotes import Remote
from workbench.representation import card, chips


@dataclass(frozen=True)
class Ceiling:
    """How well people did: `accuracy` in percent, for a `modality`, on what (`setting`), and who says so."""

    modality: str
    accuracy: float
    setting: str
    source: str


@dataclass(frozen=True)
class Card:
    """What a reader must know of a corpus before believing a number made from it.

    `labels` maps the corpus's own words or codes to the vocabulary. `label_source` says who decided on the emotion.
    `speakers` are all that were published, where they can be counted up, and `n_clips` how many clips were. `human`
    holds published human ceilings, `remotes` what `fetch` can bring, `steps` what to do where it cannot.
    """

    name: str
    title: str
    description: str
    citation: str
    licence: str
    home: str
    label_source: str
    emotions: tuple[str, ...] = EMOTIONS
    labels: Mapping[str, str] = field(default_factory=dict)
    speakers: tuple[str, ...] = ()
    n_clips: int | None = None
    human: tuple[Ceiling, ...] = ()
    remotes: tuple[Remote, ...] = ()
    steps: tuple[str, ...] = ()
    synthetic: bool = False
    known_defects: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        facts = {
            "cite": self.citation,
            "licence": self.licence,
            "home": self.home,
            "labels": self.label_source,
            "clips": self.n_clips,
            "speakers": len(self.speakers) or None,
            "parts": ", ".join(dict.fromkeys(remote.part for remote in self.remotes)),
            "known defects": " ".join(self.known_defects),
        }
        title = f"{self.title}. SYNTHETIC: says nothing about people." if self.synthetic else self.title
        return card("Corpus", title, facts, extra=chips({name: COLOURS[name] for name in self.emotions}))
