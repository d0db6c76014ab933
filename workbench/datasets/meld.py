"""MELD: dialogues of a television series, utterance by utterance: film, sound, text, who speaks (Poria et al. 2019)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import pandas as pd

from workbench.datasets.base import Card, Corpus
from workbench.datasets.files import find_table, joined, read_table
from workbench.emotions import in_order
from workbench.errors import WorkbenchError
from workbench.remotes import Remote

LABELS = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fearful",
    "joy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "surprise": "surprised",
}
USAGES = {"train": "train", "dev": "validation", "test": "test"}
TABLES = {split: f"{split}_sent_emo.csv" for split in USAGES}
GITHUB = "https://raw.githubusercontent.com/declare-lab/MELD/e8cedf27b5d2877e198332c957127e16eb214afe/data/MELD"
HUGGINGFACE = "https://huggingface.co/datasets/declare-lab/MELD"
FOLDER = re.compile(r"(?:^|_)(train|dev|test)(?:_|$)", re.IGNORECASE)
NAME = re.compile(r"(final_videos_test)?dia(\d+)_utt(\d+)")
FILMS, SOUNDS = (".mp4",), (".wav", ".mp4")
# The six who speak 83 % of the lines. The sex of the others is not in the tables.
MAIN = {
    "Chandler": "male",
    "Joey": "male",
    "Monica": "female",
    "Phoebe": "female",
    "Rachel": "female",
    "Ross": "male",
}
COLUMNS = ["Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode",
           "StartTime", "EndTime"]  # fmt: skip
TIME = r"^(?P<hours>\d+):(?P<minutes>\d{2}):(?P<seconds>\d{2}[,.]\d{1,3})$"


class Meld(Corpus):
    """MELD as published: its three tables, and the films of its three archives, anywhere below the root.

    A clip is a row of a table, such as `train-dia0_utt0`, with its film and sound where they are in a folder such as
    `train_splits`, `dev_splits_complete` or `output_repeated_splits_test`, and '' as path where not: text, labels and
    timing are there with the tables alone. A wav beside a film is preferred for the sound. The test folder's film
    `final_videos_testdia0_utt0.mp4` serves if there is no `dia0_utt0.mp4` in it.

    `usage` is the official split (`train`, `validation`, `test`). It is no split by speaker: 33 of the 47 speakers of
    the validation side (97 % of its lines) and 69 of the 100 of the test side (96 %) are in training too.

    More columns: `dialogue` (`train-dia0`), `utterance`, `sentiment`, `season`, `episode`, and `episode_start` and
    `episode_end`, seconds from the beginning of the episode (NaN where the table gives no time); the films are cut, so
    `start` is 0. `sex` is known of the six main characters and '' for all others.
    """

    card = Card(
        name="meld",
        title="Multimodal EmotionLines Dataset",
        description="13,708 utterances in 1,432 dialogues of the television series Friends, with film, sound and text. "
        "Acted by professionals, for an audience and with its laughter; scripted, American English, several people in "
        "the picture. Six characters speak 83 % of the lines; nearly half of all utterances are neutral.",
        citation="S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea (2019). MELD: A Multimodal "
        "Multi-Party Dataset for Emotion Recognition in Conversations. ACL 2019, 527-536. "
        "https://doi.org/10.18653/v1/P19-1050",
        licence="GPL-3.0 (tables); the recordings are excerpts of a television series, for research only",
        home="https://affective-meld.github.io",
        label_source="majority of three annotators who saw the film and read the dialogue",
        emotions=tuple(in_order(LABELS.values())),
        labels=LABELS,
        n_clips=13708,
        remotes=(
            *(
                Remote(
                    TABLES[split],
                    f"{GITHUB}/{TABLES[split]}",
                    "tables",
                    size=size,
                    checksum=f"sha256:{sha256}",
                )
                for split, size, sha256 in (
                    ("train", 1_119_290, "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db"),
                    ("dev", 121_640, "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c"),
                    ("test", 294_526, "8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888"),
                )
            ),
            Remote(  # 10.9 GB; its archives train.tar.gz, dev.tar.gz and test.tar.gz are unpacked with it
                "MELD.Raw.tar.gz",
                f"{HUGGINGFACE}/resolve/main/MELD.Raw.tar.gz",
                "films",
                listing=f"lfs:{HUGGINGFACE}/raw/main/MELD.Raw.tar.gz",
                unpack=True,
            ),
        ),
        known_defects=(
            "The official split shares speakers: 33 of 47 on the validation side (97 % of its lines) and 69 of 100 on "
            "the test side (96 %) are in training; the six main characters are on all sides.",
            "81 lines belong to several people or to one in a role (All, Ross and Rachel, Joey/Drake); they count as "
            "speakers of their own. Dr. Ledbetter and Dr. Leedbetter, Phoebe Sr and Phoebe Sr. are probably one each.",
            "The film dev-dia110_utt7 is missing and train-dia125_utt3 is broken; train has no dialogue 60.",
            "Films without a row: dev dia49_utt4, dia49_utt5, dia66_utt9, dia66_utt10, test dia108_utt2. The test "
            "folder also has about 130 films final_videos_testdia..., twins of others, and hidden ._ files.",
            "test-dia38_utt4 and test-dia220_utt0 are cut wrongly (305 and 235 s); test-dia155_utt3 has no length. "
            "Users report disturbed sound in some 200 large films of the training side, films that do not match their "
            "text (train-dia241, train-dia757_utt7), and disagree on which of two twins in the test folder is right.",
            "Laughter of the audience and music are in the sound.",
        ),
    )
    suffixes = (".mp4", ".wav")
    own_columns = ("dialogue", "utterance", "sentiment", "season", "episode")
    targets = ("annotated",)
    example = "train_splits/dia0_utt0.mp4"

    @cached_property
    def annotations(self) -> dict[str, dict]:
        """What the tables say, clip -> columns, without the files.

        Raises
        ------
        WorkbenchError
            If none of the tables is below the root, or one lacks a column or has an emotion outside the scheme.
        """
        paths = {split: path for split, name in TABLES.items() if (path := find_table(self.root, name))}
        if not paths:
            raise WorkbenchError(
                f"corpus 'meld': expected {', '.join(TABLES.values())} below {self.root}, found none of them; they are "
                "at https://github.com/declare-lab/MELD under data/MELD"
            )
        return {row["clip"]: row for split, path in paths.items() for row in _read(path, split)}

    def parse(self, path: Path) -> dict | None:
        """Return `clip` and the other columns of the row that a film belongs to, or None if no row names it."""
        match = NAME.fullmatch(path.stem)
        folders = path.relative_to(self.root).parts[-2::-1] if path.is_relative_to(self.root) else path.parts[-2::-1]
        split = next((found[1].lower() for part in folders if (found := FOLDER.search(part))), "")
        if not match or not split or (match[1] and split != "test"):
            return None
        row = self.annotations.get(f"{split}-dia{int(match[2])}_utt{int(match[3])}")
        return row and dict(row)

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a row of the tables, with the files that there are."""
        plain_first = sorted(files, key=lambda path: (path.stem.startswith("final"), path))
        found = [factors | {"file": path} for path in plain_first if (factors := self.parse(path))]
        have = {row["clip"]: row for row in joined(found, films=FILMS, sounds=SOUNDS)}
        return [have.get(clip, row | {"path": "", "audio_path": ""}) for clip, row in self.annotations.items()]

    def missing(self, files: list[Path]) -> list[str]:
        """Return the clips that a table has and the folder lacks."""
        return sorted(set(self.annotations) - {row["clip"] for path in files if (row := self.parse(path))})


