"""The demo's voices: what is asked for (pitch, tempo, tract, energy) is what sounds."""

from dataclasses import replace

import librosa
import numpy as np
import pytest

from workbench.datasets.demo_voice import HOP, PHONES, STATEMENTS, Prosody, Voice, speak

MAN, WOMAN = Voice(), Voice(f0=205, tract_length=0.86)
NEUTRAL = Prosody()


def say(voice=MAN, statement=1, prosody=NEUTRAL, seed=0):
    return speak(voice, statement, prosody, np.random.default_rng(seed))


def cut(speech, phone):
    """Return the middle half of the first `phone`."""
    start, end = next((a, b) for name, a, b in speech.phones if name == phone)
    quarter = (end - start) / 4
    return speech.waveform[int((start + quarter) * 16000) : int((end - quarter) * 16000)]


def formants(sound):
    """Return the two lowest resonances in Hz, by linear prediction."""
    sound = librosa.resample(sound, orig_sr=16000, target_sr=8000)
    roots = np.roots(librosa.lpc(np.diff(sound) * np.hamming(len(sound) - 1), order=10))
    roots = roots[(roots.imag > 0) & (np.abs(roots) > 0.85)]
    return sorted(f for f in np.angle(roots) * 8000 / (2 * np.pi) if f > 200)[:2]


def overtones(sound):
    """Return the level of 2 to 4 kHz above that below 1 kHz, in dB."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    frequency = np.fft.rfftfreq(len(sound), 1 / 16000)
    return 10 * np.log10(power[(frequency > 2000) & (frequency < 4000)].sum() / power[frequency < 1000].sum())


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("voice", [MAN, WOMAN], ids=["man", "woman"])
def test_clip_is_speech_between_silences(voice, statement):
    speech = say(voice, statement)
    seconds = len(speech.waveform) / speech.sample_rate
    assert speech.waveform.dtype == np.float32
    assert 1.6 < seconds < 2.6
    assert 0.02 < np.abs(speech.waveform).max() < 0.95
    start, end = speech.phones[0][1], speech.phones[-1][2]
    assert 0.15 <= start <= 0.3
    assert 0.14 <= seconds - end <= 0.31
    before, spoken, after = np.split(speech.waveform, [int(start * 16000) - 320, int(end * 16000) + 640])
    assert 30 * max(before.std(), after.std()) < spoken.std()
    assert all(len(t) == pytest.approx(seconds / HOP, abs=1) for t in (speech.pitch, speech.jaw, speech.rounding))
    assert [name for name, _, _ in speech.phones] == STATEMENTS[statement].split()


def test_same_random_numbers_give_the_same_sound():
    assert np.array_equal(say(seed=3).waveform, say(seed=3).waveform)
    other = say(seed=4).waveform
    assert len(other) != len(say(seed=3).waveform) or not np.array_equal(other, say(seed=3).waveform)


@pytest.mark.parametrize(
    ("voice", "prosody"),
    [(MAN, Prosody()), (WOMAN, Prosody(pitch=4, pitch_range=1.6, contour=3, tilt=0.5, energy=5, jitter=0.005))],
)
def test_measured_pitch_follows_the_track(voice, prosody):
    speech = say(voice, 2, prosody)
    sound = {"sr": 16000, "frame_length": 1024, "hop_length": 160}
    measured = librosa.pyin(speech.waveform, fmin=60, fmax=500, **sound)[0][: len(speech.pitch)]
    both = (speech.pitch[: len(measured)] > 0) & ~np.isnan(measured)
    assert both.sum() > 60
    assert np.corrcoef(measured[both], speech.pitch[: len(measured)][both])[0, 1] > 0.95
    assert np.median(measured[both] / speech.pitch[: len(measured)][both]) == pytest.approx(1, abs=0.03)


def test_formants_are_those_of_the_phone_and_scale_with_the_tract():
    low = Voice(f0=90, breathiness=0.05)  # a low pitch samples the spectrum finely
    first, second = formants(cut(say(low), "AA"))
    assert first == pytest.approx(PHONES["AA"].formants[0], rel=0.2)
    assert second == pytest.approx(PHONES["AA"].formants[1], rel=0.2)
    shorter = formants(cut(say(replace(low, tract_length=0.8)), "AA"))
    assert np.mean(np.array(shorter) / [first, second]) == pytest.approx(1.25, abs=0.12)


def test_prosody_changes_what_it_says():
    plain = say()
    loud = say(prosody=Prosody(energy=6)).waveform
    assert 20 * np.log10(loud.std() / plain.waveform.std()) == pytest.approx(6, abs=0.3)
    high = say(prosody=Prosody(pitch=12)).pitch
    assert np.median(high[high > 0]) == pytest.approx(2 * np.median(plain.pitch[plain.pitch > 0]), rel=0.03)
    span = [speech.phones[-1][2] - speech.phones[0][1] for speech in (plain, say(prosody=Prosody(tempo=1.25)))]
    assert span[0] / span[1] == pytest.approx(1.25, rel=0.01)
    rising = say(prosody=Prosody(contour=8)).pitch
    assert rising[rising > 0][-1] / plain.pitch[plain.pitch > 0][-1] == pytest.approx(2 ** (8 / 12), rel=0.1)
    clear = replace(MAN, breathiness=0)
    lax, pressed = (overtones(cut(say(clear, prosody=Prosody(tilt=tilt)), "AA")) for tilt in (-1, 1))
    assert pressed - lax > 6


def test_mouth_closes_for_b_and_opens_for_open_vowels():
    speech = say()
    during = {name: speech.jaw[int(a / HOP) : int(b / HOP) + 1] for name, a, b in speech.phones}
    assert during["B"].min() < 0.05
    assert during["AA"].max() > 0.7
    assert speech.jaw[: int(speech.phones[0][1] / HOP) - 8].max() == 0
    assert speech.rounding[int(speech.accents[-1] / HOP)] > 0.5


def test_unvoiced_consonants_have_no_pitch_and_stress_raises_it():
    speech = say()
    at = {name: (a + b) / 2 for name, a, b in speech.phones}
    assert speech.pitch[int(at["T"] / HOP)] == 0
    assert speech.phone_at(at["T"]) == "T"
    assert speech.phone_at(0.0) == ""
    assert speech.pitch[int(at["AO1"] / HOP)] > 1.1 * speech.pitch[int(at["AH"] / HOP)]


def test_women_speak_higher_with_shorter_tracts():
    voices = {sex: [Voice.random(np.random.default_rng(i), sex) for i in range(30)] for sex in ("male", "female")}
    f0 = {sex: np.mean([voice.f0 for voice in some]) for sex, some in voices.items()}
    tract = {sex: np.mean([voice.tract_length for voice in some]) for sex, some in voices.items()}
    assert f0["female"] / f0["male"] == pytest.approx(1.8, abs=0.15)
    assert tract["female"] / tract["male"] == pytest.approx(0.86, abs=0.03)
    assert len({voice.f0 for voice in voices["male"]}) == 30
