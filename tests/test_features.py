"""The named features of source 003: sounds with known answers, tables with units, and other programs' measurements."""

from __future__ import annotations

import json
import shutil
import sys

import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile
from typer.testing import CliRunner

from workbench import acoustics
from workbench.acoustics import named, reference, tables
from workbench.acoustics.tables import STATISTICS
from workbench.cli import app
from workbench.errors import WorkbenchError

RATE, N_FFT, HOP = 16000, 1024, 256
TIME = np.arange(RATE) / RATE
NAMES = [
    "f0",
    "pitch_mean",
    "pitch_median",
    "pitch_std",
    "pitch_range",
    "pitch_max",
    "energy_mean",
    "energy_median",
    "energy_std",
    "energy_range",
    "energy_max",
    "jitter",
    "shimmer",
    "amplitude_envelope",
    "rms",
    "zcr",
    "ber",
    "amplitude_spectrogram",
    "dB_spectrogram",
    "spec_contrast",
    "spec_flux",
    "spec_centroid",
    "spec_bandwidth",
    "spec_flatness",
    "power_spectrogram",
    "mel_spectrogram",
    "mfcc",
    "mfcc_delta",
    "teo",
]


def tone(hertz, amplitude=0.5):
    return (amplitude * np.sin(2 * np.pi * hertz * TIME)).astype(np.float32)


def noise(seed=0, amplitude=0.1):
    return (amplitude * np.random.default_rng(seed).standard_normal(RATE)).astype(np.float32)


def inside(curve):
    """The frames that the zeros beyond the ends do not reach."""
    return curve[..., 3:-3]


@pytest.fixture(scope="module")
def steady():
    """A sine of 1000 Hz and amplitude 0.5: 64 periods a frame, 16 a hop."""
    return acoustics.features(tone(1000), sample_rate=RATE)


def test_every_name_of_the_source_is_there_with_what_a_reader_must_know(steady):
    assert list(acoustics.FEATURES) == NAMES == list(steady)
    for name, feature in acoustics.FEATURES.items():
        assert feature.name == name
        assert feature.about
        assert feature.source
        assert set(feature.statistics) <= set(STATISTICS)


def test_shapes_and_types_are_those_declared(voice):
    found = acoustics.features(voice, sample_rate=RATE, n_mfcc=13)
    t = 1 + len(voice) // HOP
    rows = {"spec_contrast": 7, "mel_spectrogram": 128, "mfcc": 13, "mfcc_delta": 13}
    for name, values in found.items():
        kind = acoustics.FEATURES[name].kind
        shape = {"scalar": (), "curve": (t,), "matrix": (rows.get(name, 513), t)}[kind]
        assert np.shape(values) == shape, name
        assert isinstance(values, float) if kind == "scalar" else values.dtype == np.float32, name
        assert np.isfinite(values).all(), name


def test_a_sine_has_its_frequency_as_pitch_centroid_and_half_its_crossings(steady):
    found = acoustics.features(tone(200), sample_rate=RATE)
    np.testing.assert_allclose(inside(found["f0"]), 200, rtol=1e-3)
    assert found["pitch_mean"] == pytest.approx(200, rel=2e-3)
    assert found["pitch_median"] == pytest.approx(200, rel=1e-3)
    np.testing.assert_allclose(inside(steady["spec_centroid"]), 1000, rtol=0.01)
    assert inside(steady["spec_bandwidth"]).max() < 100
    np.testing.assert_allclose(inside(steady["zcr"]), 2 * 1000 / RATE, atol=1 / N_FFT)


