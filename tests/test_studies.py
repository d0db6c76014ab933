"""A study from clips to a table: fair folds, resumable runs, and answers for single recordings."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from workbench import classifiers, evaluation, figures, runs, studies
from workbench.errors import WorkbenchError
from workbench.fusion import stacking
from workbench.predict import predict
from workbench.studies import items, planning, results, running, tables
from workbench.studies.places import Place

SMALL = {"n_folds": 2, "training": {"epochs": 1, "batch_size": 8}}
VARIANTS = ["audio_cnn", "video_lrcn", "n0", "late_lr"]


def small(**changes):
    """Return the study `thread` at a size for tests."""
    study = studies.load("thread")
    return dataclasses.replace(study, profiles={"smoke": SMALL | changes})


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """All runs of the study on the tiny corpus, in a data folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        patch.setenv("WORKBENCH_FIGURES", str(tmp_path_factory.mktemp("figures")))
        yield running.run(small(), tiny, profile="smoke")


def test_every_variant_protocol_and_fold_is_a_finished_run(made):
    systems = [(run.params["variant"], run.params["protocol"], run.params["fold"]) for run in made]
    assert len(set(systems)) == len(systems) == len(VARIANTS) * 2 * 2
    for run in made:
        assert run.done
        assert yaml.safe_load((run.folder / "params.yaml").read_text()) == run.params
        environment = json.loads((run.folder / "environment.json").read_text())
        assert {"commit", "versions", "device"} <= set(environment)
        stacked = "members" in run.params
        assert (run.folder / "model.skops").exists() == stacked
        assert (run.folder / "model.safetensors").exists() != stacked
        assert len(run.predictions()) > 0


def test_predictions_cover_every_clip_once_a_system_and_add_up(made, tiny):
    predictions = runs.predictions(made)
    columns = [name for name in predictions if name.startswith("p_")]
    assert columns == ["p_happy", "p_sad"]
    assert np.allclose(predictions[columns].sum(axis=1), 1)
    tested = predictions[predictions["usage"] == "test"]
    for _, mine in tested.groupby(["variant", "protocol"]):
        assert sorted(mine["clip"]) == sorted(tiny.clips()["clip"])
    best = predictions[columns].to_numpy().argmax(axis=1)
    assert (predictions["predicted"] == np.array(["happy", "sad"])[best]).all()


def test_nobody_is_tested_who_was_met_in_training_or_selection(made):
    for run in made:
        if run.params["protocol"] == "random":
            continue
        predictions = run.predictions()
        tested = set(predictions.query("usage == 'test'")["speaker"])
        assert len(tested) == 2
        assert not tested & set(predictions.query("usage == 'validation'")["speaker"])


def test_every_variant_is_tested_on_the_same_takes_fold_by_fold(made):
    tested = runs.predictions(made).query("usage == 'test'")
    for _, fold in tested.groupby(["protocol", "fold"]):
        takes = {variant: frozenset(mine["take"]) for variant, mine in fold.groupby("variant")}
        assert len(set(takes.values())) == 1


def test_late_fusion_learns_from_out_of_fold_rows_only(made):
    by_name = {run.name: run for run in made}
    late = [run for run in made if "members" in run.params]
    for run in late:
        members = [by_name[name] for name in run.params["members"]]
        assert {m.params["fold"] for m in members} == {run.params["fold"]}
        rows = [m.predictions().query("usage == 'validation'") for m in members]
        about, scores = stacking.join(rows)
        assert scores.shape == (len(rows[0]), 4)
        fitted = classifiers.load(run.folder / "model.skops")
        again = stacking.make("logistic_regression").fit(scores, about["emotion"])
        assert np.allclose(fitted.predict_proba(scores), again.predict_proba(scores))
        assert not set(about["take"]) & set(run.predictions()["take"])


def test_a_network_starts_from_encoders_that_met_the_same_clips_only(made):
    by_name = {run.name: run for run in made}
    for run in [run for run in made if "start" in run.params]:
        held_out = set(run.predictions()["take"])
        for name in run.params["start"]:
            start = by_name[name]
            assert {key: start.params[key] for key in ("protocol", "fold", "seed")} == {
                key: run.params[key] for key in ("protocol", "fold", "seed")
            }
            assert set(start.predictions()["take"]) == held_out


