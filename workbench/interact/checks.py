"""The fields of the training panel, checked: which study they make, why they make none, what commands run it."""

from __future__ import annotations

import inspect
import re
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from workbench import datasets, paths, recipes, studies
from workbench.datasets import Corpus
from workbench.errors import WorkbenchError, choose
from workbench.interact.choices import FIELDS, NONE, TRAINED, classes, fields_of, fusions, parse, study_of, text_of
from workbench.models import ENCODERS, FUSIONS
from workbench.speakers import count_in_words
from workbench.studies import Study, checking, planning, under_way
from workbench.training import Settings

NOTEBOOKS = {("voice",): "30_audio_models", ("face",): "31_video_models"}
BOTH = "40_fusion_comparison"
RARELY = 50  # times as long as it took to look for a corpus's clips, what was found is taken to be there still


@dataclass
class Checked:
    """What came of the fields: what each means, why it is wrong (`reasons`, by field), and the `study`, if none is.

    `says` is what will be run, in words.
    """

    chosen: dict = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    study: dict | None = None
    says: str = ""

    @property
    def good(self) -> bool:
        """Whether the study can be run."""
        return self.study is not None and not self.reasons

    @property
    def text(self) -> str:
        """The study's file; '' where there is none."""
        return text_of(self.study) if self.study else ""

    @property
    def words(self) -> list[str]:
        """What runs the study in the project's folder, after Python's own name."""
        options = {"jobs": self.chosen["jobs"], "tensorboard": self.chosen["tensorboard"]}
        where, root = shown(file_of(self.chosen["name"])), self.chosen["root"]
        return under_way.command(where, corpus=self.chosen["corpus"], root=root and shown(Path(root)), **options)

    @property
    def papermill(self) -> str:
        """The command that runs the study in the notebook for it, which shows its tables and figures; in that folder.

        `-r` gives text as it is, so that no name is taken for a number.
        """
        notebook, chosen = _notebook(NOTEBOOKS.get(tuple(self.study["variants"]), BOTH)), self.chosen
        out = paths.runs() / chosen["name"] / notebook.name
        texts = {"study": shown(file_of(chosen["name"])), "corpus": chosen["corpus"], "profile": "full"}
        texts |= {"root": shown(Path(chosen["root"]))} if chosen["root"] else {}
        values = {"variants": "None", "jobs": chosen["jobs"], "tensorboard": chosen["tensorboard"]}
        given = [word for name, value in texts.items() for word in ("-r", name, value)]
        given += [word for name, value in values.items() for word in ("-p", name, str(value))]
        return shlex.join(["papermill", shown(notebook), shown(out), *given])


def file_of(name: str) -> Path:
    """Return where the study of that name is kept."""
    return paths.studies() / f"{name}.yaml"


def _notebook(name: str) -> Path:
    """Return a notebook of the project; where that has none, of the folder that the package is used from."""
    here, beside = (folder / "notebooks" / f"{name}.ipynb" for folder in (paths.project(), Path(__file__).parents[2]))
    return beside if beside.exists() and not here.exists() else here


def shown(path: Path) -> str:
    """Return a path as one would type it in the project's folder: from there, where it lies below it."""
    path, project = path.expanduser().absolute(), paths.project()
    return str(path.relative_to(project) if path.is_relative_to(project) else path)


def check(given: Mapping[str, str | bool]) -> Checked:
    """Return what the fields, as they are typed, come to; see `choices.FIELDS`."""
    found = Checked()
    chosen = found.chosen
    for name, one in FIELDS.items():
        chosen[name] = _attempt(found, name, parse, one, given[name])
        if name in found.reasons:  # the others are checked all the same
            chosen[name] = parse(one, one.default)
    _attempt(found, "name", _own, chosen["name"])
    _attempt(found, "recipe_options", recipes.load, chosen["recipe"], **chosen["recipe_options"])
    _attempt(found, "jobs", _whole, chosen["jobs"])
    _check_training(found)
    _attempt(found, "emotions", classes, chosen)
    if chosen["voice"] == chosen["face"] == NONE:
        found.reasons["voice"] = "choose a voice, a face, or both"
    _attempt(found, "root" if chosen["root"] else "corpus", opened, chosen["corpus"], chosen["root"])
    made = _attempt(found, "fusion", study_of, chosen) if "emotions" not in found.reasons else None
    if made is None:
        return found
    _check_models(found, made["variants"], len(made["classes"]))
    _check_plan(found, made)
    found.study = made
    return found


def takes(name: str) -> list[str]:
    """Return the settings that an encoder or a fusion of the panel takes, by name; none where these are not listed."""
    kind = ENCODERS.get(name) or FUSIONS.get(fusions().get(name, ("", ""))[1])
    given = ("self", "widths", "n_classes")
    return [one for one in inspect.signature(kind.__init__).parameters if one not in given] if kind else []


def _attempt(found: Checked, name: str, function: Callable, /, *args, **options):
    """Return what a function gives; what it raises is the reason why a field is wrong."""
    try:
        return function(*args, **options)
    except WorkbenchError as error:
        found.reasons.setdefault(name, str(error))
    except Exception as error:  # a layer that cannot be made of what was typed
        found.reasons.setdefault(name, f"{type(error).__name__}: {error}")
    return None