def test_levels_of_a_sine_are_those_of_its_amplitude(steady):
    np.testing.assert_allclose(inside(steady["amplitude_envelope"]), 0.5, rtol=1e-3)
    np.testing.assert_allclose(inside(steady["rms"]), 0.5 / np.sqrt(2), rtol=1e-4)
    assert steady["energy_median"] == pytest.approx(0.125, rel=1e-4)
    assert steady["energy_max"] == pytest.approx(0.125, rel=1e-3)
    np.testing.assert_allclose(inside(steady["amplitude_spectrogram"]).max(axis=0), 0.5 * N_FFT / 4, rtol=1e-4)
    np.testing.assert_allclose(steady["power_spectrogram"], steady["amplitude_spectrogram"] ** 2, rtol=1e-5)
    assert steady["dB_spectrogram"].max() == pytest.approx(20 * np.log10(0.5 * N_FFT / 4), abs=0.01)
    assert np.ptp(steady["dB_spectrogram"]) == pytest.approx(80, abs=1e-3)


def test_teager_energy_of_a_sine_is_its_amplitude_and_frequency_squared(steady):
    omega = 2 * np.pi * 1000 / RATE
    np.testing.assert_allclose(named.teager(tone(1000))[1:-1], 0.25 * np.sin(omega) ** 2, atol=1e-6)
    np.testing.assert_allclose(inside(steady["teo"]), 0.25 * np.sin(omega) ** 2, rtol=1e-3)


def test_a_steady_tone_has_no_flux_and_a_change_has(steady):
    assert inside(steady["spec_flux"]).max() < 1e-3 * steady["amplitude_spectrogram"].max()
    assert steady["spec_flux"][0] == 0
    step = np.concatenate([tone(1000)[: RATE // 2], tone(3000)[RATE // 2 :]])
    flux = inside(acoustics.features(step, sample_rate=RATE)["spec_flux"])
    assert 3 + flux.argmax() == pytest.approx(RATE / 2 / HOP, abs=1.5)


def test_flatness_tells_noise_from_a_tone(steady):
    flat = inside(acoustics.features(noise(), sample_rate=RATE)["spec_flatness"])
    assert flat.mean() == pytest.approx(np.exp(-np.euler_gamma), abs=0.02)  # of exponentially distributed powers
    assert inside(steady["spec_flatness"]).max() < 1e-3


def test_band_energy_ratio_is_the_ratio_of_the_two_amplitudes_squared():
    two = tone(500, 0.4) + tone(4000, 0.1)
    ratio = acoustics.features(two, sample_rate=RATE)["ber"]
    np.testing.assert_allclose(inside(ratio), 20 * np.log10(0.4 / 0.1), atol=0.05)
    assert inside(acoustics.features(tone(500), sample_rate=RATE)["ber"]).min() > 40
    assert inside(acoustics.features(tone(4000), sample_rate=RATE)["ber"]).max() < -40


def test_what_librosa_has_is_librosas(voice):
    sound = voice + noise(amplitude=0.01).repeat(3)
    ours, common = acoustics.features(sound, sample_rate=RATE), {"y": sound, "n_fft": N_FFT, "hop_length": HOP}
    theirs = {
        "spec_centroid": librosa.feature.spectral_centroid(sr=RATE, **common)[0],
        "spec_bandwidth": librosa.feature.spectral_bandwidth(sr=RATE, **common)[0],
        "spec_contrast": librosa.feature.spectral_contrast(sr=RATE, **common),
        "spec_flatness": librosa.feature.spectral_flatness(**common)[0],
        "mfcc_delta": librosa.feature.delta(acoustics.mfcc(sound), mode="nearest"),
        "mel_spectrogram": acoustics.mel_spectrogram(sound),
    }
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-3, atol=1e-3, err_msg=name)


def test_polarity_changes_nothing_and_the_level_only_what_measures_levels(voice):
    sound = voice + noise(amplitude=0.005).repeat(3)
    once, inverted, half = (acoustics.features(g * sound, sample_rate=RATE) for g in (1, -1, 0.5))
    for name in NAMES:
        np.testing.assert_allclose(inverted[name], once[name], rtol=1e-3, atol=1e-4, err_msg=name)
    for name in ("pitch_mean", "jitter", "shimmer", "zcr", "ber", "spec_centroid", "spec_bandwidth", "spec_flatness"):
        np.testing.assert_allclose(half[name], once[name], rtol=1e-3, atol=1e-3, err_msg=name)
    for name, factor in {"rms": 0.5, "energy_mean": 0.25, "teo": 0.25, "spec_flux": 0.5}.items():
        np.testing.assert_allclose(half[name], factor * np.asarray(once[name]), rtol=1e-3, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("n", [1, 100, 1500])
def test_short_and_silent_sounds_lack_the_voice_and_nothing_else(n):
    found = acoustics.features(np.zeros(n, np.float32), sample_rate=RATE)
    undefined = {name for name, values in found.items() if not np.isfinite(values).all()}
    assert undefined == {name for name in NAMES if name.startswith("pitch_")} | {"jitter", "shimmer"}
    assert found["mfcc_delta"].shape == (40, 1 + n // HOP)


def test_other_rates_keep_hertz(voice):
    for rate in (8000, 22050, 48000):
        sound = librosa.resample(voice, orig_sr=RATE, target_sr=rate)
        found = acoustics.features(sound, sample_rate=rate)
        assert found["pitch_median"] == pytest.approx(140, rel=0.01)


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan, 1.0])])
def test_what_is_no_waveform_is_refused(sound):
    with pytest.raises(WorkbenchError, match="expected a waveform"):
        acoustics.features(sound, sample_rate=RATE)


