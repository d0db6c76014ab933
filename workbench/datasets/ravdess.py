"""RAVDESS: 24 actors, speech and song, face and voice, eight emotions (Livingstone and Russo 2018)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from workbench.datasets.base import Card, Ceiling, Corpus
from workbench.datasets.files import absent, read_table
from workbench.emotions import EMOTIONS
from workbench.errors import WorkbenchError
from workbench.remotes import Remote

LABELS = {f"{number:02d}": emotion for number, emotion in enumerate(EMOTIONS, start=1)}
KINDS = {"01": "audio-video", "02": "video-only", "03": "audio-only"}
CHANNELS = {"01": "speech", "02": "song"}
INTENSITIES = {"01": "normal", "02": "strong"}
TEXTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
# The action units that OpenFace tells: how strong (0 to 5), and whether there at all (0 or 1).
UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
ACTION_UNITS = [f"AU{unit:02d}_r" for unit in UNITS] + [f"AU{unit:02d}_c" for unit in sorted((*UNITS, 28))]


def parse_name(path: Path, *, prefix: str = "ravdess") -> dict | None:
    """Return the factors in a 7-part RAVDESS name, or None for any other name.

    The parts are modality, vocal channel, emotion, intensity, statement, repetition, actor; odd actors are men.
    `take` is the name without its modality, so the recordings `01-`, `02-`, `03-` of one performance share it.
    Neutral has no strong intensity; such a name is outside the scheme.
    """
    match = NAME.fullmatch(Path(path).stem)
    if not match:
        return None
    kind, channel, emotion, intensity, text, repetition, actor = match.groups()
    if (emotion == "01" and intensity == "02") or not 1 <= int(actor) <= 99:
        return None
    return {
        "clip": Path(path).stem,
        "emotion": LABELS[emotion],
        "intensity": INTENSITIES[intensity],
        "speaker": f"{prefix}-{actor}",
        "sex": "male" if int(actor) % 2 else "female",
        "text": TEXTS[text],
        "take": f"{prefix}-{Path(path).stem[3:]}",
        "kind": KINDS[kind],
        "channel": CHANNELS[channel],
        "repetition": int(repetition),
    }


def _archive(part: str, name: str, *, record: int = 1188976, **known) -> Remote:
    """Return an archive of a Zenodo record, which has the size and checksum where they are not `known`."""
    url = f"https://zenodo.org/records/{record}/files/{name}?download=1"
    return Remote(name, url, part, listing="" if known else f"zenodo:{record}", unpack=True, **known)


class Ravdess(Corpus):
    """RAVDESS as published (any of its archives, unpacked anywhere below the root), or its sound as FLAC.

    A clip is a recording: `01-` has picture and sound, `03-` sound only, and a `02-` video is joined with the
    `03-` sound of the same take to an audio-visual clip where that is at hand.

    More columns: `kind` (`audio-video`, `video-only`, `audio-only`), `channel` (`speech`, `song`), `repetition`, and
    `boxes_path`: OpenFace's table of the face in this film (of the archive FacialTracking_Actors_01-24, unpacked
    anywhere below the root), where there is one; the tables of `01-` films serve the `02-` films of their takes.
    """

    card = Card(
        name="ravdess",
        title="Ryerson Audio-Visual Database of Emotional Speech and Song",
        description="24 professional actors (12 men, 12 women) speak and sing two statements in eight emotions (song: "
        "six) at two intensities, twice; 7,356 recordings. Acted, North American English, studio.",
        citation="S. R. Livingstone, F. A. Russo (2018). The Ryerson Audio-Visual Database of Emotional Speech and "
        "Song (RAVDESS). PLoS ONE 13(5): e0196391. https://doi.org/10.1371/journal.pone.0196391",
        licence="CC BY-NC-SA 4.0",
        home="https://zenodo.org/records/1188976",
        label_source="the emotion the actor was asked to show",
        labels=LABELS,
        speakers=tuple(f"ravdess-{actor:02d}" for actor in range(1, 25)),
        n_clips=7356,
        # 24 speakers speak, 23 sing (all but 18): two statements twice, but for neutral in two intensities.
        takes=(
            ({"channel": "speech"}, {"neutral": 96} | dict.fromkeys(EMOTIONS[1:], 192)),
            ({"channel": "song"}, {"neutral": 92} | dict.fromkeys(EMOTIONS[1:6], 184)),
        ),
        human=tuple(
            Ceiling(
                modality,
                accuracy,
                setting="intended emotion, speech, eight classes; ten untrained raters a recording, 247 in all",
                source="Livingstone and Russo (2018), as later work quotes it (not compared with the paper's tables). "
                "https://doi.org/10.1371/journal.pone.0196391",
            )
            for modality, accuracy in {"audio": 67.0, "video": 75.0}.items()
        ),
        remotes=(
            _archive(
                "audio_speech",
                "Audio_Speech_Actors_01-24.zip",
                size=208_468_073,
                checksum="md5:bc696df654c87fed845eb13823edef8a",
            ),
            _archive("audio_song", "Audio_Song_Actors_01-24.zip"),
            *(_archive("video_speech", f"Video_Speech_Actor_{actor:02d}.zip") for actor in range(1, 25)),
            *(_archive("video_song", f"Video_Song_Actor_{actor:02d}.zip") for actor in range(1, 25) if actor != 18),
            _archive("openface", "FacialTracking_Actors_01-24.zip", record=3255102),
        ),
        known_defects=(
            "The sound of a 01- clip lags its 03- wav by 33.3 ms (`Ravdess.alignment` measures it).",
            "The two repetitions 01-03-01-02-01-07 and 01-03-01-02-02-07 (happy, actor 07) are one recording, in sound "
            "and picture: a split by take can put it on both sides.",
            "Some published wav files are stereo; all sound is read as mono.",
            "Actor 18 has no song.",
            "Containers may announce one frame more than decodes.",
        ),
    )
    suffixes = (".mp4", ".wav", ".flac")
    own_columns = ("kind", "channel", "repetition", "boxes_path")
    example = "03-01-05-02-01-01-07.wav"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name, or None if the name is outside the scheme."""
        return parse_name(path)

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a recording, with a `02-` video joined to the `03-` sound of its take."""
        parsed = {}
        for path in sorted(files, key=lambda path: path.suffix == ".flac"):  # a wav beside its flac copy wins
            factors = self.parse(path)
            if factors:
                parsed.setdefault(factors["clip"], factors | {"file": path})
        sounds = {row["take"]: str(row["file"]) for row in parsed.values() if row["kind"] == "audio-only"}
        tracked = self._tracked() if any(row["kind"] != "audio-only" for row in parsed.values()) else {}
        rows = []
        for row in parsed.values():
            file = str(row.pop("file"))
            picture = "" if row["kind"] == "audio-only" else file
            sound = sounds.get(row["take"], "") if row["kind"] == "video-only" else file
            boxes = (tracked.get(row["clip"]) or tracked.get(f"01-{row['clip'][3:]}", "")) if picture else ""
            rows.append(row | {"path": picture, "audio_path": sound, "boxes_path": boxes})
        return rows

    def _tracked(self) -> dict[str, str]:
        """Return OpenFace's tables below the root, name -> file."""
        tables = (path for path in sorted(self.root.rglob("*.csv")) if parse_name(path) and _is_openface(path))
        return {path.stem: str(path) for path in tables}

    def pairs(self) -> dict[str, tuple[str, str]]:
        """Return the `01-` film and the `03-` sound of every take that has both. (A `02-` film is silent.)"""
        kinds = self.clips().set_index("take").groupby("kind")
        films, sounds = (
            kinds.get_group(kind)["audio_path"].to_dict() if kind in kinds.groups else {}
            for kind in ("audio-video", "audio-only")
        )
        return {take: (films[take], sounds[take]) for take in sorted(films.keys() & sounds.keys())}

    def missing(self, files: list[Path]) -> list[str]:
        """Return what a complete actor folder has and this one lacks, for every series that has been begun.

        A series is one actor, modality and channel, of which at least half is there: 60 speech or 44 song recordings.
        """
        have = {row["clip"] for row in map(self.parse, files) if row}
        series = {(clip[:2], clip[3:5], clip[-2:]) for clip in have}
        return [clip for begun in sorted(series) for clip in absent(_series(*begun), have)]