def _own(name: str) -> None:
    """Raise a WorkbenchError if a study may not be called so, or one of another making is."""
    if file_of(studies.own_name(name)).exists():
        fields_of(studies.load(name), {})


def _whole(number) -> None:
    if type(number) is not int or number < 1:
        raise WorkbenchError(f"processes are {number!r}, expected a whole number, 1 or more")


def _check_training(found: Checked) -> None:
    """Check each setting by itself, so that each has its reason, and then all together."""
    chosen, known = found.chosen, [one.name for one in fields(Settings)]
    for name in TRAINED:
        _attempt(found, name, Settings, **{name: chosen[name]})
    for name in chosen["more"]:
        _attempt(found, "more", choose, "training setting", name, known)
        if name in TRAINED:
            found.reasons["more"] = f"{name} has a field of its own"
    if any(name in found.reasons for name in (*TRAINED, "more")):
        return
    try:
        Settings(**{name: chosen[name] for name in TRAINED} | chosen["more"])
    except (WorkbenchError, TypeError, ValueError) as error:
        named = re.match(r"training setting (\w+)", str(error))
        found.reasons[named[1] if named and named[1] in TRAINED else "more"] = str(error)


def _check_models(found: Checked, variants: Mapping[str, Mapping], n_classes: int) -> None:
    """Check the settings of each model; a network that joins encoders only where those are right."""
    for side, settings in variants.items():
        place = "fusion_options" if side == "both" else f"{side}_options"
        _attempt(found, place, checking.check_fusion, side, settings)
        if "encoders" not in settings or not found.reasons:
            _attempt(found, place, checking.check_models, settings, n_classes)


def opened(corpus: str, root: str) -> Corpus:
    """Return a corpus with its clips at hand; they are looked for again once that would take little of the time.

    Raises
    ------
    WorkbenchError
        If there are none.
    """
    key, began = (corpus, str(root or paths.raw(corpus))), time.monotonic()
    due, found = _LOOKED.get(key, (began, None))
    if began >= due:
        try:
            found = datasets.corpus(corpus, root or None)
            clips = found.clips()
            found.clips = lambda: clips
        except Exception as error:
            found = error
        ended = time.monotonic()
        _LOOKED[key] = (ended + RARELY * (ended - began), found)
    if isinstance(found, Exception):
        raise found.with_traceback(None)
    return found


_LOOKED: dict[tuple[str, str], tuple[float, Corpus | Exception]] = {}  # until when, what


def _check_plan(found: Checked, made: Mapping) -> None:
    """See whether the corpus has what the study wants, and how many runs that makes."""
    chosen = found.chosen
    study = _attempt(found, "protocol", _study, chosen["name"], made)
    if "protocol" in found.reasons:
        _move(found, "protocol")
    if study is None or found.reasons.keys() & {"corpus", "root", "recipe_options"}:
        return
    plan = _attempt(found, "emotions", planning.plan, study, opened(chosen["corpus"], chosen["root"]))
    if plan is None:
        return
    for variant in study.variants if not found.reasons else ():
        _attempt(found, "fusion" if variant == "both" else variant, checking.check, plan, [variant])
    sides = _attempt(found, "n_folds", _sides, plan)
    if sides is None:
        return
    speakers = count_in_words(plan.takes["speaker"])
    beside = " (and speaker-disjoint, which always stands beside it)" if len(study.protocols) > 1 else ""
    found.says = (
        f"{len(plan.takes)} takes {speakers}, {len(plan.classes)} emotions; "
        f"{' and '.join(study.variants)}, {study.protocol}{beside}: {len(sides) * len(study.variants)} runs"
    )
    found.says += "".join(f". {words}" for words in dict.fromkeys(sides) if words)


def _study(name: str, made: Mapping) -> Study:
    return Study(name=name, **made)


def _move(found: Checked, name: str) -> None:
    """Put a reason beside the field that it speaks of."""
    reason = found.reasons[name].removeprefix("profile 'full': ")
    words = {"emotions": "classes"}  # what a study calls a field, where that is another word
    named = {other: words.get(other, other) for other in FIELDS}
    place = next((other for other, word in named.items() if reason.startswith((f"{word} is", f"{word} are"))), name)
    if place != name:
        found.reasons[place] = found.reasons.pop(name)


def _sides(plan: planning.Plan) -> list[str]:
    """Return of each run of a variant what its fold lacks to test, in words, '' for nothing.

    Every fold's sides are made on the way, so that what fails fails here: a class without a training clip, for one.
    """
    found, emotion = [], plan.takes["emotion"]
    for protocol in plan.study.protocols:
        for seed in plan.seeds(protocol):
            for fold in plan.folds(protocol, seed).values():
                inner, _ = plan.inner_split(protocol, fold, seed)
                lacking = [
                    [one for one in plan.classes if one not in set(emotion.iloc[at])] for at in (inner, fold.test)
                ]
                if lacking[0]:
                    what = f"protocol {protocol!r}, fold {fold.name!r}"
                    raise WorkbenchError(f"{what}: no training clip of {', '.join(lacking[0])}")
                found.append(f"{fold.name} has no test clip of {', '.join(lacking[1])}" if lacking[1] else "")
    return found


__all__ = ["Checked", "check", "file_of", "shown", "takes"]
