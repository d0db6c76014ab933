"""The study of the voice alone: every audio model is in it, and classifiers and speakers' standards run end to end."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from workbench import classifiers, runs, studies
from workbench.errors import WorkbenchError
from workbench.explain import explain
from workbench.interact.prediction import PredictionPanel
from workbench.interact.views import over_time
from workbench.models import CLASSICAL, ENCODERS, arrays_of, build
from workbench.predict import predict, prepared, recipe_of
from workbench.recipes import load as recipe
from workbench.standards import LEAST
from workbench.studies import planning, running

STUDY = studies.load("audio_models")
SMALL = {"n_folds": 2, "training": {"epochs": 1, "batch_size": 8}}
VARIANTS = ["svm_rbf", "svm_mel_speaker", "features_net_speaker", "mel_cnn_speaker", "late"]
# Not from random weights, or heard elsewhere.
ELSEWHERE = {"pretrained", "embeddings", "yamnet"}


def test_every_audio_model_from_random_weights_is_in_the_study():
    named = {one["name"] for settings in STUDY.variants.values() for one in settings.get("encoders", {}).values()}
    hears = {name for name, kind in ENCODERS.items() if kind.modality in ("audio", "features")}
    assert named == hears - ELSEWHERE
    used = {one["name"] for settings in STUDY.variants.values() for one in settings.get("classical", {}).values()}
    assert used == {name for name in CLASSICAL if not CLASSICAL[name].source.startswith("004")}


@pytest.mark.parametrize("profile", STUDY.profiles)
def test_every_variant_can_be_built_of_what_the_recipe_keeps(profile):
    kept = set(recipe(**STUDY.recipe).keep)
    for name, settings in STUDY.variants.items():
        changed = settings | STUDY.profile(profile).get("variants", {}).get(name, {})
        assert set(arrays_of(changed)) <= kept, name
        assert STUDY.modality(name) == "audio", name
        if "encoders" in changed:
            build(changed["encoders"], 8, fusion=changed.get("fusion"))
        if "accuracy" in changed.get("published", {}):
            assert changed["published"]["setting"], name


@pytest.fixture(scope="module")
def made(eight, tmp_path_factory):
    """Runs of four variants on a small corpus, unseen speakers, in a data folder of the module's own."""
    study = dataclasses.replace(STUDY, profiles={"smoke": SMALL})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield running.run(study, eight, profile="smoke", variants=VARIANTS, protocols=["speaker-disjoint"])


def test_classifiers_and_networks_leave_the_same_kind_of_run(made, eight):
    predictions = runs.predictions(made)
    for variant, mine in predictions.groupby("variant"):
        tested = mine.query("usage == 'test'")
        assert sorted(tested["clip"]) == sorted(eight.clips()["clip"]), variant
        assert np.allclose(mine[["p_happy", "p_sad"]].sum(axis=1), 1)
        assert set(mine["modality"]) == {"audio"}
        for _, fold in mine.groupby("fold"):
            speakers = {usage: set(rows["speaker"]) for usage, rows in fold.groupby("usage")}
            assert not speakers["test"] & speakers.get("validation", set())
    for run in made:
        assert (run.folder / "selection.csv").exists() == ("classical" in run.params)
        assert (run.folder / "model.skops").exists() == ("encoders" not in run.params)
        assert run.params.get("normalise") == ("speaker" if "speaker" in run.params["variant"] else None)


def test_settings_are_chosen_on_inner_speakers_and_the_model_is_trained_on_all_of_the_training_side(made):
    run = next(run for run in made if run.params["variant"] == "svm_rbf")
    scores = pd.read_csv(run.folder / "selection.csv")
    assert scores["C"].tolist() == CLASSICAL["svm_rbf"].grid["C"]
    model = classifiers.load(run.folder / "model.skops")
    assert scores.loc[scores["chosen"], "C"].item() == model["classifier"].C
    tested = run.predictions().query("usage == 'test'")
    assert model["classifier"].shape_fit_[0] == 32 - len(tested)


