"""SAVEE: four men, 15 British English sentences in each of seven emotions, voice and face (Haq and Jackson 2010)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from workbench.datasets.base import Card, Corpus
from workbench.datasets.files import absent, joined
from workbench.emotions import in_order

SPEAKERS = ("DC", "JE", "JK", "KL")
LABELS = {
    "a": "angry",
    "d": "disgust",
    "f": "fearful",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprised",
}
SENTENCES = {code: 30 if code == "n" else 15 for code in LABELS}
NAME = re.compile(r"(?:([A-Z]{2})_)?(sa|su|[adfhn])(\d{1,2})", re.IGNORECASE)
FILMS, SOUNDS = (".avi", ".mp4"), (".wav", ".flac")


class Savee(Corpus):
    """SAVEE as published (`AudioData/DC/a01.wav`, `AudioVisualClip/DC/a1.avi`), or flat as `DC_a01.wav`.

    The speaker is in the name or in the nearest folder; numbers may lack their leading zero. A clip is a performance:
    the film and the sound of one are joined, so `DC-a01` has the avi for its picture and the wav for its sound (the
    film's own sound where the wav is not there). `select` then takes the wav for sound alone, and both for both.
    The sentences are not in the names, hence no `text`; `sentence` is the number within speaker and emotion.
    """

    card = Card(
        name="savee",
        title="Surrey Audio-Visual Expressed Emotion database",
        description="Four men, postgraduate students and researchers at the University of Surrey aged 27 to 31, speak "
        "15 TIMIT sentences in each of six emotions and 30 neutrally; 480 performances, 120 each. Acted, British "
        "English, studio. No woman, and nobody older or younger: speaker-disjoint results rest on four people.",
        citation="S. Haq, P. J. B. Jackson (2010). Multimodal Emotion Recognition. In W. Wang (ed.), Machine Audition: "
        "Principles, Algorithms and Systems, chapter 17, pp. 398-423. IGI Global. ISBN 978-1615209194",
        licence="free for research, after registration",
        home="http://kahlan.eps.surrey.ac.uk/savee/",
        label_source="the emotion the actor was asked to show",
        emotions=tuple(in_order(LABELS.values())),
        labels=LABELS,
        speakers=tuple(f"savee-{speaker}" for speaker in SPEAKERS),
        n_clips=480,
        takes=(
            ({}, {"neutral": 120} | dict.fromkeys(("happy", "sad", "angry", "fearful", "disgust", "surprised"), 60)),
        ),
        steps=(
            "Register at http://kahlan.eps.surrey.ac.uk/savee/Download.html; name and password come by e-mail.",
            "Download AudioData.zip and AudioVisualClip.zip.",
            "Unpack both below the root, so that AudioData/DC/a01.wav and AudioVisualClip/DC/a1.avi are there.",
        ),
        known_defects=(
            "The actors' faces carry painted blue markers, which a network can learn to follow.",
            "All four speakers are men.",
            "The files do not say which sentence is spoken; three are common to all emotions, and the neutral ones "
            "repeat sentences of the others, so no split by number keeps sentences apart.",
        ),
    )
    suffixes = FILMS + SOUNDS
    own_columns = ("sentence",)
    example = "AudioData/DC/a01.wav"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name and folder, or None if they are outside the scheme."""
        match = NAME.fullmatch(path.stem)
        if not match:
            return None
        folders = [part.upper() for part in reversed(path.parts[:-1])]
        speaker = (match[1] or next((name for name in folders if name in SPEAKERS), "")).upper()
        code, number = match[2].lower(), int(match[3])
        if speaker not in SPEAKERS or not 1 <= number <= SENTENCES[code]:
            return None
        clip = f"{speaker}-{code}{number:02d}"
        return {
            "clip": clip,
            "emotion": LABELS[code],
            "intensity": "",
            "speaker": f"savee-{speaker}",
            "sex": "male",
            "text": "",
            "take": f"savee-{clip}",
            "sentence": number,
        }

    def rows(self, files: Iterable[Path]) -> list[dict]:
        """Return one dict a performance, its film joined with its sound."""
        parsed = [factors | {"file": path} for path in files if (factors := self.parse(path))]
        return joined(parsed, films=FILMS, sounds=SOUNDS + FILMS)

    def missing(self, files: list[Path]) -> list[str]:
        """Return the files, such as `DC-a01.wav`, that a begun series lacks: one speaker's 120 films, or sounds."""
        have = {(row["clip"], path.suffix.lower() in FILMS) for path in files if (row := self.parse(path))}
        missing = []
        for speaker, film in product(SPEAKERS, (False, True)):
            series = [f"{speaker}-{code}{n + 1:02d}" for code, count in SENTENCES.items() for n in range(count)]
            holes = absent(series, [clip for clip, is_film in have if is_film == film])
            missing += [f"{clip}{'.avi' if film else '.wav'}" for clip in holes]
        return missing
