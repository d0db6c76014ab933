"""Long recordings: read piece by piece, faces followed, windows answered, summed up and reported."""

import json
import re
import tracemalloc
from contextlib import redirect_stdout
from dataclasses import replace
from fractions import Fraction
from io import StringIO
from itertools import islice

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from untrained import CLASSES, ENCODERS, joined, untrained

from workbench import media, recipes, streaming
from workbench.bench import timeline as bench
from workbench.errors import MediaError, WorkbenchError
from workbench.interact.timeline import Settings, stage, timeline
from workbench.interact.timeline.stretches import Stretch, View, heard, seen
from workbench.interact.timeline.voice import Voice, segments
from workbench.interact.timeline.watching import Watcher
from workbench.predict import predict
from workbench.predict import systems as predicting

RATE = 16000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained(tmp_path_factory.mktemp("runs"), "audiovisual")


def test_a_still_picture_a_text_and_a_folder_are_refused_by_name(tmp_path, run, clip):
    (tmp_path / "notes.mp4").write_text("no film")
    with pytest.raises(MediaError, match=r"notes\.mp4: expected a recording that decodes"):
        timeline(tmp_path / "notes.mp4", run, folder=tmp_path / "part")
    with pytest.raises(MediaError, match="expected a recording, found a folder"):
        list(streaming.sounds(tmp_path, 1.0))
    with pytest.raises(MediaError, match=r"nothing\.mp4: expected a recording, found no such file"):
        timeline(tmp_path / "nothing.mp4", run, folder=tmp_path / "part")


def test_a_voice_is_heard_where_it_is(voice):
    noise = np.random.default_rng(0).normal(0, 1e-3, 12 * RATE).astype(np.float32)
    noise += np.tile(voice, 4)
    listener = Voice()
    voiced = np.concatenate([listener.hear(noise[k * RATE : (k + 1) * RATE]) for k in range(12)])
    truth = (np.arange(1200) % 300) // 100 == 1
    assert (voiced == truth)[400:].mean() > 0.97, "from the second burst on, when the noise floor is known"
    assert not Voice().hear(np.zeros(RATE, np.float32)).any()