def clip_table(folder, sounds):
    """Write sounds to wav files (float: what is given is what is read) and return their clip table."""
    for name, sound in sounds.items():
        soundfile.write(folder / f"{name}.wav", sound, RATE, subtype="FLOAT")
    return pd.DataFrame({"clip": list(sounds), "audio_path": [str(folder / f"{name}.wav") for name in sounds]})


@pytest.fixture
def clips(tmp_path, voice):
    """Two good clips among four that cannot be used."""
    sounds = {"b-voice": voice, "silent": 0 * voice, "short": voice[20000:21000], "a-noise": noise(amplitude=0.05)}
    table = clip_table(tmp_path, sounds)
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    more = {"clip": ["broken", "mute"], "audio_path": [str(tmp_path / "broken.wav"), ""]}
    return pd.concat([table, pd.DataFrame(more)], ignore_index=True)


def test_the_table_is_tidy_has_units_and_leaves_bad_clips_out_by_name(clips):
    found, left_out = acoustics.table(clips, n_mfcc=13)
    assert list(found) == ["clip", "feature", "statistic", "value", "unit"]
    assert found["clip"].unique().tolist() == ["b-voice", "a-noise"]  # as they came
    assert not found.duplicated(["clip", "feature", "statistic"]).any()
    assert found["feature"].unique().tolist() == NAMES
    assert found.loc[found["feature"] == "spec_centroid", "unit"].eq("Hz").all()
    assert left_out["clip"].tolist() == ["silent", "short", "broken", "mute"]
    for row in left_out.itertuples():
        assert row.path in row.reason
    assert "silent" in left_out["reason"][0]
    assert "0.1" in left_out["reason"][1]


def test_the_tables_numbers_are_the_features_statistics(clips):
    wide = acoustics.wide(acoustics.table(clips)[0])
    found = acoustics.features(tables.speech(clips["audio_path"][0]), sample_rate=RATE)
    row = wide.loc["b-voice"]
    assert row["pitch_mean"] == pytest.approx(found["f0"][found["f0"] > 0].mean())
    assert row["energy_range"] == pytest.approx(np.ptp(found["rms"] ** 2), rel=1e-5)
    assert row["rms_range"] == pytest.approx(np.ptp(found["rms"]))
    assert row["spec_flux_median"] == pytest.approx(np.median(found["spec_flux"]))
    assert row["mfcc_std_03"] == pytest.approx(found["mfcc"][3].std(), rel=1e-5)
    assert row["mel_spectrogram_mean"] == pytest.approx(found["mel_spectrogram"].mean(), rel=1e-5)
    assert row["f0_voiced_share"] == pytest.approx(np.mean(found["f0"] > 0))
    assert wide.loc["a-noise", "f0_voiced_share"] == 0
    assert set(wide.columns[wide.loc["a-noise"].isna()]) == {name for name in NAMES if name.startswith("pitch_")} | {
        "jitter",
        "shimmer",
    }


