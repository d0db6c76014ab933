"""What a corpus declares of itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    `speakers` are all that were published, where they can be counted up, and `n_clips` how many clips were. `takes`
    counts the published performances by emotion: rows of (columns of the clip table with their value, counts). `human`
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
    takes: tuple[tuple[Mapping[str, str], Mapping[str, int]], ...] = ()
    human: tuple[Ceiling, ...] = ()
    remotes: tuple[Remote, ...] = ()
    steps: tuple[str, ...] = ()
    synthetic: bool = False
    known_defects: tuple[str, ...] = ()

    def n_takes(self, emotions: Iterable[str], only: Mapping[str, str]) -> int | None:
        """Return how many performances of these emotions were published; None where the card does not count them.

        Parameters
        ----------
        only : mapping
            Column of the clip table -> value, of the performances that count; {} for all.
        """
        rows = [counts for of, counts in self.takes if all(of.get(key, value) == value for key, value in only.items())]
        return sum(counts.get(name, 0) for counts in rows for name in set(emotions)) or None

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
