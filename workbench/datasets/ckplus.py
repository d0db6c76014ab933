"""CK+: 593 sequences from the neutral face to the apex, 327 of them labelled, with FACS codes (Lucey et al. 2010)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from workbench.datasets import pixels
from workbench.datasets.base import Card, Corpus
from workbench.errors import WorkbenchError

CODES = ("neutral", "angry", "contempt", "disgust", "fearful", "happy", "sad", "surprised")  # of *_emotion.txt
WORDS = ("anger", "disgust", "fear", "happy", "sadness", "surprise", "neutral", "contempt")  # of ckextended.csv
LABELS = {"neutral": "neutral", "anger": "angry", "contempt": "contempt", "disgust": "disgust", "fear": "fearful",
          "happy": "happy", "sadness": "sad", "surprise": "surprised"}  # fmt: skip
INTENSITIES = ("", "a", "b", "c", "d", "e")  # FACS's letters for the numbers 0 (not given) to 5
NAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})")
PUBLISHED = {"sequence": 593, "still": 2 * 593, "crop": 981, "table": 920}  # clips, by layout
CROPPED = re.compile(r"ckextended\d{7}")


class CkPlus(Corpus):
    """CK+ in any of its three layouts below the root.

    * Sequences `cohn-kanade-images/S005/001/S005_001_00000001.png` ..., a clip each, whose `path` is the folder. Their
      labels are found by their names: `Emotion/**/S005_001_00000011_emotion.txt`, `FACS/**/S005_001_00000011_facs.txt`.
      A sequence without an emotion file stays, without an emotion. Columns: `n_frames`; `apex`, the number of the
      picture the codes are of, else of the last; `facs`, action units as `1:b 2:c 25` (intensity a to e where
      given); `neutral_path` and `apex_path`, the first picture and that of the apex.
    * 48x48 crops `CK+48/<emotion>/S010_004_00000017.png`, the last three of each labelled sequence, a clip each.
    * The table `ckextended.csv` (920 crops: the first picture of each sequence as neutral, the apex of labelled ones),
      unpacked beside it the first time; it names no person.

    Pictures of one sequence share their `take`; `view` tells them apart.

    Parameters
    ----------
    stills : bool
        Give, in place of each sequence, two still pictures: the first, whose emotion is neutral, and the apex, with
        the sequence's emotion. (The literature on CK+ mostly trains on these.)
    """

    card = Card(
        name="ckplus",
        title="Extended Cohn-Kanade Dataset (CK+)",
        description="593 sequences of 123 people (of 210 recorded: 18 to 50 years, 69 % women, 81 % Euro-American), "
        "each from the neutral face to the apex of an expression asked for, FACS-coded at the apex; 327 of them, of "
        "118 people, show one of seven emotions, contempt among them and neutral not. Mostly 640x490 grey, frontal, no "
        "sound.",
        citation="P. Lucey, J. F. Cohn, T. Kanade, J. Saragih, Z. Ambadar, I. Matthews (2010). The Extended "
        "Cohn-Kanade Dataset (CK+): a complete dataset for action unit and emotion-specified expression. CVPR "
        "Workshops 2010, 94-101. https://doi.org/10.1109/CVPRW.2010.5543262",
        licence="Research only, on a signed agreement; no redistribution",
        home="https://www.pitt.edu/~emotion/ck-spread.htm",
        label_source="the emotion asked for, where the FACS codes at the apex and the authors' eyes confirm it",
        emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised", "contempt"),
        labels=LABELS,
        n_clips=593,
        steps=(
            "Sign the agreement at https://www.pitt.edu/~emotion/ck-spread.htm (a faculty member has to) and await the "
            "mail with the addresses.",
            "Download extended-cohn-kanade-images.zip, Emotion_labels.zip and FACS_labels.zip.",
            "Unpack all three below the root (Landmarks.zip is not needed).",
        ),
        known_defects=(
            "266 of 593 sequences have no emotion label; they stay as clips without one.",
            "No sequence is neutral: neutral faces are the first pictures (`stills`), of the same people.",
            "Sex and age of a person do not come with the data.",
            "The 48x48 folders hold the last three, nearly equal pictures of a sequence: a split by picture leaks.",
            "The 48x48 table names no person: no speaker-disjoint split of it is possible, its usage shares people.",
            "Very uneven classes: 83 surprised, 18 contempt.",
        ),
    )
    suffixes = (".png",)
    own_columns = ("layout", "view")
    targets = ("validated",)
    example = "cohn-kanade-images/S005/001/S005_001_00000001.png"

    def __init__(self, root: str | Path | None = None, *, target: str | None = None, stills: bool = False):
        super().__init__(root, target=target)
        self.stills = stills

    def files(self) -> list[Path]:
        """Return every picture, having unpacked the 48x48 table where there is one and it was not done."""
        for table in sorted(self.root.rglob("ckextended.csv")):
            pixels.unpack(table, WORDS, prefix="ckextended")
        return super().files()

    def parse(self, path: Path) -> dict | None:
        """Return what a picture's name and folders say; `clip` is that of its sequence where this is a clip."""
        match, word = NAME.fullmatch(path.stem), LABELS.get(path.parent.name.lower())
        if match and word:
            clip, person, number = f"{path.stem}-48", *match.group(1, 3)
            take, layout = f"{person}_{match[2]}", "crop"
        elif match and path.parent.name == match[2]:
            person, number, take, layout = match[1], match[3], f"{match[1]}_{match[2]}", "sequence"
            clip, word = path.stem if self.stills else take, ""
        elif word and CROPPED.fullmatch(path.stem):
            person, number, take, layout, clip = "", "", path.stem, "crop", path.stem
        else:
            return None
        return {
            "clip": clip,
            "path": str(path),
            "audio_path": "",
            "emotion": word,
            **dict.fromkeys(("intensity", "sex", "text"), ""),
            "speaker": person and f"ckplus-{person}",
            "take": f"ckplus-{take}",
            "usage": path.parent.parent.name if not person else "",
            "layout": layout,
            "view": number,
        }

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a sequence (or, with `stills`, one each of its first picture and its apex) and a crop."""
        pictures, sequences, rows = list(super().rows(files)), defaultdict(list), []
        for row in pictures:
            if row["layout"] == "sequence":
                sequences[row["take"], str(Path(row["path"]).parent)].append(row)
            else:
                rows.append(row | {"n_frames": 1, "apex": -1, "facs": "", "neutral_path": "", "apex_path": ""})
        emotions, facs = self._labels("emotion"), self._labels("facs")
        known: dict[str, str] = {}
        for (take, folder), members in sequences.items():
            if other := known.get(take):
                raise WorkbenchError(f"sequence {take} is there twice: {other} and {folder}; keep one")
            known[take] = folder
            name = take.removeprefix("ckplus-")
            rows += self._sequence(folder, members, emotions.get(name), facs.get(name))
        return rows

    def _sequence(self, folder: str, members: list[dict], emotion: Path | None, facs: Path | None) -> list[dict]:
        """Return the row of a sequence from those of its pictures, or the rows of its two stills."""
        members = sorted(members, key=lambda row: row["view"])
        coded = NAME.match((emotion or facs).name)[3] if emotion or facs else members[-1]["view"]
        first, apex = members[0], next((row for row in members if row["view"] == coded), members[-1])
        label = read_emotion(emotion) if emotion else ""
        more = {
            "n_frames": len(members),
            "apex": int(apex["view"]),
            "facs": read_facs(facs) if facs else "",
            "neutral_path": first["path"],
            "apex_path": apex["path"],
        }
        if self.stills:
            neutral = first | more | {"emotion": "neutral", "layout": "still", "n_frames": 1, "facs": ""}
            return [neutral, apex | more | {"emotion": label, "layout": "still", "n_frames": 1}]
        return [first | more | {"path": folder, "emotion": label, "view": ""}]

    def _labels(self, kind: str) -> dict[str, Path]:
        """Return the files of labels of a kind by the names of their sequences."""
        found = sorted(self.root.rglob(f"*_{kind}.txt"))
        return {"_".join(match.group(1, 2)): path for path in found if (match := NAME.match(path.name))}

    def published(self, clips: pd.DataFrame) -> int | None:
        """Return how many clips the layout that is here has when it is whole, None where several are mixed."""
        layouts = set(clips["layout"].where(clips["speaker"] != "", "table"))
        return PUBLISHED[layouts.pop()] if len(layouts) == 1 else None

    def missing(self, files: list[Path]) -> list[str]:
        """Return the pictures that a sequence's numbering or label expects and that are absent."""
        have: dict[str, set[int]] = defaultdict(set)
        for row in filter(None, map(self.parse, files)):
            if row["layout"] == "sequence":
                have[row["take"].removeprefix("ckplus-")].add(int(row["view"]))
        last = {name: max(numbers) for name, numbers in have.items()}
        if have:
            for labels in (self._labels("emotion"), self._labels("facs")):
                for name, path in labels.items():
                    last[name] = max(last.get(name, 0), int(NAME.match(path.name)[3]))
        return [f"{name}_{n:08d}" for name in sorted(last) for n in range(1, last[name] + 1) if n not in have[name]]


