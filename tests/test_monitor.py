"""The monitor: what it reads off run folders, what it draws, what it warns of."""

import json
import math
import os
import time

import numpy as np
import pandas as pd
import pytest
import yaml

from workbench import paths, plots
from workbench.errors import WorkbenchError
from workbench.evaluation import troubles
from workbench.interact import monitor, watching
from workbench.studies import under_way

PARAMS = {
    "study": "mine",
    "protocol": "speaker-disjoint",
    "seed": 0,
    "classes": ["happy", "sad"],
    "training": {"epochs": 20},
}


def history(train, validation=None, *, train_accuracy=0.5, validation_accuracy=0.5, seconds=2.0):
    """A history with these losses."""
    n = len(train)
    return pd.DataFrame(
        {
            "epoch": np.arange(1, n + 1),
            "train_loss": train,
            "train_accuracy": np.broadcast_to(train_accuracy, n),
            "clips": 50,
            "validation_loss": train if validation is None else validation,
            "validation_accuracy": np.broadcast_to(validation_accuracy, n),
            "learning_rate": 1e-3,
            "seconds": seconds,
        }
    )


FALLING = np.linspace(1.0, 0.2, 12)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (history(FALLING), []),
        (history([]), []),
        (history([1.0, 0.9, np.nan]), ["The loss is not finite in epoch 3"]),
        (history([1.0, 0.9], [1.0, np.inf]), ["The loss is not finite in epoch 2"]),
        (history([0.69, 0.7, 0.69, 0.7, 0.69, 0.7]), ["No learning: the loss on the training clips was 0.69"]),
        (history([*FALLING, 0.01, 0.001, *[0.01] * 6]), []),  # it rises by next to nothing
        (history([0.69, 0.7, 0.69]), []),  # too early to say
        (
            history([0.69, 0.2, 0.69, 0.69, 0.69, 0.69, 0.69]),
            ["The loss on the training clips rises, from 0.2 to 0.69"],
        ),
        (
            history(FALLING, np.r_[np.linspace(1, 0.5, 5), np.linspace(0.6, 1.2, 7)], train_accuracy=0.95),
            ["Over-fitting since epoch 5"],
        ),
        # Validation no longer improves, but nobody is learnt by heart: early stopping is enough.
        (history(FALLING, np.r_[np.linspace(1, 0.5, 5), np.linspace(0.6, 1.2, 7)], train_accuracy=0.55), []),
    ],
)
def test_troubles_of_a_history_are_said_and_a_good_one_has_none(table, expected):
    found = troubles.of_history(table, n_classes=2)
    assert len(found) == len(expected)
    assert all(words.startswith(beginning) for words, beginning in zip(found, expected, strict=True))


def test_a_collapse_is_said_while_it_trains():
    table = history(FALLING, validation_accuracy=0.25).assign(validation_commonest=[0.5] * 7 + [0.95] * 5)
    (collapse,) = troubles.of_history(table, n_classes=4)
    assert collapse.startswith("Class collapse: 95 % of the inner validation clips are taken for one emotion")
    assert troubles.of_history(table[:-1], n_classes=4) == [], "too early to say"
    assert troubles.of_history(table.assign(validation_accuracy=0.94), n_classes=4) == [], "they nearly all are of it"
    assert troubles.of_history(table.drop(columns="validation_commonest"), n_classes=4) == []


def test_a_training_that_begins_at_its_end_is_not_taken_for_one_that_does_not_learn():
    table = history([0.01] * 8, train_accuracy=1.0)
    assert troubles.of_history(table, n_classes=4) == []
    assert "chance is 25 %" in troubles.of_history(history([1.4] * 8, train_accuracy=0.26), n_classes=4)[0]


def predicted(emotion, named, fold="fold1"):
    table = pd.DataFrame({"emotion": emotion, "predicted": named, "fold": fold, "usage": "test"})
    return table.assign(p_happy=0.3, p_sad=0.3, p_angry=0.4)


def test_troubles_of_predictions_fold_by_fold():
    three = ["happy", "sad", "angry"] * 4
    good = predicted(three, three)
    assert troubles.of_predictions(good) == []
    (collapse,) = troubles.of_predictions(predicted(three, ["sad"] * 12))
    assert collapse == "Class collapse in fold1: 100 % of the test clips are taken for sad, and 33 % are."
    (never,) = troubles.of_predictions(predicted(three, ["sad", "happy", "sad"] * 4))
    assert never == "angry is never predicted in fold1."
    fold2 = predicted(["happy", "sad"] * 4, ["happy", "sad"] * 4, "fold2")
    (absent,) = troubles.of_predictions(pd.concat([good, fold2]))
    assert absent == "fold2 has no test clip of angry: its scores say nothing of it."
    # Nearly all clips are sad: to say sad is no collapse, though it is poor.
    many = predicted(["sad"] * 19 + ["happy"], ["sad"] * 20)
    assert not any("collapse" in words for words in troubles.of_predictions(many))
    validation = predicted(three, ["sad"] * 12).assign(usage="validation")
    assert troubles.of_predictions(pd.concat([good, validation])) == []


