"""Late fusion: stackers on out-of-fold rows, rules by hand, and both in a study beside N2 and frozen encoders."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from workbench import classifiers, runs, studies
from workbench.errors import WorkbenchError
from workbench.fusion import rules, stacking
from workbench.models import FUSIONS
from workbench.predict import predict
from workbench.studies import items, planning, running

CLASSES = ("happy", "sad", "angry")
NOBODY = [np.nan] * 3


def table(n=90, seed=0, speakers=6, good=0.8):
    """Return scores of two members, (n, 2 x 3), right in such a share of the clips, emotions and speakers."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    members = []
    for _ in range(2):
        named = np.where(rng.random(n) < good, truth, rng.integers(0, 3, n))
        members.append(rng.dirichlet([1, 1, 1], n) * 0.4 + 0.6 * np.eye(3)[named])
    return np.hstack(members), np.array(CLASSES)[truth], [f"s{i * speakers // n}" for i in range(n)]


@pytest.mark.parametrize("name", stacking.STACKERS)
def test_every_stacker_learns_and_comes_back_from_disk(name, tmp_path):
    scores, emotion, speakers = table()
    others, theirs, _ = table(seed=1)
    model, selection = stacking.fit({"name": name}, scores, emotion, speakers=speakers, seed=3)
    assert isinstance(model[0], MinMaxScaler)
    assert selection["chosen"].sum() == 1
    answers = classifiers.probabilities(model, others, [*CLASSES, "calm"])
    assert answers.sum(axis=1) == pytest.approx(np.ones(90))
    assert (answers[:, 3] == 0).all()
    assert (np.array(CLASSES)[answers[:, :3].argmax(axis=1)] == theirs).mean() > 0.7
    classifiers.save(model, tmp_path / "model.skops")
    again = classifiers.load(tmp_path / "model.skops")
    assert np.array_equal(classifiers.probabilities(again, others, CLASSES), answers[:, :3])
    same, _ = stacking.fit({"name": name}, scores, emotion, speakers=speakers, seed=3)
    assert np.array_equal(classifiers.probabilities(same, others, CLASSES), answers[:, :3])


def test_stackers_are_those_of_the_source():
    """Source 002, section 5.4: LR, SVM (linear, RBF, sigmoid), KNN with k from 1 to 24, MLP (40 hidden, 400)."""
    kinds = {name: stacking.make(name)[-1] for name in stacking.STACKERS}
    assert isinstance(kinds["logistic_regression"], LogisticRegression)
    svms = {model.kernel for model in kinds.values() if isinstance(model, SVC)}
    assert svms == {"linear", "rbf", "sigmoid"}
    assert isinstance(kinds["knn"], KNeighborsClassifier)
    assert isinstance(kinds["mlp"], MLPClassifier)
    assert (kinds["mlp"].hidden_layer_sizes, kinds["mlp"].max_iter) == ((40,), 400)
    (name,) = [name for name, stacker in stacking.STACKERS.items() if stacker.grid]
    _, selection = stacking.fit({"name": name}, *table()[:2])
    assert selection["n_neighbors"].tolist() == [*range(1, 25)]
    assert len(kinds) == 6


def test_a_grid_is_chosen_by_folds_that_keep_speakers_apart():
    _, emotion, speakers = table()
    for train, validation in stacking.folds(emotion, speakers, seed=0):
        assert not {speakers[i] for i in train} & {speakers[i] for i in validation}
    assert len(list(stacking.folds(emotion, speakers, seed=0))) == 5
    for unknown in (None, [""] * 90, ["one"] * 90):
        assert len(list(stacking.folds(emotion, unknown, seed=0))) == 5
    assert list(stacking.folds(np.array(["a", "b"]), None, seed=0)) == []
    # Two rows of each emotion, each of another speaker: two folds and not five; of one row, none.
    assert len(list(stacking.folds(np.array(["a", "b", "c"] * 2), list("uvwxyz"), seed=0))) == 2
    assert list(stacking.folds(np.array(["a", "b"]), ["u", "v"], seed=0)) == []
    # What a row says of the emotion differs from speaker to speaker: the same speaker's others tell, strangers do not.
    level = np.array([float(who[1:]) for who in speakers])
    told = np.array([CLASSES.index(name) for name in emotion]) + level.astype(int)
    rows = np.hstack([np.eye(3)[told % 3], level[:, None]])
    settings = {"name": "knn", "n_neighbors": 1, "grid": {"weights": ["uniform", "distance"]}}
    _, apart = stacking.fit(settings, rows, emotion, speakers=speakers)
    _, mixed = stacking.fit(settings, rows, emotion)
    assert mixed["uar"].min() == 1
    assert apart["uar"].max() < 0.2


