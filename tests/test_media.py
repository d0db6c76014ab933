"""Recordings in and out: what is written is read, and what is wrong with a file is said."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from scipy.io import wavfile

from workbench import media
from workbench.errors import MediaError

RATE, LEVELS = 16000, 4


def numbers(frames: np.ndarray) -> list[int]:
    """Return which of the numbered frames these are."""
    return np.round(frames.mean(axis=(1, 2, 3)) / LEVELS).astype(int).tolist()


def write_pictures(path, pts, *, rotation=0, codec="libx264", size=(64, 48)):
    """Write numbered pictures at given presentation times in ms."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30, pix_fmt="yuv420p", options={"crf": "10"})
        stream.width, stream.height = size
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        for i, time in enumerate(pts):
            image = np.full((size[1], size[0], 3), LEVELS * i, np.uint8)
            image[: size[1] // 4] = 255  # a white band on top
            picture = av.VideoFrame.from_ndarray(image)
            picture.pts, picture.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def test_a_written_clip_is_read_back(clip, voice):
    probe = media.probe(clip)
    assert (probe.has_frames, probe.has_sound, probe.width, probe.height, probe.fps) == (
        True,
        True,
        64,
        48,
        30,
    )
    assert probe.duration == pytest.approx(3, abs=0.1)
    waveform = media.read_waveform(clip)
    assert waveform.dtype == np.float32
    assert abs(len(waveform) - len(voice)) < 1100
    lags = np.correlate(np.pad(waveform[: len(voice)], 800), voice, "valid")
    assert lags.argmax() == 800  # not late by the encoder's delay
    assert np.corrcoef(waveform[: len(voice)], voice)[0, 1] > 0.99
    media.verify(clip)


def test_frames_are_the_nearest_in_any_order(clip):
    wanted = [1.0, 0.0, 0.51, 0.524, 0.0]
    frames, times = media.read_frames(clip, wanted)
    assert frames.shape == (5, 48, 64, 3)
    assert frames.dtype == np.uint8
    assert numbers(frames) == [30, 0, 15, 16, 0]
    assert times == pytest.approx([1.0, 0.0, 0.5, 16 / 30, 0.0])


def test_beyond_the_end_the_last_frame_serves(clip):
    frames, times = media.read_frames(clip, [1.9, 2.5, 99.0])
    assert numbers(frames) == [57, 59, 59]
    assert times[-1] == pytest.approx(59 / 30)


def test_several_threads_give_the_same_frames(clip):
    one, several = (media.read_frames(clip, np.linspace(0, 2, 15), threads=n)[0] for n in (1, 2))
    np.testing.assert_array_equal(one, several)


def test_uneven_frame_times_are_respected(tmp_path):
    write_pictures(tmp_path / "uneven.mp4", [0, 40, 1000, 1040, 3000])
    frames, times = media.read_frames(tmp_path / "uneven.mp4", [0.45, 0.6, 2.0, 2.1, 3.0])
    assert times == pytest.approx([0.04, 1.0, 1.04, 3.0, 3.0])
    assert numbers(frames[:, 24:]) == [1, 2, 3, 4, 4]


def test_time_counts_from_where_the_recording_starts(tmp_path):
    write_pictures(tmp_path / "excerpt.mkv", [5000, 5100, 5200, 5300])
    frames, times = media.read_frames(tmp_path / "excerpt.mkv", [0.0, 0.2])
    assert times == pytest.approx([0.0, 0.2])
    assert numbers(frames[:, 24:]) == [0, 2]


def test_a_noted_rotation_is_applied(tmp_path):
    write_pictures(tmp_path / "portrait.mp4", [0, 33, 66], rotation=-90)  # clockwise, as telephones do
    frames, _ = media.read_frames(tmp_path / "portrait.mp4", [0.0])
    probe = media.probe(tmp_path / "portrait.mp4")
    assert frames.shape == (1, 64, 48, 3)
    assert (probe.width, probe.height) == (48, 64)
    assert frames[0, :, -6:].mean() > 230 > 30 > frames[0, :, :30].mean()  # the top is on the right now


def test_sound_that_sets_in_late_keeps_its_place(tmp_path):
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10, pix_fmt="yuv420p")
        picture.width, picture.height = 64, 48
        sound = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for _ in range(20):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(picture.encode(None))
        samples = av.AudioFrame.from_ndarray(np.full((1, RATE), 8192, np.int16), "s16", "mono")
        samples.sample_rate, samples.pts, samples.time_base = RATE, RATE // 2, Fraction(1, RATE)
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    waveform = media.read_waveform(path)
    assert np.flatnonzero(waveform)[0] == pytest.approx(RATE // 2, abs=20)
    assert len(waveform) == pytest.approx(1.5 * RATE, abs=20)


def test_channels_are_mixed_and_the_rate_converted(tmp_path):
    time = np.arange(48000) / 48000
    left, right = 0.5 * np.sin(2 * np.pi * 1000 * time), 0.3 * np.sin(2 * np.pi * 12000 * time)
    pcm = np.round(np.stack([left, right], axis=1) * 32767).astype(np.int16)
    wavfile.write(tmp_path / "stereo.wav", 48000, pcm)
    waveform = media.read_waveform(tmp_path / "stereo.wav", sample_rate=16000)
    assert len(waveform) == 16000
    expected = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)  # 12 kHz is above half the new rate
    assert np.abs(waveform - expected)[200:-200].max() < 1e-3


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    wavfile.write(tmp_path / "loud.wav", RATE, np.float32(3 * np.sin(np.arange(RATE))))
    assert np.abs(media.read_waveform(tmp_path / "loud.wav")).max() == 1


