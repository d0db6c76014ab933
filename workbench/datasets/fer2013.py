"""FER2013: 35,887 faces from the web, 48x48, seven emotions (Goodfellow et al. 2013), and FER+'s crowd votes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from workbench.datasets import pixels, votes
from workbench.datasets.base import Card, Ceiling, Corpus
from workbench.datasets.files import find_table
from workbench.errors import WorkbenchError

WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # by the codes 0 to 6
LABELS = {"angry": "angry", "disgust": "disgust", "fear": "fearful", "happy": "happy", "sad": "sad",
          "surprise": "surprised", "neutral": "neutral"}  # fmt: skip
# The columns of FER+, in its order; the last two are no emotions.
VOTES = {"neutral": "neutral", "happiness": "happy", "surprise": "surprised", "sadness": "sad", "anger": "angry",
         "disgust": "disgust", "fear": "fearful", "contempt": "contempt", "unknown": "", "NF": ""}  # fmt: skip
USAGES = {"train": "train", "validation": "validation", "valid": "validation", "val": "validation", "test": "test",
          "FER2013Train": "train", "FER2013Valid": "validation", "FER2013Test": "test"}  # fmt: skip
TABLES = ("fer2013.csv", "icml_face_data.csv")
NUMBERED = re.compile(r"fer(\d{7})")
OFFICIAL = re.compile(r"(Training|PublicTest|PrivateTest)_\d+")


class Fer2013(Corpus):
    """FER2013 in any of its layouts below the root.

    * the table `fer2013.csv` (or `icml_face_data.csv`), which is unpacked into pictures beside it the first time;
    * folders `<train|validation|test>/<emotion, or code 0 to 6>/*.jpg`, where a file name's prefix `Training_`,
      `PublicTest_` or `PrivateTest_` gives the official usage, else the folder;
    * FER+'s folders `FER2013Train`, `FER2013Valid`, `FER2013Test` with `fer0000000.png`, labelled from the tables.

    Target `fer` is the original label, `ferplus` what most of FER+'s ten voters saw (`fer2013new.csv`). There, `vote`
    is the winning word of FER+, or `tie`, `agreement` its share of the votes, and `votes_<emotion>` are their numbers;
    where `unknown`, `NF` (no face) or nobody wins, the clip stays, without an emotion. FER+ counts pictures by their
    row in the table, so the second layout cannot have its votes.
    """

    card = Card(
        name="fer2013",
        title="Facial Expression Recognition 2013 (FER2013), with FER+ labels",
        description="35,887 grey faces of 48x48, found in the web by 184 emotion words and cropped automatically; "
        "seven emotions; the official usage is 28,709 for training, 3,589 each for validation (PublicTest) and test "
        "(PrivateTest). Spontaneous and posed, any age and origin, no sound. FER+ adds ten votes each, with contempt.",
        citation="I. J. Goodfellow et al. (2013). Challenges in representation learning: a report on three machine "
        "learning contests. ICONIP 2013, 117-124. https://doi.org/10.1007/978-3-642-42051-1_16. FER+: E. Barsoum, "
        "C. Zhang, C. Canton Ferrer, Z. Zhang (2016). Training deep networks for facial expression recognition with "
        "crowd-sourced label distribution. ICMI 2016, 279-283. https://doi.org/10.1145/2993148.2993165",
        licence="Terms of the Kaggle challenge (research; the pictures are their owners'); FER+ labels: MIT",
        home="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
        label_source="fer: the search word that found the picture, checked by people who rejected some; ferplus: the "
        "most frequent of ten crowd votes",
        emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
        labels=LABELS,
        n_clips=35887,
        human=(
            Ceiling(
                "video", 65.0, "one of the authors on a sample, 65 +- 5 %, original labels", "Goodfellow et al. 2013"
            ),
        ),
        steps=(
            "Log in to kaggle.com, open the challenge 'challenges-in-representation-learning-facial-expression-"
            "recognition-challenge', accept its rules, and download fer2013.tar.gz (or icml_face_data.csv.zip).",
            "Unpack it below the root; fer2013.csv alone will do.",
            "For FER+ labels, put fer2013new.csv of https://github.com/microsoft/FERPlus beside it.",
        ),
        known_defects=(
            "Speakers unknown: no speaker-disjoint split is possible; nothing is known about people never seen before.",
            "Identical pictures stand on both sides of the official split (31 groups in a tenth of the corpus), and a "
            "few under two labels; `corpus check` lists them.",
            "Many labels are wrong or doubtful, some pictures are drawings, texts or no face: FER+ was made for this.",
            "Very uneven classes: 547 pictures of disgust, 8,989 of happiness.",
        ),
    )
    suffixes = (".png", ".jpg", ".jpeg")
    targets = ("fer", "ferplus")
    example = "train/happy/Training_3908.jpg"

    def files(self) -> list[Path]:
        """Return every picture, having unpacked the table where there is one and it was not done."""
        table = self._table(*TABLES)
        if table and not any(self.root.rglob("FER2013Train")):
            pixels.unpack(table, WORDS, prefix="fer")
        return super().files()

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a picture's name and folders; an original label that only the table knows is ''."""
        folders = path.relative_to(self.root).parts[:-1]
        folder = folders[-1] if folders else ""
        word = WORDS[int(folder)] if folder in map(str, range(7)) else folder.lower()
        numbered, official = NUMBERED.fullmatch(path.stem), OFFICIAL.fullmatch(path.stem)
        if word not in LABELS and not (numbered and folder in USAGES):
            return None
        usage = next((USAGES[name] for name in reversed(folders) if name in USAGES), "")
        if official:
            usage = pixels.USAGES[official[1]]
        clip = path.stem if numbered or official else "-".join([*folders, path.stem])
        return {
            "clip": clip,
            "path": str(path),
            "audio_path": "",
            "emotion": LABELS.get(word, ""),
            **dict.fromkeys(("intensity", "speaker", "sex", "text"), ""),
            "take": f"fer2013-{clip}",
            "usage": usage,
        }

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a picture, with the label that the target wants."""
        rows = super().rows(files)
        if self.target == "ferplus":
            return self._voted(rows)
        if any(row["emotion"] == "" for row in rows) and (table := self._table(*TABLES)):
            codes = [code.strip() for code in pixels.read(table, ["emotion"]).iloc[:, 0]]
            for row in rows:
                number = NUMBERED.fullmatch(row["clip"])
                if number and not row["emotion"] and int(number[1]) < len(codes):
                    row["emotion"] = LABELS[WORDS[int(codes[int(number[1])])]]
        return rows

    def _voted(self, rows: list[dict]) -> list[dict]:
        """Return the rows with the crowd's emotion, `vote`, `agreement` and the votes."""
        table = self._table("fer2013new.csv")
        if table is None:
            raise WorkbenchError(f"target 'ferplus': expected fer2013new.csv below {self.root}, found none "
                                 "(https://github.com/microsoft/FERPlus)")  # fmt: skip
        found = read_votes(table)
        unknown = [row["path"] for row in rows if row["clip"] not in found.index]
        if unknown:
            raise WorkbenchError(
                f"target 'ferplus': {len(unknown)} of {len(rows)} pictures (such as {unknown[0]}) have no row in "
                f"{table}, which calls them fer0000000.png and so on, by their row in fer2013.csv: use that table or "
                "FER+'s folders"
            )
        return [row | found.loc[row["clip"]].to_dict() for row in rows]

    def _table(self, *names: str) -> Path | None:
        """Return the first table of one of these names below the root, if any."""
        return next(filter(None, (find_table(self.root, name) for name in names)), None)

    def missing(self, files: list[Path]) -> list[str]:
        """Return the pictures that were unpacked from the table and have gone since."""
        have = {path.stem for path in files}
        rows = sum(pixels.source(folder).get("rows", 0) for folder in self.root.rglob("*_pictures"))
        return [name for name in map("fer{:07d}".format, range(rows)) if name not in have]