def _read(path: Path, split: str) -> list[dict]:
    """Return the rows of one table, a dict a clip."""
    table = read_table(path, COLUMNS)
    labels = table["Emotion"].str.lower()
    if unknown := sorted(set(labels) - set(LABELS)):
        raise WorkbenchError(f"{path}: unknown emotions {unknown}: choose from {', '.join(LABELS)}")
    speakers = table["Speaker"].map(_speaker)
    dialogue = f"{split}-dia" + table["Dialogue_ID"]
    clips = dialogue + "_utt" + table["Utterance_ID"]
    if twice := clips[clips.duplicated()].tolist():
        raise WorkbenchError(f"{path}: expected one row a clip, found {len(twice)} more, such as of {twice[0]}")
    columns = {
        "clip": clips,
        "emotion": labels.map(LABELS),
        "intensity": "",
        "speaker": "meld-" + speakers,
        "sex": speakers.map(MAIN).fillna(""),
        "text": table["Utterance"].str.split().str.join(" "),
        "take": "meld-" + clips,
        "usage": USAGES[split],
        "dialogue": dialogue,
        "utterance": pd.to_numeric(table["Utterance_ID"]),
        "sentiment": table["Sentiment"].str.lower(),
        "season": pd.to_numeric(table["Season"]),
        "episode": pd.to_numeric(table["Episode"]),
        "episode_start": _seconds(table["StartTime"]),
        "episode_end": _seconds(table["EndTime"]),
    }
    return pd.DataFrame(columns).to_dict("records")


def _speaker(name: str) -> str:
    """Return a name with single blanks; the main characters' as spelt in `MAIN`, others' case is left alone."""
    name = " ".join(name.split())
    return name.title() if name.title() in MAIN else name


def _seconds(times: pd.Series) -> pd.Series:
    """Return seconds from times such as `00:16:16,059` and `0:05:52,435`; NaN for anything else."""
    parts = times.str.extract(TIME).apply(lambda part: part.str.replace(",", ".").astype(float))
    return parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]