def test_what_is_set_is_not_searched_and_few_rows_have_few_neighbours():
    scores, emotion, speakers = table(n=12, speakers=3)
    model, selection = stacking.fit({"name": "knn", "n_neighbors": 2}, scores, emotion, speakers=speakers)
    assert model[-1].n_neighbors == 2
    assert len(selection) == 1
    _, selection = stacking.fit({"name": "knn"}, scores, emotion, speakers=speakers)
    assert selection["n_neighbors"].tolist() == [*range(1, 9)], "eight rows train each fold"
    best = selection.loc[selection["chosen"], "uar"].item()
    assert best == selection["uar"].max()
    assert selection.loc[selection["uar"] == best].index[0] == selection.index[selection["chosen"]][0], "the first"
    model, selection = stacking.fit({"name": "svm_rbf", "grid": {"C": [0.1, 10]}}, scores, emotion, speakers=speakers)
    assert selection.loc[selection["chosen"], "C"].item() == model[-1].C


def test_wrong_stackers_are_named():
    scores, emotion, _ = table()
    with pytest.raises(WorkbenchError, match="unknown stacking 'forest': choose from knn, logistic_regression"):
        stacking.fit({"name": "forest"}, scores, emotion)
    with pytest.raises(WorkbenchError, match=r"classifier 'svm_rbf' with settings .*cost"):
        stacking.fit({"name": "svm_rbf", "cost": 3}, scores, emotion)
    with pytest.raises(WorkbenchError, match="offers nothing for 90 rows"):
        stacking.fit({"name": "knn", "grid": {"n_neighbors": [200]}}, scores, emotion)


def test_members_are_joined_by_take():
    first = pd.DataFrame(
        {"take": ["b", "a", "c"], "emotion": "sad", "p_happy": [0.1, 0.2, 0.3], "p_sad": [0.9, 0.8, 0.7]}
    )
    second = pd.DataFrame({"take": ["a", "b"], "emotion": "sad", "p_happy": [0.6, 0.5], "p_sad": [0.4, 0.5]})
    about, scores = stacking.join([first, second])
    assert about["take"].tolist() == ["a", "b"]
    assert scores.tolist() == [[0.2, 0.8, 0.6, 0.4], [0.1, 0.9, 0.5, 0.5]]
    members = stacking.by_member(scores, 2)
    assert members.tolist() == [[[0.2, 0.8], [0.1, 0.9]], [[0.6, 0.4], [0.5, 0.5]]]
    with pytest.raises(WorkbenchError, match="share no take"):
        stacking.join([first, second.assign(take=["y", "z"])])
    with pytest.raises(WorkbenchError, match="expected one answer a take, found several to 'a'"):
        stacking.join([first, second.assign(take="a")])


A, B = [0.7, 0.2, 0.1], [0.3, 0.4, 0.3]


def test_rules_without_weights_by_hand():
    p = np.array([[A], [B]])
    assert rules.mean(p)[0] == pytest.approx([0.5, 0.3, 0.2])
    assert rules.product(p)[0] == pytest.approx(np.array([0.21, 0.08, 0.03]) / 0.32)
    exclusive = np.array([[[1.0, 0, 0]], [[0, 1.0, 0]]])
    assert rules.product(exclusive)[0] == pytest.approx([0.5, 0.5, 0]), "not ruled out for good"
    assert rules.maximum(p)[0] == pytest.approx(np.array([0.7, 0.4, 0.3]) / 1.4)
    assert rules.confidence(p)[0] == pytest.approx((0.7 * np.array(A) + 0.4 * np.array(B)) / 1.1)
    weights = [1 + sum(x * math.log(x) for x in member) / math.log(3) for member in (A, B)]
    assert rules.entropy(p)[0] == pytest.approx((weights[0] * np.array(A) + weights[1] * np.array(B)) / sum(weights))
    votes = np.array([[A], [A], [B]])
    assert rules.majority(votes)[0] == pytest.approx([2 / 3, 1 / 3, 0], abs=1e-5)
    tie = rules.majority(p)[0]
    assert tie == pytest.approx([0.5, 0.5, 0], abs=1e-5)
    assert tie.argmax() == 0, "the greater mean"
    assert rules.majority(np.array([[B], [[0.41, 0.39, 0.2]]]))[0].argmax() == 1


