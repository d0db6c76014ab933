"""Speakers of whom there are too few clips to standardise within them are left out, and the run says so."""

import dataclasses

import numpy as np
import pytest

from workbench import datasets, runs, standards, studies
from workbench.errors import WorkbenchError
from workbench.recipes import digest
from workbench.studies import running
from workbench.training import Clips

AUDIO = {"name": "embeddings", "inputs": "audio", "width": 6, "norm": True}
ROWS = {"audio": {"name": "logistic_regression", "inputs": "audio", "grid": {"C": [1.0]}}}
SPEAKER = {"normalise": "speaker"}
VARIANTS = {
    "net": {"encoders": {"audio": AUDIO}} | SPEAKER,
    "rows": {"classical": ROWS} | SPEAKER,
    "plain": {"classical": ROWS},
    "other": {"encoders": {"audio": AUDIO}},
    "late": {"members": ["plain", "other"], "stacking": {"name": "logistic_regression"}} | SPEAKER,
}
PROFILE = {"smoke": {"n_folds": 2, "training": {"epochs": 1, "batch_size": 8}}}
LEAST = standards.LEAST


def clip(emotion, speaker, statement=1, repetition=1):
    """Return the name of a RAVDESS clip of this emotion (1 to 8) and speaker."""
    return f"01-01-{emotion:02d}-01-{statement:02d}-{repetition:02d}-{speaker:02d}"


def whole(speaker, emotions=(1, 3, 4), n=2):
    """Return the names of `n` clips of each emotion."""
    return [clip(emotion, speaker, statement) for emotion in emotions for statement in range(1, n + 1)]


def corpus(tmp_path, clips, seed=0, **changes):
    """Return a corpus of features of these clips, which tell the emotion and whose level is the speaker's."""
    rng = np.random.default_rng(seed)
    emotion, speaker = (np.array([int(name[part]) for name in clips]) for part in (slice(6, 8), slice(18, 20)))
    audio = rng.normal(size=(len(clips), 6)) + 3 * np.eye(9, 6)[emotion] + speaker[:, None]
    np.savez(tmp_path / "features.npz", **{"clip": np.array(clips), "audio": audio.astype(np.float32)} | changes)
    return datasets.corpus("given_features", tmp_path / "features.npz")


def made(opened, *names, protocols=("speaker-disjoint",)):
    """Return the finished runs of these variants, by variant."""
    chosen = {name: VARIANTS[name] for name in names}
    found = studies.load("late_fusion_posteriors")
    study = dataclasses.replace(
        found, variants=chosen, profiles=PROFILE, corpus="given_features", protocol="speaker-disjoint"
    )
    runs_made = running.run(study, opened, profile="smoke", protocols=protocols)
    return {name: [run for run in runs_made if run.params["variant"] == name] for name in names}


FULL = [name for speaker in range(1, 7) for name in whole(speaker)]
SHORT = [clip(1, 7), clip(3, 7), clip(1, 8)]  # two clips of one speaker, one of another


def test_the_count_is_of_clips_of_a_speaker():
    speakers = ["a"] * LEAST + ["b"] * (LEAST - 1) + ["c"]
    assert standards.enough(speakers).tolist() == [True] * LEAST + [False] * LEAST
    assert standards.left_out(speakers).startswith(f"{LEAST} clips of 2 speakers left out: normalise: speaker needs")
    assert standards.left_out(speakers[:LEAST]) == ""
    assert standards.left_out(["c"]).startswith("1 clip of 1 speaker left out")


def test_clips_of_speakers_with_too_few_are_left_out_of_every_side_and_said(tmp_path, data_folder):
    found = made(corpus(tmp_path, FULL + SHORT), "net", "rows", "plain")
    for name, folds in found.items():
        table = runs.predictions(folds)
        there = set(table["clip"]) & set(SHORT)
        assert there == (set(SHORT) if name == "plain" else set()), name
        assert sorted(set(table.query("usage == 'test'")["clip"]) - there) == sorted(FULL)
        for run in folds:
            assert run.params.get("left_out") == (None if name == "plain" else {"clips": 3, "least": LEAST})
            notes = [] if name == "plain" else [standards.left_out(["x", "x", "y"])]
            assert run.notes() == runs.load(run.folder).notes() == notes


def test_where_no_speaker_is_short_parameters_and_folders_are_as_before(tmp_path, data_folder):
    for name, folds in made(corpus(tmp_path, FULL), "net", "rows", "late", "plain", "other").items():
        for run in folds:
            assert "left_out" not in run.params, name
            assert run.folder.name.endswith(digest(run.params))
            assert run.notes() == []
            assert not (run.folder / "notes.json").exists()


def test_every_clip_is_checked_once_before_training_also_those_to_test(tmp_path, data_folder, monkeypatch):
    checked, check = [], Clips.check
    monkeypatch.setattr(Clips, "check", lambda clips, some: checked.extend(some) or check(clips, some))
    assert len(made(corpus(tmp_path, FULL), "other")["other"]) == 2
    assert sorted(checked) == sorted([*range(len(FULL))] * 2), "in each of two folds"


def test_a_late_fusion_leaves_them_out_too(tmp_path, data_folder):
    found = made(corpus(tmp_path, FULL + SHORT), "plain", "other", "late")
    clips = runs.predictions(found["late"])["clip"]
    assert sorted(clips) == sorted(FULL)
    assert sorted(runs.predictions(found["plain"]).query("usage == 'test'")["clip"]) == sorted(FULL + SHORT)
    marks = [run.params["left_out"]["clips"] for run in found["late"]]
    members = [run.predictions().query("usage != 'train'").groupby("usage")["speaker"] for run in found["plain"]]
    assert marks == [sum((~standards.enough(of)).sum() for _, of in speakers) for speakers in members]
    notes = [note for run in found["late"] for note in run.notes()]
    assert set(notes) <= {
        f"late fusion late, rows to {purpose}: speakers with fewer than {LEAST} clips are left out (normalise: speaker)"
        for purpose in ("learn from", "test")
    }, "the same in every fold"


@pytest.mark.parametrize(
    ("clips", "variant", "message"),
    [
        (
            [name for speaker in range(1, 7) for name in whole(speaker, (1, 3))],
            "net",
            "no clip is left for fit; 24 clips",
        ),
        ([name for speaker in range(1, 7) for name in whole(speaker, (1, 3))], "rows", "6 speakers left out"),
        (
            FULL + [clip(5, 9), clip(5, 10), clip(5, 11), clip(5, 12)],
            "rows",
            "no training clip of angry is left; 4 clips",
        ),
    ],
)
def test_a_side_or_class_without_clips_is_refused_with_the_reason(tmp_path, data_folder, clips, variant, message):
    with pytest.raises(WorkbenchError, match=message):
        made(corpus(tmp_path, clips), variant)
