"""Names of speakers: short ones that stay distinct, and names that may mean one person."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")


def short_names(speakers: Iterable[str], corpora: Iterable[str] = ()) -> dict[str, str]:
    """Return a short name of each speaker: without the corpus that it begins with, as in ``ravdess-01``.

    Parameters
    ----------
    speakers : iterable of str
    corpora : iterable of str
        Names of corpora beyond those of the workbench.

    Returns
    -------
    names : dict, speaker -> name
        No two are equal: where they would be, the full names are kept.
    """
    from workbench.datasets import CORPORA

    prefixes, short = {*CORPORA, *corpora}, {}
    for speaker in speakers:
        prefix, _, rest = speaker.partition("-")
        short[speaker] = rest if rest and prefix in prefixes else speaker
    counts = Counter(short.values())
    distinct = {speaker: name if counts[name] == 1 else speaker for speaker, name in short.items()}
    if len(set(distinct.values())) < len(distinct):
        return {speaker: speaker for speaker in short}
    return distinct


def similar_speakers(speakers: Iterable[str]) -> list[list[str]]:
    """Return groups of names that differ only by case, leading zeros or blanks: ``[["folder-Anna", "folder-anna"]]``.

    Such names may mean one person. Splits treat them as different people.
    """
    alike = defaultdict(set)
    for speaker in set(speakers) - {""}:
        parts = unicodedata.normalize("NFKC", speaker).casefold().split("-")
        words = " ".join("-".join(part.strip() for part in parts).split())
        alike[LEADING_ZEROS.sub("", words)].add(speaker)
    return sorted(sorted(names) for names in alike.values() if len(names) > 1)
