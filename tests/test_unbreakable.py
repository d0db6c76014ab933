"""Preparation against damaged files, kill -9 and awkward names. The scripts do so at length, on real recordings."""

import importlib.util
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from workbench import media, prepare
from workbench.recipes import Recipe
from workbench.store import Store

ROOT = Path(__file__).parents[1]


def script(name):
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fuzz():
    return script("fuzz_prepare")


@pytest.fixture(scope="module")
def damaged(fuzz, tiny, tmp_path_factory):
    """Every kind of damage once, the long film a short one, and a good clip at the end; prepared as one batch."""
    out = tmp_path_factory.mktemp("fuzz")
    files = [Path(path) for path in tiny.clips()["path"][:4]]
    clips = fuzz.damage(files, out / "files", n=len(fuzz.KINDS) + 4, seed=0, seconds=20)
    good = {"clip": "good", "kind": "good", "path": str(files[0]), "audio_path": str(files[0])}
    clips = pd.concat([clips, pd.DataFrame([good])], ignore_index=True)
    times = []
    watch = partial(fuzz.watched, times=times, limit=60)
    prepare.fill(Store(out / "store"), clips, Recipe(), progress=watch)
    assert len(times) == len(clips)
    return fuzz.account(Store(out / "store"), clips)


def test_no_damage_stops_a_batch_and_every_file_is_accounted_for(damaged):
    assert set(damaged["state"]) == {"prepared", "partly", "quarantined"}
    assert damaged["unnamed"].sum() == 0
    assert damaged["not_finite"].sum() == 0


@pytest.mark.parametrize(
    ("state", "kinds"),
    {
        "prepared": "good film_named_wav one_frame two_faces of_10_minutes variable_rate rotated odd_size unicode_name",
        "partly": "wav_named_mp4 no_audio no_video no_face nan_audio infinite_audio silent_audio of_50_ms",
        "quarantined": "zero_bytes random_bytes text_named_flv playlist_named_mp4 missing folder link_to_itself "
        "link_to_nothing pipe",
    }.items(),
)
def test_each_kind_of_damage_ends_as_it_should(damaged, state, kinds):
    found = damaged.set_index("kind")["state"]
    assert {kind: found[kind] for kind in kinds.split()} == dict.fromkeys(kinds.split(), state)


def test_the_same_seed_makes_the_same_damage(fuzz, tiny, tmp_path):
    files = [Path(path) for path in tiny.clips()["path"][:2]]
    for name, seed in {"a": 1, "b": 1, "c": 2}.items():
        fuzz.damage(files, tmp_path / name, n=3, seed=seed)
    a, b, c = ([path.read_bytes() for path in sorted((tmp_path / name).iterdir())] for name in "abc")
    assert a == b
    assert all(one != other for one, other in zip(a, c, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the trial forks")
def test_killed_20_times_a_preparation_ends_as_an_undisturbed_one(tmp_path, voice, numbered):
    """Two shards and a bit, of short sounds and films without a face; every tenth file is no recording."""
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", np.roll(voice, -16000)[: 12000 + 500 * number], 16000)
    media.write_clip(tmp_path / "film.mp4", numbered[:8], voice, fps=8, sample_rate=16000)
    command = [sys.executable, str(ROOT / "scripts" / "kill_prepare.py"), *map(str, sorted(tmp_path.glob("*.*")))]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--clips", "70", "--kills", "20", "--json"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert (report["kills"], report["identical"], report["differences"]) == (20, True, [])
    assert report["kills_while_writing"] > 0


def test_clips_may_have_names_like_numbers(tmp_path):
    """As FER2013's do; a table read back must not make 0012 of it 12."""
    clips = [{"clip": name, "path": str(tmp_path / name), "audio_path": ""} for name in ("0012", "nan", "1e3")]
    prepare.fill(Store(tmp_path / "store"), pd.DataFrame(clips), Recipe())
    store = Store(tmp_path / "store")
    assert store.quarantine["clip"].tolist() == ["0012", "1e3", "nan"]
    assert prepare.unprepared(store, pd.DataFrame(clips)).empty


def test_notes_that_a_kill_left_unwritten_are_written_later(tmp_path, voice, monkeypatch):
    """The shard is there, the table of what was left out is not."""
    soundfile.write(tmp_path / "a.wav", voice, 16000)
    clips = pd.DataFrame([{"clip": "a", "path": str(tmp_path / "a.wav"), "audio_path": str(tmp_path / "a.wav")}])
    with monkeypatch.context() as patch:
        patch.setattr(Store, "write_quarantine", lambda *_: None)
        prepare.fill(Store(tmp_path / "store"), clips, Recipe())
    store = Store(tmp_path / "store")
    assert (store.index.index.tolist(), len(store.quarantine)) == (["a"], 0)
    prepare.fill(store, clips, Recipe())
    table = Store(tmp_path / "store").quarantine
    assert (table["clip"].tolist(), table["left_out"].tolist()) == (["a"], ["video"])
    assert "expected a picture" in table["reason"][0]
    assert len(list((tmp_path / "store").glob("shard-*"))) == 1