def test_class_weights_and_bayesian_by_hand():
    p = np.array([[A, B, A, A], [B, B, B, NOBODY]])
    emotion = np.array([0, 1, 1, 0])
    weights = rules.f1_scores(p, emotion)
    # The first names 0, 1, 0, 0: of class 0 two hits of three named and two true; of class 1 one of one and two.
    assert weights[0] == pytest.approx([5 / 7, 3 / 5, 1 / 2])
    # The second names 1, 1, 1 and is silent: class 0 no hit of none named and one true; class 1 two of three and two.
    assert weights[1] == pytest.approx([1 / 3, 5 / 7, 1 / 2])
    weighed = weights[0] * A + weights[1] * B
    assert rules.class_weighted(p, weights)[0] == pytest.approx(weighed / weighed.sum())
    likelihoods = rules.confusions(p, emotion)
    assert likelihoods[0] == pytest.approx(np.array([[3 / 5, 1 / 5, 1 / 5], [2 / 5, 2 / 5, 1 / 5], [1 / 3] * 3]))
    assert likelihoods[1] == pytest.approx(np.array([[1 / 4, 2 / 4, 1 / 4], [1 / 5, 3 / 5, 1 / 5], [1 / 3] * 3]))
    both = np.array([3 / 5 * 2 / 4, 2 / 5 * 3 / 5, 1 / 3 * 1 / 3])
    assert rules.bayesian(p, likelihoods)[0] == pytest.approx(both / both.sum())
    one = np.array([3 / 5, 2 / 5, 1 / 3])
    assert rules.bayesian(p, likelihoods)[3] == pytest.approx(one / one.sum()), "the other says nothing"


@pytest.mark.parametrize("name", rules.RULES)
def test_every_rule_sums_to_one_and_does_without_members(name, tmp_path):
    scores, emotion, _ = table()
    p, truth = stacking.by_member(scores, 2), np.array([CLASSES.index(word) for word in emotion])
    rule = rules.fit({"name": name}, p, truth)
    answers = rule(p)
    assert answers.shape == (90, 3)
    assert answers.sum(axis=1) == pytest.approx(np.ones(90))
    assert (answers >= 0).all()
    assert (answers.argmax(axis=1) == truth).mean() > 0.75
    gaps = p.copy()
    gaps[0, :30], gaps[1, 20:40] = np.nan, np.nan
    with_gaps = rule(gaps)
    assert with_gaps.sum(axis=1) == pytest.approx(np.ones(90))
    assert with_gaps[40:] == pytest.approx(answers[40:])
    assert with_gaps[20:30] == pytest.approx(np.full((10, 3), 1 / 3)), "nobody answers"
    named = gaps[1, :20].argmax(axis=1)
    assert (with_gaps[:20].argmax(axis=1) == named).mean() > 0.9, "the only member that answers is heard"
    order = rules.Fitted(name, None if rule.weights is None else rule.weights[::-1])
    assert order(p[::-1]) == pytest.approx(answers), "members have no order"
    rule.save(tmp_path / "rule.json")
    assert np.array_equal(rules.load(tmp_path / "rule.json")(p), answers)


def test_a_weighted_rule_trusts_who_was_right():
    scores, emotion, _ = table(n=300, good=0.9)
    bad, _, _ = table(n=300, seed=5, good=0.0)
    p = np.stack([stacking.by_member(scores, 2)[0], stacking.by_member(bad, 2)[1]])
    truth = np.array([CLASSES.index(word) for word in emotion])
    for name in ("class_weighted", "bayesian"):
        first = (rules.fit({"name": name}, p, truth)(p).argmax(axis=1) == truth).mean()
        assert first > (rules.mean(p).argmax(axis=1) == truth).mean() + 0.05


def test_wrong_rules_are_named():
    with pytest.raises(WorkbenchError, match="unknown rule 'median': choose from bayesian, class_weighted"):
        rules.fit({"name": "median"}, np.array([[A]]), [0])
    with pytest.raises(WorkbenchError, match="rule 'mean' has no settings, found power"):
        rules.fit({"name": "mean", "power": 2}, np.array([[A]]), [0])
    for wrong in (np.array([[[0.5, 0.2, 0.2]]]), np.array([[[1.5, -0.5, 0]]]), np.array([[[0.5, 0.5, np.nan]]])):
        with pytest.raises(WorkbenchError, match="1 rows that do not sum to 1"):
            rules.fit({"name": "mean"}, np.array([[A]]), [0])(wrong)
    with pytest.raises(WorkbenchError, match=r"found shape \(1, 3\)"):
        rules.Fitted("mean")(np.array([A]))


