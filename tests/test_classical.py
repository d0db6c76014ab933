"""Classical classifiers: rows of arrays, settings chosen on inner clips, files without pickle, answers that add up."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from workbench import classifiers, standards
from workbench.acoustics.pruning import CurvePca
from workbench.errors import WorkbenchError
from workbench.fusion import stacking
from workbench.models import CLASSICAL, arrays_of, catalogue, classical

EMOTIONS = np.array(["happy", "sad", "angry"])


def problem(n=120, seed=0, width=7):
    """Return rows of three emotions, told apart by two columns, with a value missing here and there."""
    rng = np.random.default_rng(seed)
    emotion = EMOTIONS[np.arange(n) % 3]
    x = rng.normal(size=(n, width))
    x[:, 0] += 4 * (emotion == "happy")
    x[:, 1] += 4 * (emotion == "sad")
    x[rng.integers(0, n, 5), 3] = np.nan
    return x, emotion


@pytest.mark.parametrize("name", CLASSICAL)
def test_every_classifier_learns_and_comes_back_from_disk(name, tmp_path):
    (x, emotion), (others, theirs) = problem(), problem(seed=1)
    settings = {"name": name, "grid": {key: values[:2] for key, values in CLASSICAL[name].grid.items()}}
    model, scores = classical.select(x, emotion, fit=range(90), validation=range(90, 120), settings=settings)
    assert scores["chosen"].sum() == 1
    assert scores.loc[scores["chosen"], "validation_uar"].item() == scores["validation_uar"].max() > 0.7
    answers = classifiers.probabilities(model, others, [*EMOTIONS, "calm"])
    assert answers.shape == (120, 4)
    assert answers.sum(axis=1) == pytest.approx(np.ones(120))
    assert (answers >= 0).all()
    assert (answers[:, 3] == 0).all(), "a class that was never met"
    named = EMOTIONS[answers[:, :3].argmax(axis=1)]
    assert (named == model.predict(others)).all(), "the greatest probability is the class that is named"
    assert (named == theirs).mean() > 0.8
    classifiers.save(model, tmp_path / "model.skops")
    again = classifiers.load(tmp_path / "model.skops")
    assert np.array_equal(classifiers.probabilities(again, others, EMOTIONS), answers[:, :3])
    assert CLASSICAL[name].source[:3] in ("002", "003", "004")


def test_every_pipeline_is_read_in_a_process_that_imports_skops_through_the_package(tmp_path):
    x, emotion = problem()
    x = np.nan_to_num(x)
    models = [classical.make(name, n_features=3) for name in CLASSICAL]
    models += [stacking.make(name) for name in stacking.STACKERS]
    models.append(Pipeline([("curves", CurvePca(length=7)), *classical.make("knn").steps]))
    for number, model in enumerate(models):
        classifiers.save(model.fit(x, emotion), tmp_path / f"{number}.skops")
    script = (
        "import sys\nfrom pathlib import Path\nfrom workbench import classifiers\n"
        "for path in Path(sys.argv[1]).glob('*.skops'): classifiers.load(path)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_grid_offers_no_more_neighbours_than_there_are_rows():
    x, emotion = np.arange(12.0)[:, None], np.array(["happy", "sad"] * 6)
    _, scores = classical.select(x, emotion, fit=range(8), validation=range(8, 12), settings={"name": "knn"})
    assert scores["n_neighbors"].max() == 5


def test_two_classes_have_probabilities_too():
    x, emotion = problem()
    two = emotion != "angry"
    for name in ("svm_rbf", "ssvm", "logistic_regression"):
        model = classical.make(name).fit(x[two], emotion[two])
        answers = classifiers.probabilities(model, x[two], ["happy", "sad"])
        assert (np.array(["happy", "sad"])[answers.argmax(axis=1)] == model.predict(x[two])).all()


def test_selection_looks_at_inner_clips_only():
    """The choice is that of the validation clips, whatever the others (test speakers) say."""
    x, emotion = problem()
    settings = {"name": "knn", "grid": {"n_neighbors": [60, 5]}}
    model, scores = classical.select(x, emotion, fit=range(60), validation=range(60, 90), settings=settings)
    spoilt, words = x.copy(), emotion.copy()
    spoilt[90:], words[90:] = 99.0, "sad"
    other, same = classical.select(spoilt, words, fit=range(60), validation=range(60, 90), settings=settings)
    assert scores.equals(same)
    assert scores["chosen"].tolist() == [False, True]
    assert model["classifier"].n_neighbors == other["classifier"].n_neighbors == 5
    assert np.array_equal(model.predict_proba(x[:90]), other.predict_proba(x[:90]))


def test_what_is_set_is_not_searched_and_pruning_leaves_so_many():
    x, emotion = problem()
    x[:, 5] = 2 * x[:, 0]
    settings = {"name": "svm_rbf", "C": 3.0, "n_features": 4, "inputs": "features", "statistics": ["mean"]}
    model, scores = classical.select(x, emotion, fit=range(90), validation=range(90, 120), settings=settings)
    assert len(scores) == 1
    assert model["classifier"].C == 3.0
    assert model["pruner"].support_.sum() == 4
    assert not model["pruner"].support_[5], "what an earlier column says already"


def test_rows_are_statistics_of_the_real_steps():
    x = np.arange(24.0).reshape(2, 4, 3)
    mask = np.array([[True, True, True, False], [False] * 4])
    batch = {"mel": x, "mel_mask": mask, "features": x[:, :1], "features_mask": mask[:, :1]}
    names = {"inputs": ["features", "mel"], "statistics": ["mean", "std", "delta"]}
    rows = classical.rows(batch, names)
    assert rows.shape == (2, 3 + 9)
    real = x[0, :3]
    assert rows[0].tolist() == [*x[0, 0], *real.mean(axis=0), *real.std(axis=0), 3, 3, 3]
    assert np.isnan(rows[1, :9]).all()
    x[0, 3] = 99
    assert np.array_equal(classical.rows(batch, names)[0], rows[0]), "padding counts for nothing"
    assert classical.rows(batch, {})[0].tolist() == x[0, 0].tolist(), "by default the named features"
    with pytest.raises(WorkbenchError, match="unknown statistic 'mode': choose from delta, mean"):
        classical.rows(batch, {"statistics": ["mode"]})


def test_the_arrays_of_a_variant():
    assert arrays_of({"classical": {"audio": {"name": "knn"}}}) == ["features"]
    assert arrays_of({"classical": {"audio": {"inputs": ["features", "mel"]}}}) == ["features", "mel"]
    networks = {"audio": {"name": "cnn1d", "inputs": "mel"}, "features": {"name": "named_features"}}
    assert arrays_of({"encoders": networks, "fusion": None}) == ["mel", "features"]


def test_wrong_names_and_strange_files_are_refused(tmp_path):
    with pytest.raises(WorkbenchError, match="unknown classifier 'svm': choose from knn, logistic_regression"):
        classical.make("svm")
    with pytest.raises(WorkbenchError, match="classifier 'svm_rbf' with settings"):
        classical.make("svm_rbf", cost=3)
    model = classical.make("svm_rbf").fit(*problem())
    path = tmp_path / "model.skops"
    classifiers.save(Pipeline([*model.steps]), path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    schema["__module__"], schema["__class__"] = "os", "system"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (parts | {"schema.json": json.dumps(schema)}).items():
            archive.writestr(name, content)
    with pytest.raises(WorkbenchError, match=r"model\.skops: expected a classifier of scikit-learn, found os\.system"):
        classifiers.load(path)


def test_within_a_speaker_level_and_spread_are_taken_out():
    rng = np.random.default_rng(0)
    voices = {"a": (100.0, 5.0), "b": (-3.0, 0.2)}
    speakers = ["a", "b"] * 30
    plain = rng.normal(size=(60, 4))
    rows = np.stack([voices[who][0] + voices[who][1] * row for who, row in zip(speakers, plain, strict=True)])
    rows[:, 3] = 7.0  # no spread
    rows[4, 0] = np.nan
    found = standards.within(rows, speakers)
    for who in voices:
        mine = found[np.array(speakers) == who]
        assert np.nanmean(mine[:, :3], axis=0) == pytest.approx(np.zeros(3), abs=1e-5)
        assert np.nanstd(mine[:, :3], axis=0) == pytest.approx(np.ones(3), abs=1e-4)
    assert np.isnan(found[4, 0])
    assert (found[:, 3] == 0).all()


def test_standards_leave_padding_zero_and_want_speakers_and_floats():
    views = {"mfcc": [np.full((3, 2), 5.0, np.float16), np.array([[1.0, 2], [3, 6]], np.float16)]}
    norm = standards.Standards(views, ["a", "b"])
    batch = {"mfcc": np.zeros((1, 4, 2), np.float16), "mfcc_mask": np.array([[True, True, False, False]])}
    batch["mfcc"][0, :2] = views["mfcc"][1]
    out = norm(batch, [1])
    assert out["mfcc"][0].tolist() == [[-1, -1], [1, 1], [0, 0], [0, 0]]
    assert out["mfcc"].dtype == np.float32
    assert batch["mfcc"][0, 0].tolist() == [1, 2], "the batch itself is left alone"
    with pytest.raises(WorkbenchError, match="1 of 2 clips name no speaker"):
        standards.Standards(views, ["a", ""])
    with pytest.raises(WorkbenchError, match="wants arrays of floats, found frames of uint8"):
        standards.Standards({"frames": [np.zeros((1, 2, 2, 3), np.uint8)]}, ["a"])
    with pytest.raises(WorkbenchError, match="unknown normalise 'people': choose from"):
        standards.check("people")


def test_the_catalogue_lists_them():
    rows = {row["name"]: row for row in catalogue.classifiers()}
    wanted = {"logistic_regression", "svm_linear", "svm_rbf", "svm_poly3", "svm_poly4", "svm_sigmoid", "knn", "mlp"}
    assert wanted | {"random_forest"} <= set(rows)
    assert rows["svm_rbf"]["kind"] == "classifier"
    assert rows["svm_rbf"]["parameters"] is None


def test_settings_are_chosen_by_the_mean_recall_over_the_emotions_that_occur():
    """An emotion that no validation clip has, and that some are taken for, is no emotion with recall 0."""
    rng = np.random.default_rng(1)
    x, emotion = rng.normal(size=(120, 4)), EMOTIONS[np.arange(120) % 3]
    x[:, 0] += 1.5 * (emotion == "happy")
    validation = np.arange(90, 120)[emotion[90:] != "angry"]
    settings = {"name": "knn", "grid": {"n_neighbors": [1, 3, 9, 25]}}
    model, scores = classical.select(x, emotion, fit=range(90), validation=validation, settings=settings)
    expected = []
    for n in scores["n_neighbors"]:
        named = classical.make("knn", n_neighbors=n).fit(x[:90], emotion[:90]).predict(x[validation])
        assert "angry" in named
        right = named == emotion[validation]
        expected.append(np.mean([right[emotion[validation] == name].mean() for name in ("happy", "sad")]))
    assert scores["validation_uar"].tolist() == pytest.approx(expected)
    assert model["classifier"].n_neighbors == scores["n_neighbors"][int(np.argmax(expected))]
