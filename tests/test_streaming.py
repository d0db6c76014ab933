"""Recordings piece by piece: the sound and the pictures of a file, a stretch at a time."""

from fractions import Fraction

import av
import numpy as np
import pytest

from workbench import media, streaming

RATE = 16000


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


def written(path, pictures, sounds=()):
    """Write a file of pictures (ms, grey) and pieces of sound (ms, samples at 16 kHz), each at its own time."""
    with av.open(str(path), "w") as out:
        film = out.add_stream("libvpx", width=64, height=48, pix_fmt="yuv420p")
        sound = out.add_stream("pcm_s16le", rate=RATE, layout="mono") if sounds else None
        film.codec_context.time_base, film.codec_context.framerate = Fraction(1, 1000), Fraction(0, 1)
        for pts, grey in pictures:
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), grey, np.uint8)).reformat(format="yuv420p")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            out.mux(film.encode(frame))
        for pts, samples in sounds:
            frame = av.AudioFrame.from_ndarray(np.round(samples * 32767).astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, pts * RATE // 1000, Fraction(1, RATE)
            out.mux(sound.encode(frame))
        for stream in (film, sound) if sound else (film,):
            out.mux(stream.encode(None))
    return path


def test_sound_after_lost_packets_is_where_its_time_says(tmp_path):
    """A second of a call is lost on the way: what is heard later must not come a second early."""
    loud = np.full(RATE // 10, 0.5, np.float32)
    sounds = [(100 * k, loud) for k in range(50) if not 20 <= k < 30]
    path = written(tmp_path / "lossy.mkv", [(40 * k, 100) for k in range(125)], sounds)
    for found in media.read_waveform(path), np.concatenate(list(streaming.sounds(path, 1.0))):
        assert len(found) == pytest.approx(5 * RATE, abs=10)
        assert found[2 * RATE + 10 : 3 * RATE - 10].max() == 0
        assert found[3 * RATE + 10 :].min() == pytest.approx(0.5, abs=0.01)


def test_a_film_of_no_announced_rate_is_read_and_its_hole_has_no_looks(tmp_path):
    """As a browser's recorder writes it, and a screen that froze for five seconds."""
    times = np.cumsum(np.random.default_rng(0).integers(20, 50, 120)) + 5000 * (np.arange(120) >= 60)
    path = written(tmp_path / "browser.webm", [(time, 100) for time in times.tolist()])
    assert media.probe(path).fps == 0
    found = np.concatenate([times for times, _ in streaming.looks(path, 1.0, 8)])
    hole = int(np.diff(found).argmax())
    before, after = (times[[59, 60]] - times[0]) / 1000
    assert found[hole] == pytest.approx(before + 1, abs=0.13), "a picture stands for a second at most"
    assert found[hole + 1] == pytest.approx(after - 1, abs=0.13)
    assert np.diff(found[: hole + 1]) == pytest.approx(0.125)
