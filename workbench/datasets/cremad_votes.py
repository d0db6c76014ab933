"""CREMA-D's tables of votes: what most raters chose, who heard, saw, or both heard and saw a clip, and how many."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench.datasets import votes
from workbench.datasets.files import read_table

VOTES = {"A": "angry", "D": "disgust", "F": "fearful", "H": "happy", "N": "neutral", "S": "sad"}
# target -> its column in summaryTable.csv, and what its row numbers in tabulatedVotes.csv begin with
MODALITIES = {"vote_audio": ("Voice", 1), "vote_video": ("Face", 2), "vote_audiovisual": ("MultiModal", 3)}
SUMMARY, COUNTS = "summaryTable.csv", "tabulatedVotes.csv"
UNVOTED = dict.fromkeys(MODALITIES, "") | {
    f"{target}_{what}": float("nan") for target in MODALITIES for what in ("agreement", "raters", "level")
}


def _words(votes: pd.Series) -> pd.Series:
    """Return votes such as `A:D` as words, `angry:disgust`."""
    return votes.map(lambda codes: ":".join(VOTES.get(code, code) for code in codes.split(":") if code))


def _summary(path: Path) -> pd.DataFrame:
    """Return votes and mean intensities (0 to 1) of summaryTable.csv, a row a clip."""
    columns = [f"{name}{what}" for name, _ in MODALITIES.values() for what in ("Vote", "Level")]
    table = read_table(path, ["FileName", *columns]).drop_duplicates("FileName").set_index("FileName")
    found = {}
    for target, (name, _) in MODALITIES.items():
        levels = table[f"{name}Level"].str.split(":", expand=True).apply(pd.to_numeric, errors="coerce")
        found |= {target: _words(table[f"{name}Vote"]), f"{target}_level": levels.mean(axis=1) / 100}
    return pd.DataFrame(found)


def _counts(path: Path) -> pd.DataFrame:
    """Return votes, shares and numbers of raters of tabulatedVotes.csv, a row a clip."""
    table = read_table(path, ["fileName", "numResponses", "agreement", "emoVote"])
    found = []
    for target in MODALITIES:
        rows = _of(table, target)
        columns = {
            target: _words(rows["emoVote"]),
            f"{target}_agreement": pd.to_numeric(rows["agreement"], errors="coerce"),
            f"{target}_raters": pd.to_numeric(rows["numResponses"], errors="coerce"),
        }
        found.append(pd.DataFrame(columns))
    return pd.concat(found, axis=1)


def chosen(path: Path, target: str) -> pd.DataFrame:
    """Return how many raters chose each emotion, of tabulatedVotes.csv, a row a clip; NaN where that is no number."""
    rows = _of(read_table(path, ["fileName", *VOTES]), target)[list(VOTES)]
    return rows.apply(pd.to_numeric, errors="coerce").set_axis(votes.columns(VOTES.values()), axis=1)


def _of(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return the rows of tabulatedVotes.csv under a target; they are numbered 1xxxxx, 2xxxxx, 3xxxxx."""
    mine = table.iloc[:, 0].str[0] == str(MODALITIES[target][1])
    return table[mine].drop_duplicates("fileName").set_index("fileName")


READERS = {SUMMARY: _summary, COUNTS: _counts}
