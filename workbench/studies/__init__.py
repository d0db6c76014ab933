"""Studies: what to run, as data. One YAML file a study; `run` makes its runs, `table` puts them beside the published.

A study names its `source` and `table`, the `corpus`, the `classes`, the `protocol` of the published numbers (it is run
beside `speaker-disjoint`, unless it keeps speakers apart itself), the `repeats` (how many seeds, or which), `profiles`
(sizes: `smoke`, `demo`, `full`; one may change `variants`, `recipe`, `training`) and the `variants`: settings of
encoders, fusion and training, of a classical classifier, or of a late fusion over other variants (`members`, with
`stacking` or a `rule`), each with what was `published` for it. `start` names variants whose encoders a network begins
with, and `freeze: true` keeps these as they are. `only` says which clips, by other columns than the emotion
(``{channel: speech}``), where the corpus has these. A variant may have `classes`, `only` and a `recipe` of its own, or
be one of another study (`of: STUDY/VARIANT`), whose runs it then shows. `cited` are rows of the published table by
others, which are shown and not run. With `predict_training` the clips trained on are predicted too (usage `train`),
where a published table has them. `measures` are the table's columns beyond accuracy, such as `f1` or `parameters`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import yaml

from workbench.errors import WorkbenchError, choose
from workbench.splits import PROTOCOLS, SHARING

FOLDER = Path(__file__).parent
# What a modality is taken from, where that is not its own name.
SENSES = {"features": "audio", "scene": "video", "geometry": "video"}
# Of `published`: rates in percent, `loss`, and counts as they are. `by_fold`, `by_seed`, `by_class` map names to them.
RATES = ("accuracy", "sd", "best", "worst", "train", "train_sd", "validation", "precision", "recall", "f1")
COSTS = ("parameters", "multiply_adds", "latency_ms", "bytes_per_clip")
LOSSES = ("loss", "loss_sd", "train_loss", "train_loss_sd")
MAPPINGS = ("by_fold", "by_seed", "by_class", "n_neighbors", "settings")
PUBLISHED = (*RATES, *LOSSES, *COSTS, *MAPPINGS, "row", "setting", "note")
MEASURES = ("accuracy", "uar", "precision", "recall", "f1", "loss", *COSTS)


@dataclass(frozen=True)
class Study:
    """A study as its YAML file gives it.

    `setting` says on what the published numbers were reached, where a variant's own `published` does not. One of its
    own says that a number was reached elsewhere and is not comparable, unless the variant has `classes` or `only` of
    its own to match.
    """

    name: str
    title: str
    source: str
    table: str
    corpus: str
    classes: list[str]
    protocol: str
    variants: dict[str, dict]
    only: dict[str, str] = field(default_factory=dict)
    repeats: int | list | dict = 1
    setting: str = ""
    training: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    inner_share: float = 0.2
    predict_training: bool = False
    measures: list[str] = field(default_factory=lambda: ["accuracy"])
    cited: dict[str, dict] = field(default_factory=dict)
    profiles: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        choose("protocol", self.protocol, PROTOCOLS)
        for measure in self.measures:
            choose("measure", measure, MEASURES)
        for name, settings in (self.variants | self.cited).items():
            for key in settings.get("published", {}):
                choose(f"key of published, variant {name!r}", key, PUBLISHED)
            if "of" in settings and (more := set(settings) - {"of", "title", "group", "published"}):
                raise WorkbenchError(
                    f"variant {name!r} is {settings['of']!r}, which has settings of its own, not {more}"
                )

    @property
    def protocols(self) -> list[str]:
        """What is run: the published numbers' own protocol and, unless that keeps speakers apart, speaker-disjoint."""
        return list(dict.fromkeys([*(["speaker-disjoint"] if self.protocol in SHARING else []), self.protocol]))

    def profile(self, name: str) -> dict:
        """Return the values of a profile, as far as it sets them.

        `n_folds`, `folds` (only so many of the folds are run), `speakers`, `repeats`, `training`, `recipe`,
        `variants`. The first two and `repeats` may differ by protocol: ``{random: 10, speaker-disjoint: 8}``.
        """
        return self.profiles[choose("profile", name, self.profiles)]

    def variant(self, name: str) -> dict:
        """Return the settings of a variant."""
        return self.variants[choose("variant", name, self.variants)]

    def groups(self) -> dict[str, dict[str, str]]:
        """Return the variants that a figure shows in one panel: group -> variant -> title, as far as they name one."""
        found: dict[str, dict[str, str]] = {}
        for name, settings in self.variants.items():
            if "group" in settings:
                found.setdefault(settings["group"], {})[name] = settings.get("title", name)
        return found

    def modality(self, variant: str) -> str:
        """Return what a variant hears or sees: `audio`, `video`, or `audiovisual`."""
        settings = self.variant(variant)
        if "of" in settings:
            study, other = load_of(settings["of"])
            return study.modality(other)
        kinds = {SENSES.get(name, name) for name in (*settings.get("encoders", ()), *settings.get("classical", ()))}
        kinds |= {self.modality(name) for name in settings.get("members", ())}
        return kinds.pop() if len(kinds) == 1 else "audiovisual"


def by_protocol(value, protocol: str):
    """Return a profile's value for a protocol: the value itself, or what it maps the protocol to (None without)."""
    return value.get(protocol) if isinstance(value, Mapping) else value


def names() -> list[str]:
    """Return the names of all studies."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Study:
    """Return a study by name.

    Raises
    ------
    WorkbenchError
        For an unknown name, or a file that lacks a field or has one too many.
    """
    path = FOLDER / f"{choose('study', name, names())}.yaml"
    try:
        return Study(name=name, **copy.deepcopy(_read(path, path.stat().st_mtime_ns)))
    except (TypeError, WorkbenchError) as error:
        raise WorkbenchError(f"{path.name}: {error}") from None


@lru_cache
def _read(path: Path, changed: int) -> dict:
    """Return what a file holds, which was last `changed` then: reading YAML takes long, and studies are asked often."""
    return yaml.safe_load(path.read_text())


def load_of(name: str) -> tuple[Study, str]:
    """Return the study and the variant that ``STUDY/VARIANT`` names.

    Raises
    ------
    WorkbenchError
        If there is none such, or it is one of yet another study.
    """
    study, _, variant = name.partition("/")
    found = load(study)
    if "of" in (settings := found.variant(variant)):
        raise WorkbenchError(f"variant {name!r} is itself one of another study: name that one, {settings['of']!r}")
    return found, variant


__all__ = ["Study", "by_protocol", "load", "load_of", "names"]