ALONE = {"audio_cnn": {"name": "cnn1d", "filters": [8, 16]}, "video_lrcn": {"name": "lrcn", "kernel_size": 3}}
ENCODERS = {"audio": ALONE["audio_cnn"], "video": ALONE["video_lrcn"]}
MEMBERS = {"members": list(ALONE)}
START = {"start": list(ALONE), "encoders": ENCODERS}
VARIANTS = {
    "audio_cnn": {"encoders": {"audio": ALONE["audio_cnn"]}},
    "video_lrcn": {"encoders": {"video": ALONE["video_lrcn"]}},
    "n2": START | {"fusion": {"name": "n2", "modality_dropout": {"probability": 0.2, "fill": "noise"}}},
    "frozen": START | {"freeze": True, "fusion": {"name": "scores"}},
    "knn": MEMBERS | {"stacking": {"name": "knn"}},
    "mean": MEMBERS | {"rule": {"name": "mean"}},
    "bayesian": MEMBERS | {"rule": {"name": "bayesian"}},
    "logs": MEMBERS | {"stacking": {"name": "logistic_regression", "logarithms": True}, "normalise": "speaker"},
}


def study(variants=VARIANTS):
    """Return the study `thread` with these variants, at a size for tests."""
    small = {"smoke": {"n_folds": 2, "training": {"epochs": 1, "batch_size": 8}}}
    found = studies.load("thread")
    return dataclasses.replace(found, recipe=found.recipe | {"n_frames": 3}, variants=variants, profiles=small)