def test_the_wide_table_keeps_the_order_and_carries_units_through_parquet(clips, tmp_path):
    found, _ = acoustics.table(clips)
    wide, what = acoustics.wide(found), acoustics.columns(found)
    assert wide.index.tolist() == ["b-voice", "a-noise"]
    assert list(wide) == list(what.index)
    assert wide.shape == (2, 252)
    assert what.loc["mfcc_mean_03", ["feature", "statistic"]].tolist() == ["mfcc", "mean_03"]
    wide.to_parquet(tmp_path / "wide.parquet")
    units = pd.read_parquet(tmp_path / "wide.parquet").attrs["units"]
    assert units["pitch_mean"] == "Hz"
    assert units == what["unit"].to_dict()


def test_two_processes_give_the_same_table(clips):
    one, two = acoustics.table(clips, n_mfcc=4), acoustics.table(clips, n_mfcc=4, jobs=2)
    for mine, other in zip(one, two, strict=True):
        pd.testing.assert_frame_equal(mine, other)


def test_curves_have_one_length_and_keep_their_ends(clips):
    found, left_out = acoustics.curves(clips, names=["rms", "mfcc"], length=16, n_mfcc=2)
    assert found.shape == (2, 3 * 16)
    assert list(found)[::16] == ["rms_000", "mfcc_00_000", "mfcc_01_000"]
    assert len(left_out) == 4
    rms = acoustics.features(tables.speech(clips["audio_path"][0]), sample_rate=RATE)["rms"]
    assert found.loc["b-voice", "rms_000"] == pytest.approx(rms[0])
    assert found.loc["b-voice", "rms_015"] == pytest.approx(rms[-1])
    with pytest.raises(WorkbenchError, match="unknown curve 'jitter'"):
        acoustics.curves(clips, names=["jitter"])
    np.testing.assert_allclose(tables.resample([0, 2], 5), [0, 0.5, 1, 1.5, 2])
    np.testing.assert_allclose(tables.resample([7], 3), 7)


def test_no_usable_clip_gives_empty_tables(clips):
    for found, left_out in (acoustics.table(clips[1:3]), acoustics.curves(clips[1:3])):
        assert len(found) == 0
        assert len(left_out) == 2


def test_real_anger_is_louder_and_higher_than_real_calm(shared):
    folder = next(shared.glob("data/ravdess/Audio*/Actor_02"))
    rows = [
        {"clip": path.stem, "audio_path": str(path), "emotion": emotion}
        for emotion in ("02", "05")
        for path in sorted(folder.glob(f"03-01-{emotion}-02-*.flac"))
    ]
    clips = pd.DataFrame(rows)
    found = acoustics.wide(acoustics.table(clips)[0]).groupby(clips.set_index("clip")["emotion"]).mean()
    assert found.loc["05", "rms_mean"] > 3 * found.loc["02", "rms_mean"]
    assert found.loc["05", "pitch_mean"] > 1.2 * found.loc["02", "pitch_mean"]
    assert found["jitter"].between(0.3, 6).all()


