"""Scores agree with scikit-learn, intervals with a naive loop, real predictions with what is known."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from workbench import evaluation
from workbench.emotions import EMOTIONS, probability_columns
from workbench.errors import WorkbenchError
from workbench.evaluation import curves
from workbench.speakers import count_in_words


def predictions_table(n_speakers=6, n_takes=40, emotions=EMOTIONS, *, skill=1.0, seed=0, run_seed=0, **names):
    """Predictions of a system: `skill` is how far the true emotion's score stands out, speaker by speaker."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(n_speakers), n_takes)
    true = rng.integers(len(emotions), size=len(speaker))
    scores = rng.normal(size=(len(true), len(emotions)))
    scores[np.arange(len(true)), true] += skill * rng.uniform(0, 2, n_speakers)[speaker]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    clip = [f"clip-{number:04d}" for number in range(len(true))]
    table = pd.DataFrame({"clip": clip, "take": clip, "speaker": [f"demo-{s:02d}" for s in speaker]})
    names = {"protocol": "speaker-disjoint", "model": "cnn", "modality": "audio", "fusion": "", **names}
    names = {
        "run": f"r{run_seed}",
        "study": "thread",
        "variant": "v",
        "corpus": "demo",
        "fold": "fold1",
        **names,
    }
    table = table.assign(**names, seed=run_seed, usage="test", sex="")
    table = table.assign(emotion=np.take(emotions, true), predicted=np.take(emotions, scores.argmax(axis=1)))
    return pd.concat([table, pd.DataFrame(probabilities, columns=probability_columns(emotions))], axis=1)


def test_by_yaw_scores_each_angle_by_itself_either_side_alike():
    table = predictions_table(protocol="frontal-to-turned")
    table["yaw"] = np.tile([0, 30, -30, 60], 60)
    table.loc[table["yaw"] == 0, "usage"] = "frontal"
    table.loc[table["yaw"] == 60, "predicted"] = table["emotion"]
    others = table.assign(usage="validation", predicted="none", clip="v" + table["clip"])
    found = evaluation.by_yaw(pd.concat([table, others])).set_index("yaw")
    right = table["emotion"] == table["predicted"]
    assert found["accuracy"].to_dict() == pytest.approx(right.groupby(table["yaw"].abs()).mean().to_dict())
    assert found["n_clips"].to_dict() == {0: 60, 30: 120, 60: 60}
    assert evaluation.accuracy(table) == pytest.approx(right[table["yaw"] != 0].mean()), (
        "the score is the turned heads'"
    )
    with pytest.raises(WorkbenchError, match="column yaw"):
        evaluation.by_yaw(predictions_table())


@pytest.mark.parametrize("emotions", [EMOTIONS, EMOTIONS[:2], ("sad", "angry", "disgust")])
def test_scores_are_those_of_scikit_learn(emotions):
    table = predictions_table(emotions=emotions)
    true, predicted = table["emotion"], table["predicted"]
    score = evaluation.score(table)
    assert score["accuracy"] == pytest.approx(metrics.accuracy_score(true, predicted))
    assert score["uar"] == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
    assert score["macro_f1"] == pytest.approx(metrics.f1_score(true, predicted, average="macro"))
    if len(emotions) > 2:
        alphabetical = sorted(emotions)
        auc = metrics.roc_auc_score(
            true, table[probability_columns(alphabetical)], multi_class="ovr", labels=alphabetical
        )
        assert score["auc"] == pytest.approx(auc)
    assert (score["n_clips"], score["n_speakers"]) == (240, 6)
    assert evaluation.uar(table) == score["uar"]
    assert evaluation.macro_f1(table) == score["macro_f1"]


def test_emotions_that_never_occur_do_not_count():
    table = predictions_table(emotions=EMOTIONS[:4])
    wide = table.assign(predicted=table["predicted"].replace("calm", "surprised"), p_surprised=0.0)
    labels = list(EMOTIONS[:4])
    recalls = metrics.recall_score(wide["emotion"], wide["predicted"], labels=labels, average=None)
    assert evaluation.uar(wide) == pytest.approx(recalls.mean())
    f1 = metrics.f1_score(wide["emotion"], wide["predicted"], labels=labels, average="macro")
    assert evaluation.macro_f1(wide) == pytest.approx(f1)
    matrix = evaluation.confusion(wide)
    assert list(matrix.columns) == [*labels, "surprised"]
    assert matrix.loc["calm", "calm"] == 0
    assert matrix.loc["surprised"].isna().all()


