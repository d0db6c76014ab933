"""What an answer rests on: what each modality says by itself, and what happens when parts of a recording are covered.

Both ask the run and look into nothing, so that they serve networks, classical classifiers and late fusions alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch

from workbench import runs
from workbench.errors import WorkbenchError, choose
from workbench.models import arrays_of
from workbench.models.classical import ONE_STEP
from workbench.predict import Answers, arrays_read, batches, load_model, members, predictor, probabilities_of, too_few

Clip = Mapping[str, np.ndarray]  # arrays by name, time first (`predict.prepared`)

ITSELF, MEMBER, SIDE, LEFT = "the run itself", "member {}", "side branch", "the rest left out"


@dataclass(frozen=True)
class Part:
    """What one modality says by itself: probabilities (C,), None where the recording has nothing of it.

    `by` says how that was found out: the run has this modality alone (`the run itself`); it is what a member of a late
    fusion says (`member NAME`), or a network's own `side branch` of the modality; or the fused network was asked with
    `the rest left out`. This last one is how the network makes do, and no model trained on the modality alone.
    """

    modality: str
    by: str
    probabilities: np.ndarray | None


def by_modality(run: runs.Run) -> Callable[[Sequence[Clip]], list[list[Part]]]:
    """Return a function from clips' arrays to what each modality of the run says of each clip."""
    if "members" in run.params:
        return _together([(one.params["modality"], MEMBER.format(one.params["variant"]), predictor(one))
                          for one in members(run)])  # fmt: skip
    encoders = run.params.get("encoders", {})
    if len(encoders) < 2:
        return _together([(run.params["modality"], ITSELF, predictor(run))])
    network = load_model(run)
    if hasattr(network.fusion, "with_side"):
        return lambda clips: [_sides(network, batch) for batch in batches(run, clips)]
    asked = predictor(run)
    reads = {modality: arrays_of({"encoders": {modality: one}}) for modality, one in encoders.items()}
    return _together([(modality, LEFT, _with_only(asked, names)) for modality, names in reads.items()])


def _together(parts: Sequence[tuple[str, str, Callable[..., Answers]]]) -> Callable[..., list[list[Part]]]:
    def answer(clips):
        said = [ask(clips) for _, _, ask in parts]
        return [[Part(*part[:2], one[i]) for part, one in zip(parts, said, strict=True)] for i in range(len(clips))]

    return answer


def _with_only(ask: Callable[..., Answers], names: Sequence[str]) -> Callable[..., Answers]:
    return lambda clips: ask([{name: clip[name] for name in names if name in clip} for clip in clips])


@torch.inference_mode()
def _sides(network, batch: Mapping[str, torch.Tensor]) -> list[Part]:
    """Return what a network's side branches say of one clip, (1, T, ...) tensors."""
    if not batch:
        return [Part(modality, SIDE, None) for modality in network.encoders]
    given = [network.encode(encoder, batch) for encoder in network.encoders.values()]
    _, sides = network.fusion.with_side(given)
    known = [None if side.isnan().any() else probabilities_of(side) for side in sides]
    return [Part(modality, SIDE, one) for modality, one in zip(network.encoders, known, strict=True)]


@dataclass(frozen=True)
class Heat:
    """What it costs to cover parts of an array, by parts of time and of what the array has beside it.

    `array`: its name. `drop`: how far the emotion's probability falls, -1..1, when a part is covered; above 0, the part
    speaks for the emotion, below, against it. (times,) of a waveform, (times, bands) of what has one value a band,
    (times, rows, columns) of pictures. `edges`: where the parts begin and end on each of these axes, in steps of it.
    """

    array: str
    drop: np.ndarray
    edges: tuple[np.ndarray, ...]

    def whole(self) -> np.ndarray:
        """Return `drop` at the size of the array: each step, band and pixel has what its part has."""
        out = self.drop
        for axis, edges in enumerate(self.edges):
            out = np.repeat(out, np.diff(edges), axis=axis)
        return out


# Into how many parts the axes of an array are divided, by its number of axes.
PARTS = {1: (24,), 2: (12, 6), 4: (5, 5, 5)}


