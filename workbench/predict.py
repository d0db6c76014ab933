"""One recording in, one answer out: which emotion does a finished run hear and see in it?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from workbench import media, runs
from workbench.errors import MediaError
from workbench.fusion import stacking
from workbench.models import Model, build
from workbench.prepare import prepare_clip
from workbench.recipes import SOUNDS, Recipe
from workbench.store import unpack


def load_model(run: runs.Run) -> Model:
    """Return the trained network of a run, in evaluation mode."""
    model = build(run.params["encoders"], len(run.params["classes"]), fusion=run.params["fusion"])
    model.load_state_dict(load_file(run.folder / "model.safetensors"))
    return model.eval()


def predictor(run: runs.Run) -> tuple[Recipe, Callable[[Mapping[str, np.ndarray]], np.ndarray | None]]:
    """Return the recipe a run wants and a function from a clip's arrays to probabilities (C,).

    The function returns None where the clip has nothing that the run can use. What a fused network misses is put
    at its training mean; a late fusion that misses a member passes on what the other members say (their mean).
    """
    if "members" in run.params:
        parts = [predictor(runs.load(run.folder.parents[2] / name)) for name in run.params["members"]]
        model = stacking.load(run.folder / "model.skops")

        def stacked(arrays):
            said = [answer for _, one in parts if (answer := one(arrays)) is not None]
            if len(said) < len(parts):
                return np.mean(said, axis=0) if said else None
            return stacking.probabilities(model, np.hstack(said)[None], run.params["classes"])[0]

        return parts[0][0], stacked
    network = load_model(run)

    @torch.inference_mode()
    def alone(arrays):
        batch = {
            name: torch.from_numpy(np.ascontiguousarray(arrays[name]))[None]
            for name in arrays
            if name in network.inputs
        }
        if not batch:
            return None
        batch = {name: x.float() if x.dtype == torch.float16 else x for name, x in batch.items()}
        batch |= {f"{name}_mask": torch.ones(x.shape[:2], dtype=torch.bool) for name, x in batch.items()}
        return network(batch)["logits"].double().softmax(1)[0].numpy()

    return Recipe(**run.params["recipe"]), alone


def predict(files: Iterable[str | Path], run: runs.Run) -> list[dict]:
    """Return one answer a file, in their order; a file that cannot be used gets its reason and no emotion.

    Returns
    -------
    list of dict
        `path`, `emotion` (or None), `probabilities` (emotion -> 0..1, summing to 1; all alike where there was
        nothing to go by), `face` and `sound` (whether one was found), `notes` (what was missing, in words), `run`.
    """
    recipe, answer = predictor(run)
    return [_one(str(file), run, recipe, answer) for file in files]


def _one(file: str, run: runs.Run, recipe: Recipe, answer: Callable) -> dict:
    try:
        probe = media.probe(file)
        clip = {"clip": Path(file).stem, "path": file, "audio_path": file if probe.has_sound else ""}
        clip["path"] = file if probe.has_frames else ""
        _, arrays, rows = prepare_clip(clip, recipe)
        arrays = {name: unpack(array) for name, array in arrays.items()}
        notes = [row["reason"] for row in rows]
        notes += [f"{file}: no sound stream"] * (not probe.has_sound) + [f"{file}: no picture"] * (not probe.has_frames)
    except MediaError as error:
        arrays, notes = {}, [str(error)]
    classes, found = run.params["classes"], answer(arrays)
    if found is None:
        notes.append(f"{file}: nothing that run {run.name} can use, so every emotion is given the same probability")
    shares = np.full(len(classes), 1 / len(classes)) if found is None else found
    return {
        "path": file,
        "emotion": None if found is None else classes[int(shares.argmax())],
        "probabilities": {name: float(share) for name, share in zip(classes, shares, strict=True)},
        "face": "frames" in arrays,
        "sound": any(name in arrays for name in SOUNDS),
        "notes": notes,
        "run": run.name,
    }