def _is_openface(path: Path) -> bool:
    """Tell OpenFace's tables of one clip from other programs', which go by the same names."""
    with open(path, encoding="utf-8", errors="replace") as file:
        names = {name.strip() for name in file.readline().split(",")}
    return {"success", "x_0", "y_0", "x_67", "y_67"} <= names


def action_units(path: str | Path) -> pd.DataFrame:
    """Return OpenFace's action units, averaged over each clip, as Luna-Jimenez et al. (2022) published them.

    Parameters
    ----------
    path : str or Path
        A table separated by semicolons, with the columns `ACTION_UNITS` and `name` (of the clip).

    Returns
    -------
    table : index `clip`; the 35 columns `AU01_r` and so on (mean strength, 0 to 5) and `AU01_c` (share of the frames
        that show it, 0 to 1), then `speaker` and `emotion` as the name has them.

    Raises
    ------
    WorkbenchError
        If the file is missing or no such table, a value is no number, a name outside the scheme or there twice.

    References
    ----------
    C. Luna-Jimenez et al. (2022). A Proposal for Multimodal Emotion Recognition Using Aural Transformers and Action
    Units on RAVDESS Dataset. Applied Sciences 12(1), 327. https://doi.org/10.3390/app12010327
    """
    table = read_table(Path(path), [*ACTION_UNITS, "name"], sep=";")
    factors = [parse_name(name) for name in table["name"]]
    if odd := [name for name, found in zip(table["name"], factors, strict=True) if not found]:
        raise WorkbenchError(
            f"{path}: expected names such as {Ravdess.example[:-4]}, found {odd[0]!r} ({len(odd)} such)"
        )
    if twice := table["name"][table["name"].duplicated()].tolist():
        raise WorkbenchError(f"{path}: expected one row a clip, found {len(twice)} more, such as of {twice[0]}")
    units = table[ACTION_UNITS].apply(pd.to_numeric, errors="coerce")
    if bad := int(units.isna().sum().sum()):
        raise WorkbenchError(f"{path}: expected numbers in the columns AU..., found {bad} values that are none")
    about = pd.DataFrame(factors)[["clip", "speaker", "emotion"]]
    return units.assign(**about).set_index("clip")


def _series(kind: str, channel: str, actor: str) -> list[str]:
    emotions = range(1, 9) if channel == "01" else range(1, 7)
    return [
        f"{kind}-{channel}-{emotion:02d}-{intensity:02d}-{text:02d}-{repetition:02d}-{actor}"
        for emotion in emotions
        for intensity in ((1,) if emotion == 1 else (1, 2))
        for text in (1, 2)
        for repetition in (1, 2)
    ]
