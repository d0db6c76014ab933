"""Trained on frontal faces, tested on turned heads: the sides, what is predicted beside them, tables and figures."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from workbench import evaluation, figures, plots, recipes, runs, studies
from workbench.datasets import demo_stills
from workbench.errors import WorkbenchError
from workbench.plots.style import WIDTH
from workbench.predict import predict
from workbench.studies import planning, running, tables

VARIANTS = ["au_svm_linear", "au_svm_stranger", "au_dnn", "fp68_ssvm", "cnn1_50"]


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpora") / "stills"
    emotions = ("neutral", "happy", "angry", "surprised")
    return demo_stills.generate(root, n_speakers=4, emotions=emotions, yaws=(0, 30, 60), jobs=1)


@pytest.fixture(scope="module")
def made(stills, tmp_path_factory):
    """Runs of four variants, one a kind of input and of model, in a data folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield running.run(studies.load("turned_heads"), stills, profile="smoke", variants=VARIANTS)


def test_the_studies_hold_what_the_source_prints():
    """Source 004, Tables 4.1 and 4.2: train and test, percent."""
    first, second = studies.load("turned_heads"), studies.load("turned_heads_repeats")
    printed = {name: (s["published"]["train"], s["published"]["accuracy"]) for name, s in first.variants.items()
               if "published" in s}  # fmt: skip
    assert printed == {
        "au_ssvm": (83.8, 41.1), "au_svm_poly": (82.4, 44.2), "au_dnn": (83.0, 75.4), "fp68_ssvm": (80.0, 33.5),
        "fp68_svm_poly": (61.1, 40.4), "fp68_dnn": (64.2, 61.1), "cnn1_50": (83.8, 76.3), "cnn1_75": (92.7, 84.7),
        "cnn2_75": (86.5, 83.6), "cnn3_150": (93.2, 87.7),
    }  # fmt: skip
    spread = {name: (s["published"]["accuracy"], s["published"]["sd"]) for name, s in second.variants.items()}
    assert spread == {"au_svm_poly": (42.6, 0.8), "au_ssvm": (40.4, 0.4), "fp68_svm_poly": (38.8, 0.8),
                      "fp68_ssvm": (31.1, 2.7)}  # fmt: skip
    assert second.repeats == 30
    assert sum(len(some) for some in first.groups().values()) == len(first.variants)


def test_each_side_sees_what_it_may(made, stills):
    for run in made:
        table = run.predictions()
        sides = dict(list(table.groupby("usage")))
        assert set(sides) == {"train", "validation", "frontal", "test"}
        for usage in ("train", "validation", "frontal"):
            assert (sides[usage]["yaw"] == 0).all()
        assert set(sides["test"]["yaw"].abs()) == {30, 60}
        assert set(sides["test"]["speaker"]) == set(sides["frontal"]["speaker"])
        assert not set(sides["test"]["speaker"]) & set(sides["train"]["speaker"])
        assert not set(sides["validation"]["speaker"]) & set(sides["test"]["speaker"])
        assert not set(sides["test"]["take"]) & set(sides["train"]["take"])
        embedding = run.folder / "embedding.npy"
        assert not embedding.exists() or len(run.embedding()) == len(sides["test"])
    tested = runs.predictions(made).query("usage == 'test'")
    for _, mine in tested.groupby("variant"):
        assert len(mine) == len(stills.clips().query("yaw != 0"))


def test_geometry_learns_and_carries_over_to_turned_heads(made):
    predictions = runs.predictions(made)
    score = predictions.assign(right=predictions["emotion"] == predictions["predicted"])
    score = score.groupby(["variant", "usage"])["right"].mean().unstack()
    assert score.loc["au_svm_linear", "frontal"] > 0.5
    assert score.loc["au_svm_linear", "test"] > score.loc["fp68_ssvm", "test"] - 0.1
    assert score.loc["fp68_ssvm", "train"] > 0.9


def test_the_table_puts_published_beside_ours(made):
    study, predictions = studies.load("turned_heads"), runs.predictions(made)
    cells = tables.table(study, predictions).cells.set_index(["variant", "column"])
    assert list(cells.index.get_level_values("variant").unique()) == list(study.variants)
    row, mine = cells.loc["fp68_ssvm"], predictions[predictions["variant"] == "fp68_ssvm"]
    expected = {"published": 33.5, "train, published": 80.0, "ours, unseen speakers": 100 * evaluation.accuracy(mine)}
    for column, usage in (("train, ours", "train"), ("frontal, unseen", "frontal")):
        rows = mine[mine["usage"] == usage]
        expected[column] = 100 * (rows["emotion"] == rows["predicted"]).mean()
    assert row.loc[list(expected), "value"].to_dict() == pytest.approx(expected)
    assert cells.loc[("cnn3_150", "ours, unseen speakers"), "text"] == "not run"


