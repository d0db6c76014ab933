"""Sound in numbers, compared with librosa and with sounds of known pitch."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from workbench import acoustics, media

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