def test_either_half_may_be_missing(tmp_path, numbered, voice):
    mute = media.write_clip(tmp_path / "mute.mp4", numbered[:, :47, :63], None)
    blind = media.write_clip(tmp_path / "blind.mp4", None, voice)
    assert media.probe(mute).has_sound is False
    assert media.probe(blind).has_frames is False
    assert media.read_frames(mute, [0.0])[0].shape == (1, 46, 62, 3)  # odd sides lose a line
    media.verify(mute)
    media.verify(blind)
    with pytest.raises(MediaError, match=r"mute\.mp4: expected a sound stream, found video"):
        media.read_waveform(mute)
    with pytest.raises(MediaError, match=r"blind\.mp4: expected a picture stream, found audio"):
        media.read_frames(blind, [0.0])


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, clip, numbered, voice):
    before = clip.read_bytes()
    with pytest.raises(av.FFmpegError):  # there is no AAC at 12345 Hz
        media.write_clip(clip, numbered, voice, sample_rate=12345)
    assert clip.read_bytes() == before
    assert list(tmp_path.iterdir()) == [clip]


def samples(path, values):
    wavfile.write(path, RATE, np.asarray(values, np.float32))


BAD = {
    "missing.mp4": (lambda path, clip: None, "no such file"),
    "folder.mp4": (lambda path, clip: path.mkdir(), "a folder"),
    "empty.mp4": (lambda path, clip: path.write_bytes(b""), "zero bytes"),
    "text.mp4": (
        lambda path, clip: path.write_text("not a film\n" * 99),
        "expected a recording that decodes",
    ),
    "noise.mp4": (lambda path, clip: path.write_bytes(np.random.default_rng(0).bytes(9999)), "decodes"),
    "cut.mp4": (
        lambda path, clip: path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2]),
        "decodes",
    ),
    "subtitles.mp4": (
        lambda path, clip: path.write_text("1\n00:00:00,000 --> 00:00:02,000\nhi\n"),
        "subtitle",
    ),
    "nan.wav": (lambda path, clip: samples(path, [0, np.nan, 0.5, np.inf] * 500), "1000 that are NaN"),
    "nothing.wav": (lambda path, clip: samples(path, []), "without samples"),
    "short.wav": (lambda path, clip: wavfile.write(path, RATE, np.ones(RATE, np.int16)), "cut short"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_with_what_was_found(name, tmp_path, clip, capfd):
    make, said = BAD[name]
    path = tmp_path / name
    make(path, clip)
    if name == "short.wav":
        path.write_bytes(path.read_bytes()[:RATE])
    for read in (media.verify, media.read_waveform):
        with pytest.raises(MediaError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "expected" in str(caught.value)
        assert said in str(caught.value)
    with pytest.raises(MediaError, match=name):
        media.read_frames(path, [0.0])
    assert capfd.readouterr() == ("", "")  # FFmpeg itself stays quiet


def test_a_film_whose_end_is_missing_is_noticed(tmp_path, clip):
    whole = tmp_path / "whole.mp4"
    options = {"movflags": "faststart"}  # the header comes first, so the rest can be cut off unseen
    with av.open(str(clip)) as source, av.open(str(whole), "w", options=options) as target:
        copies = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream.index]
                target.mux(packet)
    media.verify(whole)
    content = whole.read_bytes()
    (tmp_path / "part.mp4").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(MediaError, match=r"part\.mp4"):
        media.verify(tmp_path / "part.mp4")


def test_a_sound_that_ends_long_before_its_header_says_is_noticed(tmp_path, voice):
    with av.open(str(tmp_path / "whole.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in range(0, len(voice), 1600):
            block = np.int16(voice[None, start : start + 1600] * 32767)
            samples = av.AudioFrame.from_ndarray(block, "s16", "mono")
            samples.sample_rate, samples.pts, samples.time_base = RATE, start, Fraction(1, RATE)
            container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    content = (tmp_path / "whole.mkv").read_bytes()
    media.verify(tmp_path / "whole.mkv")
    (tmp_path / "part.mkv").write_bytes(content[: len(content) // 3])
    with pytest.raises(MediaError, match=r"part\.mkv: expected 3\.00 s of audio, found 0\.\d* s: cut short"):
        media.verify(tmp_path / "part.mkv")


@pytest.fixture
def photo() -> np.ndarray:
    """A smooth picture (60, 80, 3) whose red falls to the right and whose green grows downwards."""
    photo = np.zeros((60, 80, 3), np.uint8)
    photo[..., 0], photo[..., 1] = np.linspace(250, 0, 80), np.linspace(0, 250, 60)[:, None]
    return photo


def save(path, rgb):
    """Write a picture (h, w, 3) RGB, (h, w) grey or (h, w, 4) RGBA under any name with a picture's suffix."""
    swap = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    bgr = cv2.cvtColor(rgb, swap[rgb.shape[2]]) if rgb.ndim == 3 else rgb
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, bgr)[1].tobytes())
    return path


def apart(frames, picture) -> float:
    """Return the mean difference of grey levels."""
    return float(np.abs(frames.astype(float) - picture).mean())


@pytest.mark.parametrize("name", ["face.jpg", "face.png", "face.tif", "face.bmp", "face %3d [a]*?.png", "a:b.JPG"])
def test_a_still_shows_at_every_time(tmp_path, photo, name):
    path = save(tmp_path / name, photo)
    frames, times = media.read_frames(path, [0.0, 0.0, 5.0])
    assert frames.shape == (3, 60, 80, 3)
    assert apart(frames, photo) < 3
    assert times.tolist() == [0, 0, 0]
    assert media.probe(path) == media.Probe(True, False, 80, 60, 0.0, 0.0)
    media.verify(path)
    with pytest.raises(MediaError, match="expected a sound stream, found video"):
        media.read_waveform(path)


def test_grey_deep_and_see_through_stills_become_rgb(tmp_path, photo):
    grey = photo[..., 0]
    for made, expected in (
        (save(tmp_path / "grey.jpg", grey), grey[..., None]),
        (save(tmp_path / "deep.png", grey.astype(np.uint16) * 257), grey[..., None]),
        (save(tmp_path / "see.png", np.dstack([photo, grey])), photo),
    ):
        frames, _ = media.read_frames(made, [0.0])
        assert frames.shape == (1, 60, 80, 3)
        assert apart(frames, expected) < 3, made


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, -1), (8, 1)])
def test_a_still_is_turned_as_its_exif_says(tmp_path, photo, orientation, turns):
    path = save(tmp_path / "photo.jpg", photo)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x112, 3, 1, orientation) + bytes(4)
    exif = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    path.write_bytes(path.read_bytes()[:2] + exif + path.read_bytes()[2:])
    expected = np.rot90(photo, turns)
    frames, _ = media.read_frames(path, [0.0])
    assert frames.shape[1:] == expected.shape
    assert apart(frames[0], expected) < 3
    assert (media.probe(path).height, media.probe(path).width) == expected.shape[:2]