@pytest.fixture
def made(data_folder):
    """Make a run folder as a training leaves it at some moment."""

    def make(
        variant="voice", fold="fold1", *, table=None, done=False, study="mine", predictions=None, key="", **params
    ):
        folder = paths.runs() / study / variant / f"{fold}-0-abc{key}"
        folder.mkdir(parents=True)
        given = PARAMS | {"variant": variant, "fold": fold} | params
        (folder / "params.yaml").write_text(yaml.safe_dump(given))
        (folder / "environment.json").write_text("{}")
        if table is not None:
            table.to_csv(folder / "history.csv", index=False)
        if predictions is not None:
            predictions.to_parquet(folder / "predictions.parquet")
        if done:
            (folder / "done").touch()
        return folder

    return make


@pytest.fixture
def at_work(data_folder):
    """Say that this process makes a study."""

    def say(runs, study="mine", jobs=1, *, runs_known=True, **more):
        one = under_way._process(os.getpid()) | {
            "state": "running",
            "jobs": jobs,
            "began": time.time() - 5,
        }
        one |= ({"runs": runs} if runs_known else {}) | more
        (paths.runs() / study).mkdir(parents=True, exist_ok=True)
        (paths.runs() / study / f"process-{one['host']}-{one['pid']}.json").write_text(json.dumps(one))

    return say


def test_what_a_run_folder_says_while_the_run_is_made(made, at_work):
    made("voice", "fold1", table=history(FALLING), done=True, predictions=predicted(["happy", "sad"], ["happy", "sad"]))
    made("voice", "fold2", table=history(FALLING[:4], seconds=2.0))
    names = [f"mine/voice/fold{n}-0-abc" for n in (1, 2, 3)]
    at_work(names)
    process = under_way.latest("mine")
    watched = watching.look("mine", process)
    assert [(one.label, one.state) for one in watched] == [("voice, fold2", "running"), ("voice, fold1", "finished")]
    table = watching.table(watched)
    first = table.iloc[0]
    assert (first["epoch"], first["epochs"], first["clips_per_second"], first["seconds_left"]) == (4, 20, 25.0, 32.0)
    assert table.iloc[1]["validation_loss"] == pytest.approx(0.2)
    # 16 epochs of 2 s, and a third run that takes as long as the longest of its kind: 20 epochs of 2 s.
    assert watching.seconds_left(watched, process) == pytest.approx(32 + 40)
    assert watching.seconds_left(watched, process | {"jobs": 2}) == pytest.approx(36)
    assert math.isnan(watching.seconds_left(watched, process | {"state": "stopped"}))


def test_an_unfinished_run_that_nobody_is_at_is_not_running(made):
    made(table=history(FALLING[:4]))
    (one,) = watching.look("mine", under_way.latest("mine"))
    assert one.state == "unfinished"
    assert watching.names() == ["mine"]


def test_a_history_may_be_cut_off_anywhere(made):
    folder = made(table=history(FALLING[:5]))
    text = (folder / "history.csv").read_text()
    for cut in range(0, len(text), 7):
        (folder / "history.csv").write_text(text[:cut])
        table = watching.history_of(folder)
        assert len(table) <= 5
        assert table["train_loss"].notna().all() or not len(table)
        watching.table(watching.look("mine"))
    (folder / "history.csv").unlink()
    assert watching.history_of(folder).empty


def test_the_monitor_shows_troubles_and_draws_what_is_chosen(made, at_work):
    made("voice", "fold1", table=history(FALLING), done=True, predictions=predicted(["happy", "sad"] * 5, ["sad"] * 10))
    made("<i>bold", "fold2", table=history([0.7] * 8))
    made("face", "fold1", table=history(FALLING), study="other", done=True,
         predictions=predicted(["happy", "sad"], ["happy", "sad"]))  # fmt: skip
    watcher = monitor.Monitor("mine")
    assert watcher.figure is None, "without a page nothing is drawn"
    assert set(watcher.troubles()) == {"voice, fold1", "<i>bold, fold2"}
    assert "Class collapse in fold1" in watcher.warnings.value
    assert "No learning" in watcher.warnings.value
    assert "<i>bold" not in watcher.warnings.value + watcher.rows.value, "names are text"
    watcher.awake()
    assert len(watcher.figure.data) == 2 * 5  # loss and accuracy on two sides, and the learning rate
    watcher.others.value = ("other",)
    other = next(name for name in watcher.known if name.startswith("other/"))
    watcher.chosen.value = (other,)
    assert list(watcher.shown()) == ["other: face, fold1"]
    assert len(watcher.figure.data) == 5
    grown = history(np.linspace(1, 0.1, 15))
    grown.to_csv(paths.runs() / "other" / "face" / "fold1-0-abc" / "history.csv", index=False)
    traces = watcher.figure.data
    watcher.refresh()
    assert [len(trace.x) for trace in watcher.figure.data] == [15] * 5
    assert watcher.figure.data == traces, "a curve that grows is not drawn anew"
    assert "--logdir" in watcher.tensorboard.text


