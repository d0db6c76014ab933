"""The clip browser in this process: filters, order, what is shown of clips of every kind, what a run says of them."""

import dataclasses
import io
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import small_study

from workbench import media, runs
from workbench.emotions import COLOURS
from workbench.errors import MediaError, WorkbenchError
from workbench.interact import playing, views
from workbench.interact.asked import at_hand, grouped
from workbench.interact.clips import ClipBrowser
from workbench.interact.player import ClipPlayer, picture
from workbench.interact.table import PER_PAGE, ClipTable, columns_of, narrow
from workbench.studies import running


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """The finished runs of a small study: both folds of the voice, the face, and both by their answers."""
    study = small_study.study("voice", "face", "late")
    study = dataclasses.replace(study, profiles={"smoke": small_study.PROFILE | {"folds": 2}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield running.run(study, tiny, profile="smoke", protocols=["speaker-disjoint"])


@pytest.fixture(scope="module")
def both_folds(made):
    return [one for one in made if one.params["variant"] == "voice"]


@pytest.fixture(scope="module")
def run(both_folds):
    return both_folds[0]


@pytest.fixture(scope="module")
def seeing(made):
    return next(one for one in made if one.params["variant"] == "face")


@pytest.fixture
def many():
    """A clip table of 250 rows with every kind of column."""
    n = 250
    return pd.DataFrame({
        "clip": [f"clip-{i:03d}" for i in range(n)],
        "path": [f"films/{i}.mp4" for i in range(n)],
        "emotion": ["sad", "happy", ""] * 83 + ["angry"],
        "start": np.linspace(0, 10, n),
        "end": [np.nan] * n,
        "strong": [True, False] * 125,
        "text": [f"Dogs (number {i}) are sitting" for i in range(n)],
    })  # fmt: skip


def test_every_column_with_a_value_can_be_filtered_in_its_own_way(many):
    columns = {column["name"]: column for column in columns_of(many)}
    assert list(columns) == ["clip", "emotion", "start", "strong", "text", "path"], (
        "files last, empty columns not at all"
    )
    kinds = [column["kind"] for column in columns.values()]
    assert kinds == ["text", "choices", "range", "choices", "text", "text"]
    ticked = columns["emotion"]["values"]
    assert [(one["value"], one["count"]) for one in ticked] == [("happy", 83), ("sad", 83), ("angry", 1), ("", 83)]
    assert ticked[0]["colour"] == COLOURS["happy"]
    assert (columns["start"]["low"], columns["start"]["high"]) == (0, 10)


def test_filters_narrow_together(many):
    found = narrow(many, {"emotion": {"in": ["sad", ""]}, "start": {"from": 5}, "text": {"contains": "(NUMBER 13"}})
    assert found["clip"].tolist() == ["clip-131", "clip-132", "clip-134", "clip-135", "clip-137", "clip-138"]
    assert len(narrow(many, {"start": {"to": 1}})) == (many["start"] <= 1).sum()
    assert narrow(many, {"strong": {"in": ["False"]}})["strong"].eq(False).all()
    assert narrow(many, {"emotion": {"in": []}}).empty
    with pytest.raises(WorkbenchError, match="unknown column of the clip table 'emotions': choose from clip, emotion"):
        narrow(many, {"emotions": {"in": []}})
    with pytest.raises(WorkbenchError, match="filter of column 'text': expected in, from and to, or contains"):
        narrow(many, {"text": {"like": "dogs"}})


def test_the_table_pages_orders_and_saves_what_it_found(many):
    table = ClipTable(many)
    assert (table.n_found, table.n_pages, len(table.rows)) == (250, 3, PER_PAGE)
    table.page = 2
    assert [len(table.rows), table.rows[-1][0]] == [50, "clip-249"]
    table.order = ["start", True]
    assert table.rows[0][0] == "clip-049", "the third page of the turned order"
    table.filters = {"emotion": {"in": ["angry"]}}
    assert (table.n_found, table.page, table.rows[0][0]) == (1, 0, "clip-249")
    assert pd.read_csv(io.StringIO(table.csv()))["clip"].tolist() == ["clip-249"]
    told = []
    table.send = lambda content, buffers=None: told.append(content)
    wanted = {"emotion": {"in": ["sad"]}}  # chosen just before the button, and not told of yet
    table._handle_custom_msg({"kind": "csv", "filters": wanted, "order": ["clip", True]}, [])
    assert (table.filters, table.order) == (wanted, ["clip", True])
    assert told == [{"kind": "csv", "name": "clips.csv", "text": table.csv()}]
    assert pd.read_csv(io.StringIO(told[0]["text"]))["emotion"].unique().tolist() == ["sad"]


def test_a_clip_is_shown_with_all_that_is_known_of_it(tiny, run):
    browser = ClipBrowser(tiny.clips(), run)
    first, player = browser.table.rows[0][0], browser.player
    assert browser.table.selected == first
    assert player.film["title"].startswith(first)
    assert [chart["kind"] for chart in player.sound] == ["wave", "image"]
    assert [chart["label"] for chart in player.curves] == ["Action units", "Probability"]
    said = player.curves[1]
    assert [line["name"] for line in said["lines"]] == run.params["classes"]
    assert [line["colour"] for line in said["lines"]] == [COLOURS[name] for name in run.params["classes"]]
    sums = np.sum([line["values"] for line in said["lines"]], axis=0)
    assert sums == pytest.approx(1, abs=1e-3)
    assert said["times"] == sorted(said["times"])
    assert 0 < said["times"][-1] <= player.film["duration"]
    n = len(player.face["times"])
    assert len(player.face["points"]) == n * 68 * 2 * 4
    assert len(player.face["boxes"]) == n * 4 * 4
    browser.asked.value = ""
    assert [chart["label"] for chart in player.curves] == ["Action units"]
    browser.table.filters = {"emotion": {"in": ["sad"]}}
    browser.table.selected = browser.table.rows[-1][0]
    assert player.film["title"] == f"{browser.table.selected}, sad, demo-04"
    assert player.busy == ""


def test_the_points_lie_on_the_face_that_the_demo_corpus_drew(tiny):
    clip = tiny.clips().iloc[0]
    view = views.look(clip)
    truth = tiny.brows(clip["clip"], view.times)  # (t, 10, 2), pixels: landmarks 17 to 26
    away = np.linalg.norm(view.landmarks[:, 17:27] - truth, axis=2).mean()
    assert away < 0.03 * view.shape[0]
    assert view.found.all()


def test_a_sound_alone_and_a_picture_alone(tiny, tmp_path):
    clip = tiny.clips().iloc[0].to_dict()
    heard = views.look(clip | {"path": ""})
    assert heard.notes == ("No picture: this clip is a sound only.",)
    assert heard.shape is None
    assert heard.duration == pytest.approx(len(heard.waveform) / 16000)
    seen = views.look(clip | {"audio_path": ""})
    assert seen.notes == ("No sound: this clip is a picture only.",)
    assert seen.waveform is None
    assert len(seen.action_units) == len(seen.times) > 5
    (frame,), _ = media.read_frames(clip["path"], [1.0])
    cv2.imwrite(str(tmp_path / "still.png"), frame[:, :, ::-1])
    still = views.look({"clip": "still", "path": str(tmp_path / "still.png"), "audio_path": ""})
    assert (still.duration, still.movie, still.shape) == (0, b"", frame.shape[:2])
    assert still.landmarks.shape == (1, 68, 2)
    player = ClipPlayer(still)
    assert player.sound == []
    (units,) = player.curves
    assert (units["kind"], len(units["bars"])) == ("bars", still.action_units.shape[1])
    assert [one["value"] for one in units["bars"]] == pytest.approx(still.action_units.iloc[0].tolist(), abs=1e-4)
    assert player.film["still"].startswith(b"\x89PNG")
    for view in (heard, seen, still):
        assert picture(view) is not None


def test_what_a_run_says_of_a_still_picture_is_shown_as_bars(tiny, seeing, tmp_path):
    (frame,), _ = media.read_frames(tiny.clips()["path"].iloc[0], [1.0])
    cv2.imwrite(str(tmp_path / "still.png"), frame[:, :, ::-1])
    view = views.look({"clip": "still", "path": str(tmp_path / "still.png"), "audio_path": ""}, seeing)
    said = ClipPlayer(view).curves[1]
    assert (said["kind"], said["label"], said["range"]) == ("bars", "Probability", [0, 1])
    assert [one["name"] for one in said["bars"]] == seeing.params["classes"]
    assert sum(one["value"] for one in said["bars"]) == pytest.approx(1, abs=1e-3)
    drawn = picture(view).axes
    widths = [[bar.get_width() for bar in axes.patches] for axes in drawn if axes.get_xlabel() == "Probability (%)"]
    assert widths == [pytest.approx([100 * one["value"] for one in said["bars"]], abs=0.01)]


def test_of_a_long_recording_it_is_said_what_is_left_out(tiny, monkeypatch, run):
    clip = tiny.clips().iloc[0].to_dict()
    whole = views.look(clip, run)
    assert not [note for note in whole.notes if "are shown" in note]
    monkeypatch.setattr(playing, "LONGEST", 1.0)
    view = views.look(clip, run)
    assert view.notes[0] == f"This is {whole.duration:.0f} s long, of which the first 1 s are shown: see `timeline`."
    assert view.duration == pytest.approx(1, abs=0.1)
    assert len(view.waveform) == 16000
    assert max(view.times.max(), view.probabilities.index.max(), view.action_units.index.max()) <= 1.05
    later = views.look(clip | {"start": 0.5, "end": 1.2}, run)
    assert not [note for note in later.notes if "are shown" in note]


def test_each_clip_is_asked_of_the_fold_that_has_not_heard_its_speaker(tiny, both_folds):
    clips = tiny.clips()
    browser = ClipBrowser(clips, both_folds)
    assert len(browser.models) == 1
    for clip in clips.drop_duplicates("speaker")["clip"]:
        browser.table.selected = clip
        mine = next(run for run in both_folds if run.name == browser.player.view.run)
        assert clip in mine.predictions().query("usage == 'test'")["clip"].tolist()
        notes = [note for note in browser.player.notes if "trained" in note]
        assert [note.partition(" was trained on ")[2] for note in notes] == [
            "the synthetic corpus demo: its answers say nothing about people"
        ]


def test_it_is_said_where_a_run_has_heard_the_speaker(tiny, both_folds):
    one = both_folds[0]
    (model,) = grouped([one]).values()
    usages = one.predictions().groupby("speaker")["usage"].first()
    words = {speaker: model.of(rows.iloc[0])[1] for speaker, rows in tiny.clips().groupby("speaker")}
    kinds = {speaker: usages.get(speaker, "train") for speaker in words}
    assert set(kinds.values()) == {"test", "validation", "train"}
    for speaker, kind in kinds.items():
        said = {"test": "", "validation": f"Run {one.name} was not trained on speaker {speaker}, but chosen by how"}
        assert words[speaker].startswith(said.get(kind, f"Run {one.name} was trained on speaker {speaker}: it does"))
        assert bool(words[speaker]) == (kind != "test")
    stranger = {"clip": "x", "speaker": "demo-01", "corpus": "ravdess"}
    assert model.of(stranger) == (one, f"Run {one.name} was trained on another corpus, demo.")
    still = {"clip": "x", "speaker": "", "corpus": "demo"}
    assert model.of(still)[1].startswith(f"Run {one.name} was trained on this clip: ")


def test_runs_at_hand_are_those_of_the_corpus_else_those_with_its_emotions(tiny, made):
    clips = tiny.clips()
    assert {one.name for one in at_hand(clips)} == {one.name for one in made}
    assert at_hand(clips)[0].params["modality"] == "audiovisual"
    elsewhere = clips.assign(corpus="ravdess")
    assert {one.name for one in at_hand(elsewhere)} == {one.name for one in made}
    happy = runs.make(made[0].params | {"corpus": "ravdess", "fold": "strange"})
    happy.begin()
    happy.finish(made[0].predictions())
    assert at_hand(elsewhere) == [happy]
    shutil.rmtree(happy.folder)
    assert at_hand(elsewhere.assign(emotion="bored")) == []


def test_a_broken_file_is_said_and_the_rest_goes_on(tiny, tmp_path):
    clips = tiny.clips().head(2)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film at all")
    clips.loc[0, ["path", "audio_path"]] = str(broken)
    browser = ClipBrowser(clips)
    assert any("broken.mp4: expected a recording that decodes" in note for note in browser.player.notes)
    assert browser.player.film["movie"] == b""
    assert browser.picture() is None
    browser.table.selected = clips["clip"].iloc[1]
    assert len(browser.player.film["movie"]) > 1000


def test_an_empty_table_is_refused(tiny):
    with pytest.raises(WorkbenchError, match="expected a clip table with clips in it"):
        ClipBrowser(tiny.clips().head(0))


def test_a_film_keeps_its_times_and_a_part_of_it_begins_at_zero(clip, tmp_path):
    """Frame i of the numbered film is grey of level 4 i, and lasts a thirtieth of a second."""
    row = {"path": str(clip), "audio_path": str(clip), "start": 0.5, "end": 1.5}
    part = playing.movie(row, tmp_path / "part.mp4")
    found = media.probe(part)
    assert found.duration == pytest.approx(1.0, abs=0.05)
    frames, times = media.read_frames(part, [0.0, 0.5])
    assert times == pytest.approx([0, 0.5], abs=0.02)
    assert frames.mean(axis=(1, 2, 3)) == pytest.approx([4 * 15, 4 * 30], abs=4)
    sound, whole = media.read_waveform(part), media.read_waveform(clip)[8000:24000]
    lag = np.argmax(np.correlate(sound[:15000], whole[:15000], "full")) - 14999
    assert abs(lag) < 0.015 * 16000, "sound and picture stay together"
    small = media.probe(playing.movie({"path": str(clip)}, tmp_path / "small.mp4", height=24))
    assert (small.width, small.height, small.has_sound) == (32, 24, False)
    with pytest.raises(MediaError, match="expected a film or a sound, found no file"):
        playing.movie({"clip": "nothing"}, tmp_path / "nothing.mp4")
    assert not list(tmp_path.glob(".*part"))


def test_real_films_become_what_browsers_play(real_clips, tmp_path):
    """One of RAVDESS in 720p, one of CREMA-D, whose codec no browser knows."""
    for path in (real_clips[0], real_clips[6]):
        view = views.look({"clip": path.stem, "path": str(path), "audio_path": str(path)})
        assert view.shape[0] <= playing.HEIGHT
        assert view.duration == pytest.approx(media.probe(path).duration, abs=0.1)
        assert len(view.movie) < 1e6
        assert view.landmarks is not None
        assert view.found.mean() > 0.9
        assert not view.notes


def test_windows_of_a_run_follow_what_is_heard(tiny, run, tmp_path, voice):
    """Where the sound is silent, a run on the voice says nothing."""
    late = np.concatenate([np.zeros(32000, np.float32), voice[16000:32000]])
    path = media.write_clip(tmp_path / "burst.mp4", None, late)
    table = views.over_time({"path": "", "audio_path": str(path)}, run)
    assert table.index.to_numpy() == pytest.approx(np.arange(0.1, 3.0, 0.2), abs=0.11)
    assert table[table.index < 1.3].isna().all(axis=None)
    assert table[table.index > 1.7].notna().all(axis=None)
