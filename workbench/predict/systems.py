"""Finished runs as functions: arrays of clips in, the probabilities that a run gives them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from safetensors.torch import load_file
from sklearn.pipeline import Pipeline

from workbench import classifiers, runs, standards
from workbench.errors import WorkbenchError
from workbench.fusion import rules, stacking
from workbench.models import Model, arrays_of, build, classical
from workbench.recipes import Recipe
from workbench.standards import LEAST, Standards, within
from workbench.training import Clips


def load_model(run: runs.Run) -> Model:
    """Return the trained network of a run, in evaluation mode.

    Raises
    ------
    WorkbenchError
        If its weights are not finite.
    """
    state = load_file(run.folder / "model.safetensors")
    _refuse(run, "weights", [name for name, x in state.items() if not x.isfinite().all()])
    model = build(run.params["encoders"], len(run.params["classes"]), fusion=run.params["fusion"])
    model.load_state_dict(state)
    return model.eval()


def _classifier(run: runs.Run) -> Pipeline:
    """Return the trained classifier of a run, if its numbers are finite."""
    model = classifiers.load(run.folder / "model.skops")
    _refuse(run, "classifier", classifiers.broken(model))
    return model


def _refuse(run: runs.Run, what: str, broken: Sequence[str]) -> None:
    """Raise a WorkbenchError if there is anything in `broken`."""
    if broken:
        shown = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
        raise WorkbenchError(f"run {run.name}: its {what} hold NaN or infinity ({shown}): train it again")


Answers = list[np.ndarray | None]


def predictor(run: runs.Run, *, finite: bool = True) -> Callable[[Sequence[Mapping[str, np.ndarray]]], Answers]:
    """Return a function from clips' arrays to the probabilities (C,) of each.

    It gives None where a clip has nothing that the run can use, or the probabilities are not finite. What a fused
    network misses is put at its training mean, or at 0; a stacked fusion that misses a member passes on what the other
    members say (their mean), and a rule goes by the others. A run that standardises within each speaker takes the clips
    as those of one speaker, and gives None for all of them where there are fewer than `standards.LEAST`.

    Parameters
    ----------
    finite : bool
        With False, probabilities that are not finite are returned as they are, in place of None.

    Raises
    ------
    WorkbenchError
        If the run was not made from recordings, or its weights are not finite.
    """
    _from_recordings(run)
    ask, needs = _predictor(run), _needs(run) if run.transductive else None

    def answer(clips):
        if needs and sum(_has(clip, needs) for clip in clips) < LEAST:
            return [None] * len(clips)
        return _finite(ask(clips)) if finite else ask(clips)

    return answer


def _finite(answers: Sequence[np.ndarray | None]) -> Answers:
    return [None if one is None or not np.isfinite(one).all() else one for one in answers]


def _predictor(run: runs.Run) -> Callable[..., Answers]:
    if "members" in run.params:
        return _late_fusion(run)
    return _classical(run) if "classical" in run.params else _network(run)


def _late_fusion(run: runs.Run) -> Callable[..., Answers]:
    """Return the answers of a late fusion: NaN where it has none because a member's probabilities are not finite."""
    parts = [_once(predictor(member, finite=False), arrays_read(member), member) for member in members(run)]
    joined = _ruled(run) if "rule" in run.params else _stacked(run)

    def answer(clips):
        given = list(zip(*(one(clips) for one in parts), strict=True))
        out = joined([_finite(of_clip) for of_clip in given])
        for i, of_clip in enumerate(given):
            if out[i] is None and any(one is not None and not np.isfinite(one).all() for one in of_clip):
                out[i] = np.full(len(run.params["classes"]), np.nan)
        return out

    return answer


def too_few(run: runs.Run, clips: Sequence[Mapping[str, np.ndarray]]) -> str:
    """Return why a run gives no emotion to any of these clips of one person, in words; '' if there are enough.

    Counted are the clips that have what the run reads; a run that does not standardise within the speaker needs one.
    """
    if not run.transductive:
        return ""
    return standards.too_few(sum(usable(run, clip) for clip in clips))


def usable(run: runs.Run, clip: Mapping[str, np.ndarray]) -> bool:
    """Return whether a clip has what a run, or a member of it, can use: a classifier needs all that it reads."""
    return _has(clip, _needs(run))