def read_emotion(path: Path) -> str:
    """Return the emotion in a `*_emotion.txt`, a code from 0 (neutral) to 7 (surprise).

    Raises
    ------
    WorkbenchError
        If the file holds anything else.
    """
    text = path.read_text(errors="replace").split()
    codes = {f"{code}": emotion for code, emotion in enumerate(CODES)}
    try:
        return codes[f"{float(text[0]):g}"] if len(text) == 1 else codes[""]
    except (ValueError, KeyError):
        raise WorkbenchError(f"{path}: expected one code from 0 to 7, found {' '.join(text)!r}") from None


def read_facs(path: Path) -> str:
    """Return the action units in a `*_facs.txt` (rows of unit and intensity 0 to 5) as text like `1:b 2:c 25`.

    The letter is FACS's intensity, a (trace) to e (maximum); there is none where the file gives 0, not known.

    Raises
    ------
    WorkbenchError
        If a row is not of this form.
    """
    units = []
    for line in path.read_text(errors="replace").splitlines():
        if not line.strip():
            continue
        try:
            unit, intensity = (float(number) for number in line.split())
            letter = INTENSITIES[int(intensity)] if intensity >= 0 else INTENSITIES[9]
        except (ValueError, IndexError):
            raise WorkbenchError(
                f"{path}: expected rows of an action unit and an intensity 0 to 5, found {line!r}"
            ) from None
        units.append(f"{unit:g}:{letter}" if letter else f"{unit:g}")
    return " ".join(units)