def occlude(
    answer: Callable[[Sequence[Clip]], Answers],
    clip: Clip,
    emotion: int,
    *,
    names: Sequence[str],
    parts: Mapping[int, Sequence[int]] = PARTS,
    progress: Callable = lambda items, **_: items,
) -> list[Heat]:
    """Return what covering parts of a clip does to the probability of an emotion (Zeiler & Fergus 2014, section 4.2).

    A part of pictures is covered with the clip's mean colour, one of sound or of coefficients with the mean of each
    band over the clip, one of a waveform with silence, and a named feature is taken away. What covering a part leaves
    alone may still have counted, where another part says the same.

    Parameters
    ----------
    answer : callable
        From `predict.predictor`: a list of clips to their probabilities (C,). It is asked about one clip at a time.
    clip : mapping
        Arrays by name, (T,), (T, D) or (T, h, w, 3).
    emotion : int
        The number of the class.
    names : sequence of str
        Which arrays, one after the other; those that the clip lacks are passed over.
    parts : mapping
        Into how many parts the axes are divided, by the number of axes (`PARTS`); no more than there are steps.

    Raises
    ------
    WorkbenchError
        If the clip as it is gets no answer.

    References
    ----------
    Zeiler & Fergus (2014), Visualizing and understanding convolutional networks, ECCV.
    """
    (before,) = answer([clip])
    if before is None:
        raise WorkbenchError("nothing in this recording that the run can use, so there is nothing to explain")
    mine = {name: _edges(name, clip[name], parts) for name in names if name in clip}
    todo = [(name, at) for name, edges in mine.items() for at in product(*(range(len(edge) - 1) for edge in edges))]
    drops = {name: np.zeros([len(edge) - 1 for edge in edges]) for name, edges in mine.items()}
    for name, at in progress(todo, total=len(todo), description="covering parts"):
        (after,) = answer([{**clip, name: _covered(name, clip[name], mine[name], at)}])
        drops[name][at] = before[emotion] - after[emotion]
    return [Heat(name, drops[name], edges) for name, edges in mine.items()]


def _edges(name: str, array: np.ndarray, parts: Mapping[int, Sequence[int]]) -> tuple[np.ndarray, ...]:
    """Return where the parts of an array begin and end, on its time axis and those beside it."""
    if name in ONE_STEP:  # named features, each by itself
        return np.arange(2), np.arange(array.shape[1] + 1)
    divided = zip(array.shape, parts[array.ndim], strict=False)
    return tuple(np.linspace(0, length, min(n, length) + 1).round().astype(int) for length, n in divided)


def _covered(name: str, array: np.ndarray, edges: Sequence[np.ndarray], at: Sequence[int]) -> np.ndarray:
    """Return a copy of an array with one part of it covered."""
    where = tuple(slice(edge[i], edge[i + 1]) for edge, i in zip(edges, at, strict=True))
    out = array.copy()
    if name in ONE_STEP:
        out[where] = np.nan
    elif array.ndim == 1:
        out[where] = 0
    elif array.ndim == 2:
        out[where] = array[:, where[1]].mean(axis=0, dtype=np.float64).astype(array.dtype)
    else:
        out[where] = array.mean(axis=(0, 1, 2), dtype=np.float64).astype(array.dtype)
    return out


def explain(
    run: runs.Run,
    clip: Clip,
    emotion: str | None = None,
    *,
    beside: Sequence[Clip] = (),
    answer: Callable[[Sequence[Clip]], Answers] | None = None,
    progress: Callable = lambda items, **_: items,
) -> list[Heat]:
    """Return what a run's answer on a clip rests on, array by array that it reads (`occlude`).

    Parameters
    ----------
    clip : mapping
        From `predict.prepared`.
    emotion : str, optional
        One of the run's classes; by default the one that it names.
    beside : sequence of clips, optional
        Others of the same speaker, for a run that standardises within each (`normalise: speaker`) and needs
        `standards.LEAST` in all.
    answer : callable, optional
        The run's `predictor`, where it is at hand already.

    Raises
    ------
    WorkbenchError
        For an emotion that is none of the run's, a clip of which the run can use nothing, or too few clips to
        standardise within the speaker.
    """
    if reason := too_few(run, [clip, *beside]):
        raise WorkbenchError(reason)
    ask = answer or predictor(run)

    def among(clips):
        return [ask([one, *beside])[0] for one in clips]

    if emotion is None:
        (said,) = among([clip])
        number = 0 if said is None else int(said.argmax())
    else:
        number = run.params["classes"].index(choose("emotion of the run", emotion, run.params["classes"]))
    return occlude(among, clip, number, names=arrays_read(run), progress=progress)