def test_finished_runs_are_skipped_and_a_broken_one_is_made_again(made, tiny):
    times = {run.name: (run.folder / "predictions.parquet").stat().st_mtime_ns for run in made}
    broken = made[0]
    before = broken.predictions()
    (broken.folder / "done").unlink()
    again = running.run(small(), tiny, profile="smoke")
    assert [run.name for run in again] == [run.name for run in made]
    for run in again:
        same = (run.folder / "predictions.parquet").stat().st_mtime_ns == times[run.name]
        assert same == (run.name != broken.name)
    pd.testing.assert_frame_equal(broken.predictions(), before)


def test_other_settings_make_other_runs(made, tiny):
    whole = planning.plan(small(training={"epochs": 2}), tiny, profile="smoke")
    item = items.Item(whole, "audio_cnn", "random", "fold1", 0)
    assert items.run_of(item, planning.Prepared()).name not in {run.name for run in made}


def test_results_are_found_without_the_corpus(made):
    found = results.results("thread", corpus="demo", size="smoke")
    assert {run.name for run in found} == {run.name for run in made}
    assert {run.params["variant"] for run in results.results("thread", variant="n0")} == {"n0"}
    with pytest.raises(WorkbenchError, match="no results on ravdess; there are results on: demo at"):
        results.results("thread", corpus="ravdess")


def test_the_table_holds_what_the_predictions_say(made):
    predictions = runs.predictions(made)
    cells = tables.table(small(), predictions).cells.set_index(["variant", "column"])
    for column, protocol in (("ours, same protocol", "random"), ("ours, unseen speakers", "speaker-disjoint")):
        score = evaluation.accuracy(predictions.query(f"variant == 'n0' and protocol == '{protocol}'"))
        assert cells.loc[("n0", column), "value"] == pytest.approx(100 * score)


def test_figures_are_drawn_from_saved_predictions_and_come_back_the_same(made, tiny, tmp_path):
    drawn = figures.draw("thread", size="smoke", folder=tmp_path)
    name = f"thread_{Place.of(tiny).slug}_smoke"
    kinds = ("accuracy", "protocol_gap", "n0_confusion", "late_lr_roc", "n0_learning")
    assert {f"{name}_{kind}" for kind in kinds} <= set(drawn)
    files = {path.name: path.read_bytes() for paths in drawn.values() for path in paths}
    assert {path.split(".")[-1] for path in files} == {"pdf", "png", "csv", "md", "tex", "html"}
    again = figures.draw("thread", size="smoke", folder=tmp_path / "again")
    assert files == {path.name: path.read_bytes() for paths in again.values() for path in paths}


@pytest.mark.parametrize("variant", VARIANTS)
def test_predict_agrees_with_the_saved_predictions(made, tiny, variant):
    run = runs.load(f"thread/{variant}")
    assert run.params["protocol"] == "speaker-disjoint"
    tested = run.predictions().query("usage == 'test'").set_index("clip").head(2)
    paths = tiny.clips().set_index("clip").loc[tested.index, "path"]
    for answer, (_, row) in zip(predict(paths, run), tested.iterrows(), strict=True):
        assert answer["emotion"] == row["predicted"]
        for emotion, share in answer["probabilities"].items():
            assert share == pytest.approx(row[f"p_{emotion}"], abs=1e-5)
        assert answer["face"]
        assert answer["sound"]
        assert [note.partition("trained on ")[2] for note in answer["notes"]] == [
            "the synthetic corpus demo: its answers say nothing about people"
        ]