def test_egemaps_are_eighty_eight_numbers_with_units_and_agree_with_ours(shared):
    pytest.importorskip("opensmile")
    paths = sorted(shared.glob("data/ravdess/Audio*/Actor_0[1-4]/03-01-0[1245]-01-01-01-*.flac"))
    clips = pd.DataFrame({"clip": [path.stem for path in paths], "audio_path": [str(path) for path in paths]})
    theirs, left_out = reference.table("egemaps", clips)
    assert theirs.shape == (16, 88)
    assert not len(left_out)
    agreement = reference.compare(acoustics.wide(acoustics.table(clips)[0]), theirs).set_index("ours")
    assert (agreement["clips"] == 16).all()
    for name in ("pitch_mean", "rms_mean", "energy_mean", "spec_flux_mean"):
        assert agreement.loc[name, "rank_correlation"] > 0.85, name
    assert abs(agreement.loc["pitch_median", "median_difference"]) < 10
    long = reference.long(theirs)
    assert list(long) == ["clip", "feature", "statistic", "value", "unit"]
    assert len(long) == theirs.size
    units = dict(zip(long["feature"], long["unit"], strict=True))
    assert units["F1frequency_sma3nz_amean"] == "Hz"
    assert units["F1frequency_sma3nz_stddevNorm"] == ""
    assert units["F0semitoneFrom27.5Hz_sma3nz_amean"] == "semitones above 27.5 Hz"
    np.testing.assert_array_equal(acoustics.wide(long), theirs)


@pytest.mark.parametrize(("name", "module"), [("egemaps", "opensmile"), ("praat", "parselmouth")])
def test_a_missing_extra_is_named_with_the_command_that_brings_it(monkeypatch, voice, name, module):
    reference._smile.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)  # what Python keeps for a module that cannot be imported
    with pytest.raises(WorkbenchError, match=rf"pip install 'workbench\[{name}\]'"):
        reference.MEASURES[name](voice, sample_rate=RATE)
    acoustics.features(voice[:RATE], sample_rate=RATE)  # the core runs without


def invoke(*words):
    result = CliRunner().invoke(app, ["features", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def corpus_root(shared, tmp_path):
    """Four real RAVDESS clips and one that is no sound."""
    root = tmp_path / "ravdess"
    root.mkdir()
    for path in sorted(shared.glob("data/ravdess/Audio*/Actor_01/03-01-0[1-4]-01-01-01-01.flac")):
        shutil.copy(path, root)
    (root / "03-01-05-01-01-01-01.flac").write_bytes(b"nothing")
    return root


def test_the_command_writes_the_table_and_says_what_it_left_out(corpus_root, tmp_path):
    out = tmp_path / "features.csv"
    report = json.loads(invoke("ravdess", "--root", corpus_root, "--out", out, "--jobs", 1, "--json").stdout)
    assert (report["clips"], report["measured"], report["quarantined"]) == (5, 4, 1)
    assert report["left_out"][0]["clip"] == "03-01-05-01-01-01-01"
    assert [row["feature"] for row in report["features"]] == NAMES
    written = pd.read_csv(out)
    assert len(written) == 4 * 252
    assert written["clip"].nunique() == 4
    assert pd.read_csv(tmp_path / "features.left_out.csv")["clip"].tolist() == ["03-01-05-01-01-01-01"]


def test_the_command_compares_with_praat_and_adds_egemaps(corpus_root, tmp_path):
    pytest.importorskip("parselmouth")
    pytest.importorskip("opensmile")
    out = tmp_path / "wide.parquet"
    words = ["--out", out, "--wide", "--egemaps", "--compare", "praat", "--jobs", 1, "--json"]
    report = json.loads(invoke("ravdess", "--root", corpus_root, *words).stdout)
    assert {row["ours"] for row in report["agreement"]} == {"pitch_mean", "pitch_median", "jitter", "shimmer"}
    assert pd.read_parquet(out).shape == (4, 1 + 252 + 88)


@pytest.mark.parametrize("words", [("--out", "x.xlsx"), ("--compare", "kaldi"), ("--out", "nowhere/x.csv")])
def test_the_command_refuses_before_it_works(corpus_root, words):
    result = CliRunner().invoke(app, ["features", "ravdess", "--root", str(corpus_root), *words])
    assert isinstance(result.exception, WorkbenchError)
