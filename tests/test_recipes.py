"""Recipes: names, changes, keys; nothing wrong passes."""

import pytest
import yaml

from workbench import recipes
from workbench.errors import WorkbenchError
from workbench.recipes import Recipe


def test_the_systems_have_their_recipes():
    assert recipes.names() == ["benha", "efficientface", "light", "mrpn", "savee6", "smoke", "stills", "voice"]
    assert recipes.load().n_frames == 30
    assert recipes.load("savee6").n_steps == 290
    assert (recipes.load("mrpn").n_fft, recipes.load("mrpn").hop_length) == (512, 64)
    assert recipes.load("mrpn").step < recipes.load("mrpn").segment
    assert recipes.load("light").keep == ("frames", "whole", "waveform")


def test_every_value_changes_the_key_and_a_written_recipe_is_the_same():
    base = recipes.load()
    keys = {recipes.load(**{name: value}).key for name, value in
            {"n_frames": 4, "size": 32, "detector": "yunet", "crop": "eyes", "half_chroma": True, "keep": ["mfcc"],
             "n_fft": 512, "n_steps": 9}.items()}  # fmt: skip
    assert len(keys | {base.key}) == 9
    assert Recipe(**yaml.safe_load(yaml.safe_dump(base.values()))) == base


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": 63}, "even"), ({"n_frames": 0}, r"within 1\.\."), ({"n_frames": 2.5}, "whole number"),
        ({"crop": "ear"}, "central"), ({"keep": ["smell"]}, "waveform"), ({"frames": 3}, "n_frames"),
        ({"keep": []}, "one or more"), ({"keep": 3}, "a list"), ({"keep": "frames"}, "a list"),
        ({"n_mfcc": 200}, r"n_mfcc is 200.*1\.\.128"), ({"size": 100_000}, "2048"), ({"n_fft": 3}, "n_fft is 3"),
        ({"half_chroma": 2}, "true or false"), ({"sample_rate": True}, "whole number"),
    ],
)  # fmt: skip
def test_wrong_values_are_named_with_the_choices(values, words):
    with pytest.raises(WorkbenchError, match=words):
        recipes.load("benha", **values)
    with pytest.raises(WorkbenchError, match="choose from benha"):
        recipes.load("bena")


def test_changes_in_words():
    assert recipes.changes(["size=112", "keep=[frames, mfcc]", "half_chroma=true"]) == {
        "size": 112, "keep": ["frames", "mfcc"], "half_chroma": True,
    }  # fmt: skip
    for word in ("size", "keep=[frames"):
        with pytest.raises(WorkbenchError, match="KEY=VALUE"):
            recipes.changes([word])
    with pytest.raises(WorkbenchError, match="unknown value of a recipe 'name'"):
        recipes.changes(["name=x"])


def test_another_version_of_the_preparation_has_other_stores(monkeypatch):
    before = recipes.load().key
    monkeypatch.setattr(recipes, "VERSION", recipes.VERSION + 1)
    assert recipes.load().key != before