@pytest.mark.parametrize("variant", VARIANTS)
def test_predict_agrees_where_it_is_given_the_same_recordings(made, eight, variant):
    """A speaker's standards are those of all their clips: given these, a run answers as it did in the study."""
    run = runs.load(f"audio_models/{variant}")
    tested = run.predictions().query("usage == 'test'").set_index("clip")
    clips = eight.clips().set_index("clip")
    mine = clips[clips["speaker"] == tested["speaker"].iloc[0]]
    answers = predict(mine["path"], run)
    assert len(answers) == 8
    by_speaker = variant == "late" or "speaker" in variant
    for clip, answer in zip(mine.index, answers, strict=True):
        assert answer["probabilities"]["sad"] == pytest.approx(tested.loc[clip, "p_sad"], abs=1e-4)
        assert any("taken as of one speaker" in note for note in answer["notes"]) == by_speaker


@pytest.mark.parametrize("variant", VARIANTS)
def test_too_few_recordings_of_a_person_get_no_emotion_from_a_run_that_standardises(made, eight, tmp_path, variant):
    run, paths = runs.load(f"audio_models/{variant}"), eight.clips()["path"].tolist()
    absent = str(tmp_path / "absent.mp4")
    by_speaker = variant == "late" or "speaker" in variant
    for n in (1, LEAST - 1, LEAST):
        answers = predict([*paths[:n], absent], run)
        there = [answer["emotion"] is not None for answer in answers]
        assert there == [not by_speaker or n == LEAST] * n + [False], "a file that is absent counts for nothing"
        for answer in answers[:n]:
            few = by_speaker and n < LEAST
            assert (
                f"needs at least {LEAST} recordings of one person that it can use, found {n}" in answer["reason"]
            ) == few
            assert (answer["reason"] in answer["notes"]) == few
            assert np.isnan(list(answer["probabilities"].values())).all() == few
    if by_speaker:
        clip = prepared(paths[0], recipe_of(run)).arrays
        with pytest.raises(WorkbenchError, match="without normalise: speaker answers about single"):
            explain(run, clip)


def test_a_recording_without_sound_is_answered_kindly(made, eight, tmp_path):
    silent = tmp_path / "silent.mp4"
    silent.write_text("no film")
    for variant in ("svm_mel_speaker", "features_net_speaker"):
        answers = predict([silent, *eight.clips()["path"].iloc[:LEAST]], runs.load(f"audio_models/{variant}"))
        assert [answer["emotion"] is None for answer in answers] == [True] + [False] * LEAST


def test_the_panel_and_the_player_need_as_many(made, eight):
    run, clips = runs.load("audio_models/late"), eight.clips()
    panel = PredictionPanel(run)
    for path in clips["path"].iloc[: LEAST - 1]:
        panel.add(path)
    assert all(answer["emotion"] is None and not answer["usable"] for answer in panel.answers)
    assert all(f"needs at least {LEAST} recordings" in answer["words"][0] for answer in panel.answers)
    assert json.loads(json.dumps(panel.answers, allow_nan=False)), "a page cannot read NaN"
    panel.add(clips["path"].iloc[LEAST - 1])
    assert all(answer["emotion"] and answer["usable"] for answer in panel.answers)
    panel.close()
    with pytest.raises(WorkbenchError, match=f"at least {LEAST} recordings of one person that it can use, found 1"):
        over_time(clips.iloc[0].to_dict(), run)


def test_a_profile_may_change_a_variant_and_names_other_runs(made, tiny):
    changed = SMALL | {"variants": {"svm_rbf": {"classical": {"audio": {"name": "svm_rbf", "C": 5.0}}}}}
    study = dataclasses.replace(STUDY, profiles={"smoke": changed})
    whole = planning.plan(study, tiny, profile="smoke")
    assert whole.settings("svm_rbf")["classical"]["audio"]["C"] == 5.0
    assert whole.settings("svm_rbf")["title"] == "SVM, RBF"
    assert whole.settings("knn") == STUDY.variant("knn")


def test_what_cannot_be_run_is_named_before_work(tiny, data_folder):
    two = {"pair": {"classical": {"audio": {"name": "knn"}, "video": {"name": "knn"}}}}
    study = dataclasses.replace(STUDY, profiles={"smoke": SMALL}, variants=two)
    with pytest.raises(WorkbenchError, match="variant 'pair': expected one modality under classical"):
        running.run(study, tiny, profile="smoke")
    wrong = {"people": {"classical": {"audio": {"name": "knn"}}, "normalise": "people"}}
    with pytest.raises(WorkbenchError, match="normalise 'people': choose from none, speaker"):
        running.run(dataclasses.replace(study, variants=wrong), tiny, profile="smoke")
