"""Long recordings: read piece by piece, faces followed, windows answered, summed up and reported."""

import json
import re
import tracemalloc
from collections import deque
from contextlib import redirect_stdout
from io import StringIO

import av
import numpy as np
import pandas as pd
import pytest
from untrained import CLASSES, ENCODERS, untrained

from workbench import faces, media, recipes, streaming
from workbench.bench import timeline as bench
from workbench.errors import MediaError, WorkbenchError
from workbench.interact.timeline import Settings, people, reaction, stage, summary, timeline
from workbench.interact.timeline.moments import moments
from workbench.interact.timeline.stretches import Stretch, View, heard, seen
from workbench.interact.timeline.voice import Voice, segments
from workbench.interact.timeline.watching import Watcher
from workbench.predict import predict

RATE = 16000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("runs"), "audiovisual")


@pytest.fixture(scope="module")
def two(tiny, tmp_path_factory):
    """A film of about 12 s in which two drawn heads speak side by side, both all the time."""
    clips = tiny.clips()
    by = [clips.loc[clips["speaker"] == name, "path"].tolist() for name in sorted(set(clips["speaker"]))]
    return stage([by[0], by[1]], tmp_path_factory.mktemp("films") / "two.mp4", seconds=8, size=(320, 320))


@pytest.fixture(scope="module")
def one(tiny, tmp_path_factory):
    """A film of about 12 s of one drawn head."""
    clips = tiny.clips()
    mine = clips.loc[clips["speaker"] == clips["speaker"].min(), "path"].tolist()
    return stage([mine], tmp_path_factory.mktemp("films") / "one.mp4", seconds=8, size=(320, 320))


