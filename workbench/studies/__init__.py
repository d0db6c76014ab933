"""Studies: what to run, as data. One YAML file a study; `run` makes its runs, `table` puts them beside the published.

A study names its `source` and `table`, the `classes`, the `protocols` and `repeats` (seeds), `profiles` (sizes:
`smoke`, `demo`, `full`; one may change variants, for time) and the `variants`: settings of encoders, fusion and
training, of a classical classifier, or of a late fusion over other variants (`members`, with `stacking` or a `rule`),
each with the numbers published for it. `start` names variants whose encoders a network begins with, and `freeze: true`
keeps these as they are. With `predict_training` the clips trained on are predicted too (usage `train`), where a
published table has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from workbench.errors import WorkbenchError, choose

FOLDER = Path(__file__).parent
# What a modality is taken from, where that is not its own name.
SENSES = {"features": "audio", "scene": "video", "geometry": "video"}


@dataclass(frozen=True)
class Study:
    """A study as its YAML file gives it."""

    name: str
    title: str
    source: str
    table: str
    corpus: str
    classes: list[str]
    protocols: list[str]
    repeats: int
    variants: dict[str, dict]
    training: dict = field(default_factory=dict)
    recipe: dict = field(default_factory=dict)
    inner_share: float = 0.2
    predict_training: bool = False
    profiles: dict[str, dict] = field(default_factory=dict)

    def profile(self, name: str) -> dict:
        """Return the values of a profile: `n_folds`, `speakers`, `repeats`, `training`, as far as it sets them."""
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
        kinds = {SENSES.get(name, name) for name in (*settings.get("encoders", ()), *settings.get("classical", ()))}
        kinds |= {self.modality(name) for name in settings.get("members", ())}
        return kinds.pop() if len(kinds) == 1 else "audiovisual"


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
        return Study(name=name, **yaml.safe_load(path.read_text()))
    except TypeError as error:
        raise WorkbenchError(f"{path.name}: {error}") from None


__all__ = ["Study", "load", "names"]
