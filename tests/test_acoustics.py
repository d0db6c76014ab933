"""Sound in numbers, compared with librosa and with sounds of known pitch."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from workbench import acoustics, media
from workbench.acoustics import fourier, reference, tables, voice

RATE = 16000


def check_against_librosa(waveform):
    ours = acoustics.mfcc(waveform)
    theirs = librosa.feature.mfcc(y=waveform, sr=RATE, n_mfcc=40, n_fft=1024, hop_length=256)
    assert ours.shape == theirs.shape == (40, 1 + len(waveform) // 256)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_mfcc_is_librosas(voice):
    noise = 0.001 * np.random.default_rng(0).standard_normal(len(voice)).astype(np.float32)
    check_against_librosa(voice + noise)


def test_mfcc_is_librosas_on_real_speech(shared):
    check_against_librosa(media.read_waveform(next(shared.glob("data/ravdess/Audio*/Actor_01/*.flac"))))


@pytest.mark.parametrize(("rate", "n_fft", "hop_length", "n_mels"), [(16000, 1024, 256, 128), (22050, 1000, 85, 40)])
def test_transform_decibels_and_filters_are_librosas_to_the_last_bit(voice, rate, n_fft, hop_length, n_mels):
    ours = fourier.stft(voice, n_fft=n_fft, hop_length=hop_length)
    theirs = librosa.stft(voice, n_fft=n_fft, hop_length=hop_length, center=False)
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)
    power = np.abs(ours) ** 2
    assert np.array_equal(fourier.power_to_db(power, span=80.0), librosa.power_to_db(power, top_db=80.0))
    relative = fourier.power_to_db(power, reference=np.max, span=60.0)
    assert np.array_equal(relative, librosa.power_to_db(power, ref=np.max, top_db=60.0))
    filters = fourier.mel_filters(rate, n_fft, n_mels)
    assert filters.dtype == np.float32
    assert np.array_equal(filters, librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels))


def test_mfcc_settings_reach_the_transform(voice):
    ours = acoustics.mfcc(voice, sample_rate=22050, n_mfcc=13, n_fft=512, hop_length=128)
    theirs = librosa.feature.mfcc(y=voice, sr=22050, n_mfcc=13, n_fft=512, hop_length=128)
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_mel_spectrogram_shows_a_tone_where_it_is():
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    mel = acoustics.mel_spectrogram(tone, n_mels=64)
    assert mel.shape == (64, 63)
    assert mel.dtype == np.float32
    centres = librosa.mel_frequencies(66, fmin=0, fmax=RATE / 2)[1:-1]
    assert centres[mel[:, 30].argmax()] == pytest.approx(1000, abs=40)
    assert mel.max() - mel.min() == pytest.approx(80, abs=1e-3)  # the floor
    louder = acoustics.mel_spectrogram(2 * tone, n_mels=64)
    assert louder.max() - mel.max() == pytest.approx(6.02, abs=0.01)


@pytest.mark.parametrize("n", [1, 100, 256, 1500])
def test_short_and_silent_sounds_have_finite_features(n):
    silence = np.zeros(n, np.float32)
    for features in (acoustics.mfcc(silence), acoustics.mel_spectrogram(silence), acoustics.pitch(silence)):
        assert features.shape[-1] == 1 + n // 256
        assert np.isfinite(features).all()
    assert not acoustics.pitch(silence).any()


def test_pitch_follows_a_gliding_voice():
    time = np.arange(2 * RATE) / RATE
    true = 120 * 2 ** (time / 2)  # an octave up in two seconds
    phase = 2 * np.pi * np.cumsum(true) / RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 10)).astype(np.float32) / 4
    glide[: RATE // 2] = 0.01 * np.random.default_rng(0).standard_normal(RATE // 2)
    found = acoustics.pitch(glide)
    assert found.dtype == np.float32
    assert len(found) == 1 + len(glide) // 256
    at = np.arange(len(found)) * 256 / RATE
    later = (at > 0.7) & (at < 1.9)
    assert np.abs(12 * np.log2(found[later] / np.interp(at[later], time, true))).max() < 0.5  # semitones
    assert np.mean(found[at < 0.4] == 0) > 0.8  # noise has no pitch
    assert found[found > 0].min() >= 60
    assert found.max() <= 600


def test_pitch_of_real_men_is_below_that_of_real_women(shared):
    medians = {}
    for actor in ("01", "02"):
        path = next(shared.glob(f"data/ravdess/Audio*/Actor_{actor}/03-01-01-01-01-01-{actor}.flac"))
        voiced = acoustics.pitch(media.read_waveform(path))
        medians[actor] = np.median(voiced[voiced > 0])
    assert 70 < medians["01"] < 150 < medians["02"] < 280


def spoken(periods, amplitudes):
    """A voice of known periods (s) and amplitudes: a ringing pulse at the beginning of each, between samples too."""
    starts = 0.05 + np.cumsum(periods)
    time = np.arange(int((starts[-1] + 0.05) * RATE)) / RATE
    since = time - starts[:, None]
    late = since.clip(0)
    rise = 1 / (1 + np.exp(-np.clip(since / 1e-4, -50, 50)))
    ringing = np.exp(-300 * late) * np.cos(2 * np.pi * 600 * since)
    ringing += 0.5 * np.exp(-400 * late) * np.cos(2 * np.pi * 1400 * since)
    waveform = (np.asarray(amplitudes)[:, None] * rise * ringing).sum(axis=0)
    return (0.5 * waveform / np.abs(waveform).max()).astype(np.float32)


def unsteady(jitter, shimmer, *, hertz=110, n=150, seed=0):
    """Periods and amplitudes around `hertz` and 1, with normal deviations of so large a share."""
    rng = np.random.default_rng(seed)
    periods = (1 + jitter * rng.standard_normal(n).clip(-2, 2)) / hertz
    return periods, 1 + shimmer * rng.standard_normal(n).clip(-2, 2)


@pytest.mark.parametrize("hertz", [80.0, 150.3, 333.3, 590.0])
def test_f0_of_a_tone_is_its_frequency_within_a_thousandth(hertz):
    time = np.arange(RATE) / RATE
    tone = 0.1 * (np.sin(2 * np.pi * hertz * time) + 0.5 * np.sin(4 * np.pi * hertz * time + 1))
    found = voice.f0(tone)
    assert found.shape == (1 + RATE // 256,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[3:-3], hertz, rtol=1e-3)
    np.testing.assert_array_equal(voice.f0(tone * 0.25), voice.f0(tone * 0.5))


def test_f0_hears_no_voice_in_noise_silence_and_tiny_sounds():
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE)
    assert np.mean(voice.f0(noise) > 0) < 0.05
    assert not voice.f0(np.zeros(RATE)).any()
    for n in (1, 2, 255, 256, 700):
        assert voice.f0(np.ones(n)).shape == (1 + n // 256,)
        assert all(np.isnan(voice.perturbation(np.ones(n))))


def test_f0_follows_a_glide_and_marks_the_pause():
    time = np.arange(2 * RATE) / RATE
    true = 120 * 2 ** (time / 2)
    phase = 2 * np.pi * np.cumsum(true) / RATE
    glide = sum(np.sin(k * phase) / k for k in range(1, 10)) / 4
    glide[RATE // 2 : RATE] = 1e-4 * np.random.default_rng(0).standard_normal(RATE // 2)
    found, at = voice.f0(glide), np.arange(1 + len(glide) // 256) * 256 / RATE
    later = (at > 1.1) & (at < 1.9)
    np.testing.assert_allclose(found[later], np.interp(at[later], time, true), rtol=0.01)
    assert not found[(at > 0.55) & (at < 0.95)].any()


def test_f0_in_blocks_is_f0_in_one(monkeypatch):
    waveform = np.tile(spoken(*unsteady(0.01, 0.05)), 2)
    whole = voice.f0(waveform)
    monkeypatch.setattr(voice, "_BLOCK", 7)
    np.testing.assert_array_equal(voice.f0(waveform), whole)


def test_pulses_stand_a_period_apart_where_they_were_put():
    periods, amplitudes = unsteady(0.02, 0.05)
    waveform = spoken(periods, amplitudes)
    found = max(voice.pulses(waveform, voice.f0(waveform)), key=len)
    assert len(found) == pytest.approx(len(periods), abs=3)
    starts = (0.05 + np.cumsum(periods)) * RATE
    distance = np.abs(found[:, None] - starts).min(axis=1)
    assert np.ptp(distance[3:-3]) < 1  # one and the same part of every period, to less than a sample


@pytest.mark.parametrize(("jitter", "shimmer"), [(0.0, 0.0), (0.005, 0.02), (0.01, 0.05), (0.02, 0.1)])
def test_jitter_and_shimmer_are_those_put_in(jitter, shimmer):
    periods, amplitudes = unsteady(jitter, shimmer)
    found = voice.perturbation(spoken(periods, amplitudes))
    assert found.jitter == pytest.approx(100 * np.abs(np.diff(periods)).mean() / periods.mean(), rel=0.05, abs=0.05)
    assert found.shimmer == pytest.approx(100 * np.abs(np.diff(amplitudes)).mean(), rel=0.2, abs=0.05)
    assert found.shimmer_db == pytest.approx(20 * np.abs(np.diff(np.log10(amplitudes))).mean(), rel=0.2, abs=0.01)


def test_jitter_and_shimmer_ignore_the_level_and_the_polarity():
    waveform = spoken(*unsteady(0.01, 0.05))
    np.testing.assert_allclose(voice.perturbation(-0.25 * waveform), voice.perturbation(waveform), rtol=1e-6)


def test_a_pause_or_an_octave_leap_is_no_jitter():
    steady, fast = spoken(np.full(60, 1 / 110), np.ones(60)), spoken(np.full(90, 1 / 200), np.ones(90))
    found = voice.perturbation(np.concatenate([steady, np.zeros(RATE // 4, np.float32), fast]))
    assert found.jitter < 0.3
    assert found.shimmer < 2


def test_pitch_jitter_and_shimmer_agree_with_praats_on_real_voices(shared):
    """Boersma & Weenink's own program, on sixteen clips of eight men and eight women."""
    pytest.importorskip("parselmouth")
    paths = [
        sorted(shared.glob(f"data/ravdess/Audio*/Actor_{actor:02d}/*.flac"))[7 * actor % 60] for actor in range(1, 17)
    ]
    sounds = [tables.speech(path) for path in paths]
    ours = np.array([(_mean_pitch(sound), *voice.perturbation(sound)) for sound in sounds])
    names = ["pitch_mean", "jitter", "shimmer", "shimmer_db"]
    theirs = np.array([reference.praat(sound, sample_rate=RATE)[names] for sound in sounds])
    apart = np.median(np.abs(ours / theirs - 1), axis=0)
    for column, (correlation, difference) in enumerate([(0.98, 0.02), (0.85, 0.15), (0.85, 0.1), (0.7, 0.1)]):
        assert np.corrcoef(ours[:, column], theirs[:, column])[0, 1] > correlation, names[column]
        assert apart[column] < difference, names[column]


def _mean_pitch(waveform):
    contour = voice.f0(waveform)
    return contour[contour > 0].mean()
