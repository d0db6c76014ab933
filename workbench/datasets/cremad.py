"""CREMA-D: 91 actors, 12 sentences, six emotions, and what a crowd heard and saw in them (Cao et al. 2014)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import pandas as pd

from workbench.datasets.base import Card, Ceiling, Corpus
from workbench.datasets.cremad_votes import COUNTS, MODALITIES, READERS, SUMMARY, UNVOTED, chosen
from workbench.datasets.files import absent, find_table, joined, read_table
from workbench.emotions import in_order
from workbench.errors import WorkbenchError
from workbench.remotes import Remote

LABELS = {"ANG": "angry", "DIS": "disgust", "FEA": "fearful", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
TEXTS = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
ACTORS = range(1001, 1092)
NAME = re.compile(rf"(1\d{{3}})_({'|'.join(TEXTS)})_({'|'.join(LABELS)})_({'|'.join(INTENSITIES)})")
# Never recorded or never published: 20 of the 91 x 82 that the scheme has.
UNPUBLISHED = re.compile(r"1002_TIE_NEU_XX|1076_ITS_NEU_XX|1008_WSI_\w+|1009_MTI_\w+|1019_ITH_\w+")
FILMS, SOUNDS = (".flv", ".mp4"), (".wav", ".flv", ".mp4", ".mp3")
GITHUB = "https://raw.githubusercontent.com/CheyneyComputerScience/CREMA-D/master"
PEOPLE = "VideoDemographics.csv"


def parse_name(path: Path) -> dict | None:
    """Return the factors in a name such as `1001_DFA_ANG_XX`, or None for any other.

    The parts are actor, text, emotion, intensity.
    """
    match = NAME.fullmatch(Path(path).stem)
    if not match or int(match[1]) not in ACTORS:
        return None
    actor, text, emotion, intensity = match.groups()
    return {
        "clip": Path(path).stem,
        "emotion": LABELS[emotion],
        "intensity": INTENSITIES[intensity],
        "speaker": f"cremad-{actor}",
        "sex": "",
        "text": TEXTS[text],
        "take": f"cremad-{Path(path).stem}",
        "intended": LABELS[emotion],
    }


class Cremad(Corpus):
    """CREMA-D as published: `AudioWAV`, `VideoFlash`, `AudioMP3` and its tables, anywhere below the root.

    A clip is a performance: its film (flv, else mp4) is joined with its sound (wav, else the film's, else mp3).

    `target` says whose label the column `emotion` holds: what the actor was asked to show (`intended`), or what most
    raters chose who only heard (`vote_audio`), only saw (`vote_video`), or both heard and saw the clip
    (`vote_audiovisual`). About ten raters judged each. Where several emotions got the same number of votes there is no
    label under that target, and `emotion` is '' (so is it for a clip without votes); `votes()` counts them.

    More columns: `intended`; for every target of a vote, the vote itself (`vote_audio`: emotions joined by ':' where
    they tie, '' where nobody voted), the share of the raters who chose it (`vote_audio_agreement`, 0 to 1) and their
    number (`vote_audio_raters`), both from `tabulatedVotes.csv` and NaN without it, and the mean intensity that they
    gave it (`vote_audio_level`, 0 to 1; the mean over a tie), from `summaryTable.csv`; `age` (years, NaN if unknown),
    `race`, `ethnicity` and `sex` from `VideoDemographics.csv`, '' without it. Under a target of a vote also
    `votes_<emotion>`, how many raters chose each, from `tabulatedVotes.csv`; NaN of a clip that is not in there.
    """

    card = Card(
        name="cremad",
        title="Crowd-sourced Emotional Multimodal Actors Dataset",
        description="91 actors (48 men, 43 women, 20 to 74 years old, of several ethnic groups) speak twelve sentences "
        "in six emotions, one of the sentences at three intensities; 7,442 clips. 2,443 people judged them by sound, "
        "by picture and by both, each clip about ten times a mode. Acted, North American English, green screen.",
        citation="H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma (2014). CREMA-D: Crowd-sourced "
        "Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 377-390. "
        "https://doi.org/10.1109/TAFFC.2014.2336244",
        licence="ODbL 1.0 (contents: DbCL 1.0)",
        home="https://github.com/CheyneyComputerScience/CREMA-D",
        label_source="intended: the emotion the actor was asked to show; vote_audio, vote_video, vote_audiovisual: the "
        "one that most raters chose",
        emotions=tuple(in_order(LABELS.values())),
        labels=LABELS,
        speakers=tuple(f"cremad-{actor}" for actor in ACTORS),
        n_clips=7442,
        takes=(({}, {"neutral": 1087} | dict.fromkeys(("happy", "sad", "angry", "fearful", "disgust"), 1271)),),
        human=tuple(
            Ceiling(
                modality,
                accuracy,
                setting="intended emotion, six classes, all 7,442 clips; about ten raters a clip, 2,443 in all (crowd)",
                source="Cao et al. (2014), abstract. https://doi.org/10.1109/TAFFC.2014.2336244",
            )
            for modality, accuracy in {"audio": 40.9, "video": 58.2, "audiovisual": 63.6}.items()
        ),
        remotes=tuple(
            Remote(file, f"{GITHUB}/{folder}{file}", "tables", size=size, checksum=f"sha256:{sha256}")
            for folder, file, size, sha256 in (
                (
                    "processedResults/",
                    SUMMARY,
                    449_048,
                    "fb0e382700d32c0d9adc0c6815292215a36bcf912f2657048862c91e3bd2b317",
                ),
                ("", PEOPLE, 4_033, "e33ddc8b60bedf98541735801127cbb67098b5957271adbdd5dea8a44294eec3"),
            )
        ),
        steps=(
            "Install Git LFS (https://git-lfs.com); without it a download holds pointers of about 130 bytes, no sound.",
            "git clone https://github.com/CheyneyComputerScience/CREMA-D (7.6 GB), or, for a part, clone with "
            "GIT_LFS_SKIP_SMUDGE=1 and then: git lfs pull --include 'AudioWAV/*'.",
            "Keep processedResults/summaryTable.csv, processedResults/tabulatedVotes.csv and VideoDemographics.csv "
            "below the root: they hold the votes and the speakers' sex and age.",
        ),
        known_defects=(
            "1076_MTI_SAD_XX has no sound, 1076_MTI_NEU_XX and 1064_TIE_SAD_XX are next to empty, and 1064_IEO_DIS_MD "
            "is a minute long, with all emotions of its sentence.",
            "Three wav files stand under two emotions each, byte for byte: 1006_TIE_HAP_XX and 1006_TIE_NEU_XX, "
            "1013_WSI_DIS_XX and 1013_WSI_SAD_XX, 1017_IWW_ANG_XX and 1017_IWW_FEA_XX.",
            "20 of the 91 x 82 clips were never published: 1008_WSI, 1009_MTI, 1019_ITH, 1002_TIE_NEU_XX and "
            "1076_ITS_NEU_XX.",
            "Older downloads name one file 1040_ITH_SAD_X.wav (for 1040_ITH_SAD_XX).",
            "Some mp3 files, which are what the raters heard, are empty or differ from the wav.",
            "The Level columns of summaryTable.csv are mean intensities, not shares of raters; the shares are in "
            "tabulatedVotes.csv.",
            "By sound alone the raters' vote is neutral for 52 % of the clips; 15 % were meant to be neutral.",
        ),
    )
    suffixes = (".wav", ".flv", ".mp4", ".mp3")
    own_columns = ("intended", *MODALITIES, "age", "race", "ethnicity")
    targets = ("intended", *MODALITIES)
    example = "1001_DFA_ANG_XX.flv"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name, or None if the name is outside the scheme."""
        return parse_name(path)

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a performance, with its votes and its speaker's demographics.

        Raises
        ------
        WorkbenchError
            If the target is a vote and no table of votes is below the root; if a table lacks a column.
        """
        if self.target != "intended" and not self._votes:
            raise WorkbenchError(
                f"corpus 'cremad', target {self.target!r}: expected {SUMMARY} (or {COUNTS}) below {self.root}, found "
                f"neither; it is in processedResults/ of {self.card.home}; without votes there is target 'intended'"
            )
        parsed = [factors | {"file": path} for path in files if (factors := self.parse(path))]
        rows = joined(parsed, films=FILMS, sounds=SOUNDS)
        for row in rows:
            row |= self._people.get(row["speaker"], NOBODY)
            row |= self._votes.get(row["clip"], UNVOTED) | self._counts.get(row["clip"], {})
            label = row[self.target]
            row["emotion"] = "" if ":" in label else label
        return rows

    @cached_property
    def _people(self) -> dict[str, dict]:
        """Return what VideoDemographics.csv says, speaker -> columns."""
        path = find_table(self.root, PEOPLE)
        if path is None:
            return {}
        table = read_table(path, ["ActorID", "Age", "Sex", "Race", "Ethnicity"])
        table["age"] = pd.to_numeric(table["Age"], errors="coerce")
        table = table.assign(sex=table["Sex"].str.lower(), race=table["Race"], ethnicity=table["Ethnicity"])
        table["speaker"] = "cremad-" + table["ActorID"]
        return table.drop_duplicates("speaker").set_index("speaker")[list(NOBODY)].to_dict("index")

    @cached_property
    def _votes(self) -> dict[str, dict]:
        """Return the crowd's votes, clip -> columns."""
        tables = [read(path) for name, read in READERS.items() if (path := find_table(self.root, name))]
        votes = defaultdict(lambda: dict(UNVOTED))
        for table in tables:
            for clip, row in table.to_dict("index").items():
                votes[clip] |= {column: value for column, value in row.items() if value == value}
        return dict(votes)

    @cached_property
    def _counts(self) -> dict[str, dict]:
        """Return how many raters chose each emotion as the target has it, clip -> columns; nothing without a table."""
        path = find_table(self.root, COUNTS)
        return chosen(path, self.target).to_dict("index") if path and self.target in MODALITIES else {}

    def votes(self) -> pd.DataFrame:
        """Return how far the crowd's votes give labels, a row a target.

        Returns
        -------
        target : str
        clips, labelled, tied, without : int
            All clips; those with one emotion ahead, with several, with no vote.
        as_intended : float
            Share of the labelled clips whose label is the intended emotion, 0 to 1.
        agreement : float
            Mean share of the raters who chose the emotion with most votes, 0 to 1; NaN without `tabulatedVotes.csv`.
        """
        clips = self.clips()
        rows = []
        for target in MODALITIES:
            tied, without = clips[target].str.contains(":"), clips[target] == ""
            one = clips[~tied & ~without]
            rows.append(
                {
                    "target": target,
                    "clips": len(clips),
                    "labelled": len(one),
                    "tied": int(tied.sum()),
                    "without": int(without.sum()),
                    "as_intended": (one[target] == one["intended"]).mean(),
                    "agreement": clips[f"{target}_agreement"].mean(),
                }
            )
        return pd.DataFrame(rows)

    def missing(self, files: list[Path]) -> list[str]:
        """Return the files that a begun series lacks: one actor's clips with one suffix, as they were published."""
        series = defaultdict(set)
        for path in files:
            if row := self.parse(path):
                series[row["speaker"][-4:], path.suffix.lower()].add(row["clip"])
        return [
            f"{clip}{suffix}"
            for (actor, suffix), have in sorted(series.items())
            for clip in absent(_published(actor), have)
        ]


NOBODY = {"sex": "", "age": float("nan"), "race": "", "ethnicity": ""}


def _published(actor: str) -> list[str]:
    names = [
        f"{actor}_{text}_{emotion}_{intensity}"
        for text in TEXTS
        for emotion in LABELS
        for intensity in (("LO", "MD", "HI") if text == "IEO" and emotion != "NEU" else ("XX",))
    ]
    return [name for name in names if not UNPUBLISHED.fullmatch(name)]
