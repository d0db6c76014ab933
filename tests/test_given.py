"""Given by others: predictions and features in files, the folds that come with them, and fusions of them."""

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest

from workbench import classifiers, datasets, evaluation, runs, studies
from workbench.datasets.ravdess import parse_name
from workbench.emotions import EMOTIONS, probability_columns
from workbench.errors import WorkbenchError
from workbench.fusion import rules, stacking
from workbench.predict import predictor
from workbench.splits import LeakError, make_folds
from workbench.studies import running

P = probability_columns(EMOTIONS)
ORDERS = {"alphabetical": sorted(EMOTIONS), "vocabulary": list(EMOTIONS)}
CLIPS = [f"01-01-{e:02d}-01-01-01-{actor:02d}" for e in range(1, 9) for actor in range(1, 7)]
FOLDS = {"fold0": (1, 2), "fold1": (3, 4), "fold2": (5, 6)}


def side(fold, usage):
    """Return the clips of a fold's test, or of its training."""
    return [clip for clip in CLIPS if (int(clip[-2:]) in FOLDS[fold]) == (usage == "test")]


def scores(clips, *, seed, good=0.7):
    """Return scores (n, 8) in the vocabulary's order, greatest at the clip's emotion for such a share of the clips."""
    rng = np.random.default_rng(seed)
    truth = np.array([int(clip[6:8]) - 1 for clip in clips])
    named = np.where(rng.random(len(clips)) < good, truth, rng.integers(0, 8, len(clips)))
    return rng.normal(size=(len(clips), 8)) + 4 * np.eye(8)[named]


