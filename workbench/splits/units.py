"""What has to stay on one side of a split: speakers or takes, joined where they share content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd


def units(clips: pd.DataFrame, by: str) -> pd.Series:
    """Return of each clip the unit that no split divides: its speaker or take, or the first of those joined with it.

    Speakers (or takes) are joined where clips of theirs have equal content: a hash in common in column `content`
    (hashes with blanks between). Without that column, or without equal content, this is the column `by` as it is.

    Parameters
    ----------
    clips : DataFrame
        Clip table, one row a clip.
    by : {'speaker', 'take'}
    """
    if "content" not in clips:
        return clips[by]
    pairs = pd.DataFrame({"unit": clips[by], "content": clips["content"].fillna("").str.split()})
    pairs = pairs[pairs["unit"] != ""].explode("content").dropna().drop_duplicates()
    shared = pairs[pairs["content"].duplicated(keep=False)]
    if shared.empty:
        return clips[by]
    first_of = linked(zip(shared["unit"], shared["content"], strict=True))
    return clips[by].map(lambda name: first_of.get(name, name))


def linked(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return of each name the first, in sorted order, of all that are linked with it.

    Parameters
    ----------
    pairs : iterable of (name, link)
        Names with a link in common are linked, and so are those that these are linked with.
    """
    above: dict[str, str] = {}

    def first_of(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    holders, names = defaultdict(set), set()
    for name, link in pairs:
        names.add(name)
        holders[link].add(name)
    for linked_names in holders.values():
        first, *others = sorted({first_of(name) for name in linked_names})
        above.update(dict.fromkeys(others, first))
    return {name: first_of(name) for name in names}


def joined(clips: pd.DataFrame, by: str) -> list[list[str]]:
    """Return the groups of speakers (or takes) that share content, each sorted; [] where none do."""
    table = pd.DataFrame({"name": clips[by], "unit": units(clips, by)}).drop_duplicates()
    several = table[table["unit"].duplicated(keep=False)].sort_values("name")
    return [names.tolist() for _, names in several.groupby("unit")["name"]]