def test_typing_in_a_silent_minute_is_no_voice(voice):
    """Next to the silence of a muted microphone anything stands out; a voice comes back at once all the same."""
    hiss, listener = np.random.default_rng(0).normal(0, 1e-4, 70 * RATE).astype(np.float32), Voice()
    louder = hiss * np.where((np.arange(len(hiss)) // (RATE // 5)) % 5, 1, 3)
    voiced = [listener.hear(louder[k * RATE : (k + 1) * RATE]) for k in range(70)]
    assert not np.concatenate(voiced).any()
    assert listener.hear(hiss[: len(voice)] + voice).any()


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
    found = seen(recent, recipe, (6 + span[0], 6 + span[1]), 16)
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
    assert not list((tmp_path / "part").iterdir())


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


def test_the_report_says_how_often_the_run_is_right_by_what_it_goes_by(one, two, tmp_path):
    """Persons among several go by their faces alone, and the fused run's figures are not theirs."""
    late, settings = joined(tmp_path), Settings(window=2, step=1)
    page = timeline(two, late, settings, folder=tmp_path / "part").html()
    assert "right from the face alone in 67%" in page
    assert "From the voice alone, it is right in 67%" in page
    assert "<h3>From the face alone</h3>" in page
    assert "<h3>From face and voice together</h3>" not in page
    page = timeline(one, late, settings, folder=tmp_path / "part").html()
    assert "right from face and voice together in 100%" in page
    page = timeline(two, untrained(tmp_path, "audiovisual"), settings, folder=tmp_path / "part").html()
    assert "goes by the face alone: how often it is right then was not measured" in page


def test_a_member_is_asked_once_about_a_face_with_and_without_a_voice(one, tmp_path, monkeypatch):
    late, asked = joined(tmp_path), []
    given = predicting.batches
    monkeypatch.setattr(predicting, "batches", lambda run, clips: asked.append(len(clips)) or given(run, clips))
    found = timeline(one, late, Settings(window=2, step=1), folder=tmp_path / "part")
    assert found.windows.groupby("start").size().max() == 3, "voice, face, both"
    assert max(asked) == 2, "one with what the member reads, one without"
    windows = found.windows.set_index(["source", "start"])[[f"p_{name}" for name in CLASSES]]
    mean = (windows.loc["face"] + windows.loc["voice"]) / 2
    both = windows.loc["both"]
    assert both.to_numpy() == pytest.approx(mean.loc[both.index].to_numpy(), abs=1e-5)


def test_broken_off_it_goes_on_to_the_same_tables(one, run, tmp_path, monkeypatch):
    settings = Settings(window=2, step=1)
    monkeypatch.setattr("workbench.interact.timeline.watching.SAVE_EVERY", 3.0)
    whole = timeline(one, run, settings, folder=tmp_path / "a")
    answered = []

    def interrupted(items, **_):
        for number, item in enumerate(items):
            if number == 5:
                raise KeyboardInterrupt
            answered.append(item)
            yield item

    with pytest.raises(KeyboardInterrupt) as stopped:
        timeline(one, run, settings, folder=tmp_path / "b", progress=interrupted)
    (said,) = stopped.value.__notes__
    assert said.startswith("stopped at 0:05 of 0:")
    assert "the same call goes on from there" in said
    assert str(next((tmp_path / "b").iterdir())) in said
    left = []
    again = timeline(
        one, run, settings, folder=tmp_path / "b", progress=lambda items, total, **_: left.append(total) or items
    )
    assert left == [int(np.ceil(media.probe(one).duration)) - 3]
    for name, table in whole.tables().items():
        pd.testing.assert_frame_equal(table, again.tables()[name])
    assert again.pictures == whole.pictures


def test_work_of_another_way_of_looking_or_another_file_is_left_as_it_is(one, two, run, tmp_path):
    """Hours may lie there: what is kept, or broken off, only the same call finds, and no other one deletes."""
    settings, part = Settings(window=2, step=1), tmp_path / "part"
    first = timeline(one, run, settings, folder=part, keep=True)
    (tmp_path / "other").mkdir()
    namesake = tmp_path / "other" / one.name
    namesake.write_bytes(two.read_bytes())
    assert Watcher(one, run, Settings(window=4, step=1), part).next == 0
    other = timeline(namesake, run, settings, folder=part)
    assert list(first.subjects) == ["person 1", "voice"]
    assert list(other.subjects) == ["person 1", "person 2", "voice"]
    watcher = Watcher(one, run, Settings(window=2, step=1, least=0.9), part)
    assert watcher.done, "how sure an emotion has to be does not touch what was seen"


def test_a_folder_of_something_else_is_left_as_it_is(one, run, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    timeline(one, run, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_memory_is_flat_in_length(two, run, tmp_path):
    peaks = []
    for seconds in (10, 40):
        film = stage([[two]], tmp_path / f"{seconds}.mp4", seconds=seconds, size=(640, 320))
        watcher = Watcher(film, run, Settings(), tmp_path)
        tracemalloc.start()
        watcher.watch()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert watcher.follower.n_faces >= 2
    assert peaks[1] < 1.15 * peaks[0]


def test_long_steps_are_read_in_pieces(one, run, tmp_path):
    """A minute of pictures would fill the memory; and the windows are those that were asked for."""
    assert Settings(window=60, step=60).piece == 2
    assert Settings(window=7.5, step=7.5).piece == 1.5
    assert Settings(window=5, step=5, looks=1.2).piece == 2.5, "a whole number of looks"
    held = []

    def watched(items, **_):
        for item in items:
            held.append(len(item[1]))
            yield item

    found = timeline(one, run, Settings(window=8, step=4), folder=tmp_path, progress=watched)
    assert max(held) == 16
    starts = sorted(set(found.windows["start"]))
    assert starts == list(range(0, 4 * (int(np.ceil(found.seconds / 4)) - 1), 4))
    last = found.windows[found.windows["start"] == starts[-1]]
    assert last["end"].tolist() == pytest.approx([min(starts[-1] + 8, found.seconds)] * len(last), abs=0.001)


def test_faces_in_windows_over_a_hole_are_found_in_less_of_them(one, run, tmp_path):
    """A film that freezes for minutes: who is seen after it may be somebody else, and a window in it has no face."""
    film = tmp_path / "frozen.mkv"
    with av.open(str(one)) as source, av.open(str(film), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                shift = round((300 if packet.pts * packet.time_base >= 6 else 0) / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copy
                out.mux(packet)
    found = timeline(film, run, Settings(window=4, step=2, same="never", present=0.1), folder=tmp_path)
    shares = found.windows.groupby("start")["found"].max()
    assert shares.loc[0] > 0.9
    assert shares.loc[4] == pytest.approx(0.75, abs=0.05), "the last picture before a hole stands for a second"
    assert not set(shares.index) & set(range(8, 300))
    assert found.faces["face"].nunique() == 2


def test_what_a_browser_records_is_a_film(one, run, tmp_path):
    """Without a rate in its header, and without a length."""
    film, times = tmp_path / "browser.webm", np.cumsum(np.random.default_rng(0).uniform(0.03, 0.13, 75))
    with av.open(str(film), "w", options={"live": "1"}) as out:
        stream = out.add_stream("libvpx", width=320, height=320, pix_fmt="yuv420p", options={"deadline": "realtime"})
        stream.codec_context.time_base, stream.codec_context.framerate = Fraction(1, 1000), Fraction(0, 1)
        for time, picture in zip(times, media.read_frames(one, times)[0], strict=True):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p")
            frame.pts, frame.time_base = round(1000 * time), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert media.probe(film).fps == 0
    assert list(timeline(film, run, folder=tmp_path).subjects) == ["person 1"]


def test_one_who_turns_away_for_longer_than_the_gap_is_alone_all_the_same(one, run, tmp_path):
    frames, _ = media.read_frames(one, np.arange(0, 10, 0.1))
    away = np.stack([cv2.blur(frame, (81, 81)) if 40 <= k < 70 else frame for k, frame in enumerate(frames)])
    film = media.write_clip(tmp_path / "film.mp4", away, media.read_waveform(one)[: 10 * RATE], fps=10)
    found = timeline(film, run, Settings(window=2, step=1), folder=tmp_path)
    assert not found.stretches["cuts"].any()
    assert found.faces["face"].nunique() == 2
    assert list(found.subjects) == ["person 1", "voice"]
    assert "both" in set(found.subjects["person 1"]["source"])
    assert "So it was decided once." in found.html()
    never = timeline(film, run, Settings(window=2, step=1, same="never"), folder=tmp_path)
    assert list(never.subjects) == ["person 1", "person 2", "voice"]


def test_who_is_named_alike_throughout_is_said_to_be(one, run, tmp_path):
    found = timeline(one, run, Settings(window=1, step=0.5, least=0), folder=tmp_path)
    for emotions, told in ((["sad"], True), (["sad", "happy"], False)):
        names = [emotions[k % len(emotions)] for k in range(len(found.windows))]
        said = replace(found, windows=found.windows.assign(emotion=names)).html()
        assert ("Named alike nearly throughout: person 1 sad, voice sad." in said) == told


def test_where_faces_cross_the_report_says_so(two, run, tmp_path):
    found = timeline(two, run, Settings(window=2, step=1), folder=tmp_path)
    assert not found.crossings
    assert "lie over each other" not in found.html()
    places = found.faces.assign(crossed=found.faces["stretch"] == 3)
    crossed = replace(found, faces=places)
    assert crossed.crossings == [3]
    assert "Faces come to lie over each other at 0:03." in crossed.html()


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


def test_gone_on_with_it_says_what_was_wrong_once(one, run, tmp_path, monkeypatch):
    """The sound breaks off early: told before the call is broken off, and met again by the next one."""
    monkeypatch.setattr("workbench.interact.timeline.watching.SAVE_EVERY", 1.0)
    real = streaming.sounds

    def broken(*args, **options):
        yield from islice(real(*args, **options), max(0, 3 - options["start"]))
        raise MediaError("expected 8 s of audio, found 3 s: cut short?")

    def interrupted(items, **_):
        yield from islice(items, 6)
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "sounds", broken)
    settings = Settings(window=2, step=1)
    with pytest.raises(KeyboardInterrupt):
        timeline(one, run, settings, folder=tmp_path, progress=interrupted)
    assert len(timeline(one, run, settings, folder=tmp_path).notes) == 1


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
        ({"looks": 5.03125, "step": 32.0, "window": 32.0}, "expected a number that is whole in 2 s or less"),
        ({"least": 2}, r"least is 2, expected a number within 0\.\.1"),
        ({"same": "sometimes"}, "unknown assumption about faces 'sometimes': choose from always, never, place"),
        ({"detector": "eye"}, "unknown detector 'eye'"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(WorkbenchError, match=message):
        Settings(**values)


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
    code, said, notes = call("timeline", one, "--run", made.name, "--out", out, "--window", 2, "--step", 1)
    assert code == 0
    assert "person 1" in said
    assert "was trained on the synthetic corpus demo: its answers say nothing about people" in notes
    summary = pd.read_csv(tmp_path / "report_summary.csv")
    assert set(zip(summary["corpus"], summary["synthetic"], strict=True)) == {("demo", True)}
    assert out.exists()
    assert not (tmp_path / "report.part").exists()
    code, _, error = call("timeline", one, "--run", made.name, "--out", out, "--window", 3)
    assert code == 1
    assert "expected a multiple of the step" in error


def test_a_command_that_is_interrupted_says_how_to_go_on(call, one, data_folder, tmp_path, monkeypatch):
    made = untrained(data_folder / "runs", "audiovisual")

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Watcher, "_answer", interrupted)
        code, _, error = call("timeline", one, "--run", made.name, "--out", tmp_path / "report.html")
    assert code == 130
    assert "stopped at 0:0" in error
    assert "the same command goes on from there" in error
    (work,) = tmp_path.glob("one-*.part")
    assert work.name in error.replace("\n", "")
    assert call("timeline", one, "--run", made.name, "--out", tmp_path / "report.html")[0] == 0
    assert not work.exists()


def test_bench_timeline_prints_its_figures(call, tiny, data_folder, monkeypatch):
    def here(film, name):
        with redirect_stdout(StringIO()) as printed:
            bench.watched(film, name)
        return json.loads(printed.getvalue())

    monkeypatch.setattr(bench, "_apart", here)
    made = untrained(data_folder / "runs", "video")
    paths = tiny.clips()["path"].head(2)
    options = ("--run", made.name, "--minutes", 0.2, "--people", 2, "--json")
    code, said, _ = call("bench", "timeline", *paths, *options)
    assert code == 0
    found = json.loads(said)
    assert 0.2 <= found["timeline.minutes"] < 0.4
    assert found["timeline.processor_factor"] > 0
    assert (found["timeline.persons"], found["timeline.covered"]) == (2, 1)
    code, _, error = call("bench", "timeline", paths.iloc[0], *options)
    assert code == 1
    assert "expected a video file a person or more, 2, found 1" in error
    assert found["timeline.peak_mb"] < 3000


def test_real_faces_side_by_side_are_two_persons(real_clips, run, tmp_path):
    film = stage([real_clips[-2:], real_clips[:2]], tmp_path / "two.mp4", seconds=4, size=(480, 360))
    found = timeline(film, run, Settings(window=2, step=1), folder=tmp_path / "part")
    assert list(found.subjects) == ["person 1", "person 2", "voice"]
    assert (found.faces["found"] > 0.9).mean() > 0.9