@pytest.mark.parametrize("metric", evaluation.METRICS)
def test_interval_is_that_of_a_naive_loop_over_speakers(metric):
    table = predictions_table(5, 30)
    of_speaker = [rows for _, rows in table.groupby("speaker")]
    naive = []
    function = {
        "accuracy": metrics.accuracy_score,
        "uar": metrics.balanced_accuracy_score,
        "macro_f1": lambda true, predicted: metrics.f1_score(
            true, predicted, labels=sorted(set(true)), average="macro"
        ),
    }[metric]
    for weights in np.random.default_rng(7).multinomial(5, [0.2] * 5, size=200):
        drawn = pd.concat([rows for rows, times in zip(of_speaker, weights, strict=True) for _ in range(times)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an emotion predicted but absent from the draw
            naive.append(function(drawn["emotion"], drawn["predicted"]))
    expected = np.quantile(naive, [0.05, 0.95])
    assert evaluation.interval(table, metric, n_resamples=200, level=0.9, seed=7) == pytest.approx(tuple(expected))


def test_interval_covers_the_true_accuracy_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        table = predictions_table(20, 10)
        right = rng.random(200) < np.repeat(rng.beta(6, 4, 20), 10)  # speakers differ; 0.6 on average
        table["predicted"] = np.where(right, table["emotion"], np.where(table["emotion"] == "sad", "calm", "sad"))
        low, high = evaluation.interval(table, n_resamples=400)
        hits += low <= 0.6 <= high
    assert 49 <= hits <= 60


def test_interval_is_wider_than_one_over_clips_when_speakers_differ():
    table = predictions_table(8, 50)
    right = np.repeat(np.arange(8) % 2 == 0, 50)
    table["predicted"] = np.where(right, table["emotion"], np.where(table["emotion"] == "sad", "calm", "sad"))
    over_speakers = evaluation.interval(table)
    over_clips = evaluation.interval(table.assign(speaker=table["clip"]))
    assert np.diff(over_speakers) > 0.5
    assert np.diff(over_clips) < 0.15


def test_one_speaker_has_no_interval():
    assert np.isnan(evaluation.interval(predictions_table(1))).all()


def test_only_test_rows_count():
    table = predictions_table()
    validation = table.assign(usage="validation", predicted="calm", clip="v" + table["clip"])
    assert evaluation.score(pd.concat([validation, table])) == evaluation.score(table)
    with pytest.raises(WorkbenchError, match="no test row among 240"):
        evaluation.accuracy(validation)


def test_seeds_are_averaged_and_folds_pooled():
    first, second = (predictions_table(skill=skill, run_seed=n) for n, skill in enumerate((0.5, 3)))
    both = pd.concat([first, second])
    expected = (evaluation.macro_f1(first) + evaluation.macro_f1(second)) / 2
    assert evaluation.macro_f1(both) == pytest.approx(expected)
    assert evaluation.score(both)["n_clips"] == 240
    low, high = evaluation.interval(both, "macro_f1")
    assert low < expected < high
    folds = first.assign(fold=np.where(np.arange(240) < 30, "fold1", "fold2"), run=first["speaker"])
    assert evaluation.score(folds) == evaluation.score(first)
    assert evaluation.per_class(both)["support"].sum() == 240


def test_mixed_systems_and_doubled_clips_are_refused():
    table = predictions_table()
    with pytest.raises(WorkbenchError, match=r"found 2: .*'model': \['cnn', 'lstm'\]"):
        evaluation.accuracy(pd.concat([table, table.assign(model="lstm")]))
    with pytest.raises(WorkbenchError, match=r"'clip-0000' was tested 2 times under seed 0, in runs \['old', 'r0'\]"):
        evaluation.score(pd.concat([table, table.assign(run="old")]))


def test_summary_has_one_row_a_system_in_order():
    easy = predictions_table(skill=3, modality="video", model="lrcn")
    hard = predictions_table(skill=0.3)
    table = evaluation.summary(pd.concat([easy, hard]), n_resamples=100)
    assert table["model"].tolist() == ["lrcn", "cnn"]
    for row, system in zip(table.to_dict("records"), (easy, hard), strict=True):
        assert row["uar"] == evaluation.uar(system)
        assert (row["uar_low"], row["uar_high"]) == evaluation.interval(system, "uar", n_resamples=100)
        assert row["chance"] == pytest.approx(system["emotion"].value_counts().max() / 240)
        assert row["n_emotions"] == 8
        assert row["level"] == 0.95
    folds = pd.concat([easy.assign(fold=easy["speaker"])])
    assert len(evaluation.summary(folds, by=("model", "fold"), n_resamples=10)) == 6


def test_confusion_and_report():
    table = predictions_table()
    counts, shares = evaluation.confusion(table, normalise=False), evaluation.confusion(table)
    expected = metrics.confusion_matrix(table["emotion"], table["predicted"], labels=EMOTIONS)
    assert (counts.to_numpy() == expected).all()
    assert counts.index.name == "emotion"
    assert np.allclose(shares.sum(axis=1), 1)
    report = evaluation.per_class(table)
    assert report["recall"].to_numpy() == pytest.approx(np.diag(shares))
    assert report["support"].tolist() == expected.sum(axis=1).tolist()


def test_roc_rises_from_corner_to_corner():
    table = predictions_table(skill=2)
    curves = evaluation.roc(table)
    assert list(curves["emotion"].unique()) == list(EMOTIONS)
    for emotion, curve in curves.groupby("emotion"):
        assert curve[["fpr", "tpr"]].to_numpy()[[0, -1]].tolist() == [[0, 0], [1, 1]]
        assert curve["fpr"].is_monotonic_increasing
        assert curve["tpr"].is_monotonic_increasing
        area = metrics.roc_auc_score(table["emotion"] == emotion, table[f"p_{emotion}"])
        assert curve["auc"].iloc[0] == pytest.approx(area)
        assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(area)


def test_a_system_without_probabilities_has_no_auc():
    table = predictions_table()[lambda t: [name for name in t if not name.startswith("p_")]]
    assert np.isnan(evaluation.score(table)["auc"])
    with pytest.raises(WorkbenchError, match="p_<emotion>"):
        evaluation.roc(table)


def test_an_emotion_the_system_does_not_know_has_the_auc_of_a_guess():
    curves = evaluation.roc(predictions_table(skill=3).drop(columns="p_calm"))
    assert curves.groupby("emotion")["auc"].first()["calm"] == 0.5


def test_paired_difference_matches_takes_not_clips():
    good, bad = predictions_table(skill=2), predictions_table(skill=0.2, modality="video")
    bad["clip"] = "video-" + bad["clip"]
    result = evaluation.paired(good, bad)
    assert result["difference"] == pytest.approx(evaluation.accuracy(good) - evaluation.accuracy(bad))
    assert result["low"] < result["difference"] < result["high"]
    reverse = evaluation.paired(bad, good)
    assert (reverse["low"], reverse["high"]) == pytest.approx((-result["high"], -result["low"]))
    assert evaluation.paired(good, good)["high"] == 0
    half = evaluation.paired(good, bad.iloc[:120])
    assert (half["n_takes"], half["n_speakers"]) == (120, 3)
    with pytest.raises(WorkbenchError, match="not tested on any take in common"):
        evaluation.paired(good, bad.assign(take="x" + bad["take"]))


def test_the_p_value_counts_the_ways_of_signing_the_speakers_gains():
    gains = np.array([3.0, 1.0, -2.0, 4.0])
    ways = [abs(np.dot(signs, gains)) >= 6 for signs in itertools.product([-1, 1], repeat=4)]
    assert evaluation.sign_flips(gains) == np.mean(ways) == 6 / 16
    assert evaluation.sign_flips(np.zeros(5)) == 1
    assert np.isnan(evaluation.sign_flips(np.array([1.0])))
    rng = np.random.default_rng(0)
    luck = [evaluation.sign_flips(rng.normal(size=24), seed=seed) for seed in range(200)]
    assert 0.02 < np.mean(np.array(luck) < 0.05) < 0.09, "as often as it says, where there is no difference"
    assert evaluation.sign_flips(1 + rng.normal(size=24)) < 0.01


def test_differences_are_corrected_for_how_many_there_are():
    best, good, bad = (predictions_table(12, skill=skill, modality="video") for skill in (2, 0.6, 0.2))
    table = evaluation.differences({"best": best, "good": good, "same": bad}, bad).set_index("system")
    assert table.loc["best", "difference"] == evaluation.paired(best, bad)["difference"]
    assert table.loc["best", "p_holm"] == pytest.approx(3 * table.loc["best", "p"])
    assert table.loc["same", ["difference", "p", "p_holm"]].tolist() == [0, 1, 1]
    assert (table["p_holm"] >= table["p"]).all()
    assert table.loc["good", "p_holm"] >= table.loc["best", "p_holm"]


def test_paired_interval_is_narrower_than_the_two_apart():
    good = predictions_table(12, 40, skill=1)
    bad = good.assign(model="b", predicted=good["predicted"].where(np.arange(len(good)) % 10 > 0, "calm"))
    result = evaluation.paired(good, bad)
    low, high = evaluation.interval(good)
    assert result["low"] >= 0
    assert result["high"] - result["low"] < 0.5 * (high - low)


@pytest.mark.parametrize(("system", "known"), [("fusion_paper", 0.642), ("audio", 0.547), ("video", 0.447)])
def test_real_out_of_fold_predictions_score_what_is_known_of_them(shared, system, known):
    table = real_predictions(shared, system)
    score = evaluation.score(table)
    assert (score["n_clips"], score["n_speakers"]) == (2452, 24)
    assert score["accuracy"] == pytest.approx(known, abs=5e-4)
    low, high = evaluation.interval(table)
    assert low < known < high
    assert 0.02 < high - low < 0.2
    matrix = evaluation.confusion(table, normalise=False)
    assert matrix.to_numpy().trace() == round(score["accuracy"] * 2452)
    assert matrix.shape == (8, 8)


def real_predictions(shared: Path, system: str) -> pd.DataFrame:
    """Return the published out-of-fold probabilities of one column group as a predictions table."""
    oof = pd.read_csv(shared / "data" / "splits" / "other_oof" / "actor_independent_oof.csv")
    probabilities = oof[[f"{system}_p{number}" for number in range(8)]].set_axis(probability_columns(EMOTIONS), axis=1)
    return probabilities.assign(
        run="oof", study="published", variant=system, corpus="ravdess", protocol="speaker-disjoint", seed=0,
        model=system, modality="audiovisual", fusion="", usage="test", fold="fold" + oof["fold"].astype(str),
        clip=oof["idx"].astype(str), take=oof["idx"].astype(str), speaker="actor-" + oof["actor"].astype(str),
        sex=np.where(oof["actor"] % 2, "male", "female"), emotion=oof["true_label"],
        predicted=np.take(EMOTIONS, probabilities.to_numpy().argmax(axis=1)),
    )  # fmt: skip


def test_reliability_counts_and_shares_by_hand():
    table = predictions_table(n_speakers=1, n_takes=4, emotions=EMOTIONS[:2])
    shares = np.array([[0.55, 0.45], [0.3, 0.7], [0.9, 0.1], [0.95, 0.05]])
    table[probability_columns(EMOTIONS[:2])] = shares
    table["predicted"] = np.array(EMOTIONS)[shares.argmax(axis=1)]
    table["emotion"] = [EMOTIONS[0], EMOTIONS[0], EMOTIONS[0], EMOTIONS[1]]
    beside = table.assign(usage="validation")
    found = evaluation.reliability(pd.concat([table, beside], ignore_index=True)).set_index("probability")
    assert found["clips"].tolist() == [0, 1, 1, 2]
    assert found.loc["40% to 60%", "right"] == 1
    assert found.loc["60% to 80%", "right"] == 0
    assert found.loc["80% to 100%", "right"] == 0.5
    assert np.isnan(found.loc["0% to 40%", "right"])


def test_seeds_that_test_different_speakers_have_finite_intervals():
    """A resample without a speaker of a seed is scored by the seeds that it has, as a naive loop scores it."""
    first, second = predictions_table(2, run_seed=0), predictions_table(2, seed=1, run_seed=1)
    second = second.assign(clip="second-" + second["clip"], speaker="second-" + second["speaker"])
    both = pd.concat([first, second])
    table = evaluation.summary(both, n_resamples=500).iloc[0]
    speakers = [rows for _, rows in both.groupby("speaker")]
    counts = np.random.default_rng(0).multinomial(4, np.full(4, 1 / 4), size=500)
    assert (counts[:, :2].sum(axis=1) == 0).any(), "some resamples have no speaker of a seed"
    scores = []
    for times in counts:
        rows = pd.concat([one for one, n in zip(speakers, times, strict=True) for _ in range(n)])
        by_seed = (rows["emotion"] == rows["predicted"]).groupby(rows["seed"]).mean()
        scores.append(by_seed.mean())
    assert table["accuracy_low":"accuracy_high"].tolist() == pytest.approx(np.quantile(scores, [0.025, 0.975]).tolist())
    for metric in evaluation.METRICS:
        assert table[f"{metric}_low"] < table[metric] < table[f"{metric}_high"], metric


def test_the_auc_is_over_the_seeds_that_tested_two_emotions():
    first, second = predictions_table(run_seed=0), predictions_table(run_seed=1)
    one = second[second["emotion"] == "happy"]
    assert evaluation.score(pd.concat([first, one]))["auc"] == evaluation.score(first)["auc"]
    assert np.isnan(evaluation.score(one)["auc"])


@pytest.mark.parametrize(("unknown", "n_speakers"), [(240, 0), (10, 6)])
def test_unknown_speakers_are_no_speaker_and_leave_no_interval(unknown, n_speakers):
    table, other = predictions_table(), predictions_table(skill=2, model="lstm")
    for rows in (table, other):
        rows.loc[rows.index[:unknown], "speaker"] = ""
    row = evaluation.summary(table, n_resamples=50).iloc[0]
    assert (row["n_speakers"], row["n_clips"]) == (n_speakers, 240)
    assert row.filter(regex="_(low|high)$").isna().all()
    assert row["accuracy"] == evaluation.accuracy(predictions_table())
    gain = evaluation.paired(other, table, n_resamples=50)
    assert (gain["n_speakers"], gain["n_takes"]) == (n_speakers, 240)
    assert gain["difference"] > 0
    assert np.isnan([gain["low"], gain["high"], gain["p"]]).all()


def test_speakers_in_words():
    words = {
        "of 2 speakers": ["a", "b", "a"],
        "of 1 speaker": ["a"],
        "(speakers not known)": ["", None],
        "of 2 known speakers and of speakers not known": ["a", "b", ""],
    }
    for expected, names in words.items():
        assert count_in_words(pd.Series(names)) == expected


def test_curves_and_rates_are_scikit_learns_to_the_last_bit():
    rng = np.random.default_rng(0)
    for n in (2, 3, 20, 200):
        positive = np.append([True, False], rng.random(n - 2) < 0.3)
        for scores in (rng.random(n), rng.random(n).round(1)):  # without and with equal scores
            fpr, tpr, _ = metrics.roc_curve(positive, scores)
            ours = curves.roc_curve(positive, scores)
            assert np.array_equal(fpr, ours[0])
            assert np.array_equal(tpr, ours[1])
            assert curves.area(*ours) == metrics.roc_auc_score(positive, scores)
        true, predicted = rng.integers(0, 4, n), rng.integers(0, 5, n)  # a class that is predicted and never true
        theirs = metrics.precision_recall_fscore_support(true, predicted, labels=range(5), zero_division=0)[:3]
        counts = metrics.confusion_matrix(true, predicted, labels=range(5))
        for name, values in zip(("precision", "recall", "f1"), theirs, strict=True):
            assert np.array_equal(curves.precision_recall_f1(counts)[name], values)
