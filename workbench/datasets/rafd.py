"""RaFD: 67 models, eight emotions, three gaze directions, five cameras at once (Langner et al. 2010)."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.datasets.base import Card, Ceiling, Corpus
from workbench.datasets.files import absent

LABELS = {"neutral": "neutral", "happy": "happy", "sad": "sad", "angry": "angry", "fearful": "fearful",
          "disgusted": "disgust", "surprised": "surprised", "contemptuous": "contempt"}  # fmt: skip
GAZES = ("frontal", "left", "right")
NAME = re.compile(
    rf"Rafd(000|045|090|135|180)_(\d\d)_(Caucasian|Moroccan|Kid)_(male|female)_({'|'.join(LABELS)})_({'|'.join(GAZES)})"
)


class Rafd(Corpus):
    """RaFD as published: pictures named like `Rafd090_01_Caucasian_female_angry_frontal.jpg`, anywhere below the root.

    The five cameras took a performance at the same instant, so these pictures share their `take` (model, emotion,
    gaze) and no split can part them; `view` is the camera. Column `yaw` is the camera's angle minus 90, in degrees:
    0 frontal, +-45 half profile, +-90 profile, negative for the cameras 000 and 045. (The names do not say which side
    of the face a sign means; no number depends on it.) `gaze` is relative to the head.
    """

    card = Card(
        name="rafd",
        title="Radboud Faces Database (RaFD)",
        description="67 models (39 Caucasian adults, 18 Moroccan Dutch men, 10 Caucasian children) show eight emotions "
        "with three gaze directions, photographed by five cameras at once: 8,040 pictures. Posed after action units "
        "under a FACS coder's eye, studio, no sound.",
        citation="O. Langner, R. Dotsch, G. Bijlstra, D. H. J. Wigboldus, S. T. Hawk, A. van Knippenberg (2010). "
        "Presentation and validation of the Radboud Faces Database. Cognition & Emotion 24(8): 1377-1388. "
        "https://doi.org/10.1080/02699930903485076",
        licence="Free for scientific research, on request and for each researcher; no redistribution",
        home="https://rafd.socsci.ru.nl",
        label_source="the emotion the model was asked to show, coached by FACS coders",
        emotions=("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised", "contempt"),
        labels=LABELS,
        n_clips=8040,
        human=(
            Ceiling("video", 82.0, "frontal pictures, mean agreement with the emotion intended", "Langner et al. 2010"),
        ),
        steps=(
            "Ask for access at https://rafd.socsci.ru.nl with a university page that names you (students: through the "
            "supervisor).",
            "Download the pictures you need and unpack them below the root, with their names as they are.",
        ),
        known_defects=(
            "The models' numbers run from 01 to 73 with gaps.",
            "The Moroccan models are all men, the children all Caucasian: sex, age and origin cannot be told apart.",
            "Names of children give `Kid` in place of their origin.",
            "Contempt is recognised worst by people.",
        ),
    )  # fmt: skip
    suffixes = (".jpg", ".jpeg", ".png")
    own_columns = ("view", "yaw", "gaze", "ethnicity", "age")
    example = "Rafd090_01_Caucasian_female_angry_frontal.jpg"

    def parse(self, path: Path) -> dict | None:
        """Return the factors in a file's name, or None if the name is outside the scheme."""
        match = NAME.fullmatch(path.stem)
        if not match:
            return None
        camera, model, group, sex, emotion, gaze = match.groups()
        return {
            "clip": path.stem,
            "path": str(path),
            "audio_path": "",
            "emotion": LABELS[emotion],
            "intensity": "",
            "speaker": f"rafd-{model}",
            "sex": sex,
            "text": "",
            "take": f"rafd-{model}-{emotion}-{gaze}",
            "view": camera,
            "yaw": int(camera) - 90,
            "gaze": gaze,
            "ethnicity": "Caucasian" if group == "Kid" else group,
            "age": "child" if group == "Kid" else "adult",
        }

    def missing(self, files: list[Path]) -> list[str]:
        """Return what a model's series by one camera (24: emotion by gaze) lacks where half of it is there."""
        have = {path.stem for path in files if self.parse(path)}
        begun = sorted({name.rsplit("_", 2)[0] for name in have})
        series = ([f"{start}_{emotion}_{gaze}" for emotion in LABELS for gaze in GAZES] for start in begun)
        return [name for expected in series for name in absent(expected, have)]