def test_the_monitor_of_nothing_says_so(data_folder):
    watcher = monitor.Monitor()
    assert "Nothing has been trained yet" in watcher.says.value
    assert watcher.picture() is None
    watcher.awake()


def test_the_picture_compares_and_needs_no_page(made):
    made(table=history(FALLING))
    made("face", table=history(FALLING[::-1]), protocol="random", seed=3)
    picture = monitor.Monitor("mine").picture()
    words = [text.get_text() for text in picture.legends[0].get_texts()]
    assert {"voice, fold1", "face, fold1, random, seed 3"} <= set(words)
    loss = picture.axes[0]
    assert [len(line.get_xdata()) for line in loss.get_lines()] == [12] * 4
    with pytest.raises(WorkbenchError, match="expected 1 to 8 trainings to compare, found 0"):
        plots.compare_learning({})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (math.nan, ""), (-3, "0 s")],
)
def test_times_in_words(seconds, words):
    assert monitor.span(seconds) == words


def slower(rate, **more):
    """Settings of a training with that learning rate."""
    return {"training": PARAMS["training"] | {"learning_rate": rate} | more}


def test_runs_that_differ_in_their_settings_are_told_apart_in_words(made, at_work):
    names = [
        made("voice", "fold1", table=history([0.7] * 8), **slower(0.1), recipe={"size": 48}, key=1),
        made("voice", "fold1", table=history([0.7] * 9), **slower(0.001), recipe={"size": 48}, key=2),
        made("voice", "fold2", table=history(FALLING), **slower(0.001), recipe={"size": 48}),
    ]
    watcher = monitor.Monitor("mine")
    apart = ["voice, fold1, learning rate 0.001", "voice, fold1, learning rate 0.1"]
    assert sorted(watcher.shown()) == [*apart, "voice, fold2"]
    assert sorted(watcher.troubles()) == apart
    assert all(f"<b>{name}</b>" in watcher.warnings.value for name in apart)
    assert all(f">{name}</td>" in watcher.rows.value for name in apart)
    assert set(apart) < {text.get_text() for text in watcher.picture().legends[0].get_texts()}
    assert "0 of 3 runs finished" in watcher.says.value
    (names[0] / "done").touch()
    predicted(["happy", "sad"], ["happy", "sad"]).to_parquet(names[0] / "predictions.parquet")
    at_work(["/".join(folder.parts[-3:]) for folder in names[1:]])
    watcher.refresh()
    assert "0 of 2 runs finished" in watcher.says.value, "a run with other settings is none of those under way"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({"data": "a1", "recipe": {"size": 48}}, {"data": "b2", "recipe": {"size": 64}}, ["size 48", "size 64"]),
        ({"data": "a1"}, {"data": "b2"}, ["data a1", "data b2"]),
        ({"classes": ["happy", "sad"]}, {"classes": ["calm", "sad"]}, ["classes happy, sad", "classes calm, sad"]),
        (
            {"encoders": {"audio": {"name": "cnn1d", "filters": [8, 8]}}},
            {"encoders": {"audio": {"name": "cnn1d"}}},
            ["audio filters 8, 8", "audio filters as usual"],
        ),
    ],
)
def test_what_tells_two_runs_apart(made, first, second, words):
    folders = [made(table=history(FALLING), key=key, **one) for key, one in enumerate((first, second))]
    labels = {one.folder: one.label for one in watching.look("mine")}
    assert [labels[folder] for folder in folders] == [f"voice, fold1, {word}" for word in words]


def test_before_there_are_runs_it_says_how_many_clips_are_prepared(data_folder, at_work):
    at_work([], runs_known=False)
    watcher = monitor.Monitor("mine")
    assert "is about to begin" in watcher.says.value
    at_work([], runs_known=False, preparing=[12, 96])
    watcher.refresh()
    assert "preparing clips: 12 of 96" in watcher.says.value
    assert "runs finished" not in watcher.says.value


def test_a_curve_whose_values_change_is_drawn_anew_though_it_is_as_long(made):
    folder = made(table=history(FALLING))
    watcher = monitor.Monitor("mine")
    watcher.awake()
    history(2 * FALLING).to_csv(folder / "history.csv", index=False)  # made again from the beginning
    watcher.refresh()
    assert watcher.figure.data[0].y[0] == 2.0
