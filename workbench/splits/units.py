"""What has to stay on one side of a split: speakers or takes, joined where they share content."""

from __future__ import annotations

import pandas as pd

from workbench.datasets.links import linked


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


def joined(clips: pd.DataFrame, by: str) -> list[list[str]]:
    """Return the groups of speakers (or takes) that share content, each sorted; [] where none do."""
    table = pd.DataFrame({"name": clips[by], "unit": units(clips, by)}).drop_duplicates()
    several = table[table["unit"].duplicated(keep=False)].sort_values("name")
    return [names.tolist() for _, names in several.groupby("unit")["name"]]