def read_votes(table: Path) -> pd.DataFrame:
    """Read FER+'s votes.

    Returns
    -------
    votes : index `clip` (`fer0000000`, the row in the original table); `emotion` of most votes, '' where `vote` is
        `tie`, `unknown` or `NF`; `vote`, the word of most votes; `agreement`, its share of all, 0 to 1; `votes_neutral`
        and so on, the number of votes for each emotion.

    Raises
    ------
    WorkbenchError
        If a column is missing or a vote is no number.
    """
    text = pixels.read(table, ["Image name", *VOTES])
    counts = text[list(VOTES)].apply(pd.to_numeric, errors="coerce")
    if bad := counts.isna().any(axis=1).sum():
        raise WorkbenchError(f"{table}: expected ten columns of votes, found {bad} rows with something else")
    named = text["Image name"].str.strip().str.removesuffix(".png")
    clips = named.where(named != "", [f"fer{row:07d}" for row in range(len(text))])
    most = counts.max(axis=1)
    vote = counts.idxmax(axis=1).mask(counts.eq(most, axis=0).sum(axis=1) > 1, "tie")
    found = {"emotion": vote.map(VOTES).fillna(""), "vote": vote, "agreement": (most / counts.sum(axis=1)).fillna(0.0)}
    emotions = counts[[word for word, emotion in VOTES.items() if emotion]]
    emotions = emotions.set_axis(votes.columns(map(VOTES.get, emotions)), axis=1)
    return pd.DataFrame(found | emotions.to_dict("series")).set_axis(clips)
