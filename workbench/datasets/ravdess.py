"""RAVDESS: 24 actors, speech and song, face and voice, eight emotions (Livingstone and Russo 2018)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from workbench.datasets.base import Card, Corpus
from workbench.emotions import EMOTIONS

KINDS = {"01": "audio-video", "02": "video-only", "03": "audio-only"}
CHANNELS = {"01": "speech", "02": "song"}
INTENSITIES = {"01": "normal", "02": "strong"}
TEXTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")


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
        "emotion": EMOTIONS[int(emotion) - 1],
        "intensity": INTENSITIES[intensity],
        "speaker": f"{prefix}-{actor}",
        "sex": "male" if int(actor) % 2 else "female",
        "text": TEXTS[text],
        "take": f"{prefix}-{Path(path).stem[3:]}",
        "kind": KINDS[kind],
        "channel": CHANNELS[channel],
        "repetition": int(repetition),
    }


class Ravdess(Corpus):
    """RAVDESS as published (any of its archives, unpacked anywhere below the root), or its sound as FLAC.

    A clip is a recording: `01-` has picture and sound, `03-` sound only, and a `02-` video is joined with the
    `03-` sound of the same take to an audio-visual clip where that is at hand.
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
        speakers=tuple(f"ravdess-{actor:02d}" for actor in range(1, 25)),
        known_defects=(
            "The sound of a 01- clip lags its 03- wav by about 33 ms.",
            "Some published wav files are stereo; all sound is read as mono.",
            "Actor 18 has no song.",
            "Containers may announce one frame more than decodes.",
        ),
    )
    suffixes = (".mp4", ".wav", ".flac")
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
        rows = []
        for row in parsed.values():
            file = str(row.pop("file"))
            picture = "" if row["kind"] == "audio-only" else file
            sound = sounds.get(row["take"], "") if row["kind"] == "video-only" else file
            rows.append(row | {"path": picture, "audio_path": sound})
        return rows

    def missing(self, files: list[Path]) -> list[str]:
        """Return what a complete actor folder has and this one lacks, for every series that has been begun.

        A series is one actor, modality and channel, of which at least half is there: 60 speech or 44 song
        recordings. (A handful of clips beside each other is a selection, not a series with holes.)
        """
        have = {row["clip"] for row in map(self.parse, files) if row}
        series = {(clip[:2], clip[3:5], clip[-2:]) for clip in have}
        absent = []
        for kind, channel, actor in sorted(series):
            expected = set(_series(kind, channel, actor))
            if len(expected & have) * 2 >= len(expected):
                absent += sorted(expected - have)
        return absent


def _series(kind: str, channel: str, actor: str) -> list[str]:
    emotions = range(1, 9) if channel == "01" else range(1, 7)
    return [
        f"{kind}-{channel}-{emotion:02d}-{intensity:02d}-{text:02d}-{repetition:02d}-{actor}"
        for emotion in emotions
        for intensity in ((1,) if emotion == 1 else (1, 2))
        for text in (1, 2)
        for repetition in (1, 2)
    ]