def test_predict_says_what_is_missing_and_goes_on(made, tiny, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no film")
    good = tiny.clips().iloc[0]["path"]
    answers = predict([broken, tmp_path / "absent.mp4", good], runs.load("thread/n0"))
    assert [answer["emotion"] is None for answer in answers] == [True, True, False]
    assert "broken.mp4" in answers[0]["notes"][0]
    assert "absent.mp4" in answers[1]["notes"][0]
    for answer in answers[:2]:
        assert np.isnan(list(answer["probabilities"].values())).all()
    assert sum(answers[2]["probabilities"].values()) == pytest.approx(1)


def test_predict_on_real_clips(made, real_clips):
    """Issue: probabilities that sum to 1, the clip without sound named, a face in twelve of twelve."""
    for variant in ("n0", "late_lr", "audio_cnn"):
        answers = predict(real_clips, runs.load(f"thread/{variant}"))
        assert all(
            (answer["emotion"] is None) == (sum(answer["probabilities"].values()) != pytest.approx(1))
            for answer in answers
        )
        assert sum(answer["face"] for answer in answers) == 12
        silent = [answer for answer in answers if not answer["sound"]]
        assert [answer["path"].split("/")[-1] for answer in silent] == ["02-01-04-02-02-01-05.mp4"]
        assert "silent" in silent[0]["notes"][0]
        assert (silent[0]["emotion"] is None) == (variant == "audio_cnn")


def test_wrong_names_are_answered_with_the_choices(made, tiny):
    with pytest.raises(WorkbenchError, match=r"unknown study 'thred': choose from .*thread"):
        studies.load("thred")
    with pytest.raises(WorkbenchError, match="unknown variant 'n9'"):
        running.run(small(), tiny, profile="smoke", variants=["n9"])
    with pytest.raises(WorkbenchError, match="unknown profile"):
        running.run(small(), tiny, profile="huge")
    with pytest.raises(WorkbenchError, match="unknown protocol"):
        running.run(small(), tiny, profile="smoke", variants=["audio_cnn"], protocols=["fair"])
    with pytest.raises(WorkbenchError, match=r"no finished run 'thread/n9'.*thread/n0"):
        runs.load("thread/n9")


def test_there_are_no_more_folds_than_speakers(tiny):
    for n_folds, expected in ((9, 4), (3, 3)):
        plan = planning.plan(small(n_folds=n_folds), tiny, profile="smoke")
        assert len(plan.folds("speaker-disjoint", 0)) == plan.n_folds("speaker-disjoint") == expected


def test_only_takes_clips_by_any_column_that_the_corpus_has(tiny):
    study = dataclasses.replace(small(), only={"channel": "speech", "intensity": "strong", "dialogue": "train-dia0"})
    plan = planning.plan(study, tiny, profile="smoke")
    assert set(plan.takes["intensity"]) == {"strong"}
    assert 0 < len(plan.takes) < len(planning.plan(small(), tiny, profile="smoke").takes)
    with pytest.raises(WorkbenchError, match=r"no clip of corpus 'demo' has channel 'song', found speech"):
        planning.plan(dataclasses.replace(study, only={"channel": "song"}), tiny, profile="smoke")


def test_a_variant_may_have_clips_of_its_own(tiny):
    variants = small().variants
    mine = {"audio_cnn": variants["audio_cnn"] | {"only": {"intensity": "strong"}}}
    whole = planning.plan(dataclasses.replace(small(), variants=variants | mine), tiny, profile="smoke")
    part, name = whole.part("audio_cnn")
    assert (name, set(part.takes["intensity"])) == ("audio_cnn", {"strong"})
    assert whole.part("video_lrcn")[0] is whole
    assert set(whole.takes["intensity"]) == {"normal", "strong"}


def test_a_class_absent_from_training(made, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    clips = tiny.clips()
    only = clips[(clips["emotion"] == "happy") | (clips["speaker"] == "demo-01")]
    monkeypatch.setattr(type(tiny), "clips", lambda self: only.reset_index(drop=True))
    with pytest.raises(WorkbenchError, match=r"sad"):
        running.run(small(), tiny, profile="smoke", variants=["audio_cnn"], protocols=["speaker-disjoint"])
    assert not list(tmp_path.glob("runs/**/done"))


def test_an_encoder_whose_input_the_recipe_does_not_keep_is_named_before_work(tiny, data_folder):
    study = studies.load("thread")
    bare = dataclasses.replace(study, recipe=study.recipe | {"keep": ["frames", "waveform"]})
    with pytest.raises(WorkbenchError, match=r"variant 'audio_cnn' \(cnn1d\) reads mfcc.*keeps frames, wav"):
        running.run(bare, tiny, profile="smoke", variants=["audio_cnn"])
    assert not (data_folder / "prepared").exists()


def test_runs_on_another_preparation_are_other_runs(tiny, data_folder, monkeypatch):
    whole = planning.plan(studies.load("thread"), tiny, profile="smoke")
    before = planning.load(whole, "audio").key
    assert planning.load(whole, "audio").key == before
    monkeypatch.setattr("workbench.recipes.VERSION", 0)
    assert planning.load(whole, "audio").key != before
