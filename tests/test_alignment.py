"""The lag between a film's sound and a separate recording of it, from known shifts and from real recordings."""

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, sosfilt

from workbench import alignment, media
from workbench.errors import WorkbenchError

RATE = 16000


def speech(seed=0, seconds=2.0):
    """Return noise (n,) below 3 kHz that comes and goes like syllables and fades at both ends."""
    time = np.arange(round(seconds * RATE)) / RATE
    noise = sosfilt(butter(4, 3000, fs=RATE, output="sos"), np.random.default_rng(seed).normal(size=len(time)))
    return noise * np.sin(np.pi * time / seconds) * (1 + np.sin(2 * np.pi * 3 * time))


def shifted(waveform, seconds):
    """Return a waveform delayed by any part of a sample, by turning the phases of its spectrum."""
    padded = np.pad(waveform, RATE)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(len(padded), 1 / RATE) * seconds)
    return np.fft.irfft(np.fft.rfft(padded) * turn, len(padded))[RATE:-RATE]


@pytest.mark.parametrize("late", [0.0, 0.0333333, -0.0333333, 0.2512345, 1.5 / RATE])
def test_a_known_shift_is_found_to_a_tenth_of_a_sample(late):
    sound = speech()
    seconds, correlation = alignment.lag(shifted(sound, late), sound, sample_rate=RATE)
    assert seconds == pytest.approx(late, abs=0.1 / RATE)
    assert correlation > 0.98


def test_positive_means_that_the_first_comes_later_whatever_level_offset_polarity_and_length():
    sound = speech()
    late = np.concatenate([np.zeros(800), -0.01 * sound[:-4000]]) + 0.2
    seconds, correlation = alignment.lag(late, sound, sample_rate=RATE)
    assert seconds == pytest.approx(0.05, abs=1e-4)
    assert correlation < -0.95
    assert alignment.lag(sound, late, sample_rate=RATE)[0] == pytest.approx(-0.05, abs=1e-4)


def test_noise_moves_the_lag_by_less_than_a_tenth_of_a_millisecond():
    sound = speech()
    noisy = shifted(sound, 0.0333333) + 0.5 * np.random.default_rng(1).normal(size=len(sound)) * sound.std()
    seconds, correlation = alignment.lag(noisy, sound, sample_rate=RATE)
    assert seconds == pytest.approx(0.0333333, abs=1e-4)
    assert 0.8 < correlation < 0.95


@pytest.mark.parametrize("other", [speech(seed=7), np.zeros(2 * RATE)], ids=["another sound", "silence"])
def test_what_is_not_the_same_sound_has_no_lag(other):
    seconds, correlation = alignment.lag(other, speech(), sample_rate=RATE)
    assert np.isnan(seconds)
    assert abs(correlation) < alignment.SAME


def test_a_lag_beyond_the_longest_is_not_replaced_by_a_nearer_one():
    sound = speech()
    assert np.isnan(alignment.lag(shifted(sound, 0.4), sound, sample_rate=RATE, longest=0.2)[0])


@pytest.mark.parametrize("bad", [np.empty(0), np.full(100, np.nan), np.zeros((2, 100))])
def test_what_is_no_waveform_is_refused(bad):
    with pytest.raises(WorkbenchError, match="expected b to be"):
        alignment.lag(speech(), bad, sample_rate=RATE)


def test_the_table_says_why_a_take_has_no_lag(tmp_path):
    sound = 0.1 * speech() / np.abs(speech()).max()
    soundfile.write(tmp_path / "sound.wav", sound, RATE)
    soundfile.write(tmp_path / "other.wav", 0.1 * speech(seed=3) / 10, RATE)
    late = np.concatenate([np.zeros(480), sound]).astype(np.float32)
    film = media.write_clip(tmp_path / "film.mp4", np.zeros((60, 32, 32, 3), np.uint8), late, fps=30)
    pairs = {"same": (film, tmp_path / "sound.wav"), "other": (film, tmp_path / "other.wav"),
             "lost": (film, tmp_path / "lost.wav")}  # fmt: skip
    table = alignment.table(pairs).set_index("take")
    assert table.loc["same", "lag_ms"] == pytest.approx(30, abs=0.2)
    assert table.loc["same", "problem"] == ""
    assert table["lag_ms"].isna().to_dict() == {"same": False, "other": True, "lost": True}
    assert "not the same sound: correlation" in table.loc["other", "problem"]
    assert "lost.wav" in table.loc["lost", "problem"]


def test_no_pairs_make_an_empty_table():
    assert alignment.table({}).columns.tolist() == alignment.COLUMNS


def test_original_wav_and_flac_of_a_real_take_lie_on_each_other(shared):
    name = "03-01-06-02-02-01-05"
    original = media.read_waveform(shared / f"data/ravdess_extra/original_wav/{name}.wav")
    flac = media.read_waveform(shared / f"data/ravdess/Audio_Speech_Actors_01-24/Actor_05/{name}.flac")
    seconds, correlation = alignment.lag(original, flac, sample_rate=RATE)
    assert abs(seconds) < 1e-4
    assert correlation > 0.99
