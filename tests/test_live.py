"""Live: a session's answers, the process that guests share, the widget in the kernel, what is kept and what is not."""

import time

import av
import cv2
import numpy as np
import psutil
import pytest
import torch
from waiting import until

from workbench import faces, media, plots, runs
from workbench.bench import live as bench
from workbench.errors import WorkbenchError
from workbench.interact import live
from workbench.interact.live import page, protocol, session
from workbench.interact.live.senses import Ear, Eye
from workbench.interact.live.session import Window
from workbench.models import build
from workbench.recipes import Recipe

BLACK = np.zeros((240, 320, 3), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of the three streams at smoke size, with random weights."""
    return bench.untrained(tmp_path_factory.mktemp("runs"), size="smoke")


@pytest.fixture(scope="module")
def acted(tiny):
    """A clip of the smallest demo corpus, and one of another speaker and emotion."""
    clips = tiny.clips()
    first = clips.iloc[0]
    other = clips[(clips["speaker"] != first["speaker"]) & (clips["emotion"] != first["emotion"])].iloc[-1]
    return first["path"], other["path"]


@pytest.fixture(scope="module")
def light(run, acted):
    """Its model; batch norms that know two clips and a decided head, so that its answers differ."""
    loaded = live.load(run)
    clips = [material(loaded, [*live.ticks(path)], seconds=3.0) for path in acted]
    shortest = {name: min(clip[name].shape[1] for clip in clips) for name in clips[0]}
    batch = {name: torch.cat([clip[name][:, :n] for clip in clips]) for name, n in shortest.items()}
    with torch.no_grad():
        for norm in loaded.model.modules():
            if isinstance(norm, torch.nn.modules.batchnorm._BatchNorm):
                norm.momentum = 1.0
        loaded.model.train()(masked(batch))
        loaded.model.eval().head.weight *= 30
    return loaded


@pytest.fixture(scope="module")
def process(run):
    """The model process, kept through these tests by somebody who is no guest."""
    with live.connect(run, linger=1) as keeper:
        yield keeper


@pytest.fixture
def guest(run, process):
    """A guest of the model process."""
    with live.connect(run) as connected:
        yield connected.begin()


def feed(session, ticks, *, offset=0.0):
    """Give a session the ticks; return its answers."""
    answers = []
    for tick in ticks:
        picture = None if tick.picture is None else protocol.picture_of(tick.picture)
        sound = None if tick.sound is None else protocol.sound_of(tick.sound, 16000)
        answers.append(session.step(offset + tick.time, picture, sound))
    return answers


def material(light, ticks, *, seconds):
    """Return the arrays (1, T, ...) of a clip that a session looks at, from the ticks' own pictures and sound."""
    eye, last, pictures, crops = Eye(light.recipe), -1, [], []
    for tick in ticks:
        picture = protocol.picture_of(tick.picture)
        box, slot = eye.step(picture, tick.time), int(tick.time / seconds * light.recipe.n_frames + 1e-6)
        if slot != last:
            last = slot
            pictures.append(faces.whole(picture[None], size=light.recipe.size)[0])
            crops.append(faces.crop(picture[None], box[None], size=light.recipe.size)[0])
    heard = Ear().step(np.frombuffer(b"".join(tick.sound for tick in ticks), np.int16), 16000)
    arrays = {"frames": np.stack(crops), "whole": np.stack(pictures), "waveform": np.concatenate(heard)}
    return {name: torch.from_numpy(x)[None] for name, x in arrays.items()}


def masked(batch):
    return batch | {f"{name}_mask": torch.ones(x.shape[:2], dtype=torch.bool) for name, x in batch.items()}


@torch.no_grad()
def whole_clip(light, ticks, *, seconds):
    """Return what the model says of a clip at once, and how long its arrays are."""
    batch = material(light, ticks, seconds=seconds)
    shares = light.model(masked(batch))["logits"].double().softmax(1)[0].numpy()
    return shares, {name: x.shape[1] for name, x in batch.items()}


# A session.


def test_the_answer_is_that_of_the_whole_clip(light, acted):
    ticks = [*live.ticks(acted[0])]
    session = live.Session(light, seconds=6.0)
    answers = feed(session, ticks)
    expected, sizes = whole_clip(light, ticks, seconds=6.0)
    assert sizes["frames"] == len(session.windows["frames"].pieces) == len(session.windows["whole"].pieces)
    assert sizes["waveform"] == 1600 * len(session.windows["waveform"].pieces) > 8000
    np.testing.assert_allclose(session.shares, expected, atol=1e-5)
    assert np.ptp([max(answer["probabilities"].values()) for answer in answers]) > 0.01


def test_the_answer_on_a_real_clip_is_that_of_the_whole_clip(light, real_clips):
    clip = next(path for path in real_clips if path.suffix == ".mp4")
    ticks = [*live.ticks(clip)]
    session = live.Session(light, seconds=6.0)
    answers = feed(session, ticks)
    np.testing.assert_allclose(session.shares, whole_clip(light, ticks, seconds=6.0)[0], atol=1e-5)
    left, top, right, bottom = np.array(answers[-1]["box"])
    assert 0.2 < left < (left + right) / 2 < 0.8
    assert 0.1 < bottom - top < 0.9
    assert all(answer["face"] for answer in answers)
    assert any(answer["voice"] for answer in answers)


def test_what_is_older_than_the_window_is_forgotten(light, acted):
    """After the window's length nothing is left of another person who was there before."""
    first, second = ([*live.ticks(path)] for path in acted)
    alone, after = live.Session(light, seconds=1.0), live.Session(light, seconds=1.0)
    before = feed(after, first)[-1]["probabilities"]
    offset = first[-1].time
    shares = np.array([[*answer["probabilities"].values()] for answer in feed(after, second, offset=offset)])
    fresh = np.array([[*answer["probabilities"].values()] for answer in feed(alone, second, offset=offset)])
    apart = np.abs(shares - fresh).max(axis=1)
    told_apart = np.abs(fresh[-1] - [*before.values()]).max()
    assert told_apart > 0.02
    assert apart[-5:].max() < 0.2 * told_apart  # the face's box is smoothed over the past, the rest is the same


def test_a_window_keeps_its_seconds_and_no_more(light):
    encoder = light.model.encoders["audio"]
    sound, _ = encoder.example(1)
    long, short = Window(encoder, 3.0), Window(encoder, 3.0)
    with torch.inference_mode():
        for i in range(30):
            piece = sound[:, (i % 30) * 1600 :][:, :1600]
            long.add(i / 2, piece)
            if i / 2 > 14.5 - 3:
                short.add(i / 2, piece)
        assert long.forget(14.5)
        assert [time for time, _ in long.pieces] == [12, 12.5, 13, 13.5, 14, 14.5]
        torch.testing.assert_close(long.vector(), short.vector())
        assert not long.forget(14.5)
        long.forget(np.inf)
        assert long.vector() is None


@pytest.mark.parametrize(
    ("kept", "note", "face", "voice"),
    [
        ({"sound": False}, "Microphone off: going by the face.", True, False),
        ({"picture": False}, "Camera off: going by the voice.", False, True),
    ],
    ids=["camera only", "microphone only"],
)
def test_one_sense_is_enough(light, acted, kept, note, face, voice):
    answer = feed(live.Session(light), live.ticks(acted[0], **kept))[-1]
    assert (answer["note"], answer["face"], answer["voice"]) == (note, face, voice)
    assert answer["emotion"] in light.classes
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert (answer["box"] is not None) == face


def test_lost_face_and_silence_are_said_and_the_other_sense_goes_on(light, acted):
    ticks = [*live.ticks(acted[0])]
    session = live.Session(light)
    last = feed(session, ticks)[-1]
    assert last["note"] == ""
    sound = protocol.sound_of(ticks[len(ticks) // 2].sound, 16000)
    for i in range(12):  # the face goes, the voice goes on
        answer = session.step(last["time"] + (i + 1) / 15, BLACK, sound)
    assert (answer["note"], answer["box"]) == ("No face found: going by the voice.", None)
    assert answer["emotion"] is not None
    for i in range(30):
        answer = session.step(last["time"] + 1 + (i + 1) / 15, BLACK, np.zeros(1067, np.int16))
    assert answer["note"] == "No face found, no voice heard: nothing to go by."
    assert (answer["emotion"], answer["probabilities"], answer["filled"]) == (None, {}, 0)
    answer = session.step(20.0, protocol.picture_of(ticks[0].picture), np.zeros(1067, np.int16))
    assert answer["note"] == "No voice heard: going by the face."


def test_time_goes_forward(light):
    session = live.Session(light)
    session.step(1.0)
    with pytest.raises(WorkbenchError, match=r"time is 0.5 s, expected 1.0 or later"):
        session.step(0.5)
    with pytest.raises(WorkbenchError, match=r"an answer over 100 s: expected 0.5 to 30"):
        live.Session(light, seconds=100)


# Eye and ear.


def test_the_ear_hears_speech_where_it_is_in_pieces_of_any_length(acted):
    waveform = np.pad(media.read_waveform(acted[0]), 16000)
    start, end = media.speech_span(waveform)
    sound = np.round(waveform * 32767).astype(np.int16)
    whole = Ear().step(sound, 16000)
    ear, parts = Ear(), []
    for piece in np.array_split(sound, 77):
        parts += ear.step(piece, 16000)
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(whole))
    assert 0.8 * (end - start) < len(whole) / 10 < end - start + 0.6
    assert not Ear().step(np.zeros(48000, np.int16), 16000)
    hum = (300 * np.sin(2 * np.pi * 200 * np.arange(80000) / 16000)).astype(np.int16)
    assert len(Ear().step(hum, 16000)) < 15  # a steady hum is no voice, once it is known to be steady


def test_other_sample_rates_are_resampled_without_seams(voice):
    sound = np.round(voice * 32767).astype(np.int16)
    fine = np.repeat(sound, 3)
    ear = Ear()
    heard = [one for piece in np.array_split(fine, 50) for one in ear.step(piece, 48000)]
    assert len(heard) == pytest.approx(len(Ear().step(sound, 16000)), abs=1)
    steps = np.abs(np.diff(np.concatenate(heard).astype(float)))
    assert steps.max() < 1.5 * np.abs(np.diff(sound.astype(float))).max()


def test_the_eye_keeps_to_its_face(acted):
    picture = protocol.picture_of(next(live.ticks(acted[0])).picture)
    twice = np.concatenate(
        [picture, cv2.resize(picture, None, fx=1.5, fy=1.5)[: len(picture), : picture.shape[1]]], axis=1
    )
    eye = Eye(Recipe())
    box = eye.step(picture, 0.0)
    assert box is not None
    for i in range(5):
        other = eye.step(twice, (i + 1) / 15)
        assert faces.overlap(box, other) > 0.6, "the larger face takes the place of the one followed"
    assert eye.step(BLACK, 0.6) is not None
    assert eye.step(BLACK, 1.0) is None


def test_the_eye_looks_closely_only_while_a_face_is_small(acted):
    """A second with nobody there, as at the beginning, does not leave it looking at 640 pixels."""
    picture = cv2.resize(protocol.picture_of(next(live.ticks(acted[0])).picture), (640, 480))
    far = np.zeros_like(picture)
    far[:150, :200] = cv2.resize(picture, (200, 150))
    eye, time = Eye(Recipe()), iter(np.arange(200) / 15)

    def look(frame, n):
        return [eye.step(frame, next(time)) for _ in range(n)][-1], eye.width

    assert look(np.zeros_like(picture), 15)[0] is None
    box, width = look(picture, 15)
    assert faces.overlap(box, faces.DlibHog(320)(picture)[0, :4]) > 0.7
    assert width == 320
    assert look(np.zeros_like(picture), 15)[0] is None
    assert not len(faces.DlibHog(320)(far))
    box, width = look(far, 15)
    assert faces.overlap(box, faces.DlibHog(640)(far)[0, :4]) > 0.7
    assert width == 640
    look(np.zeros_like(picture), 15)
    assert look(picture, 15)[1] == 320


# The process.


def test_two_guests_share_one_process_and_nothing_else(run, process, acted):
    first, second = ([*live.ticks(path)] for path in acted)
    with live.connect(run) as one, live.connect(run) as two:
        one.begin()
        alone = live.play(first, one)
        one.begin()
        two.begin()
        assert one.about["pid"] == two.about["pid"]
        assert until(lambda: one.count() == 2)
        together = []
        for tick, other in zip(first, second, strict=False):
            together.append(one.step(tick.time, tick.picture, tick.sound)["probabilities"])
            two.step(other.time, other.picture, other.sound)
        expected = alone[[f"p_{name}" for name in one.about["classes"]]].to_numpy()[: len(together)]
        np.testing.assert_allclose([[*shares.values()] for shares in together], expected, atol=2e-4)


def test_the_process_ends_with_its_last_guest(tmp_path):
    run = bench.untrained(tmp_path, size="smoke")
    with live.connect(run, linger=1) as one:
        pid = one.begin().about["pid"]
        with live.connect(run, linger=1) as two:
            assert two.begin().about["pid"] == pid
        assert until(lambda: one.count() == 1)
        assert psutil.pid_exists(pid)
    process = psutil.Process(pid)
    assert until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    room = protocol.Room(run)
    assert not room.socket.exists()
    assert room.knock() is None
    assert room.key.stat().st_mode & 0o777 == 0o600
    assert room.socket.parent.stat().st_mode & 0o777 == 0o700


def test_limits_refuse_in_words_and_the_session_goes_on(run, guest, acted):
    limit = 4
    assert until(lambda: guest.count() == 1)
    others = [live.connect(run) for _ in range(limit)]
    for one in others[1:]:
        one.begin()
    with pytest.raises(WorkbenchError, match="4 guests are here, and there is room for 4: try again later"):
        others[0].begin()
    others[1].close()
    assert until(lambda: others[0].count() < limit)
    others[0].begin()
    for one in others:
        one.close()
    large = cv2.imencode(".jpg", np.zeros((1500, 2000, 3), np.uint8))[1].tobytes()
    for given, message in (
        ({"picture": b"GIF89a"}, "expected a JPEG of at most 1920 x 1080 pixels, found 6 other bytes"),
        ({"picture": large}, "at most 1920 x 1080 pixels"),
        ({"picture": bytes(5 * 2**20)}, r"a picture and sound of \d+ bytes: expected at most 4194304"),
        ({"sound": b"odd"}, "expected 16-bit samples of at most 2 s, found 3 bytes"),
        ({"sound": bytes(100_000)}, "expected 16-bit samples of at most 2 s, found 100000 bytes at 16000 Hz"),
        ({"sound": bytes(100), "sample_rate": 10}, "sound at 10 Hz: expected 8000 to 192000"),
    ):
        with pytest.raises(WorkbenchError, match=message):
            guest.step(0.1, **given)
    assert live.play(acted[0], guest)["face"].all()


def test_a_session_has_its_time(run, acted):
    light = live.load(run)
    from workbench.interact.live.server import Server

    server, tick = Server(light, minutes=0), next(live.ticks(acted[0]))
    step = protocol.pack({"ask": "step", "time": 0.1, "has": ["picture"]}, tick.picture)
    assert server._reply("me", step) == {"error": "no session was begun"}
    assert "error" not in server._reply("me", protocol.pack({"ask": "begin"}))
    assert server._reply("me", step) == {"error": "this session has lasted 0 minutes, the limit: start again"}
    assert "cannot be read" in server._reply("me", b"nonsense")["error"]


def test_a_run_that_cannot_be_asked_is_refused(data_folder, run):
    with pytest.raises(WorkbenchError, match="no run of study light: make one"):
        live.chosen()
    (data_folder / "runs").mkdir(parents=True)
    mine = bench.untrained(data_folder / "runs", size="smoke")
    assert live.chosen().name == live.chosen("light/three_streams").name == mine.name
    for name in (None, "light", mine.name):
        with pytest.raises(WorkbenchError, match=r"no finished run .* on ravdess: choose from"):
            live.chosen(name, "ravdess")
        with pytest.raises(WorkbenchError, match=r"no finished run .* on .*elsewhere: choose from"):
            live.chosen(name, root=data_folder / "elsewhere")
    params = mine.params | {"variant": "lrcn", "encoders": {"video": {"name": "lrcn"}}, "fusion": None}
    other = runs.make(params)
    other.begin()
    (other.folder / "done").touch()
    with pytest.raises(
        WorkbenchError, match=r"light/lrcn/\S+ cannot be asked live.*choose from light/lrcn, light/three"
    ):
        live.chosen("light/lrcn")
    with pytest.raises(WorkbenchError, match=r"the model process did not start: .*model\.safetensors"):
        live.connect(other, wait=60)


def test_a_run_that_standardises_within_the_speaker_is_refused(run):
    other = runs.Run(run.folder, run.params | {"normalise": "speaker"})
    with pytest.raises(WorkbenchError, match="cannot be asked live: no emotion is given: the run standardises"):
        session.load(other)


# The widget.


@pytest.fixture
def widget(run, process, data_folder):
    """A live page without a browser: what it sends is in `sent`, `tell` is what the browser says."""
    shown = live.Live(run)
    shown.sent = []
    shown.send = lambda content, buffers=None: shown.sent.append(content)
    shown.tell = lambda kind, buffers=(), **content: shown._heard(shown, {"kind": kind, **content}, list(buffers))
    yield shown
    shown.close()


def tell_ticks(widget, path, number=0):
    for tick in live.ticks(path):
        number += 1
        widget.tell("step", [memoryview(tick.picture), memoryview(tick.sound)], **step(number, tick))
    return number


def step(number, tick, *, sent=None, has=("picture", "sound")):
    """Return what the browser says of a tick; its clock is an hour behind."""
    stamp = time.perf_counter() - 3600 if sent is None else sent
    return {"number": number, "time": tick.time, "sent": stamp, "sample_rate": 16000, "has": [*has]}


def test_the_page_starts_answers_and_stops(widget, acted):
    tell_ticks(widget, acted[0])
    assert (widget.state, widget.sent) == ("off", [])
    widget.tell("start")
    assert (widget.state, widget.message) == ("on", "")
    n_ticks = tell_ticks(widget, acted[0])
    assert [answer["number"] for answer in widget.sent] == [*range(1, n_ticks + 1)]
    last = widget.sent[-1]
    assert last["emotion"] in widget.classes
    assert last["box"]
    assert 0 < last["p95_ms"] < 5000
    widget.tell("stop")
    assert (widget.state, widget.guest) == ("off", None)
    assert set(widget.colours) == set(widget.classes)
    assert widget.about == f"Run {widget.run.name}"
    learned = runs.Run(widget.run.folder, widget.run.params | {"corpus": "demo"})
    assert live.Live(learned).about.endswith("faces with voices (synthetic: its answers say nothing about people)")


def test_nothing_is_kept_unless_asked(widget, acted, data_folder):
    widget.tell("start")
    n_ticks = tell_ticks(widget, acted[0])
    assert not data_folder.exists()
    widget.tell("start")
    widget.tell("record")
    tell_ticks(widget, acted[0])
    assert not data_folder.exists()
    widget.tell("discard")
    widget.tell("save")
    assert not data_folder.exists()
    widget.tell("start")
    widget.tell("record")
    tell_ticks(widget, acted[0])
    widget.tell("save")
    (film,) = (data_folder / "live").glob("*.mkv")
    assert widget.message == f"Saved: {film}"
    assert {path.suffix for path in film.parent.iterdir()} == {".mkv", ".csv"}
    assert len(film.with_suffix(".csv").read_text().splitlines()) == n_ticks + 1
    first = protocol.picture_of(next(live.ticks(acted[0])).picture)
    frames, _ = media.read_frames(film, np.array([0.0, 1.0]))
    assert np.abs(frames[0].astype(int) - first).mean() < 3
    waveform = media.read_waveform(film)
    expected = media.read_waveform(acted[0])[: len(waveform)]
    np.testing.assert_allclose(waveform, expected, atol=1e-3)
    assert len(waveform) > 16000
    with av.open(str(film)) as container:
        assert [stream.codec_context.name for stream in container.streams] == ["mjpeg", "pcm_s16le"]


def test_the_time_in_the_kernels_queue_counts(widget, acted):
    """Also where the clocks of browser and kernel show different times."""
    widget.tell("start")
    now, ticks = time.perf_counter() - 3600, [*live.ticks(acted[0])][:4]
    for number, (tick, late) in enumerate(zip(ticks, (0, 0.5, 0, 2), strict=True)):
        parts = [memoryview(tick.picture), memoryview(tick.sound)]
        late += time.perf_counter() - 3600 - now
        widget.tell("step", parts, **step(number, tick, sent=time.perf_counter() - 3600 - late))
    came = np.array([answer["ms"] for answer in widget.sent])
    assert 500 < came[1] < 1500
    assert 2000 < came[3] < 3000
    assert came[[0, 2]].max() < 500


def test_a_recording_that_cannot_be_saved_is_kept(widget, acted, data_folder):
    data_folder.mkdir()
    (data_folder / "live").write_text("in the way")
    widget.tell("start")
    widget.tell("record")
    tell_ticks(widget, acted[0])
    widget.tell("save")
    assert widget.message.startswith(f"Not saved, but still here. {data_folder / 'live'}: File exists")
    assert (widget.state, widget.recording) == ("on", "stopped")
    (data_folder / "live").unlink()
    widget.tell("stop")
    widget.tell("save")
    (film,) = (data_folder / "live").glob("*.mkv")
    assert (widget.message, widget.recording, widget.film) == (f"Saved: {film}", "off", "")
    assert media.probe(film).has_frames
    assert {path.suffix for path in film.parent.iterdir()} == {".mkv", ".csv"}


def test_recordings_have_their_limits(widget, acted, data_folder, monkeypatch):
    from workbench.interact.live import recording

    widget.tell("start")
    widget.tell("record")
    monkeypatch.setattr(recording, "LARGEST", 100_000)
    tell_ticks(widget, acted[0])
    assert widget.recording == "stopped"
    assert widget.message.startswith("a recording holds 10 minutes and 0 MB: it was stopped")
    monkeypatch.setattr(recording, "ROOM", 50_000)
    widget.tell("save")
    assert "its recordings have 0.0 GB of 0 GB, remove some" in widget.message
    assert not [*data_folder.rglob("*.mkv"), *data_folder.rglob("*.part")]
    monkeypatch.undo()
    monkeypatch.setenv("WORKBENCH_DATA", str(data_folder))
    widget.tell("save")
    assert widget.message.startswith("Saved: ")
    widget.n_saved = 20
    widget.tell("record")
    assert (widget.recording, widget.state) == ("off", "on")
    assert widget.message == "This page has saved 20 recordings, the limit: load it again"


def test_sound_that_the_browser_left_out_is_silence_in_the_film(tmp_path):
    """A second and a half is missing from 1.0 s on; a click at 3 s stays where it was."""
    kept, picture = live.Recording(tmp_path), cv2.imencode(".jpg", BLACK)[1].tobytes()
    answer = {"time": 0.0, "emotion": None, "face": False, "voice": False, "box": None, "probabilities": {}}
    sound = np.zeros(4 * 16000, np.int16)
    sound[::100], sound[48000] = 1000, 30000
    for i in range(60):
        part = sound[i * 16000 // 15 : (i + 1) * 16000 // 15].tobytes() if not 15 <= i < 37 else None
        kept.add(7.0 + (i + 1) / 15, picture, part, sample_rate=16000 if part else 8000, answer=answer)
    film = kept.save()
    heard = media.read_waveform(film)
    assert len(heard) == pytest.approx(4 * 16000, abs=100)
    assert int(np.argmax(heard)) == pytest.approx(48000, abs=100)
    assert not heard[16100:39000].any()
    assert heard[:16000].any()
    assert len(media.read_frames(film, np.array([0.5, 3.9]))[0]) == 2


def test_a_served_page_ends_with_its_time(run, process, data_folder, acted):
    shown = live.Live(run, minutes=0.5 / 60, served=True)
    tell = lambda kind, buffers=(), **content: shown._heard(shown, {"kind": kind, **content}, list(buffers))  # noqa: E731
    tell("start")
    tell("record")
    tick = next(live.ticks(acted[0]))
    tell("step", [tick.picture, tick.sound], **step(1, tick))
    assert shown.state == "on"
    time.sleep(0.5)
    tell("step", [tick.picture, tick.sound], **step(2, tick))
    assert (shown.state, shown.guest, shown.recording) == ("over", None, "stopped")
    assert shown.message.startswith("Your 0.00833333 minutes are over: this page ends within 10 minutes, until when")
    tell("start")
    assert shown.state == "over"
    tell("save")
    (film,) = (data_folder / "live").glob("*.mkv")
    assert shown.film == f"saved/{film.name}"
    shown.close()


def test_a_page_that_is_shown_has_the_process_ready_and_takes_no_place(widget, process):
    widget.tell("hello")
    assert until(lambda: widget.keeper is not None)
    assert until(lambda: widget.keeper.count() == process.count() == 0)
    assert widget.keeper.room() == 4


def test_trouble_is_told_on_the_page(widget, acted):
    widget.tell("start")
    widget.tell("step", [b"no picture"], **step(1, live.Tick(0.1, None, None), has=["picture"]))
    assert widget.state == "off"
    assert "expected a JPEG" in widget.message
    widget.tell("start")
    assert (widget.state, widget.message) == ("on", "")


# Page and bench.


def test_the_page_has_its_values(tmp_path):
    text = page.filled(tmp_path, {"run": "light/x", "max_guests": 2}).read_text()
    assert 'run = \\"light/x\\"' in text
    assert "max_guests = 2" in text
    assert page._own("127.0.0.1")
    assert page._own("localhost")
    assert not page._own("0.0.0.0")


def test_a_taken_port_is_told_before_anything_starts(call, data_folder):
    status, _, error = call("live")
    assert status == 1
    assert "no run of study light" in error
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(WorkbenchError, match=f"cannot listen on 127.0.0.1, port {taken.getsockname()[1]}"):
            page._free("127.0.0.1", taken.getsockname()[1])


def test_bench_plays_in_real_time(run, process, acted):
    began = time.monotonic()
    found = bench.live_latency(acted, run=run, seconds=2.5)
    assert time.monotonic() - began > 2.4
    assert found["live.pictures"] == 22  # all but the first second's
    assert 0 < found["live.median_ms"] <= found["live.p95_ms"] <= found["live.worst_ms"]
    assert found["live.face_share"] == 1


def test_the_chart_shows_pictures_and_curves(light, acted):
    import pandas as pd

    from workbench.interact.live.recording import row

    ticks = [*live.ticks(acted[0])]
    table = pd.DataFrame([row(answer) for answer in feed(live.Session(light), ticks)])
    figure = plots.session_over_time(table, live.shown(ticks, [0.5, 1.5]), note="Synthetic.")
    assert [axes.get_xlabel().partition(":")[0] for axes in figure.axes[:2]] == ["0.5 s", "1.5 s"]
    assert len(figure.axes[2].lines) == len(light.classes)


def test_a_model_without_streams_is_refused(data_folder):
    made = bench.untrained(data_folder / "runs", size="smoke")
    settings = {"video": {"name": "lrcn"}}
    from safetensors.torch import save_file

    save_file(build(settings, 7).state_dict(), made.folder / "model.safetensors")
    other = runs.Run(made.folder, made.params | {"encoders": settings, "fusion": None})
    with pytest.raises(WorkbenchError, match="cannot be asked live: the encoder of video carries no state"):
        live.load(other)
