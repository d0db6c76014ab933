"""Studies: what to run, as data. One YAML file a study; `run` makes its runs, `table` puts them beside the published.

The workbench's own lie beside this file, a user's in `data/studies/` or wherever their path says (`load`).

A study names its `source` and `table`, the `corpus`, the `classes`, the `protocol` of the published numbers (it is run
beside `speaker-disjoint`, unless it keeps speakers apart itself), the `repeats` (how many seeds, or which), `profiles`
(sizes: `smoke`, `demo`, `full`; one may change `variants`, `recipe`, `training`) and the `variants`: settings of
encoders, fusion and training, of a classical classifier, or of a late fusion over other variants (`members`, with
`stacking` or a `rule`), each with what was `published` for it. A system that others trained is `given`: its
predictions are read from the corpus's files. A late fusion over such systems says by `learn_from` which of their
predictions it learns from (`train`, where they come with no others); with `normalise: speaker` these are standardised
within each speaker. `start` names variants whose encoders a network begins with, and `freeze: true` keeps these as
they are. `only` says which clips, by other columns than the emotion (``{channel: speech}``), where the corpus has
these. A variant may have `classes`, `only` and a `recipe` of its own, or be one of another study (`of:
STUDY/VARIANT`), whose runs it then shows. `cited` are rows of the published table by others, which are shown and not
run. With `predict_training` the clips trained on are predicted too (usage `train`), where a published table has them.
`measures` are columns of the table beyond accuracy, such as `f1` or `parameters`. `reached`, of the study or of what
was `published`, gives conditions of the published numbers that differ from the study's own (`values.REACHED`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path

import yaml

from workbench import paths
from workbench.errors import WorkbenchError, choose
from workbench.representation import card
from workbench.splits import SHARING
from workbench.studies.values import COSTS, LOSSES, MEASURES, PUBLISHED, RATES, SENSES

FOLDER = Path(__file__).parent
TRANSDUCTIVE = "(transductive)"  # behind the title of a variant that needs several clips of a test speaker


@dataclass(frozen=True)
class Study:
    """A study as its YAML file gives it.

    `setting` says on what the published numbers were reached, where a variant's own `published` does not. One of its
    own says that a number was reached elsewhere and is not comparable, unless the variant has `classes` or `only` of
    its own to match.
    """

    name: str
    title: str
    corpus: str
    classes: list[str]
    protocol: str
    variants: dict[str, dict]
    source: str = ""
    table: str = ""
    only: dict[str, str] = field(default_factory=dict)
    repeats: int | list | dict = 1
    setting: str = ""
    reached: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    inner_share: float = 0.2
    predict_training: bool = False
    measures: list[str] = field(default_factory=lambda: ["accuracy"])
    cited: dict[str, dict] = field(default_factory=dict)
    profiles: dict[str, dict] = field(default_factory=dict)

    def __post_init__(self):
        from workbench.studies import declaration

        declaration.check(vars(self))

    @property
    def protocols(self) -> list[str]:
        """What is run: the published numbers' own protocol and, unless that keeps speakers apart, speaker-disjoint."""
        return list(dict.fromkeys([*(["speaker-disjoint"] if self.protocol in SHARING else []), self.protocol]))

    def profile(self, name: str) -> dict:
        """Return the values of a profile, as far as it sets them.

        `n_folds`, `folds` (only so many of the folds are run), `speakers`, `repeats`, `training`, `recipe`,
        `variants`. The first two and `repeats` may differ by protocol: ``{random: 10, speaker-disjoint: 8}``.
        """
        if not self.profiles:
            raise WorkbenchError(f"study {self.name!r} has no profile: add one, such as `profiles: {{{name}: {{}}}}`")
        return self.profiles[choose(f"profile of study {self.name!r}", name, self.profiles)]

    def variant(self, name: str) -> dict:
        """Return the settings of a variant."""
        return self.variants[choose("variant", name, self.variants)]

    def titles(self) -> dict[str, str]:
        """Return what tables and figures call the variants; those that are not strict are marked (`transductive`)."""
        titles = {name: settings.get("title", name) for name, settings in self.variants.items()}
        return {name: f"{title} {TRANSDUCTIVE}" if self.transductive(name) else title for name, title in titles.items()}

    def transductive(self, variant: str) -> bool:
        """Return whether a variant, or a member of it, uses all unlabelled clips of a test speaker at once."""
        settings = self.variant(variant)
        if "of" in settings:
            study, other = load_of(settings["of"])
            return study.transductive(other)
        members = [name for name in settings.get("members", ()) if name != variant]
        return settings.get("normalise") == "speaker" or any(map(self.transductive, members))

    def groups(self) -> dict[str, dict[str, str]]:
        """Return the variants that a figure shows in one panel: group -> variant -> title, as far as they name one."""
        found: dict[str, dict[str, str]] = {}
        titles = self.titles()
        for name, settings in self.variants.items():
            if "group" in settings:
                found.setdefault(settings["group"], {})[name] = titles[name]
        return found

    def _repr_html_(self) -> str:
        from workbench.studies.showing import short

        facts, rows = short(self)
        return card("Study", f"{self.name}: {self.title}", facts, table=rows)

    def modality(self, variant: str) -> str:
        """Return what a variant hears or sees: `audio`, `video`, or `audiovisual`."""
        settings = self.variant(variant)
        if "of" in settings:
            study, other = load_of(settings["of"])
            return study.modality(other)
        of = [name for key in ("encoders", "classical", "given") for name in settings.get(key, ())]
        kinds = {SENSES.get(name, name) for name in of}
        kinds |= {self.modality(name) for name in settings.get("members", ())}
        return kinds.pop() if len(kinds) == 1 else "audiovisual"


