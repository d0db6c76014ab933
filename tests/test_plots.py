"""Nothing cut off, nothing written over; drawn is what the table says; files are whole, always the same."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from workbench import plots
from workbench.emotions import COLOURS, EMOTIONS
from workbench.errors import WorkbenchError

NOTE = "Demo corpus (synthetic): the numbers show that the workbench works, not how well people are understood. " * 2


def summary_table(protocols=("speaker-disjoint", "random")):
    """A summary as `evaluation.summary` gives it: four systems, with plausible numbers."""
    systems = [
        ("audio", "cnn1d", "none", 0.55),
        ("video", "lrcn", "none", 0.62),
        ("audiovisual", "cnn1d+lrcn", "concatenation", 0.71),
        ("audiovisual", "audio_cnn+video_lrcn", "logistic_regression", 0.73),
    ]
    rows = [
        {
            "model": model, "modality": modality, "fusion": fusion, "protocol": protocol, "level": 0.95,
            "chance": 0.133, "n_emotions": 8, "accuracy": score, "accuracy_low": score - 0.08,
            "accuracy_high": score + 0.06, "uar": score, "uar_low": score - 0.1, "uar_high": score + 0.1,
            "macro_f1": score, "macro_f1_low": score - 0.1, "macro_f1_high": score + 0.1,
        }
        for modality, model, fusion, base in systems
        for protocol in protocols
        for score in [base + 0.2 * (protocol == "random")]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def difference_table():
    """Differences as `evaluation.differences` gives them: clear, open, clearly worse, and one of a single speaker."""
    rows = [
        ("product", 0.05, 0.03, 0.07, 0.0003),
        ("mean", 0.01, -0.01, 0.02, 0.2),
        ("bayes", -0.02, -0.03, -0.01, 0.01),
    ]
    table = pd.DataFrame(
        [*rows, ("one", 0.01, np.nan, np.nan, np.nan)], columns=["system", "difference", "low", "high", "p"]
    )
    return table.assign(p_holm=3 * table["p"])


def confusion_table(k=8, *, counts=False):
    table = np.random.default_rng(0).integers(0, 9, (k, k)) + 60 * np.eye(k, dtype=int)
    table = pd.DataFrame(table, pd.Index(EMOTIONS[:k], name="emotion"), pd.Index(EMOTIONS[:k], name="predicted"))
    return table if counts else table.div(table.sum(axis=1), axis=0)


def roc_table():
    fpr = np.linspace(0, 1, 20)
    rows = [pd.DataFrame({"emotion": e, "fpr": fpr, "tpr": fpr**0.4, "auc": 1 / 1.4}) for e in EMOTIONS]
    return pd.concat(rows, ignore_index=True)


def class_table():
    values = {"precision": 0.7, "recall": 0.6, "f1": np.linspace(0.3, 1, 8), "support": 376}
    return pd.DataFrame(values, index=pd.Index(EMOTIONS, name="emotion"))


def history_table(n=30):
    epoch = np.arange(1, n + 1)
    loss = 2 * np.exp(-epoch / 8)
    validation = loss + 0.02 * epoch
    names = ("epoch", "train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
    values = (epoch, loss, validation, 1 - loss / 2.2, 0.6 - loss / 4)
    return pd.DataFrame(dict(zip(names, values, strict=True)))


def plane_table(n_speakers=16):
    rng = np.random.default_rng(0)
    speaker = [f"ravdess-{number % n_speakers + 1:02d}" for number in range(300)]
    xy = rng.normal(size=(300, 2))
    return pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1], "emotion": rng.choice(EMOTIONS, 300), "speaker": speaker})


def clip_table(n_speakers=16):
    rows = [
        {"emotion": emotion, "speaker": f"demo-{speaker:02d}", "sex": ("male", "female")[speaker % 2]}
        for speaker in range(n_speakers)
        for emotion in EMOTIONS
        for _ in range(2 if emotion == "neutral" else 4)
    ]
    return pd.DataFrame(rows)


def unlabelled_table():
    """Two sides of a split, a few clips on none, nobody named, some without a label."""
    table = clip_table(3).assign(speaker="", usage="train")
    table.loc[:9, "emotion"] = ""
    table.loc[40:60, "usage"] = "test"
    table.loc[:3, "usage"] = ""
    return table


def recorded_table(n=400):
    """Lengths as `tallies.recordings` gives them: one clip without a length, one that is far longer than the others."""
    seconds = np.random.default_rng(0).gamma(8, 0.4, n)
    seconds[:2] = np.nan, 300.0
    return pd.DataFrame({"emotion": [[*EMOTIONS, ""][number % 9] for number in range(n)], "seconds": seconds})


def lag_table():
    lags = [33.1, 33.4, 33.3, 80.0, np.nan]
    return pd.DataFrame({"take": list("abcde"), "lag_ms": lags, "correlation": [0.99, 0.98, 0.97, -0.7, 0.1]})


def waveform(seconds=1.5, sample_rate=16000):
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * 220 * time) * np.hanning(len(time))).astype(np.float32)


NUMBERS = pd.DataFrame(
    {
        "purity": [0.61, 0.07],
        "chance": [0.13, 0.06],
        "silhouette": [0.2, -0.05],
        "n_labels": [8, 16],
        "k": [10, 10],
    },
    index=pd.Index(["emotion", "speaker"], name="label"),
)
LONG = summary_table().assign(system=lambda table: "a system of a name that no axis has room for, " + table["model"])
FIGURES = {
    "bars": lambda **text: plots.bars(summary_table(), **text),
    "bars_uar": lambda **text: plots.bars(summary_table(["speaker-disjoint"]), metric="uar", **text),
    "bars_long": lambda **text: plots.bars(LONG, metric="macro_f1", **text),
    "protocol_gap": lambda **text: plots.protocol_gap(summary_table(), **text),
    "differences": lambda **text: plots.differences(difference_table(), against="the voice alone", **text),
    "differences_many": lambda **text: plots.differences(
        many_differences(), against="logistic regression of the two, published", **text
    ),
    "bars_many": lambda **text: plots.bars(many_systems(), **text),
    "confusion_matrix": lambda **text: plots.confusion_matrix(confusion_table(), **text),
    "confusion_counts": lambda **text: plots.confusion_matrix(confusion_table(counts=True), **text),
    "roc_curves": lambda **text: plots.roc_curves(roc_table(), **text),
    "per_class": lambda **text: plots.per_class(class_table(), **text),
    "learning_curves": lambda **text: plots.learning_curves(history_table(), **text),
    "scatter": lambda **text: plots.scatter(plane_table(), method="tsne", numbers=NUMBERS, **text),
    "scatter_one": lambda **text: plots.scatter(plane_table(91), by="speaker", **text),
    "counts": lambda **text: plots.counts(clip_table(24), **text),
    "counts_many": lambda **text: plots.counts(clip_table(91), **text),
    "counts_hundreds": lambda **text: plots.counts(clip_table(304), **text),
    "counts_unlabelled": lambda **text: plots.counts(unlabelled_table(), **text),
    "counts_usage": lambda **text: plots.counts(unlabelled_table(), by="usage", **text),
    "durations": lambda **text: plots.durations(recorded_table(), **text),
    "lags": lambda **text: plots.lags(lag_table(), **text),
    "counts_sex": lambda **text: plots.counts(clip_table(), by="sex", **text),
    "waveform_and_mel": lambda **text: plots.waveform_and_mel(waveform(), **text),
    "face_strip": lambda **text: plots.face_strip(np.zeros((15, 64, 64, 3), np.uint8), times=np.arange(15) / 5, **text),
}


def many_names():
    """Names as long as studies have them, so many that rows are close together."""
    learners = ["logistic regression", "SVM, linear", "SVM, RBF", "nearest neighbours", "multi-layer perceptron"]
    return [f"{name}, logarithms, {how} (all clips)" for name in learners for how in ("alone", "by speaker", "both")]


def many_differences():
    """A difference a name, in tenths of a point and with p that takes all of its digits."""
    names, gains = many_names(), np.linspace(-0.24, 0.02, 15)
    p = np.full(15, 0.781)
    return pd.DataFrame({"system": names, "difference": gains, "low": gains - 0.02, "high": gains + 0.02, "p_holm": p})


def many_systems():
    """One row of a summary a name."""
    row = summary_table().query("protocol != 'random'").iloc[[0]]
    return pd.concat([row] * 15, ignore_index=True).assign(system=many_names())


def texts(figure):
    """Return the visible texts of a figure with their boxes in pixels."""
    shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    ticks = [t for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for t in axis.get_ticklabels(which="both")]
    drawn = [
        t for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)
        for tick in axis._update_ticks() for t in (tick.label1, tick.label2)
    ]  # fmt: skip
    shown = [t for t in shown if t not in ticks or t in drawn]
    return [(t, t.get_window_extent()) for t in shown]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("words", [{}, {"title": "Late fusion, unseen speakers", "note": NOTE}], ids=["bare", "said"])
def test_no_text_is_cut_off_or_written_over(name, words):
    figure = FIGURES[name](**words)
    for dpi in (120, 200):  # of a notebook's picture, and of a saved one
        figure.set_dpi(dpi)
        check_texts(figure, words)


def check_texts(figure, words):
    assert figure.get_figwidth() == pytest.approx(6.3)
    assert figure.get_figheight() < 8
    figure.draw_without_rendering()
    found = texts(figure)
    width, height = figure.bbox.size
    for text, box in found:
        assert min(box.x0, box.y0, width - box.x1, height - box.y1) > -1, text.get_text()
        assert text.get_fontsize() >= 6.5, text.get_text()
    level = [(text, box) for text, box in found if text.get_rotation() in (0, 90)]
    for number, (text, box) in enumerate(level):
        for other, its in level[:number]:
            apart = box.x1 < its.x0 + 1 or its.x1 < box.x0 + 1 or box.y1 < its.y0 + 1 or its.y1 < box.y0 + 1
            assert apart, f"{text.get_text()!r} over {other.get_text()!r}"
    said = " ".join(text.get_text().replace("\n", " ") for text, _ in found)
    assert all(part.strip() in said for part in words.values())


def test_bars_are_as_long_as_the_table_says():
    table = summary_table()
    figure = plots.bars(table)
    axes = figure.axes[0]
    lengths = [bar.get_width() for bars in axes.containers[:4] if hasattr(bars, "patches") for bar in bars]
    expected = [
        *table[table["protocol"] == "speaker-disjoint"]["accuracy"],
        *table[table["protocol"] == "random"]["accuracy"],
    ]
    assert lengths == pytest.approx(100 * np.array(expected))
    written = {text.get_text() for text in axes.texts}
    assert {"55.0", "75.0", "73.0", "93.0"} <= written
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"chance: 13.3 % (always the commonest emotion)", "95 % interval over speakers"} <= set(labels)


def test_first_system_stands_on_top():
    axes = plots.bars(summary_table()).axes[0]
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert names[0] == "audio: cnn1d"
    assert names[3] == "audio + video: logistic regression"
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_long_names_leave_room_for_the_bars():
    assert plots.bars(LONG).axes[0].get_position().width > 0.6


def test_speakers_of_equal_ends_keep_labels_of_their_own():
    speakers = ["folder-anna-1", "folder-bob-1", "ravdess-01"]
    clips = pd.DataFrame({"speaker": speakers, "emotion": "happy", "clip": speakers})
    figure = plots.counts(clips, by="speaker")
    labels = [label.get_text() for axes in figure.axes for label in axes.get_xticklabels()]
    assert labels == ["anna-1", "bob-1", "01"]


def test_a_random_split_alone_says_so():
    alone = plots.bars(summary_table(["random"]), note="RAVDESS.")
    assert alone.get_supxlabel().startswith("RAVDESS. A random split shares speakers")
    assert plots.bars(summary_table(), note="RAVDESS.").get_supxlabel() == "RAVDESS."


def test_a_system_without_interval_is_drawn_without_whisker():
    table = summary_table(["speaker-disjoint"]).assign(accuracy_low=np.nan, accuracy_high=np.nan)
    assert "55.0" in {text.get_text() for text in plots.bars(table).axes[0].texts}


def test_differences_are_filled_where_the_interval_leaves_out_nothing():
    axes = plots.differences(difference_table(), against="the voice").axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == [5, 1, -2, 1]
    assert [to_hex(dot.get_markerfacecolor()) == "#ffffff" for dot in dots] == [False, True, False, True]
    written = [text.get_text() for text in axes.texts]
    assert written == ["+5.0   p < 0.001", "+1.0   p = 0.600", "-2.0   p = 0.030", "+1.0   p unknown"]


def test_gap_is_random_less_unseen():
    written = [text.get_text() for text in plots.protocol_gap(summary_table()).axes[0].texts]
    assert written[:4] == ["+20.0"] * 4


def test_gap_leaves_out_a_system_with_one_protocol():
    axes = plots.protocol_gap(summary_table().iloc[1:]).axes[0]
    assert len(axes.get_yticklabels()) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.bars(summary_table(), metric="auc"), "unknown metric 'auc'"),
        (lambda: plots.bars(summary_table(["disjoint"])), "unknown protocol 'disjoint'"),
        (lambda: plots.bars(summary_table().assign(model="m")[lambda t: t["modality"] != "video"]
                            .assign(modality="audio", fusion="")), "two rows for 'audio: m'"),
        (lambda: plots.protocol_gap(summary_table(["random"])), "found random"),
        (lambda: plots.protocol_gap(summary_table().drop(index=[1, 2, 4, 6])[lambda t: t["model"] != "lrcn"]
                                    .iloc[[0, 1]]), "no system has both"),
        (lambda: plots.scatter(plane_table(), method="lda"), "unknown projection"),
        (lambda: plots.counts(clip_table(), by="age"), "unknown division"),
        (lambda: plots.durations(recorded_table().assign(seconds=np.nan)), "none of 400 clips has a length"),
    ],
)  # fmt: skip
def test_bad_requests_get_one_clear_error(call, message):
    with pytest.raises(WorkbenchError, match=message):
        call()


def test_confusion_prints_shares_or_counts():
    shares, counts = confusion_table(3), confusion_table(3, counts=True)
    printed = [[text.get_text() for text in plots.confusion_matrix(t).axes[0].texts] for t in (shares, counts)]
    assert printed[0] == [f"{100 * share:.0f}" for share in shares.to_numpy().ravel()]
    assert printed[1] == [str(n) for n in counts.to_numpy().ravel()]


def test_confusion_leaves_rows_without_clips_empty():
    table = confusion_table(3)
    table.iloc[1] = np.nan
    assert len(plots.confusion_matrix(table).axes[0].texts) == 6


def test_emotions_keep_their_colours():
    colours = {name: COLOURS[name] for name in EMOTIONS}
    lines = {line.get_label().split(" ")[0]: line for line in plots.roc_curves(roc_table()).axes[0].get_lines()}
    assert {name: to_hex(lines[name].get_color()) for name in EMOTIONS} == colours
    points = {group.get_label(): group for group in plots.scatter(plane_table()).axes[0].collections}
    assert {name: to_hex(points[name].get_facecolor()[0][:3]) for name in EMOTIONS} == colours


def test_speakers_have_looks_of_their_own():
    groups = plots.scatter(plane_table(24), by="speaker").axes[0].collections
    looks = {(to_hex(group.get_facecolor()[0]), group.get_paths()[0].vertices.tobytes()) for group in groups}
    assert len(groups) == len(looks) == 24


def test_learning_curves_mark_the_least_validation_loss():
    history = history_table()
    best = int(history["epoch"][history["validation_loss"].argmin()])
    assert 1 < best < 30
    figure = plots.learning_curves(history)
    assert f"kept: epoch {best}" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_counts_add_up():
    written = [int(text.get_text()) for text in plots.counts(clip_table()).axes[0].texts]
    assert sum(written) == len(clip_table())
    stacked = plots.counts(clip_table(), by="sex").axes[0].texts
    assert [int(text.get_text()) for text in stacked] == [32] + [64] * 7


def test_counts_of_hundreds_of_speakers_show_the_most_frequent_and_count_the_others():
    table = pd.concat([clip_table(304), clip_table(304).query("speaker == 'demo-200'")])
    axes = plots.counts(table).axes[0]
    assert axes.get_xticklabels()[0].get_text() == "200"
    shown = sum(int(text.get_text()) for text in axes.texts)
    others = int(axes.get_xlabel().split("the others have ")[1].split(" clips")[0].replace(",", ""))
    assert shown + others == len(table)


def test_counts_do_not_drop_what_is_not_known():
    figure = plots.counts(unlabelled_table(), by="usage")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["train", "test", "not known"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][-1] == "no label"
    assert sum(int(text.get_text()) for text in figure.axes[0].texts) == len(unlabelled_table())


def test_durations_draw_every_clip_and_say_which_are_longer():
    figure = plots.durations(recorded_table())
    drawn = sum(bar.get_height() for axes in figure.axes for bar in axes.patches)
    assert drawn == recorded_table()["seconds"].notna().sum()
    said = [axes.get_yticklabels()[0].get_text() for axes in figure.axes]
    assert said[1].endswith("\n1 longer")
    assert figure.axes[-1].get_xlim()[1] < 20
    assert to_hex(figure.axes[0].patches[0].get_facecolor()) == COLOURS["neutral"]


def test_lags_count_the_pairs_without_one():
    axes = plots.lags(lag_table()).axes[0]
    assert axes.get_xlabel() == "Film behind sound (ms), 4 takes; 1 without a lag"
    assert axes.lines[0].get_xdata().tolist() == [33.1, 33.4, 33.3, 80.0]
    assert axes.get_xlim()[0] < 33 < 80 < axes.get_xlim()[1]


def test_mel_puts_a_tone_at_its_frequency():
    lower = plots.waveform_and_mel(waveform(), title="tone").axes[1]
    loudest = lower.images[0].get_array().mean(axis=1).argmax()
    marks = {label.get_text(): y for label, y in zip(lower.get_yticklabels(), lower.get_yticks(), strict=True)}
    assert marks["250"] - 4 < loudest < marks["250"]  # 220 Hz
    assert lower.get_xlim() == (0, 1.5)


def test_face_strip_chooses_evenly_and_takes_fewer():
    frames = np.arange(15, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    chosen = [axes.images[0].get_array()[0, 0, 0] for axes in plots.face_strip(frames, n=3).axes]
    assert chosen == [0, 7, 14]
    assert len(plots.face_strip(frames[:2]).axes) == 2


def test_the_style_stays_inside():
    before = dict(matplotlib.rcParams)
    plots.bars(summary_table())
    assert dict(matplotlib.rcParams) == before


def test_a_notebook_shows_a_figure_without_pyplot():
    assert plots.bars(summary_table())._repr_png_().startswith(b"\x89PNG")
    code = "import sys, workbench.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("name", ["bars", "waveform_and_mel"])
def test_saved_twice_gives_the_same_bytes(tmp_path, name):
    data = summary_table()
    for folder in ("a", "b"):
        written = plots.save(FIGURES[name](note=NOTE), name, data, folder=tmp_path / folder)
        assert [path.name for path in written] == [f"{name}.pdf", f"{name}.png", f"{name}.csv"]
    figure = FIGURES[name](note=NOTE)
    for _ in range(2):
        plots.save(figure, name, data, folder=tmp_path / "c")
    for suffix in ("pdf", "png", "csv"):
        first, *others = [(tmp_path / folder / f"{name}.{suffix}").read_bytes() for folder in "abc"]
        assert all(other == first for other in others)


def test_saved_pdf_has_letters_and_the_csv_the_data(tmp_path):
    table = confusion_table()
    pdf, png, csv = plots.save(plots.confusion_matrix(table), "confusion", table, folder=tmp_path / "new")
    assert b"/Type3" not in pdf.read_bytes()
    assert b"/CIDFontType2" in pdf.read_bytes()
    assert matplotlib.image.imread(png).shape[1] == 1260
    back = pd.read_csv(csv, index_col="emotion")
    assert np.allclose(back, table, atol=1e-5)
    assert list(back.columns) == list(EMOTIONS)
    plots.save(plots.bars(summary_table()), "bars", summary_table(), folder=tmp_path)
    assert "Unnamed: 0" not in pd.read_csv(tmp_path / "bars.csv")


def test_a_broken_save_leaves_the_old_files_whole(tmp_path):
    figure = plots.bars(summary_table())
    paths = plots.save(figure, "bars", summary_table(), folder=tmp_path)
    before = [path.read_bytes() for path in paths]

    class Broken(pd.DataFrame):
        def to_csv(self, path, **_):
            path.write_text("half a ")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        plots.save(figure, "bars", Broken(summary_table()), folder=tmp_path)
    assert [path.read_bytes() for path in paths] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bars.csv", "bars.pdf", "bars.png"]


@pytest.mark.parametrize(("n_speakers", "words"), [(0, "no interval: speakers not known"), (1, "one speaker only")])
def test_without_intervals_the_legend_says_why(n_speakers, words):
    table = summary_table().assign(n_speakers=n_speakers)
    table.loc[:, table.filter(regex="_(low|high)$").columns] = np.nan
    for draw in (plots.bars, plots.protocol_gap):
        shown = " ".join(text.get_text() for text in draw(table).findobj(Text))
        assert words in shown
        assert "interval over speakers" not in shown