def _needs(run: runs.Run) -> list[tuple[list[str], bool]]:
    """Return, for a run or each of its members, the arrays that it reads, and whether it needs all of them."""
    return [(arrays_of(one.params), "classical" in one.params) for one in alone(run)]


def _has(clip: Mapping[str, np.ndarray], needs: Sequence[tuple[list[str], bool]]) -> bool:
    return any((all if needs_all else any)(name in clip for name in names) for names, needs_all in needs)


def _once(answer: Callable[..., Answers], names: Sequence[str], run: runs.Run) -> Callable[..., Answers]:
    """Return `answer`, asked but once about clips that share the arrays it reads: a face with and without a voice."""
    if run.transductive:  # the clips are standardised together: how often one is among them counts
        return answer

    def answered_once(clips):
        keys = [tuple(id(clip.get(name)) for name in names) for clip in clips]
        found = dict(zip(dict.fromkeys(keys), answer(list(dict(zip(keys, clips, strict=True)).values())), strict=True))
        return [found[key] for key in keys]

    return answered_once


Said = Sequence[Sequence[np.ndarray | None]]  # of each clip, what each member says


def _stacked(run: runs.Run) -> Callable[[Said], Answers]:
    model, classes = _classifier(run), run.params["classes"]
    options = {"settings": run.params["stacking"], "normalise": run.params.get("normalise")}
    least = LEAST if options["normalise"] == "speaker" else 1

    def answer(said: Said) -> Answers:
        known = [[one for one in of_clip if one is not None] for of_clip in said]
        out: Answers = [np.mean(of_clip, axis=0) if of_clip else None for of_clip in known]
        whole = [i for i, of_clip in enumerate(known) if len(of_clip) == len(said[i])]
        if 0 < len(whole) < least:
            return [None if i in whole else one for i, one in enumerate(out)]
        if whole:
            scores = np.stack([np.hstack(known[i]) for i in whole])
            rows = stacking.presented(scores, speakers=["one"] * len(whole), **options)
            for i, found in zip(whole, classifiers.probabilities(model, rows, classes), strict=True):
                out[i] = found
        return out

    return answer


def _ruled(run: runs.Run) -> Callable[[Said], Answers]:
    rule, nothing = rules.load(run.folder / "rule.json"), np.full(len(run.params["classes"]), np.nan)
    _refuse(run, "rule", [] if rule.weights is None or np.isfinite(rule.weights).all() else ["weights"])

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
    """Return each clip as a batch of one, with masks, as the run's network reads it; empty where nothing is there.

    Of a run that standardises within the speaker, an array that fewer than `standards.LEAST` clips have is left out.
    """
    names = arrays_of(run.params)
    if run.transductive:
        names = [name for name in names if sum(name in clip for clip in clips) >= LEAST]
    found = [batch_of(clip, names) for clip in clips]
    if run.transductive:
        known = [name for name in names if any(name in batch for batch in found)]
        views = {name: [batch[name][0] if name in batch else None for batch in found] for name in known}
        norm = Standards(views, ["one"] * len(clips))
        found = [norm(batch, [0]) for batch in found]
    return [Clips.to_tensors(batch) for batch in found]


def _classical(run: runs.Run) -> Callable[..., Answers]:
    model, names = _classifier(run), arrays_of(run.params)
    (settings,) = run.params["classical"].values()

    def answer(clips):
        known = [i for i, clip in enumerate(clips) if all(name in clip for name in names)]
        out: Answers = [None] * len(clips)
        if len(known) >= (LEAST if run.transductive else 1):
            rows = np.vstack([classical.rows(batch_of(clips[i], names), settings) for i in known])
            rows = within(rows, ["one"] * len(rows)) if run.transductive else rows
            for i, found in zip(known, classifiers.probabilities(model, rows, run.params["classes"]), strict=True):
                out[i] = found
        return out

    return answer


def batch_of(clip: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return those arrays of a clip as a batch of one, with masks."""
    batch = {name: np.ascontiguousarray(clip[name])[None] for name in names if name in clip}
    return batch | {f"{name}_mask": np.ones(x.shape[:2], bool) for name, x in batch.items()}


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