def by_protocol(value, protocol: str):
    """Return a profile's value for a protocol: the value itself, or what it maps the protocol to (None without)."""
    return value.get(protocol) if isinstance(value, Mapping) else value


def seeds_of(study: Study, profile: Mapping, protocol: str) -> list[int]:
    """Return the seeds of a protocol's repeats."""
    repeats = by_protocol(profile.get("repeats", study.repeats), protocol) or 1
    return list(repeats) if isinstance(repeats, list) else list(range(repeats))


def names() -> list[str]:
    """Return the names of all studies: the workbench's own, and the user's in `data/studies/`."""
    return sorted({path.stem for folder in (FOLDER, paths.studies()) for path in folder.glob("*.yaml")})


def own_name(name: str) -> str:
    """Return the name of a study of the user's own; it names a file and a folder of runs.

    Raises
    ------
    WorkbenchError
        If it cannot, or is that of one of the workbench's studies.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        expected = "1 to 64 letters, digits, - and _, a letter or digit first"
        raise WorkbenchError(f"a study cannot be called {name!r}: expected {expected}")
    if (FOLDER / f"{name}.yaml").exists():
        raise WorkbenchError(f"study {name!r} is one of the workbench's: call yours by another name")
    return name


def load(name: str | Path) -> Study:
    """Return a study by name, or by the path of its YAML file (``path/to/my.yaml``), which it is named after.

    Everything that a user's own file says is checked, settings of models and of training included, which imports torch.

    Raises
    ------
    WorkbenchError
        For an unknown name, a file that is not there, is not YAML, lacks a field, or has an unknown key or an
        impossible value at any level; the message names the file and the place in it, and the choices.
    """
    return _load(_file(name), checked=True)


def listed(name: str) -> Study:
    """Return a study by name, as `load` does, but without checking the settings of its models, which takes seconds.

    Raises
    ------
    WorkbenchError
        As `load` does.
    """
    return _load(_file(name), checked=False)


def _load(path: Path, *, checked: bool) -> Study:
    from workbench.studies import declaration

    try:
        said = _read(path, path.stat().st_mtime_ns)
        if not isinstance(said, dict):
            raise WorkbenchError(f"expected the fields of a study, found {type(said).__name__}")
        for key in said:
            choose("key of a study", key, FIELDS)
        if missing := [key for key in NEEDED if key not in said]:
            raise WorkbenchError(f"missing {len(missing)} required fields: {', '.join(missing)}")
        study = Study(name=path.stem, **copy.deepcopy(said))
        if path.parent != FOLDER:  # those of the workbench are checked by its tests
            declaration.check_variants(study)
        if path.parent != FOLDER and checked:
            from workbench.studies import checking

            checking.check_study(study)
    except (UnicodeDecodeError, WorkbenchError, yaml.YAMLError) as error:
        raise WorkbenchError(f"{path if path.parent != FOLDER else path.name}: {error}") from None
    return study


FIELDS = tuple(one.name for one in fields(Study) if one.name != "name")
NEEDED = ("title", "corpus", "classes", "protocol", "variants")


def _file(name: str | Path) -> Path:
    """Return the file of a study."""
    path = Path(name).expanduser()
    if path.suffix not in (".yaml", ".yml"):
        own = paths.studies() / f"{choose('study', str(name), names())}.yaml"
        return own if own.exists() and own_name(own.stem) else FOLDER / own.name
    if not path.is_file():
        found = "a folder" if path.exists() else "nothing"
        raise WorkbenchError(f"study {str(name)!r}: expected a YAML file, found {found} (current folder: {Path.cwd()})")
    if path.resolve().parent != FOLDER.resolve():
        own_name(path.stem)
    return path


@lru_cache
def _read(path: Path, changed: int) -> dict:
    """Return what a file holds, which was last `changed` then: reading YAML takes long, and studies are asked often."""
    from workbench.studies import declaration

    return declaration.read(path.read_text(encoding="utf-8"))


def load_of(name: str) -> tuple[Study, str]:
    """Return the study and the variant that ``STUDY/VARIANT`` names.

    Raises
    ------
    WorkbenchError
        If there is none such, or it is one of yet another study.
    """
    study, _, variant = name.partition("/")
    found = listed(study)  # its models are checked where it is loaded by itself, or run
    if "of" in (settings := found.variant(variant)):
        raise WorkbenchError(f"variant {name!r} is itself one of another study: name that one, {settings['of']!r}")
    return found, variant


__all__ = [
    "COSTS",
    "LOSSES",
    "MEASURES",
    "PUBLISHED",
    "RATES",
    "SENSES",
    "Study",
    "by_protocol",
    "listed",
    "load",
    "load_of",
    "names",
    "own_name",
    "seeds_of",
]
