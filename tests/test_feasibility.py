"""What cannot be run is known before anything is prepared, with counts; what can be run is run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile
from test_studies_running import SVM, study

from workbench import paths, runs
from workbench.datasets import corpus
from workbench.errors import WorkbenchError
from workbench.studies import feasibility, items, planning, running

RATE = 16000


def recordings(root, speakers, emotions=("happy", "sad"), takes=4, *, copies=False):
    """Write a folder of tones, a file a take; with `copies`, every speaker has the same files."""
    for number, speaker in enumerate(speakers):
        for kind, emotion in enumerate(emotions):
            for take in range(takes):
                hz = 200 + 300 * kind + 10 * take + (0 if copies else number)
                tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)
                soundfile.write(root / f"{speaker}_{emotion}_{take}.wav", tone, RATE)
    (root / "corpus.yaml").write_text("pattern: (?P<speaker>[^_]*)_(?P<emotion>[a-z]+)_[0-9]+[.]wav\n")
    return corpus("folder", root)


def small(protocol="random", **changes):
    profile = {"n_folds": 2, "recipe": {"n_frames": 2, "size": 16}} | changes
    one = study({"svm": SVM}, classes=["happy", "sad", "angry"], protocol=protocol)
    return dataclasses.replace(one, profiles={"smoke": profile})


def made(one, opened, **options):
    told = []
    found = running.run(one, opened, profile="smoke", report=told.append, **options)
    return {(run.params["protocol"], run.params["fold"]) for run in found}, told


def test_two_speakers_are_enough(tmp_path, data_folder):
    found, told = made(small(), recordings(tmp_path, ["anna", "bob"]))
    assert found == {(name, fold) for name in ("speaker-disjoint", "random") for fold in ("fold1", "fold2")}
    assert len(told) == 1
    assert told[0].startswith("warning: protocol 'speaker-disjoint': 2 of 2 folds train on a single speaker")
    for run in map(runs.load, (str(path.parent) for path in paths.runs().glob("*/*/*/done"))):
        table = run.predictions()
        if run.params["protocol"] == "speaker-disjoint":
            sides = [set(table.loc[table["usage"] == usage, "speaker"]) for usage in ("validation", "test")]
            assert not sides[0] & sides[1]


def test_of_three_speakers_in_two_folds_one_fold_has_a_single_one(tmp_path, data_folder):
    found, told = made(small(), recordings(tmp_path, ["anna", "bob", "eva"]), protocols=["speaker-disjoint"])
    assert len(found) == 2
    assert "1 of 2 folds train on a single speaker" in told[0]


@pytest.mark.parametrize(
    ("speakers", "reason"),
    [
        (["anna"], "expected at least 2 speakers, found 1 (folder-anna)"),
        ([""], "8 of 8 clips have no speaker label"),
    ],
)
def test_random_is_run_where_speakers_cannot_be_kept_apart(tmp_path, data_folder, speakers, reason):
    opened = recordings(tmp_path, speakers)
    found, told = made(small(), opened)
    assert {protocol for protocol, _ in found} == {"random"}
    assert told[0].startswith("not run: protocol 'speaker-disjoint': ")
    assert reason in told[0]
    assert "protocol 'random'" in told[0]


def test_nothing_is_prepared_where_nothing_can_be_run(tmp_path, data_folder):
    opened = recordings(tmp_path, ["anna"], takes=1)
    with pytest.raises(
        WorkbenchError, match=r"nothing can be run: .*found 1 \(folder-anna\).*2 random folds.*at most 1"
    ):
        made(small(), opened)
    with pytest.raises(WorkbenchError, match="expected at least 2 speakers"):
        made(small(), opened, protocols=["speaker-disjoint"])
    assert not (data_folder / "prepared").exists()
    assert not list(data_folder.glob("runs/*/*/*"))


def test_too_few_takes_for_the_inner_split_are_counted_before_work(tmp_path, data_folder):
    opened = recordings(tmp_path, ["anna", "bob"])
    for number, speaker in enumerate(["anna", "bob"]):
        tone = 0.3 * np.sin(np.arange(RATE) * (0.3 + number / 100))
        soundfile.write(tmp_path / f"{speaker}_angry_0.wav", tone, RATE)
    with pytest.raises(WorkbenchError, match=r"too few takes of angry \(1\).*at least 2 of each emotion") as error:
        made(small(), opened, protocols=["random", "speaker-disjoint"])
    assert "protocol 'random', fold 'fold1'" in str(error.value)
    assert not (data_folder / "prepared").exists()


def test_copies_under_several_names_are_one_speaker(tmp_path, data_folder):
    opened = recordings(tmp_path, ["anna", "bob", "eva", "max"], copies=True)
    found, told = made(small(), opened)
    assert {protocol for protocol, _ in found} == {"random"}
    assert "at least 2 groups of speakers that share no sound or picture, found 1 among 4 speakers" in told[0]
    assert "folder-anna = folder-bob = folder-eva = folder-max" in told[0]
    for run in map(runs.load, (str(path.parent) for path in paths.runs().glob("*/*/*/done"))):
        tested = set(run.predictions().query("usage == 'test'")["take"].str.split("_", n=1).str[1])
        validated = set(run.predictions().query("usage == 'validation'")["take"].str.split("_", n=1).str[1])
        assert not tested & validated


def test_names_that_may_mean_one_person_are_told(tmp_path, data_folder):
    _, told = made(small(), recordings(tmp_path, ["Anna", "anna", "bob"]), protocols=["random"])
    assert told == [
        "warning: speakers 'folder-Anna', 'folder-anna' differ only by case, leading zeros or blanks, and count as 2 "
        "people; if they are one, give them one name"
    ]


def test_every_speaker_of_leave_one_out_has_runs_of_its_own(tmp_path, data_folder):
    opened = recordings(tmp_path, ["anna-1", "anna-2", "bob-1", "bob-2"], takes=2)
    found, _ = made(small("leave-one-speaker-out"), opened)
    assert found == {("leave-one-speaker-out", name) for name in ("anna-1", "anna-2", "bob-1", "bob-2")}


def test_content_of_ones_own_changes_no_run(tiny, data_folder):
    plain = planning.plan(small(), tiny, profile="smoke")
    whole = plain.with_content()
    assert (whole.takes["content"] != "").all()
    assert whole.key == plain.key
    for protocol in ("random", "speaker-disjoint", "leave-one-speaker-out"):
        names = [
            [items.run_of(item, planning.Prepared()).name for item in items.every(plan, "svm", [protocol])]
            for plan in (plain, whole)
        ]
        assert names[0] == names[1]
        for first, second in zip(plain.folds(protocol, 0).values(), whole.folds(protocol, 0).values(), strict=True):
            assert first.test.tolist() == second.test.tolist()


def test_runs_on_other_folds_have_other_names(tmp_path, data_folder):
    opened = recordings(tmp_path, ["anna", "bob", "eva", "max"])
    (tmp_path / "anna_happy_1.wav").write_bytes((tmp_path / "anna_happy_0.wav").read_bytes())
    plain = planning.plan(small(), opened, profile="smoke")
    whole = plain.with_content()
    params = [
        {
            protocol: items.run_of(items.every(plan, "svm", [protocol])[0], planning.Prepared()).params
            for protocol in ("random", "speaker-disjoint")
        }
        for plan in (plain, whole)
    ]
    assert "same_content" in params[1]["random"]
    assert params[0]["speaker-disjoint"] == params[1]["speaker-disjoint"], (
        "copies of one speaker are on one side anyway"
    )


def test_clips_that_cannot_be_prepared_are_missed_before_training(tmp_path, data_folder):
    opened = recordings(tmp_path, ["anna", "bob", "eva", "max"])
    for path in sorted(tmp_path.glob("*_sad_*.wav")):
        if not path.name.startswith("anna"):
            soundfile.write(path, np.zeros(RATE), RATE)
    one = small(n_folds=4)
    with pytest.raises(WorkbenchError, match=r"fold '.*no training clip of sad"):
        made(one, opened, protocols=["speaker-disjoint"])
    assert not list(data_folder.glob("runs/*/*/*/done"))
    found, told = made(one, opened)
    assert {protocol for protocol, _ in found} == {"random"}
    assert "no training clip of sad" in told[0]


def test_a_plan_names_the_variants_that_a_reason_is_about(tiny, data_folder):
    own = {"few": SVM | {"only": {"speaker": "demo-01"}}, "usual": SVM}
    plan = planning.plan(dataclasses.replace(small(), variants=own), tiny, profile="smoke").with_content()
    found = feasibility.examine(plan, ["few", "usual"], ["speaker-disjoint"])
    assert found.not_run["speaker-disjoint"][0].endswith("(few)")
    assert not found.items["few"]
    assert len(found.items["usual"]) == 2