def write(path, clips, values, *, form="table", order="alphabetical"):
    """Write scores as others do: a table with numbered columns, a list in JSON, or columns called by emotions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = pd.DataFrame(values, columns=EMOTIONS)[ORDERS[order]]
    if form == "list":
        rows = zip(clips, values.to_numpy().tolist(), strict=True)
        path.write_text("".join(f'{clip}.csv,"{json.dumps(row)}"\n' for clip, row in rows))
    else:
        columns = [f"embs{i}" for i in range(8)] if form == "table" else list(values)
        values.set_axis(columns, axis=1).assign(name=clips, actor=1).to_csv(path, sep=";", index=False)


@pytest.fixture
def root(tmp_path):
    """Two systems on three folds: `voice` in tables, `face` in lists; surer on their training clips."""
    for number, fold in enumerate(FOLDS):
        for usage, good in (("train", 0.95), ("test", 0.7)):
            clips, seed = side(fold, usage), 10 * number + (usage == "test")
            write(tmp_path / "given" / "voice" / f"{fold}_{usage}.csv", clips, scores(clips, seed=seed, good=good))
            values = scores(clips, seed=100 + seed, good=good)
            write(tmp_path / "given" / "face" / f"{fold}_{usage}.csv", clips, values, form="list")
    return tmp_path / "given"


def opened(root):
    return datasets.corpus("given_predictions", root)


def test_names_say_what_the_clips_are_and_files_which_folds(root):
    corpus = opened(root)
    clips = corpus.clips()
    assert clips["clip"].tolist() == CLIPS
    assert clips["speaker"].iloc[0] == "ravdess-01"
    assert corpus.card.citation.startswith("S. R. Livingstone")
    folds = make_folds(clips, "given")
    assert [fold.name for fold in folds] == list(FOLDS)
    for fold in folds:
        assert clips["clip"].iloc[fold.test].tolist() == side(fold.name, "test")
        assert clips["clip"].iloc[fold.train].tolist() == side(fold.name, "train")
    assert corpus.check()["unreadable"] == []
    with pytest.raises(WorkbenchError, match="protocol 'given': expected columns trains_in, tests_in, found"):
        make_folds(clips.drop(columns=["trains_in", "tests_in"]), "given")
    with pytest.raises(WorkbenchError, match="makes 3 folds here, not 5"):
        make_folds(clips, "given", n_folds=5)


def test_a_speaker_on_both_sides_of_a_given_fold_is_a_leak(root):
    (root / "face" / "fold1_test.csv").unlink()
    clips = [*side("fold1", "test"), "01-01-03-02-01-01-01"]  # a further clip of a speaker who trains
    write(root / "voice" / "fold1_test.csv", clips, scores(clips, seed=5))
    with pytest.raises(LeakError, match=r"1 speaker \(such as ravdess-01\)"):
        make_folds(opened(root).clips(), "given")


@pytest.mark.parametrize("form", ["table", "list"])
@pytest.mark.parametrize("order", ORDERS)
def test_both_forms_and_orders_give_the_same_probabilities(tmp_path, form, order):
    clips, values = side("fold0", "test"), scores(side("fold0", "test"), seed=0)
    write(tmp_path / "net" / "fold0_test.csv", clips, values, form=form, order=order)
    found = opened(tmp_path).predictions("net", order=order)
    shares = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
    assert found[P].to_numpy() == pytest.approx(shares)
    assert found["take"].tolist() == [f"ravdess-{clip[3:]}" for clip in clips]
    assert set(found["fold"] + found["usage"]) == {"fold0test"}
    (other,) = set(ORDERS) - {order}
    with pytest.raises(WorkbenchError, match=rf"fold0_test.csv: order '{other}' makes \d+% .* '{order}' \d+%"):
        opened(tmp_path).predictions("net", order=other)
    with pytest.raises(WorkbenchError, match="order has to give them"):
        opened(tmp_path).predictions("net")
    assert opened(tmp_path).predictions("net", order=ORDERS[order]).equals(found)
    with pytest.raises(WorkbenchError, match="expected a column for each of happy, sad, found 8 columns"):
        opened(tmp_path).predictions("net", order=["happy", "sad"])


def test_probabilities_stay_and_named_columns_need_no_order(tmp_path):
    clips = side("fold0", "test")
    shares = np.random.default_rng(0).dirichlet(np.ones(8), len(clips))
    write(tmp_path / "net" / "fold0_test.csv", clips, shares.round(4), form="named", order="alphabetical")
    assert opened(tmp_path).predictions("net")[P].to_numpy() == pytest.approx(shares, abs=1e-3)


GOOD = ["embs0;embs1;embs2;embs3;embs4;embs5;embs6;embs7;name"]
GOOD += [";".join(["1"] * i + ["5"] + ["1"] * (7 - i) + [CLIPS[i]]) for i in range(3)]
LISTED = [f'{CLIPS[0]}.csv,"[1, 2, 3]"', f'{CLIPS[1]}.csv,"[1, 2, 3]"']


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([*GOOD, "1;2;x;4;5;6;7;8;" + CLIPS[4]], r"line 5: expected numbers, found \['1', '2', 'x'"),
        ([*GOOD, "1;2;nan;4;5;6;7;8;" + CLIPS[4]], "line 5: expected finite numbers"),
        ([*GOOD, "1;2;3;4;5;6;7;" + CLIPS[4]], "line 5: expected 9 values, found 8"),
        ([*GOOD, "1;2;3;4;5;6;7;8;"], "line 5: expected the name of a clip, found ''"),
        ([*GOOD, GOOD[2]], f"line 5: clip '{CLIPS[1]}' stands on line 3 already"),
        ([*GOOD, "1;2;3;4;5;6;7;8;portrait"], "line 5: expected a name such as 03-01-05-02-01-01-07, found 'portrait'"),
        (["embs0;embs1;who", "1;2;3"], "line 1: expected a column of clips .* found 'embs0, embs1, who'"),
        (["name;a0;b1", f"{CLIPS[0]};1;2"], "line 1: expected a column of clips .* called by emotions or numbered"),
        ([*LISTED, f"{CLIPS[2]}.csv,1.5"], r"line 3: expected a clip and a list in quotes.* found '01-01-01"),
        ([*LISTED, f'{CLIPS[2]}.csv,"[1, 2"'], "line 3: expected a clip and a list"),
        ([*LISTED, f'{CLIPS[2]}.csv,"[1, 2]"'], "line 3: expected 3 scores, found 2"),
        (GOOD[:1], "expected a line a clip, found none"),
    ],
)
def test_a_broken_file_names_the_line_and_counts_for_nothing_until_it_is_asked_for(root, lines, message):
    path = root / "net" / "fold0_test.csv"
    path.parent.mkdir()
    path.write_text("\n".join(lines))
    corpus = opened(root)
    assert len(corpus.clips()) == len(CLIPS)
    (problem,) = corpus.check()["unreadable"]
    assert re.search(f"{re.escape(str(path))}.*{message}", problem)
    with pytest.raises(WorkbenchError, match=message):
        corpus.predictions("net", order="alphabetical")
    assert len(corpus.predictions("voice", order="alphabetical")) == 3 * len(CLIPS)


def test_training_scores_that_name_the_tests_clips_are_refused(root):
    clips = side("fold0", "test")
    for usage in ("train", "test"):
        write(root / "net" / f"fold0_{usage}.csv", clips, scores(clips, seed=1))
    corpus = opened(root)
    message = rf"net/fold0_train.csv, line 2: '{clips[0]}' is trained on, and tested in .*fold0_test.csv, line 2"
    with pytest.raises(WorkbenchError, match=message):
        corpus.predictions("net", order="alphabetical")
    assert len(corpus.predictions("net", order="alphabetical", usages=["test"])) == len(clips)
    assert "net/fold1_test.csv" in corpus.check()["missing"]
    with pytest.raises(WorkbenchError, match="unknown system 'ear': choose from face, net, voice"):
        corpus.predictions("ear")
    with pytest.raises(WorkbenchError, match="corpus 'given_features': expected an"):
        datasets.corpus("given_features", root)


GIVEN = {
    "voice": {"given": {"audio": {"name": "voice", "order": "alphabetical"}}},
    "face": {"given": {"video": {"name": "face", "order": "alphabetical"}}},
}
LATE = {"members": ["voice", "face"], "learn_from": "train"}
STACKING = {"name": "logistic_regression", "logarithms": True, "grid": {"C": [0.1, 1.0]}}
FUSED = GIVEN | {
    "product": LATE | {"rule": {"name": "product"}},
    "bayesian": LATE | {"rule": {"name": "bayesian"}},
    "stacked": LATE | {"stacking": STACKING},
    "by_speaker": LATE | {"stacking": STACKING, "normalise": "speaker"},
}


def study(variants, **changes):
    """Return a study on what is given, with these variants."""
    found = studies.load("late_fusion_posteriors")
    return dataclasses.replace(found, variants=variants, **{"profiles": {"smoke": {}}, **changes})


@pytest.fixture
def fused(root, data_folder):
    """The runs of all variants, by variant."""
    made = running.run(study(FUSED), opened(root), profile="smoke")
    return {name: [run for run in made if run.params["variant"] == name] for name in FUSED}


def test_given_predictions_become_runs_and_late_fusions_of_them_too(fused):
    for name, folds in fused.items():
        table = runs.predictions(folds)
        assert sorted(table.query("usage == 'test'")["clip"]) == CLIPS, name
        assert set(table["modality"]) == {"voice": {"audio"}, "face": {"video"}}.get(name, {"audiovisual"})
    for voice, face, product in zip(fused["voice"], fused["face"], fused["product"], strict=True):
        tables = [run.predictions().query("usage == 'test'").set_index("take") for run in (voice, face, product)]
        a, b, both = (table.loc[tables[0].index, P].to_numpy() for table in tables)
        assert both == pytest.approx(a * b / (a * b).sum(axis=1, keepdims=True))
        assert len(voice.predictions().query("usage == 'train'")) == 32


def test_late_fusions_learn_from_the_training_rows_and_look_at_no_test_row(fused):
    for voice, face, rule, stacked, speaker in zip(
        *(fused[name] for name in ("voice", "face", "bayesian", "stacked", "by_speaker")), strict=True
    ):
        members = [run.predictions().query("usage == 'train'") for run in (voice, face)]
        about, rows = stacking.join(members)
        truth = [EMOTIONS.index(name) for name in about["emotion"]]
        learned = rules.fit({"name": "bayesian"}, stacking.by_member(rows, 2), truth)
        assert json.loads((rule.folder / "rule.json").read_text())["weights"] == learned.weights.tolist()
        scaled = classifiers.load(stacked.folder / "model.skops")[0]
        assert scaled.data_min_ == pytest.approx(np.log(rows).min(axis=0))
        assert pd.read_csv(stacked.folder / "selection.csv")["uar"].between(0, 1).all()
        logs = pd.DataFrame(np.log(rows)).groupby(about["speaker"]).transform(lambda x: (x - x.mean()) / x.std(ddof=0))
        scaled = classifiers.load(speaker.folder / "model.skops")[0]
        assert scaled.data_max_ == pytest.approx(logs.max().to_numpy(), abs=1e-4)


def test_what_was_read_from_files_answers_no_recordings(fused):
    for name in ("voice", "stacked"):
        with pytest.raises(WorkbenchError, match="were made elsewhere and read from files"):
            predictor(fused[name][0])


@pytest.mark.parametrize(
    ("variants", "changes", "message"),
    [
        (GIVEN | {"late": {"members": ["voice", "face"], "stacking": STACKING}}, {}, "'validation', only test, train"),
        (GIVEN | {"late": LATE | {"rule": {"name": "mean"}, "normalise": "speaker"}}, {}, "a rule takes probabilities"),
        (GIVEN, {"protocol": "speaker-disjoint"}, "'voice', fold 'fold1' of protocol 'speaker-disjoint': there are"),
        (
            {"odd": {"given": {"audio": {"name": "voice", "sort": 1}}}},
            {},
            "unknown setting of predictions of 'voice' 'sort'",
        ),
        ({"odd": {"given": GIVEN["voice"]["given"] | GIVEN["face"]["given"]}}, {}, "expected one modality under given"),
    ],
)
def test_what_cannot_be_is_refused(root, data_folder, variants, changes, message):
    changes = {"profiles": {"smoke": {"n_folds": 3}}} | changes
    with pytest.raises(WorkbenchError, match=message):
        running.run(study(variants, **changes), opened(root), profile="smoke")


def test_recordings_have_no_predictions_of_others(tmp_path):
    with pytest.raises(WorkbenchError, match=r"corpus 'ravdess' has no predictions of 'voice' .* it holds recordings"):
        datasets.corpus("ravdess", tmp_path).predictions("voice")


@pytest.fixture
def features(tmp_path):
    """Features of the clips, the last clip first: `audio` a row a clip, `video` of one to three steps."""
    rng, clips = np.random.default_rng(0), CLIPS[::-1]
    emotion = np.array([int(clip[6:8]) - 1 for clip in clips])
    steps = 1 + np.arange(len(clips)) % 3
    arrays = {
        "clip": np.array(clips),
        "audio": (rng.normal(size=(len(clips), 12)) + 2 * np.eye(8, 12)[emotion]).astype(np.float16),
        "video": (rng.normal(size=(steps.sum(), 9)) + 2 * np.eye(8, 9)[np.repeat(emotion, steps)]).astype(np.float16),
        "video_offsets": np.r_[0, steps.cumsum()],
    }
    np.savez(tmp_path / "features.npz", **arrays)
    return tmp_path / "features.npz"


def test_features_stand_with_their_clips(features):
    corpus = datasets.corpus("given_features", features)
    clips, found = corpus.clips(), corpus.arrays()
    with np.load(features) as file:
        for clip, audio, video in zip(clips["clip"], found["audio"], found["video"], strict=True):
            i = file["clip"].tolist().index(clip)
            assert np.array_equal(audio, file["audio"][i : i + 1])
            assert np.array_equal(video, file["video"][file["video_offsets"][i] : file["video_offsets"][i + 1]])
    assert corpus.label == "given_features:ravdess"
    assert clips["speaker"].tolist() == [parse_name(clip)["speaker"] for clip in CLIPS]
    assert datasets.fetch("given_features", features).kinds() == {"audio-video": len(CLIPS)}
    assert corpus.check()["readable"] == len(CLIPS)
    assert corpus.describe().recorded is None
    assert datasets.corpus("given_features", features.parent).root == features


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": None}, r"expected clip \(n,\), text, and audio or video, found audio \(48, 12\)"),
        ({"clip": np.arange(48)}, "expected clip"),
        ({"clip": np.array(["x"] * 48)}, r"expected the name of a clip, such as 1001_DFA_ANG_XX \(cremad\)"),
        ({"audio": np.zeros((47, 12))}, "audio: expected 48 rows, one a clip, or audio_offsets, found 47"),
        ({"audio": np.full((48, 12), np.nan)}, "audio: expected .* finite floats"),
        ({"audio": np.zeros((48, 12), int)}, r"audio: expected \(n, D\), finite floats, found \(48, 12\) int64"),
        ({"video_offsets": np.arange(48)}, "video_offsets: expected 49 rising numbers from 0 to 96"),
        ({"video_offsets": np.r_[0, 0, np.arange(49, 96)]}, "a step or more a clip"),
    ],
)
def test_broken_features_are_named(features, change, message):
    with np.load(features) as file:
        arrays = {name: file[name] for name in file.files} | change
    np.savez(features, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(WorkbenchError, match=message):
        datasets.corpus("given_features", features)


AUDIO = {"name": "embeddings", "inputs": "audio", "width": 12, "norm": True}
VIDEO = {"name": "embeddings", "inputs": "video", "modality": "video", "width": 9, "norm": True}
ON_FEATURES = {
    "audio": {"encoders": {"audio": AUDIO | {"hidden": 6, "dropout": 0.1}}},
    "video": {"encoders": {"video": VIDEO | {"pool": "dense", "n_steps": 2}}, "normalise": "speaker"},
    "rows": {"classical": {"video": {"name": "logistic_regression", "inputs": "video", "grid": {"C": [1.0]}}}},
    "n2": {"encoders": {"audio": AUDIO, "video": VIDEO}, "fusion": {"name": "n2"}},
    "attention": {"encoders": {"audio": AUDIO, "video": VIDEO}, "fusion": {"name": "cross_attention"}},
    "late": {"members": ["audio", "rows"], "rule": {"name": "product"}},
}


def test_studies_train_on_given_features(features, data_folder):
    profile = {"smoke": {"n_folds": 2, "training": {"epochs": 2, "batch_size": 8}}}
    whole = study(ON_FEATURES, corpus="given_features", protocol="speaker-disjoint", profiles=profile)
    made = running.run(whole, datasets.corpus("given_features", features), profile="smoke")
    table = runs.predictions(made)
    for name, mine in table.query("usage == 'test'").groupby("variant"):
        assert sorted(mine["clip"]) == CLIPS, name
    assert evaluation.accuracy(table[table["variant"] == "rows"]) > 0.5
    assert not (data_folder / "prepared").exists(), "nothing is prepared"
    assert all("recipe" not in run.params for run in made)
    with pytest.raises(WorkbenchError, match="were made elsewhere and read from files"):
        predictor(made[0])
    odd = study({"odd": {"encoders": {"audio": {"name": "cnn1d"}}}}, protocol="speaker-disjoint", profiles=profile)
    with pytest.raises(WorkbenchError, match=r"\(cnn1d\) reads mfcc, but corpus 'given_features:ravdess' gives audio"):
        running.run(odd, datasets.corpus("given_features", features), profile="smoke")


def test_clips_with_values_that_are_not_finite_are_left_out_and_listed(features, data_folder):
    with np.load(features) as file:
        arrays = {name: file[name] for name in file.files}
    names = arrays["clip"].tolist()
    arrays["audio"][names.index(CLIPS[3]), 2] = np.nan
    arrays["video"][arrays["video_offsets"][names.index(CLIPS[5])], 0] = np.inf
    np.savez(features, **arrays)
    corpus = datasets.corpus("given_features", features)
    report = corpus.check()
    assert (report["clips"], report["readable"]) == (48, 46)
    assert report["unreadable"] == [
        f"{CLIPS[3]}: audio holds NaN or infinity",
        f"{CLIPS[5]}: video holds NaN or infinity",
    ]
    profile = {"smoke": {"n_folds": 2, "training": {"epochs": 1, "batch_size": 8}}}
    whole = study(ON_FEATURES, corpus="given_features", protocol="speaker-disjoint", profiles=profile)
    made = running.run(whole, corpus, profile="smoke", variants=["audio", "rows", "n2"])
    for variant, bad in {"audio": [CLIPS[3]], "rows": [CLIPS[5]], "n2": [CLIPS[3], CLIPS[5]]}.items():
        folds = [run for run in made if run.params["variant"] == variant]
        table = runs.predictions(folds).query("usage == 'test'")
        assert sorted(table["clip"]) == [clip for clip in CLIPS if clip not in bad], variant
        assert np.isfinite(table[P].to_numpy()).all()
        for run in folds:
            assert [note.rpartition(": ")[2] for note in run.notes()] == bad


def test_the_published_fusion_is_what_its_files_say(shared, data_folder):
    """Luna-Jimenez et al. 2022: 86.70 %, which is the mean over the five folds; of all clips together it is 86.74 %."""
    corpus = opened(shared / "data" / "ravdess_extra" / "posteriors")
    clips = corpus.clips()
    assert len(clips) == 1440
    folds = make_folds(clips, "given")
    assert [len(fold.test) for fold in folds] == [300, 300, 300, 300, 240]
    names = ("audio", "video", "published_fusion", "product")
    made = running.run(studies.load("late_fusion_posteriors"), corpus, variants=names)
    tested = runs.predictions(made).query("usage == 'test'")
    right = (tested["emotion"] == tested["predicted"]).groupby([tested["variant"], tested["fold"]]).mean()
    means = (100 * right.groupby("variant").mean()).round(2)
    assert means.to_dict() == {"audio": 81.82, "product": 86.9, "published_fusion": 86.7, "video": 62.13}
    pooled = evaluation.accuracy(tested[tested["variant"] == "published_fusion"])
    assert pooled == pytest.approx(0.8674, abs=5e-5)
    assert sum("fusion_published" in problem for problem in corpus.check()["unreadable"]) == 5


def test_real_features_are_of_whom_they_say(shared):
    corpus = datasets.corpus("given_features", shared / "data" / "features" / "ravdess_actors01-16_w2v2_vivit.npz")
    clips = corpus.clips()
    assert (len(clips), clips["speaker"].nunique()) == (960, 16)
    for fold in make_folds(clips, "speaker-disjoint", n_folds=8):
        assert sorted(clips.iloc[fold.test].drop_duplicates("speaker")["sex"]) == ["female", "male"]
    assert {len(array) for array in corpus.arrays()["video"]} == {3, 4, 5}