@pytest.fixture(scope="module")
def made(eight, tmp_path_factory):
    """The runs of both folds on unseen speakers, by variant, in a data folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        found = running.run(study(), eight, profile="smoke", protocols=["speaker-disjoint"])
        yield {name: [run for run in found if run.params["variant"] == name] for name in VARIANTS}


def test_fusions_of_every_kind_run_from_a_study(made, eight):
    files = {"knn": "model.skops", "logs": "model.skops", "mean": "rule.json", "bayesian": "rule.json"}
    fusions = {"audio_cnn": "none", "video_lrcn": "none", "frozen": "scores", "logs": "logistic_regression"}
    for name, folds in made.items():
        tested = runs.predictions(folds).query("usage == 'test'")
        assert sorted(tested["clip"]) == sorted(eight.clips()["clip"])
        assert tested[["p_happy", "p_sad"]].sum(axis=1).tolist() == pytest.approx([1] * len(tested))
        assert set(tested["fusion"]) == {fusions.get(name, name)}
        assert all((run.folder / files.get(name, "model.safetensors")).exists() for run in folds)


def test_rules_and_stackers_learn_from_validation_rows_only(made):
    for fold in range(2):
        members = [made[name][fold].predictions() for name in ALONE]
        about, scores = stacking.join([member.query("usage == 'validation'") for member in members])
        tested, given = stacking.join([member.query("usage == 'test'") for member in members])
        assert not set(about["speaker"]) & set(tested["speaker"])
        truth = [["happy", "sad"].index(name) for name in about["emotion"]]
        rule = rules.fit({"name": "bayesian"}, stacking.by_member(scores, 2), truth)
        kept = json.loads((made["bayesian"][fold].folder / "rule.json").read_text())
        assert kept == {"name": "bayesian", "weights": rule.weights.tolist()}
        run = made["mean"][fold].predictions().set_index("take").loc[tested["take"], ["p_happy", "p_sad"]]
        assert run.to_numpy() == pytest.approx((given[:, :2] + given[:, 2:]) / 2)
        fitted = classifiers.load(made["knn"][fold].folder / "model.skops")
        assert fitted.named_steps["minmaxscaler"].data_max_ == pytest.approx(scores.max(axis=0))
        assert fitted[-1].n_samples_fit_ == len(scores)
        selection = pd.read_csv(made["knn"][fold].folder / "selection.csv")
        assert selection.loc[selection["chosen"], "n_neighbors"].item() == fitted[-1].n_neighbors


def test_frozen_encoders_and_heads_stay_those_of_the_runs_they_start_from(made):
    for fold in range(2):
        weights = load_file(made["frozen"][fold].folder / "model.safetensors")
        for index, (name, modality) in enumerate(zip(ALONE, ENCODERS, strict=True)):
            start = load_file(made[name][fold].folder / "model.safetensors")
            for key, x in start.items():
                ours = key.replace("head.", f"fusion.heads.{index}.")
                assert torch.equal(weights[ours], x), key
            trained = load_file(made["n2"][fold].folder / "model.safetensors")
            changed = [key for key in start if key.startswith(f"encoders.{modality}") and key.endswith("weight")]
            assert any(not torch.equal(trained[key], start[key]) for key in changed), "unless frozen, they learn"
        assert made["frozen"][fold].params["freeze"] is True
        assert "freeze" not in made["n2"][fold].params


@pytest.mark.parametrize("variant", ["n2", "frozen", "knn", "mean", "bayesian"])
def test_predict_agrees_with_the_saved_predictions_and_does_without_a_face(made, eight, variant, tmp_path):
    run = made[variant][0]
    row = run.predictions().query("usage == 'test'").iloc[0]
    path = eight.clips().set_index("clip").loc[row["clip"], "path"]
    answer, nothing = predict([path, tmp_path / "absent.mp4"], run)
    assert answer["emotion"] == row["predicted"]
    assert answer["probabilities"]["happy"] == pytest.approx(row["p_happy"], abs=1e-5)
    assert nothing["emotion"] is None


def test_predict_standardises_a_speakers_answers_as_the_study_did(made, eight):
    rows = made["logs"][0].predictions().query("usage == 'test'")
    rows = rows[rows["speaker"] == rows["speaker"].iloc[0]].set_index("clip")
    files = eight.clips().set_index("clip").loc[rows.index, "path"]
    answers = predict(files, made["logs"][0])
    assert [answer["probabilities"]["happy"] for answer in answers] == pytest.approx(rows["p_happy"].tolist(), abs=1e-4)
    assert any("taken as of one speaker" in note for note in answers[0]["notes"])


def test_a_rule_goes_by_the_member_that_is_there(made, monkeypatch):
    from workbench.predict import systems as room

    answers = {"audio_cnn": np.array([0.2, 0.8]), "video_lrcn": None}
    monkeypatch.setattr(room, "_network", lambda run: lambda clips: [answers[run.params["variant"]]] * len(clips))
    assert room.predictor(made["mean"][0])([{}])[0] == pytest.approx([0.2, 0.8])


def test_a_fusion_whose_members_are_not_finite_tells_it_from_members_without_input(made, monkeypatch):
    from workbench.predict import systems as room

    answers = {"audio_cnn": np.array([np.nan, np.nan]), "video_lrcn": None}
    monkeypatch.setattr(room, "_network", lambda run: lambda clips: [answers[run.params["variant"]]] * len(clips))
    for variant in ("mean", "logs"):
        assert room.predictor(made[variant][0])([{}]) == [None]
    assert np.isnan(room.predictor(made["mean"][0], finite=False)([{}])[0]).all()
    answers["audio_cnn"] = None
    assert room.predictor(made["mean"][0], finite=False)([{}]) == [None]


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        (MEMBERS, "'odd': members need stacking or a rule"),
        (MEMBERS | {"rule": {"name": "mean"}, "stacking": {"name": "knn"}}, "one of them, found"),
        (MEMBERS | {"rule": {"name": "median"}}, "unknown rule 'median'"),
        (MEMBERS | {"stacking": {"name": "forest"}}, "unknown stacking 'forest'"),
        ({"encoders": ENCODERS, "fusion": {"name": "n9"}}, f"unknown fusion 'n9': choose from {sorted(FUSIONS)[0]}"),
        ({"encoders": ENCODERS, "fusion": {"name": "n2"}, "freeze": True}, "no start names their variants"),
    ],
)
def test_wrong_fusions_are_named_before_work(eight, data_folder, variant, message):
    odd = study(VARIANTS | {"odd": variant})
    with pytest.raises(WorkbenchError, match=message):
        running.run(odd, eight, profile="smoke", variants=["odd"])
    assert not (data_folder / "prepared").exists()


def test_other_fusions_are_other_runs(made, eight):
    assert len({run.name for folds in made.values() for run in folds}) == 2 * len(VARIANTS)
    changed = study(VARIANTS | {"mean": MEMBERS | {"rule": {"name": "product"}}})
    whole = planning.plan(changed, eight, profile="smoke")
    run = items.run_of(items.Item(whole, "mean", "speaker-disjoint", "fold1", 0), planning.Prepared())
    assert run.params["rule"] == {"name": "product"}
    assert run.name not in {one.name for one in made["mean"]}
