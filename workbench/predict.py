"""One recording in, one answer out: which emotion does a finished run hear and see in it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from workbench import classifiers, geometry, media, runs
from workbench.errors import MediaError, WorkbenchError
from workbench.fusion import rules, stacking
from workbench.models import Model, arrays_of, build, classical
from workbench.prepare import prepare_clip
from workbench.recipes import SOUNDS, Recipe
from workbench.standards import Standards, within
from workbench.store import unpack
from workbench.training import Clips


def load_model(run: runs.Run) -> Model:
    """Return the trained network of a run, in evaluation mode."""
    model = build(run.params["encoders"], len(run.params["classes"]), fusion=run.params["fusion"])
    model.load_state_dict(load_file(run.folder / "model.safetensors"))
    return model.eval()


Answers = list[np.ndarray | None]


def predictor(run: runs.Run) -> Callable[[Sequence[Mapping[str, np.ndarray]]], Answers]:
    """Return a function from clips' arrays to the probabilities (C,) of each.

    It gives None where a clip has nothing that the run can use. What a fused network misses is put at its training
    mean, or at 0; a stacked fusion that misses a member passes on what the other members say (their mean), and a rule
    goes by the others. A run that standardises within each speaker takes the clips as those of one speaker.
    """
    _from_recordings(run)
    if "members" in run.params:
        parts = [_once(predictor(member), arrays_read(member), member) for member in members(run)]
        joined = _ruled(run) if "rule" in run.params else _stacked(run)
        return lambda clips: joined(list(zip(*(one(clips) for one in parts), strict=True)))
    return _classical(run) if "classical" in run.params else _network(run)


def _once(answer: Callable[..., Answers], names: Sequence[str], run: runs.Run) -> Callable[..., Answers]:
    """Return `answer`, asked but once about clips that share the arrays it reads: a face with and without a voice."""
    if by_speaker(run):  # the clips are standardised together: how often one is among them counts
        return answer

    def answered_once(clips):
        keys = [tuple(id(clip.get(name)) for name in names) for clip in clips]
        found = dict(zip(dict.fromkeys(keys), answer(list(dict(zip(keys, clips, strict=True)).values())), strict=True))
        return [found[key] for key in keys]

    return answered_once


Said = Sequence[Sequence[np.ndarray | None]]  # of each clip, what each member says


def _stacked(run: runs.Run) -> Callable[[Said], Answers]:
    model, classes = classifiers.load(run.folder / "model.skops"), run.params["classes"]
    options = {"settings": run.params["stacking"], "normalise": run.params.get("normalise")}

    def answer(said: Said) -> Answers:
        known = [[one for one in of_clip if one is not None] for of_clip in said]
        out: Answers = [np.mean(of_clip, axis=0) if of_clip else None for of_clip in known]
        if whole := [i for i, of_clip in enumerate(known) if len(of_clip) == len(said[i])]:
            scores = np.stack([np.hstack(known[i]) for i in whole])
            rows = stacking.presented(scores, speakers=["one"] * len(whole), **options)
            for i, found in zip(whole, classifiers.probabilities(model, rows, classes), strict=True):
                out[i] = found
        return out

    return answer


def _ruled(run: runs.Run) -> Callable[[Said], Answers]:
    rule, nothing = rules.load(run.folder / "rule.json"), np.full(len(run.params["classes"]), np.nan)

    def answer(said: Said) -> Answers:
        full = [[nothing if one is None else one for one in of_clip] for of_clip in said]
        return [
            None if all(one is None for one in of_clip) else rule(np.stack(of_full)[:, None])[0]
            for of_clip, of_full in zip(said, full, strict=True)
        ]

    return answer


def _network(run: runs.Run) -> Callable[..., Answers]:
    network = load_model(run)

    @torch.inference_mode()
    def answer(clips):
        given = [network(batch)["logits"] if batch else None for batch in batches(run, clips)]
        return [None if logits is None else probabilities_of(logits) for logits in given]

    return answer


def probabilities_of(logits: torch.Tensor) -> np.ndarray:
    """Return the probabilities (C,) float64 of one clip's logits (1, C)."""
    return logits.double().softmax(1)[0].numpy()


def batches(run: runs.Run, clips: Sequence[Mapping[str, np.ndarray]]) -> list[dict[str, torch.Tensor]]:
    """Return each clip as a batch of one, with masks, as the run's network reads it; empty where nothing is there."""
    names = arrays_of(run.params)
    found = [batch_of(clip, names) for clip in clips]
    if by_speaker(run):
        known = [name for name in names if any(name in batch for batch in found)]
        views = {name: [batch[name][0] if name in batch else None for batch in found] for name in known}
        norm = Standards(views, ["one"] * len(clips))
        found = [norm(batch, [0]) for batch in found]
    return [Clips.to_tensors(batch) for batch in found]


def _classical(run: runs.Run) -> Callable[..., Answers]:
    model, names = classifiers.load(run.folder / "model.skops"), arrays_of(run.params)
    (settings,) = run.params["classical"].values()

    def answer(clips):
        known = [i for i, clip in enumerate(clips) if all(name in clip for name in names)]
        out: Answers = [None] * len(clips)
        if known:
            rows = np.vstack([classical.rows(batch_of(clips[i], names), settings) for i in known])
            rows = within(rows, ["one"] * len(rows)) if by_speaker(run) else rows
            for i, found in zip(known, classifiers.probabilities(model, rows, run.params["classes"]), strict=True):
                out[i] = found
        return out

    return answer


