"""What a prediction panel shows of an answer: parts, words for what was missing, tables, figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workbench import acoustics, plots, runs
from workbench.emotions import probability_columns
from workbench.explain import Heat, Part
from workbench.models.classical import ONE_STEP
from workbench.predict import arrays_read
from workbench.recipes import PICTURES, SOUNDS, Recipe

FUSED = "fused"
READ = "Films (mp4, webm, avi, flv, ...), sounds (wav, flac, mp3, ...) and still pictures can be read."
OF_FACE = (*PICTURES, "action_units", "action_units_stranger", "fp68")
SAID = (
    ": no picture",
    ": no sound stream",
    "so no emotion is given",
)  # ends of notes put otherwise
HEAT = (
    "Red: covering this lowers the probability of the emotion, so it speaks for it. Blue: covering it raises it. "
    "Found by occlusion (Zeiler and Fergus 2014): each part in turn is covered with the recording's own mean, and the "
    "run is asked again. It says what this run leans on, and not what the person felt."
)
NAMES = {"mfcc": "MFCC", "mel": "Mel band", "spectrogram": "Frequency bin", "waveform": "Waveform (peak 1)",
         "landmarks": "Landmark", "fp68": "Landmark value", "action_units": "Action unit"}  # fmt: skip


def part(modality: str, by: str, shares: np.ndarray | None, classes: Sequence[str]) -> dict:
    """Return what one modality says, for a page: `name`, `by`, `emotion` and `probabilities` (None without any)."""
    said = None if shares is None else {name: float(share) for name, share in zip(classes, shares, strict=True)}
    return {
        "name": modality,
        "by": by,
        "emotion": None if said is None else max(said, key=said.get),
        "probabilities": said,
    }


def parts_of(parts: Sequence[Part], answer: Mapping, classes: Sequence[str]) -> list[dict]:
    """Return what each modality says, and where there are several, the `answer` of all together."""
    said = [part(one.modality, one.by, one.probabilities, classes) for one in parts]
    if len(said) < 2:
        return said
    shares = None if answer["emotion"] is None else np.array(list(answer["probabilities"].values()))
    return [*said, part(FUSED, "all together", shares, classes)]


def known(probabilities: Mapping[str, float]) -> dict[str, float | None]:
    """Return probabilities with None in place of NaN, which a page cannot read."""
    return {name: None if np.isnan(share) else share for name, share in probabilities.items()}


def in_words(answer: Mapping, run: runs.Run) -> list[str]:
    """Return what was missing in a recording, in sentences for a person who has never seen the project."""
    read = set(arrays_read(run))
    wants_face, wants_voice = bool(read & set(OF_FACE)), bool(read & set(SOUNDS))
    face, voice = answer["face"], answer["sound"]
    notes = [note for note in answer["notes"] if not note.endswith(SAID)]
    if not answer["readable"]:
        return [f"This file could not be read as a recording. {READ}", *notes]
    if not face and not voice:
        return ["There is no face and no voice to go by, so no emotion is named.", *notes]
    words = []
    if wants_face and not face:
        words.append("No face was found" + (", so the answer rests on the voice alone." if wants_voice else "."))
    if wants_voice and not voice:
        silent = "The sound is silent" if any("silent" in note for note in notes) else "There is no voice to hear"
        words.append(silent + (", so the answer rests on the face alone." if wants_face else "."))
    if not answer["usable"] and answer["reason"] not in notes:
        words.append("This run has nothing to go by here, so no emotion is named.")
    return [*words, *notes]


def table(answers: Sequence[Mapping]) -> pd.DataFrame:
    """Return answers as a table: a row for each recording and part.

    Columns: `name, run, part, by, emotion, p_<emotion>..., face, sound, corpus, synthetic, notes` (`corpus`: what the
    run was trained on); a part without anything to go by has no emotion and no probabilities.
    """
    rows = []
    for answer in answers:
        columns = probability_columns(answer["probabilities"])
        for one in answer["parts"]:
            shares = one["probabilities"] or {}
            said = {column: shares.get(column.removeprefix("p_"), np.nan) for column in columns}
            about = {"name": answer["name"], "run": answer["run"], "part": one["name"], "by": one["by"]}
            missing = {key: answer[key] for key in ("face", "sound", "corpus", "synthetic")}
            missing |= {"notes": " ".join(answer["notes"])}
            rows.append(about | {"emotion": one["emotion"] or ""} | said | missing)
    return pd.DataFrame(rows)


def picture(answer: Mapping):
    """Return an answer as a figure: a panel for each part (`plots.answers`)."""
    rows = [
        {
            "part": f"{one['name']}\n{one['by']}",
            "emotion": emotion,
            "probability": (one["probabilities"] or {}).get(emotion),
        }
        for one in answer["parts"]
        for emotion in answer["probabilities"]
    ]
    found = pd.DataFrame(rows).astype({"probability": float})
    named = f"{answer['name']}: {answer['emotion'] or 'no emotion named'}"
    return plots.answers(found, title=named, note=" ".join([*answer["words"], f"Run {answer['run']}."]))


def heat_figure(
    heats: Sequence[Heat],
    arrays: Mapping[str, np.ndarray],
    recipe: Recipe,
    emotion: str,
    *,
    title: str = "",
    notes: Sequence[str] = (),
):
    """Return heat-maps as one figure (`plots.heat_maps`).

    Parameters
    ----------
    heats : sequence of Heat
        From `explain.explain`.
    arrays : mapping
        What the run was given of the recording.
    recipe : Recipe
        How the arrays were made, for the times.
    notes : sequence of str
        Sentences below the figure, before what it shows.
    """
    options, over_time = {}, []
    for heat in heats:
        array = arrays[heat.array]
        if heat.drop.ndim == 3:
            middles = (heat.edges[0][:-1] + heat.edges[0][1:]) // 2
            options |= {"frames": array[middles], "faces": heat.drop}
        elif heat.array in ONE_STEP:
            options["others"] = pd.Series(heat.drop[0], index=feature_names(recipe, array.shape[1]))
        else:
            flat = array.reshape(len(array), -1) if array.ndim > 1 else array
            over_time.append(
                (NAMES.get(heat.array, heat.array), flat.astype(np.float64), heat.drop, _step(heat, recipe))
            )
    return plots.heat_maps(emotion, **options, over_time=over_time, title=title, note=" ".join([*notes, HEAT]))


def _step(heat: Heat, recipe: Recipe) -> float:
    """Return the time between two steps of an array, s; 0 of what is made of pictures."""
    if heat.array in OF_FACE:
        return 0.0
    return (1 if heat.array == "waveform" else recipe.hop_length) / recipe.sample_rate


def feature_names(recipe: Recipe, n: int) -> list[str]:
    """Return the names of the `n` named features of a recipe."""
    options = {"sample_rate": recipe.sample_rate, "n_fft": recipe.n_fft, "hop_length": recipe.hop_length}
    sound = np.random.default_rng(0).normal(0, 0.1, recipe.sample_rate).astype(np.float32)
    names = list(acoustics.summary(sound, n_mfcc=recipe.n_mfcc, **options))
    return names if len(names) == n else [f"feature {i + 1}" for i in range(n)]