def test_repeats_differ_in_who_is_tested_and_give_a_spread(stills, tmp_path, monkeypatch, made):
    study = studies.load("turned_heads_repeats")
    again = running.run(study, stills, profile="smoke", variants=["fp68_ssvm"])
    predictions = runs.predictions(again)
    assert sorted(predictions["seed"].unique()) == [0, 1]
    tested = predictions[predictions["usage"] == "test"]
    right = (tested["emotion"] == tested["predicted"]).groupby(tested["seed"]).mean()
    row = tables.table(study, predictions).cells.set_index(["variant", "column"]).loc["fp68_ssvm", "value"]
    assert row["sd, ours"] == pytest.approx(100 * right.std())
    assert row["sd, published"] == 2.7


def test_a_corpus_without_yaw_and_a_recipe_without_landmarks_are_refused(tiny, stills):
    study = studies.load("turned_heads")
    both = dataclasses.replace(study, classes=["happy", "sad"], profiles={"smoke": {"n_folds": 2}})
    with pytest.raises(WorkbenchError, match="expected a column 'yaw'"):
        running.run(both, tiny, profile="smoke", variants=["fp68_ssvm"])
    bare = dataclasses.replace(study, recipe={"name": "benha"})
    with pytest.raises(WorkbenchError, match=r"au_dnn.*reads landmarks, but recipe 'benha'"):
        running.run(bare, stills, profile="smoke", variants=["au_dnn"])


def test_one_view_of_a_take_may_train_while_another_stays_out(stills):
    whole = planning.plan(studies.load("turned_heads"), stills, profile="smoke")
    assert len(whole.takes) == len(whole.clips)
    assert whole.takes.duplicated("take").any()
    assert whole.recipe == recipes.load("stills", size=76)


def test_a_picture_of_a_stranger_is_answered_and_said_to_be_one(made, stills):
    path = stills.clips()["path"].iloc[0]
    for name, told in (("au_dnn", True), ("au_svm_stranger", False), ("fp68_ssvm", False)):
        run = next(run for run in made if run.params["variant"] == name)
        (answer,) = predict([path], run)
        assert answer["emotion"] in run.params["classes"]
        assert answer["face"]
        assert any("average face" in note for note in answer["notes"]) == told


def test_accuracy_by_yaw_draws_the_table(made):
    predictions, study = runs.predictions(made), studies.load("turned_heads")
    table = evaluation.by_yaw(predictions)
    figure = plots.accuracy_by_yaw(table, study.groups(), title="Turned", note="A note.")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["action units", "landmarks (FP68)", "pictures"]
    line = figure.axes[1].lines[0]
    mine = table[table["variant"] == "fp68_ssvm"]
    np.testing.assert_allclose(line.get_xydata(), np.stack([mine["yaw"], 100 * mine["accuracy"]], axis=1))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["SVM, linear", "SVM, linear, no enrolment", "DNN", "SSVM", "CNN-1, 50 x 50", "chance"]
    assert figure.get_figwidth() == WIDTH
    names = {name for name, *_ in figures.each("turned_heads", corpus="demo_stills", size="smoke")}
    assert {"by_yaw", "accuracy"} <= {name.partition("_smoke_")[2] for name in names}


def test_fit_quality_draws_medians_by_group_and_by_unit():
    rng = np.random.default_rng(0)
    errors = pd.DataFrame({"group": ["clips"] * 9 + ["stills, 60°"] * 9, "degrees": rng.uniform(1, 9, 18)})
    units = pd.DataFrame({"unit": ["jaw drop"] * 4 + ["brow lowerer"] * 4, "correlation": rng.uniform(-0.2, 1, 8)})
    figure = plots.fit_quality(errors, units, title="Quality")
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["clips", "stills, 60°"]
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {f"{value:.1f}" for value in errors.groupby("group")["degrees"].median()} <= texts
    assert {f"{value:.2f}" for value in units.groupby("unit")["correlation"].median()} <= texts
    assert right.get_xlim()[0] <= units["correlation"].min()
