"""A corpus at a root with its content: what results belong to."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from workbench import paths
from workbench.datasets import Corpus
from workbench.errors import WorkbenchError
from workbench.prepare import fingerprint
from workbench.recipes import digest


@dataclass(frozen=True)
class Place:
    """A corpus, by its label, at a root with its content.

    Attributes
    ----------
    corpus : str
        `NAME`, or `NAME:TARGET`.
    root : str
        The absolute path of the recordings; '' in results of earlier versions, which did not record it.
    content : str
        A hash of the clip table and of the files' sizes.
    noted : float
        When results were last recorded, in seconds since 1970.
    """

    corpus: str
    root: str = ""
    content: str = ""
    noted: float = 0.0

    @classmethod
    def of(cls, corpus: Corpus, known: pd.DataFrame | None = None) -> Place:
        """Return the place of a corpus as it is now; names and sizes of files are read, no recording is opened.

        Parameters
        ----------
        known : DataFrame, optional
            Clips with the column `content` (`datasets.content`), which counts too where it is given.
        """
        clips = corpus.clips()
        table = clips[["clip", "emotion", "speaker", "take"]].assign(
            bytes=[fingerprint(clip)["source_bytes"] for clip in clips.to_dict("records")]
        )
        root = str(Path(corpus.root).resolve())
        content = [] if known is None or "content" not in known else known["content"].tolist()
        return cls(corpus.label, root, digest([table.to_csv(index=False), *content]), time.time())

    @property
    def key(self) -> str:
        """What names the place in `results.json`: ``demo@1a2b3c-4d5e6f7a``; the label alone without a root."""
        return f"{self.corpus}@{digest(self.root)[:6]}-{self.content}" if self.root else self.corpus

    @property
    def title(self) -> str:
        """The corpus as a table names it: its label, and the name of its folder unless that is the usual one."""
        name = Path(self.root).name
        return self.corpus if self._usual or name in ("", self.corpus) else f"{self.corpus} ({name})"

    @property
    def slug(self) -> str:
        """The part of a file name that tells this corpus at this root from every other."""
        label = self.corpus.replace(":", "-")
        if not self.root or self._usual:
            return label
        name = re.sub(r"[^A-Za-z0-9_]+", "-", Path(self.root).name).strip("-")
        return "-".join(part for part in (label, name if name != label else "", digest(self.root)[:6]) if part)

    @property
    def _usual(self) -> bool:
        return Path(self.root) == paths.raw(self.corpus.partition(":")[0]).resolve()

    def values(self) -> dict:
        """Return the fields as JSON has them; ``Place(**values)`` is the same place."""
        return asdict(self)


def choose_place(places: Iterable[Place], what: str, *, corpus: str | None, root: str | Path | None) -> Place:
    """Return the one place that is meant: of one root with several contents, the latest recorded.

    Parameters
    ----------
    places : iterable of Place
        Those that have results.
    what : str
        What has the results, for the message.
    corpus : str, optional
        A label; by default whichever there is, if there is one alone.
    root : str or Path, optional
        By default the corpus's default folder if it has results, else the only root that has.

    Raises
    ------
    WorkbenchError
        If there is none, or several could be meant; all of them are listed.
    """
    every = sorted(places, key=lambda place: place.noted)
    wanted = None if root is None else str(Path(root).expanduser().resolve())
    found = [place for place in every if corpus in (None, place.corpus) and wanted in (None, place.root)]
    if not found:
        known = "; ".join(dict.fromkeys(map(_words, every))) or "none"
        asked = f"{corpus or 'any corpus'}{f' at {root}' if root else ''}"
        raise WorkbenchError(f"{what}: no results on {asked}; there are results on: {known}")
    latest = {(place.corpus, place.root): place for place in found}
    usual = [place for place in latest.values() if place._usual]
    if len(latest) > 1 and not (len(usual) == 1 and len({place.corpus for place in found}) == 1):
        known = "; ".join(map(_words, latest.values()))
        raise WorkbenchError(f"{what}: results on several corpora: choose one by corpus and root: {known}")
    return usual[0] if len(latest) > 1 else next(iter(latest.values()))


def _words(place: Place) -> str:
    return f"{place.corpus} at {place.root}" if place.root else f"{place.corpus} (folder not recorded)"