def test_sound_in_stretches_is_the_sound_as_a_whole(clip):
    whole = media.read_waveform(clip)
    pieces = list(streaming.sounds(clip, 0.5))
    assert np.array_equal(np.concatenate(pieces), whole)
    assert [len(piece) for piece in pieces[:-1]] == [RATE // 2] * (len(pieces) - 1)
    other = np.concatenate(list(streaming.sounds(clip, 0.5, sample_rate=22050)))
    assert np.abs(other - media.read_waveform(clip, sample_rate=22050)).max() < 1e-3


def test_reading_that_begins_later_gives_the_same_stretches(clip, two):
    for path, rate in ((clip, 8000), (two, 22050)):
        every = list(streaming.sounds(path, 1.0, sample_rate=rate))
        for a, b in zip(every[2:], streaming.sounds(path, 1.0, sample_rate=rate, start=2), strict=True):
            assert np.array_equal(a, b)
    every = list(streaming.looks(two, 1.0, 4))
    for (times, frames), (later, same) in zip(every[4:], streaming.looks(two, 1.0, 4, start=4), strict=True):
        assert np.array_equal(times, later)
        assert np.array_equal(frames, same)


def test_looks_are_the_pictures_at_the_middles_of_equal_parts(clip, numbered):
    found = list(streaming.looks(clip, 0.5, 10))
    times = np.concatenate([times for times, _ in found])
    assert times == pytest.approx(np.arange(0.05, 2, 0.1))
    grey = np.concatenate([frames for _, frames in found]).mean(axis=(1, 2, 3))
    assert grey == pytest.approx(media.read_frames(clip, times)[0].mean(axis=(1, 2, 3)), abs=0.01)
    small = next(streaming.looks(clip, 0.5, 10, largest=32))[1]
    assert small.shape == (5, 24, 32, 3)


def test_a_still_picture_a_text_and_a_folder_are_refused_by_name(tmp_path, run, clip):
    (tmp_path / "notes.mp4").write_text("no film")
    with pytest.raises(MediaError, match=r"notes\.mp4: expected a recording that decodes"):
        timeline(tmp_path / "notes.mp4", run, folder=tmp_path / "part")
    with pytest.raises(MediaError, match="expected a recording, found a folder"):
        list(streaming.sounds(tmp_path, 1.0))
    with pytest.raises(MediaError, match=r"nothing\.mp4: expected a recording, found no such file"):
        timeline(tmp_path / "nothing.mp4", run, folder=tmp_path / "part")


def moving(boxes):
    """Return a detector that says, look by look, what is in `boxes`: lists of (left, score) of squares of 40 pixels."""
    told = iter(boxes)
    return lambda frame: np.array([(x, 50, x + 40, 90, score) for x, score in next(told)], np.float32).reshape(-1, 5)


def test_two_faces_keep_their_numbers_in_whatever_order_they_are_found():
    left, right = np.linspace(20, 90, 16), np.linspace(200, 130, 16)
    looks = [[(a, 1), (b, 2)] if k % 2 else [(b, 2), (a, 1)] for k, (a, b) in enumerate(zip(left, right, strict=True))]
    follower, frames = faces.Follower(moving(looks), every=1, gap=5), np.zeros((8, 120, 240, 3), np.uint8)
    for first in (0, 8):
        found, cuts = follower.follow(frames)
        assert [face.number for face in found] == [0, 1], "from left to right"
        assert not cuts.any()
        assert found[0].boxes[:, 0] == pytest.approx(left[first : first + 8], abs=5)
        assert found[1].boxes[:, 0] == pytest.approx(right[first : first + 8], abs=5)
        assert all(face.found.all() for face in found)


def test_a_face_is_the_same_after_a_short_gap_and_another_after_a_long_one_or_a_cut():
    here = [[(50, 1)]]
    looks = here * 4 + [[]] * 3 + here * 4 + [[]] * 8 + here * 5 + here * 4
    follower, dark = faces.Follower(moving(looks), every=1, gap=5), np.zeros((24, 120, 240, 3), np.uint8)
    numbers = [[face.number for face in follower.follow(dark[:n])[0]] for n in (11, 8, 5)]
    assert numbers == [[0], [], [1]]
    found, cuts = follower.follow(dark[:4] + 200)
    assert [face.number for face in found] == [2]
    assert cuts.tolist() == [True, False, False, False]


def test_a_face_among_several_is_boxed_as_it_is_alone(tiny):
    """Side by side, faces are half as large to the detector; a box that lies beside makes another face of it."""
    paths = tiny.clips().groupby("speaker")["path"].first()
    left, right = (media.read_frames(path, np.arange(0.2, 1, 0.1))[0] for path in paths.iloc[:2])
    (alone,), _ = faces.Follower().follow(left)
    (first, _), _ = faces.Follower().follow(np.concatenate([left, right], axis=2))
    side = (alone.boxes[:, 2] - alone.boxes[:, 0]).mean()
    assert np.abs(first.boxes - alone.boxes).mean() < 0.03 * side


def test_what_a_follower_remembers_makes_another_go_on_alike_and_does_not_grow():
    rng = np.random.default_rng(0)
    looks = [[(50 + x, 1), (150 + y, 1)] for x, y in rng.integers(-3, 4, (200, 2))]
    frames, one = np.zeros((10, 120, 240, 3), np.uint8), faces.Follower(moving(looks), every=1, gap=5)
    for _ in range(5):
        one.follow(frames)
    other = faces.Follower(moving(looks[50:]), every=1, gap=5)
    other.restore(one.state())
    size = len(str(one.state()))
    for _ in range(15):
        for a, b in zip(one.follow(frames)[0], other.follow(frames)[0], strict=True):
            assert a.number == b.number
            assert np.array_equal(a.boxes, b.boxes)
    assert len(str(one.state())) < 1.1 * size


def test_a_voice_is_heard_where_it_is(voice):
    noise = np.random.default_rng(0).normal(0, 1e-3, 12 * RATE).astype(np.float32)
    noise += np.tile(voice, 4)
    listener = Voice()
    voiced = np.concatenate([listener.hear(noise[k * RATE : (k + 1) * RATE]) for k in range(12)])
    truth = (np.arange(1200) % 300) // 100 == 1
    assert (voiced == truth)[400:].mean() > 0.97, "from the second burst on, when the noise floor is known"
    assert not Voice().hear(np.zeros(RATE, np.float32)).any()


def test_segments_bridge_pauses_and_drop_bursts():
    found = segments(pd.DataFrame({"start": [0.0, 1.2, 5.0, 7.0], "end": [1.0, 2.0, 5.05, 9.0]}))
    assert found.to_numpy().tolist() == [[0, 2], [7, 9]]


def test_a_window_of_one_clip_is_given_the_arrays_of_that_clip():
    """Pictures next to evenly spaced moments of the voice, of each face apart; the voice cut out of the window."""
    recipe, times = recipes.load("benha", n_frames=4, keep=("frames", "waveform")), np.arange(0.0625, 2, 0.125)
    rows = np.broadcast_to(np.arange(16, dtype=np.uint8)[:, None, None, None], (16, 64, 64, 3))
    voiced, sound = np.zeros(200, bool), np.full(2 * RATE, 0.5, np.float32)
    voiced[50:150] = True
    view = View(np.ones(16, bool), np.arange(16), {"frames": rows})
    away = View(np.zeros(16, bool), np.arange(0), {})
    recent = [Stretch(3, sound, voiced, 6 + times, views={0: view, 1: away})]
    arrays, span, share = heard(recent, recipe, 0.5)
    assert span == pytest.approx((0.4, 1.615))
    assert share == 0.5
    assert len(arrays["waveform"]) == pytest.approx((span[1] - span[0]) * RATE, abs=1)
    found = seen(recent, recipe, (6 + span[0], 6 + span[1]))
    assert list(found) == [0]
    middles = span[0] + (np.arange(4) + 0.5) * (span[1] - span[0]) / 4
    assert found[0][0]["frames"][:, 0, 0, 0].tolist() == [np.abs(times - m).argmin() for m in middles]
    assert heard(recent, recipe, 1.5) == ({}, None, 0.5)


def test_two_persons_and_the_voice_of_the_recording(two, run, tmp_path):
    found = timeline(two, run, Settings(window=2, step=1), folder=tmp_path / "part")
    assert list(found.subjects) == ["person 1", "person 2", "voice"]
    assert {name: set(one["source"]) for name, one in found.subjects.items()} == {
        "person 1": {"face"},
        "person 2": {"face"},
        "voice": {"voice"},
    }
    places = found.faces.groupby("subject")[["left", "right"]].mean()
    assert places.loc["person 1", "right"] < 0.5 < places.loc["person 2", "left"]
    for name in ("person 1", "person 2"):
        starts = found.subjects[name]["start"].tolist()
        assert starts == list(range(len(starts))), "a window every second, without a gap"
        assert starts[-1] + 2 >= found.seconds - 1
    shares = found.windows[[f"p_{name}" for name in CLASSES]].sum(axis=1)
    assert shares.to_numpy() == pytest.approx(np.ones(len(shares)), abs=1e-5)
    assert not (tmp_path / "part").exists()


BLOCKS = {"size": 32, "hidden": 8, "blocks": [[2, 8, 1, 2], [2, 8, 1, 2], [2, 8, 1, 2]]}


@pytest.mark.parametrize(
    ("encoders", "recipe"),
    [
        (
            {
                "video": {"name": "stream_face", **BLOCKS},
                "scene": {"name": "stream_scene", **BLOCKS},
                "audio": {"name": "stream_sound", "filters": [4, 4, 8, 8], "hidden": 8},
            },
            recipes.load("light", size=32, n_frames=4),
        ),
        ({"geometry": {"name": "action_units"}}, recipes.load("stills", n_frames=4)),
        (ENCODERS["video"], recipes.load("benha", n_frames=4, crop="eyes")),
    ],
    ids=["whole picture, colours halved", "landmarks", "aligned by the eyes"],
)
def test_whatever_a_run_reads_is_made(one, tmp_path, encoders, recipe):
    run = untrained(tmp_path, "audiovisual" if len(encoders) > 1 else "video", encoders=encoders, recipe=recipe)
    found = timeline(one, run, Settings(window=2, step=2), folder=tmp_path / "part")
    series = found.subjects["person 1"]
    assert len(series) >= 4
    assert set(series["source"]) <= ({"face", "both"} if len(encoders) > 1 else {"face"})


def test_one_person_goes_by_face_and_voice_together_as_predict_does(tiny, run, tmp_path):
    """A recording of one clip: what is said of its only window is close to what `predict` says of the clip."""
    path = tiny.clips()["path"].iloc[0]
    found = timeline(path, run, Settings(window=8, step=8), folder=tmp_path / "part")
    ours = found.windows.set_index("source")
    assert set(ours.index) == {"voice", "face", "both"}
    assert ours["used"].to_dict() == {"voice": True, "face": False, "both": True}
    theirs = predict([path], run)[0]["probabilities"]
    assert ours.loc["both", [f"p_{name}" for name in CLASSES]].tolist() == pytest.approx([*theirs.values()], abs=0.02)


def test_broken_off_it_goes_on_to_the_same_tables(one, run, tmp_path, monkeypatch):
    settings = Settings(window=2, step=1)
    monkeypatch.setattr("workbench.interact.timeline.watching.SAVE_EVERY", 3)
    whole = timeline(one, run, settings, folder=tmp_path / "a")
    answered = []

    def interrupted(items, **_):
        for number, item in enumerate(items):
            if number == 5:
                raise KeyboardInterrupt
            answered.append(item)
            yield item

    with pytest.raises(KeyboardInterrupt):
        timeline(one, run, settings, folder=tmp_path / "b", progress=interrupted)
    left = []
    again = timeline(
        one, run, settings, folder=tmp_path / "b", progress=lambda items, total, **_: left.append(total) or items
    )
    assert left == [int(np.ceil(media.probe(one).duration)) - 3]
    for name, table in whole.tables().items():
        pd.testing.assert_frame_equal(table, again.tables()[name])
    assert again.pictures == whole.pictures


def test_finished_work_that_is_kept_is_not_done_again_unless_the_file_is_another(one, two, run, tmp_path):
    settings = Settings(window=2, step=1)
    first = timeline(one, run, settings, folder=tmp_path / "part", keep=True)
    watcher = Watcher(one, run, Settings(window=2, step=1, least=0.9), tmp_path / "part")
    assert watcher.done, "how sure an emotion has to be does not touch what was seen"
    assert Watcher(one, run, Settings(window=4, step=1), tmp_path / "part").next == 0
    other = timeline(two, run, settings, folder=tmp_path / "part")
    assert list(first.subjects) == ["person 1", "voice"]
    assert list(other.subjects) == ["person 1", "person 2", "voice"]


def test_a_folder_of_something_else_is_left_as_it_is(one, run, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(WorkbenchError, match="mine: expected unfinished work, or nothing, found a folder of something"):
        timeline(one, run, folder=tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_memory_is_flat_in_length(two, tmp_path):
    films = [stage([[two]], tmp_path / f"{n}.mp4", seconds=n, size=(160, 120)) for n in (10, 60)]
    peaks = []
    for film in films:
        tracemalloc.start()
        for stretches in streaming.sounds(film, 1.0), streaming.looks(film, 1.0, 4):
            deque(stretches, maxlen=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_sound_alone_and_picture_alone(one, run, tmp_path):
    sound = media.write_clip(tmp_path / "sound.mp4", None, media.read_waveform(one))
    found = timeline(sound, run, folder=tmp_path / "part")
    assert list(found.subjects) == ["voice"]
    assert not found.pictures
    frames, _ = media.read_frames(one, np.arange(0, 6, 0.1))
    film = media.write_clip(tmp_path / "film.mp4", frames, None, fps=10)
    found = timeline(film, run, folder=tmp_path / "part")
    assert {name: set(one["source"]) for name, one in found.subjects.items()} == {"person 1": {"face"}}
    assert "no voice was heard" in found.html().lower()
    listening = untrained(tmp_path / "runs", "audio")
    with pytest.raises(MediaError, match=r"film\.mp4: expected sound, which run .* reads, found picture only"):
        timeline(film, listening, folder=tmp_path / "part")


def test_a_recording_with_nothing_in_it_is_reported_as_such(run, tmp_path, numbered):
    path = media.write_clip(tmp_path / "grey.mp4", numbered, np.zeros(2 * RATE, np.float32))
    found = timeline(path, run, folder=tmp_path / "part")
    assert found.windows.empty
    assert "No face was seen and no voice heard" in found.html()
    assert len(found.write(tmp_path / "report.html")) == 9


def test_a_recording_that_is_cut_short_is_reported_as_far_as_it_goes(one, run, tmp_path):
    whole = tmp_path / "whole.mkv"
    with av.open(str(one)) as source, av.open(str(whole), "w") as out:
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    content = whole.read_bytes()
    short = tmp_path / "short.mkv"
    short.write_bytes(content[: len(content) // 2])
    found = timeline(short, run, folder=tmp_path / "part")
    assert 2 < found.seconds < 9
    assert any("cut short?" in note for note in found.notes)
    assert "What was wrong with the recording" in found.html()


def test_runs_that_need_all_of_a_speaker_are_refused(one, tmp_path):
    run = untrained(tmp_path, "audio", normalise="speaker")
    with pytest.raises(WorkbenchError, match="standardises within each speaker"):
        timeline(one, run, folder=tmp_path / "part")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 3.0}, r"window is 3\.0, expected a multiple of the step, 2 s"),
        ({"step": 0.7}, r"step is 0\.7, expected a multiple of 0\.5 s"),
        ({"looks": 7.3}, r"looks is 7\.3, expected a number that times the step, 2 s, is whole"),
        ({"least": 2}, r"least is 2, expected a number within 0\.\.1"),
        ({"same": "sometimes"}, "unknown assumption about faces 'sometimes': choose from always, never, place"),
        ({"detector": "eye"}, "unknown detector 'eye'"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(WorkbenchError, match=message):
        Settings(**values)


def series(*rows, window=4.0, step=2.0, first=0.0):
    """Return windows of given probabilities of happy, sad and neutral."""
    starts = first + step * np.arange(len(rows))
    table = pd.DataFrame(np.array(rows, float), columns=["p_happy", "p_sad", "p_neutral"])
    surest = table.max(axis=1)
    named = table.idxmax(axis=1).str.removeprefix("p_")
    facts = {"start": starts, "end": starts + window, "emotion": named, "probability": surest, "decided": surest >= 0.4}
    return table.assign(**facts)


HAPPY, SAD, NEUTRAL, NONE = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.2, 0.2, 0.6), (0.35, 0.35, 0.3)


def test_transitions_by_hand():
    """Undecided windows are passed over, gaps in time are not."""
    one = series(HAPPY, HAPPY, NONE, SAD, NEUTRAL, SAD)
    two = series(HAPPY, SAD, first=40)
    found = summary.transitions(pd.concat([one, two], ignore_index=True), step=2)
    rows = {(row.before, row.after): row.count for row in found.itertuples(index=False)}
    assert rows == {("happy", "sad"): 2, ("sad", "neutral"): 1, ("neutral", "sad"): 1}


def test_volatility_compares_windows_that_do_not_overlap():
    found = summary.moves(series(HAPPY, NEUTRAL, SAD, NEUTRAL), window=4)
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([0.7, 0.0])
    row = summary.describe(series(HAPPY, NEUTRAL, SAD, NEUTRAL), step=2, window=4)
    assert row["volatility"] == pytest.approx(0.35)
    assert row["seconds"] == 10
    assert row["changes_per_minute"] == pytest.approx(18)
    assert row["negative"] == pytest.approx((0.1 + 0.2 + 0.8 + 0.2) / 4)


def test_the_longest_negative_stretch_does_not_reach_over_a_gap():
    gap = series(SAD, first=8)
    table = pd.concat([series(SAD, HAPPY, SAD), gap, series(SAD, SAD, SAD, first=30)], ignore_index=True)
    assert summary.longest(table, step=2) == (30, 38)
    assert summary.longest(series(HAPPY, NEUTRAL), step=2) is None


def test_shares_add_up_and_their_intervals_are_wider_where_windows_hang_together():
    quick, slow = series(*[HAPPY, SAD] * 60), series(*([HAPPY] * 30 + [SAD] * 30) * 2)
    wide = []
    for one in (quick, slow):
        found = summary.shares(one, step=2).set_index("emotion")
        assert found["share"].sum() == pytest.approx(1)
        assert found.loc["happy", "share"] == 0.5
        assert found.loc["happy", "mean_probability"] == pytest.approx(0.45)
        wide.append(found.loc["happy", "high"] - found.loc["happy", "low"])
    assert wide[0] < 0.05 < 0.3 < wide[1]
    assert summary.shares(series(HAPPY, NONE), step=2)["low"].isna().all()
    assert summary.shares(series(HAPPY, NONE), step=2).set_index("emotion").loc["undecided", "share"] == 0.5


def slow_noise(rng, n):
    """Return noise (n,) that keeps its course for some steps."""
    return np.convolve(rng.normal(size=n + 20), np.ones(6), "valid")[:n]


def test_a_lagged_correlation_finds_the_lag_that_was_put_in():
    rng = np.random.default_rng(1)
    a = slow_noise(rng, 300)
    b = np.roll(a, 3) + 0.5 * slow_noise(rng, 300)  # b does what a did three steps before
    b[100:110] = np.nan
    table, facts = reaction.reaction(a, b, step=2)
    assert facts["lag"] == 6
    assert facts["r"] > 0.8
    assert facts["p"] < 0.02
    by_hand = pd.Series(a).shift(3).corr(pd.Series(b))
    assert table.set_index("lag").loc[6, "r"] == pytest.approx(by_hand)
    assert reaction.reaction(b, a, step=2)[1]["lag"] == -6


def test_chance_is_no_reaction():
    ps = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, facts = reaction.reaction(slow_noise(rng, 300), slow_noise(rng, 300), step=2)
        assert facts["enough"]
        ps.append(facts["p"])
    assert np.mean(np.array(ps) < 0.05) <= 0.15
    assert np.mean(np.array(ps) < 0.5) == pytest.approx(0.5, abs=0.15)
    assert not reaction.reaction(slow_noise(rng, 100), slow_noise(rng, 100), step=2)[1]["enough"]
    assert reaction.reaction(np.ones(200), np.ones(200), step=2) is None
    assert reaction.reaction(slow_noise(rng, 33), slow_noise(rng, 33), step=2) is None


def seen_rows(*spans):
    """Return windows and places of faces, each (number, first second, last second, left edge)."""
    windows, places = [], []
    for face, begin, end, left in spans:
        for start in range(begin, end, 2):
            windows.append(
                {"start": start, "end": start + 2, "face": face, "source": "face", "found": 1.0, "p_sad": 1.0}
            )
            places.append(
                {"stretch": start // 2, "face": face, "left": left, "top": 0, "right": left + 0.2, "bottom": 1}
            )
    return pd.DataFrame(windows), pd.DataFrame(places)


def test_who_is_who_after_a_cut_is_assumed_only_where_asked():
    cut = seen_rows((0, 0, 20, 0.1), (1, 0, 20, 0.6), (2, 20, 40, 0.62), (3, 20, 40, 0.1), (4, 40, 42, 0.4))
    assert people.persons(*cut, "never") == {
        0: "person 1",
        1: "person 2",
        2: "person 3",
        3: "person 4",
        4: people.OTHERS,
    }
    assert people.persons(*cut, "place") == {
        0: "person 1",
        1: "person 2",
        2: "person 2",
        3: "person 1",
        4: people.OTHERS,
    }
    with pytest.raises(WorkbenchError, match="two faces at 0:00"):
        people.persons(*cut, "always")
    alone = seen_rows((0, 0, 6, 0.1), (1, 6, 12, 0.6))
    assert set(people.persons(*alone, "always").values()) == {"person 1"}


def test_a_cut_within_a_window_leaves_one_row_of_a_person():
    windows, places = seen_rows((0, 0, 8, 0.1), (1, 6, 12, 0.1))
    windows.loc[windows["start"] == 6, "found"] = [0.3, 0.6]
    who = people.persons(windows, places, "always")
    found = people.with_subjects(windows.assign(voice=0.0), who, least=0.4)
    one = people.subjects(found)["person 1"]
    assert one["start"].tolist() == [0, 2, 4, 6, 8, 10]
    assert one["face"].tolist() == [0, 0, 0, 1, 1, 1]


def test_moments_are_where_the_numbers_move():
    rows = [NEUTRAL] * 20 + [SAD] * 10 + [NEUTRAL] * 20
    table = series(*rows).assign(subject="person 1", source="face", used=True)
    found = moments(table, Settings()).set_index("kind")
    assert found.loc["negative", ["at", "end"]].tolist() == [40, 62]
    assert sorted(found.loc[["change"], "at"]) == [40, 60]
    assert found.loc["surest", "why"] == "sad 80%"
    assert len(moments(table.iloc[:0], Settings())) == 0


def test_the_report_needs_nothing_beside_it_and_takes_no_name_for_code(two, run, tmp_path):
    path = tmp_path / "<b>two & a half<script>.mp4"
    path.write_bytes(two.read_bytes())
    found = timeline(path, run, Settings(window=2, step=1), folder=tmp_path / "part")
    files = found.write(tmp_path / "out" / "report.html")
    page = files[0].read_text()
    loaded = re.findall(r"""\b(?:src|href|action|poster)\s*=\s*["']?([^"'\s>]+)|url\(([^)]+)\)|@import""", page)
    assert loaded
    assert all("".join(one).startswith(("#", "data:image/", "URL.createObjectURL")) for one in loaded), loaded
    assert "<script src" not in page
    assert "<link" not in page
    assert "<b>two" not in page
    assert "&lt;b&gt;two &amp; a half&lt;script&gt;.mp4" in page
    for words in ("This is not what anybody felt", "no verdict on a person", "cannot be told from one microphone"):
        assert words in page
    names = {file.name for file in files[1:]}
    assert {"report_windows.csv", "report_summary.csv", "report_moments.csv", "report_reactions.csv"} <= names
    written = pd.read_csv(files[1])
    assert len(written) == len(found.windows)


def test_the_command_writes_the_report(call, one, data_folder, tmp_path):
    made = untrained(data_folder / "runs", "audiovisual")
    out = tmp_path / "report.html"
    code, said, _ = call("timeline", one, "--run", made.name, "--out", out, "--window", 2, "--step", 1)
    assert code == 0
    assert "person 1" in said
    assert out.exists()
    assert not (tmp_path / "report.part").exists()
    code, _, error = call("timeline", one, "--run", made.name, "--out", out, "--window", 3)
    assert code == 1
    assert "expected a multiple of the step" in error


def test_bench_timeline_prints_its_figures(call, tiny, data_folder, monkeypatch):
    def here(film, name):
        with redirect_stdout(StringIO()) as printed:
            bench.watched(film, name)
        return json.loads(printed.getvalue())

    monkeypatch.setattr(bench, "_apart", here)
    made = untrained(data_folder / "runs", "video")
    paths = tiny.clips()["path"].head(2)
    code, said, _ = call("bench", "timeline", *paths, "--run", made.name, "--minutes", 0.2, "--json")
    assert code == 0
    found = json.loads(said)
    assert 0.2 <= found["timeline.minutes"] < 0.4
    assert found["timeline.processor_factor"] > 0
    assert found["timeline.peak_mb"] < 3000


def test_real_faces_side_by_side_are_two_persons(real_clips, run, tmp_path):
    film = stage([real_clips[-2:], real_clips[:2]], tmp_path / "two.mp4", seconds=4, size=(480, 360))
    found = timeline(film, run, Settings(window=2, step=1), folder=tmp_path / "part")
    assert list(found.subjects) == ["person 1", "person 2", "voice"]
    assert (found.faces["found"] > 0.9).mean() > 0.9