def spoil_end(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.6, 0.9, 0.995])
def test_a_still_cut_short_is_named(tmp_path, photo, suffix, share, capfd):
    noise = np.random.default_rng(0).integers(0, 60, photo.shape, dtype=np.uint8)
    path = save(tmp_path / f"cut{suffix}", photo // 2 + noise)
    spoil_end(path, share)
    for read in (media.verify, media.probe, lambda path: media.read_frames(path, [0.0])):
        with pytest.raises(MediaError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: expected")
    assert capfd.readouterr() == ("", "")


def test_a_preview_inside_a_jpg_does_not_pass_for_its_end(tmp_path, photo):
    path = save(tmp_path / "photo.jpg", photo)
    preview = b"\xff\xe1" + struct.pack(">H", path.stat().st_size + 2) + path.read_bytes()
    path.write_bytes(path.read_bytes()[:2] + preview + path.read_bytes()[2:])
    media.verify(path)
    spoil_end(path, 0.998)
    with pytest.raises(MediaError, match="without its end"):
        media.verify(path)


def test_text_and_a_damaged_png_are_no_stills(tmp_path, photo):
    (tmp_path / "text.png").write_text("no picture\n" * 50)
    path = save(tmp_path / "flipped.png", photo)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    for name in ("text.png", "flipped.png"):
        with pytest.raises(MediaError, match=name):
            media.verify(tmp_path / name)


@pytest.fixture
def film(tmp_path, numbered):
    """Twelve numbered pictures in a folder with an awkward name, in an order that only the numbers give."""
    folder = tmp_path / "S005 [1] 50%d *"
    for i in range(12):
        save(folder / f"S005_001_{i + 8}.png", numbered[i])
    (folder / "notes.txt").write_text("no picture")
    (folder / ".S005_001_1.png").write_text("hidden")
    return folder


def test_a_folder_of_numbered_pictures_is_a_film(film):
    assert media.probe(film) == media.Probe(True, False, 64, 48, 30.0, 12 / 30)
    assert media.probe(film, fps=12).duration == 1
    frames, times = media.read_frames(film, [0.3, 0.0, 0.11, 9.0, -1.0])
    assert numbers(frames) == [9, 0, 3, 11, 0]
    assert times == pytest.approx([0.3, 0.0, 0.1, 11 / 30, 0.0])
    assert numbers(media.read_frames(film, [0.3], fps=10)[0]) == [3]
    media.verify(film)
    with pytest.raises(MediaError, match="found a folder"):
        media.read_waveform(film)


def test_a_bad_picture_in_a_folder_is_named_and_others_still_serve(film):
    spoil_end(film / "S005_001_12.png", 0.5)
    with pytest.raises(MediaError, match=r"S005_001_12\.png: expected"):
        media.verify(film)
    assert numbers(media.read_frames(film, [0.0])[0]) == [0]
    with pytest.raises(MediaError, match=r"S005_001_12\.png: expected"):
        media.read_frames(film, [4 / 30])


@pytest.mark.parametrize(
    ("name", "said"),
    [("apex.png", "expected numbered pictures, found 'apex.png'"), ("x_09.jpg", "two of number 0?9")],
)
def test_a_folder_that_is_no_sequence_is_refused(film, photo, name, said):
    save(film / name, photo)
    with pytest.raises(MediaError, match=said):
        media.read_frames(film, [0.0])


def test_pictures_of_other_sizes_take_the_size_of_the_first(film, photo):
    save(film / "S005_001_9.png", np.full_like(photo, 4))
    assert media.read_frames(film, [0.0, 1 / 30])[0].shape == (2, 48, 64, 3)


def test_silence_is_told_from_quiet():
    assert media.is_silent(np.zeros(100, np.float32))
    assert media.is_silent(np.empty(0, np.float32))
    assert media.is_silent(np.full(100, 3e-5, np.float32))
    assert not media.is_silent(np.full(100, 1e-3, np.float32))


@pytest.mark.parametrize("noise", [0.0, 1e-4, 3e-3, 0.02])
def test_speech_is_found_above_the_noise_floor(voice, noise):
    noisy = voice + noise * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    assert media.speech_span(noisy, sample_rate=RATE) == pytest.approx((0.9, 2.1), abs=0.06)


def test_speech_span_disregards_clicks_rumble_and_digital_silence(voice):
    rng = np.random.default_rng(0)
    dirty = voice + 0.001 * rng.standard_normal(len(voice)) + 0.1 * np.sin(np.arange(len(voice)) * 0.008)
    dirty[[3000, 3001, 45000]] = 1.0
    dirty[:800] = 0
    assert media.speech_span(dirty) == pytest.approx((0.9, 2.1), abs=0.06)


def test_a_breath_before_the_voice_is_not_speech(voice):
    breath = voice.copy()
    breath[3000:9000] += 0.002 * np.random.default_rng(0).standard_normal(6000).astype(np.float32)
    assert media.speech_span(breath) == pytest.approx((0.9, 2.1), abs=0.06)


def test_speech_span_is_the_whole_clip_where_nothing_stands_out():
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert media.speech_span(noise) == (0, 2)
    assert media.speech_span(np.zeros(RATE, np.float32)) == (0, 1)
    assert media.speech_span(noise[:10]) == (0, 10 / RATE)


def test_speech_span_at_another_rate(voice):
    start, end = media.speech_span(np.repeat(voice, 3), sample_rate=3 * RATE)
    assert (start, end) == pytest.approx((0.9, 2.1), abs=0.06)


def test_real_clips_decode(real_clips):
    silent = []
    for path in real_clips:
        probe, waveform = media.probe(path), media.read_waveform(path)
        assert len(waveform) / RATE == pytest.approx(probe.duration, abs=0.1), path
        start, end = media.speech_span(waveform)
        if media.is_silent(waveform):
            silent.append(path.name)
        else:
            assert 0.3 < end - start < probe.duration - 0.5, path
        frames, times = media.read_frames(path, [start, end, 99.0])
        assert frames.shape == (3, probe.height, probe.width, 3)
        assert times[:2] == pytest.approx([start, min(end, times[2])], abs=0.6 / probe.fps)
        assert times[2] == pytest.approx(probe.duration, abs=0.1)  # the last frame that decodes
    assert silent == ["02-01-04-02-02-01-05.mp4"]


def test_speech_in_ravdess_begins_after_the_pause(shared):
    """Actors wait for about a second; spans over nearly the whole clip would mean breath taken for speech."""
    files = sorted(shared.glob("data/ravdess/Audio*/Actor_0[1-8]/*.flac"))[::8]
    spans = np.array([media.speech_span(media.read_waveform(path)) for path in files])
    assert 0.8 < np.median(spans[:, 0]) < 1.0
    assert np.mean(spans[:, 0] > 0.5) > 0.9
    assert np.quantile(spans[:, 1] - spans[:, 0], [0.05, 0.95]) == pytest.approx([1.5, 2.7], abs=0.4)


def test_the_length_of_what_a_browser_recorded_is_that_of_its_pictures(tmp_path, numbered):
    """Browsers write webm live: no length in the header."""
    path = tmp_path / "live.webm"
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=30, pix_fmt="yuv420p")
        stream.height, stream.width = numbered.shape[1:3]
        for frame in numbered:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame))))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert not container.duration
    assert media.probe(path).duration == pytest.approx(2.0, abs=0.05)