def batch_of(clip: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return those arrays of a clip as a batch of one, with masks."""
    batch = {name: np.ascontiguousarray(clip[name])[None] for name in names if name in clip}
    return batch | {f"{name}_mask": np.ones(x.shape[:2], bool) for name, x in batch.items()}


def by_speaker(run: runs.Run) -> bool:
    """Say whether a run, or a member of it, standardises within each speaker."""
    return any(one.params.get("normalise") == "speaker" for one in [run, *alone(run)])


def recipe_of(run: runs.Run) -> Recipe:
    """Return the recipe that says how recordings become what a run reads.

    Raises
    ------
    WorkbenchError
        If the run reads what was made elsewhere.
    """
    _from_recordings(run)
    return Recipe(**alone(run)[0].params["recipe"])


def arrays_read(run: runs.Run) -> list[str]:
    """Return the names of the arrays that a run, or its members, read."""
    return list(dict.fromkeys(name for one in alone(run) for name in arrays_of(one.params)))


def _from_recordings(run: runs.Run) -> None:
    if strange := [one.name for one in alone(run) if "recipe" not in one.params]:
        raise WorkbenchError(
            f"run {strange[0]}: its predictions, or what it reads, were made elsewhere and read from files; expected a "
            "run that was made from recordings"
        )


def members(run: runs.Run) -> list[runs.Run]:
    """Return the runs whose answers a late fusion joins."""
    return [runs.load(run.folder.parents[2] / name) for name in run.params["members"]]


def alone(run: runs.Run) -> list[runs.Run]:
    """Return the runs of one model that a run is made of: itself, or its members."""
    return members(run) if "members" in run.params else [run]


def predict(files: Iterable[str | Path], run: runs.Run) -> list[dict]:
    """Return one answer a file, in their order; a file that cannot be used gets its reason and no emotion.

    A run that standardises within each speaker (`normalise: speaker`) takes all of the files as recordings of one
    person, as its notes say: the more there are, and the more various, the better.

    Returns
    -------
    list of dict
        `path`, `emotion` (or None), `probabilities` (emotion -> 0..1, summing to 1; all alike where there was
        nothing to go by), `face` and `sound` (whether one was found), `notes` (what was missing, in words), `run`.
    """
    answer = predictor(run)
    recipe = recipe_of(run)
    found = (prepared(str(file), recipe) for file in files)
    if not by_speaker(run):
        return [answered(file, run, arrays, notes, answer([arrays])[0]) for file, arrays, notes in found]
    found = list(found)
    note = f"standardised over {len(found)} recordings, taken as of one speaker (normalise: speaker)"
    answers = answer([arrays for _, arrays, _ in found])
    return [
        answered(file, run, arrays, [*notes, note], one)
        for (file, arrays, notes), one in zip(found, answers, strict=True)
    ]


def prepared(file: str, recipe: Recipe) -> tuple[str, dict[str, np.ndarray], list[str]]:
    """Return a file, its arrays as a run reads them (by name, time first), and what was wrong with it, in words."""
    try:
        probe = media.probe(file)
        clip = {"clip": Path(file).stem, "path": file, "audio_path": file if probe.has_sound else ""}
        clip["path"] = file if probe.has_frames else ""
        _, arrays, rows = prepare_clip(clip, recipe)
    except MediaError as error:
        return file, {}, [str(error)]
    notes = [row["reason"] for row in rows]
    notes += [f"{file}: no sound stream"] * (not probe.has_sound) + [f"{file}: no picture"] * (not probe.has_frames)
    arrays = {name: unpack(array) for name, array in arrays.items()}
    return file, arrays | described(arrays), notes


def described(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return what is made of a clip's landmarks; nobody's neutral face is at hand, so the person is the average one."""
    if "landmarks" not in arrays:
        return {}
    names = ("action_units_stranger", "fp68")
    found = {name: views[0] for name, views in geometry.describe([arrays["landmarks"]], pd.DataFrame(), names).items()}
    return found | {"action_units": found["action_units_stranger"]}


def answered(file: str, run: runs.Run, arrays: Mapping, notes: list[str], found: np.ndarray | None) -> dict:
    """Return the answer on a file, as `predict` gives it, from the probabilities (C,) that a run found, or None."""
    classes = run.params["classes"]
    if found is None:
        notes = [*notes, f"{file}: nothing that run {run.name} can use, so every emotion is given the same probability"]
    if "action_units" in arrays and "action_units" in arrays_read(run):
        notes = [*notes, f"{file}: no neutral picture of the person, action units are fitted on the average face"]
    shares = np.full(len(classes), 1 / len(classes)) if found is None else found
    return {
        "path": file,
        "emotion": None if found is None else classes[int(shares.argmax())],
        "probabilities": {name: float(share) for name, share in zip(classes, shares, strict=True)},
        "face": bool({"frames", "landmarks"} & set(arrays)),
        "sound": any(name in arrays for name in SOUNDS),
        "notes": notes,
        "run": run.name,
    }
