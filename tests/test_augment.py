"""Augmentation: does what it says to what it says, the same from the same seed, and keeps copies together."""

import inspect

import numpy as np
import pandas as pd
import pytest

from workbench import acoustics, augment, media, plots, splits
from workbench.augment.base import Transform
from workbench.errors import WorkbenchError
from workbench.splits import LeakError

RATE = 16000
EXAMPLES = {
    "sound": np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32) * 0.3,
    "spectrogram": np.random.default_rng(0).normal(size=(90, 40)).astype(np.float16),
    "pictures": np.random.default_rng(1).integers(0, 256, (5, 24, 20, 3)).astype(np.uint8),
    "time": np.arange(1000, dtype=np.float32),
}


def rng(seed=0):
    return np.random.default_rng(seed)


def make(name, **settings):
    return augment.policy({"name": name, **settings}).transforms[0]


def example(name):
    options = {"options": ["noise", "gain"]} if name == "one_of" else {}
    transform = make(name, p=1.0, **options)
    return transform, EXAMPLES[transform.acts_on]


@pytest.mark.parametrize("name", augment.TRANSFORMS)
def test_each_repeats_from_its_seed_spares_its_input_and_has_its_settings(name):
    transform, x = example(name)
    before, state = x.copy(), np.random.get_state()[1].copy()  # noqa: NPY002
    once, again = transform(x, rng(4)), transform(x, rng(4))
    assert once.dtype == x.dtype
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert transform.name == name
    assert augment.policy(transform.settings()).settings() == [transform.settings()]


@pytest.mark.parametrize("name", sorted(set(augment.TRANSFORMS) - {"one_of", "mirror", "polarity", "affine"}))
def test_another_seed_gives_another_draw(name):
    transform, x = example(name)
    made = [transform(x, rng(seed)) for seed in range(4)]
    assert any(a.shape != made[0].shape or not np.array_equal(a, made[0]) for a in made[1:])


def test_p_is_how_often_it_is_applied():
    transform = make("polarity", p=0.3)
    x = EXAMPLES["sound"]
    changed = sum(transform(x, rng(seed)) is not x for seed in range(1000))
    assert 250 < changed < 350
    assert make("polarity", p=0)(x, rng()) is x


@pytest.mark.parametrize("snr", [0, 15, 30])
def test_noise_meets_its_ratio_exactly(snr):
    x = EXAMPLES["sound"] * 0.3
    noise = (make("noise", snr=snr)(x, rng()) - x).astype(np.float64)
    assert 10 * np.log10(np.mean(x.astype(np.float64) ** 2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.01)
    assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.05  # white


def test_silence_has_no_ratio_and_stays():
    silence = np.zeros(100, np.float32)
    np.testing.assert_array_equal(make("noise")(silence, rng()), silence)


def test_loud_sound_is_turned_down_rather_than_clipped():
    x = EXAMPLES["sound"]
    louder = make("gain", db=6)(x, rng())
    assert np.abs(louder).max() / np.abs(x).max() == pytest.approx(10 ** (6 / 20), rel=1e-4)
    full = make("gain", db=40)(x, rng())
    assert np.abs(full).max() == pytest.approx(1)
    np.testing.assert_allclose(full, x / np.abs(x).max(), atol=1e-5)


def loudest(x):
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    return spectrum.argmax() * RATE / (1 << 18)


@pytest.mark.parametrize("semitones", [-3, 2, 12])
def test_pitch_moves_by_semitones_and_keeps_the_duration(semitones):
    x = EXAMPLES["sound"]
    shifted = make("pitch", semitones=semitones)(x, rng())
    assert len(shifted) == len(x)
    assert 12 * np.log2(loudest(shifted[2000:-2000]) / 220) == pytest.approx(semitones, abs=0.1)


@pytest.mark.parametrize("rate", [0.5, 1.5])
def test_stretch_changes_the_duration_and_keeps_the_pitch(rate):
    x = EXAMPLES["sound"]
    stretched = make("stretch", rate=rate)(x, rng())
    assert len(stretched) == round(len(x) / rate)
    assert loudest(stretched) == pytest.approx(220, abs=2)


@pytest.mark.parametrize("name", ["pitch", "stretch", "noise", "gain", "slice"])
def test_a_very_short_sound_is_no_trouble(name):
    for n in (1, 2, 700):
        made = make(name)(EXAMPLES["sound"][:n], rng())
        assert 1 <= len(made) <= 2 * n
        assert np.isfinite(made).all()


def test_specaugment_masks_blocks_and_fills_them_with_each_rows_mean():
    x = EXAMPLES["spectrogram"].astype(np.float32)
    masks = {"frequency": 8, "frequency_masks": 1, "time": 20, "time_masks": 1, "share": 0.2}
    widths, lengths = [], []
    for seed in range(40):
        out = make("specaugment", **masks)(x, rng(seed))
        hidden = out != x
        rows, steps = hidden.all(axis=0), hidden.all(axis=1)
        assert np.array_equal(hidden, rows[None] | steps[:, None])
        np.testing.assert_allclose(out[hidden], np.broadcast_to(x.mean(axis=0), x.shape)[hidden], rtol=1e-5)
        widths.append(rows.sum())
        lengths.append(steps.sum())
        assert np.diff(np.flatnonzero(rows)).max(initial=1) == np.diff(np.flatnonzero(steps)).max(initial=1) == 1
    assert (min(widths), max(widths)) == (0, 8)
    assert max(lengths) <= 18  # a fifth of 90 steps
    assert (make("specaugment", fill=-7.0, **masks)(x, rng(3)) == -7).any()


def test_specaugment_keeps_a_byte_a_byte():
    x = rng().integers(0, 256, (50, 20)).astype(np.uint8)
    assert make("specaugment")(x, rng()).dtype == np.uint8


def moving(n=6):
    """Frames of a white square that stays, on black."""
    frames = np.zeros((n, 40, 40, 3), np.uint8)
    frames[:, 10:20, 14:22] = 255
    return frames


@pytest.mark.parametrize("name", ["mirror", "affine", "blur", "contrast"])
def test_factors_are_shared_over_a_clip_or_each_pictures_own(name):
    ranges = {"affine": {"rotation": [-25, 25], "shift": [-0.1, 0.1], "mirror": 0.5}, "blur": {"sigma": [1, 3]}}
    settings = ranges.get(name, {}) | ({"p": 0.5} if name == "mirror" else {"p": 1.0})
    frames = (moving() * 0.6 + 20).astype(np.uint8)
    for seed in range(5):
        shared = make(name, each="clip", **settings)(frames, rng(seed))
        assert (shared == shared[:1]).all()
    own = make(name, each="image", **settings)(frames, rng(1))
    assert own.shape == frames.shape
    assert not (own == own[:1]).all()


def centre_of(frame):
    y, x = np.nonzero(frame[..., 0] > 127)
    return x.mean(), y.mean()


def test_affine_moves_things_where_it_says():
    frames = moving(1)
    x, y = centre_of(frames[0])  # 17.5, 14.5; the picture's middle is 19.5

    def placed(**settings):
        return centre_of(make("affine", border="black", **settings)(frames, rng())[0])

    assert placed() == pytest.approx((x, y))
    assert placed(mirror=1) == pytest.approx((39 - x, y))
    assert placed(shift=0.1) == pytest.approx((x + 4, y + 4))
    assert placed(scale=2) == pytest.approx((19.5 - 4, 19.5 - 10), abs=0.3)
    assert placed(rotation=90) == pytest.approx((19.5 - 5, 19.5 + 2), abs=0.3)  # counter-clockwise
    assert placed(crop=0.25) == pytest.approx((19.5 - 4, 19.5 - 10), abs=0.3)
    assert placed(mirror=1, crop=0.25) == pytest.approx((19.5 + 4, 19.5 - 10), abs=0.3)
    np.testing.assert_array_equal(make("affine", mirror=1)(frames, rng()), make("mirror", p=1)(frames, rng()))


def test_pictures_of_two_sizes_get_the_same_factors():
    transform = make("affine", mirror=0.5, shift=[-0.2, 0.2], border="black")
    small = moving(1)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    for seed in range(6):
        x, y = centre_of(transform(small, rng(seed))[0])
        assert centre_of(transform(large, rng(seed))[0]) == pytest.approx((2 * x + 0.5, 2 * y + 0.5), abs=1)


def test_contrast_and_noise_have_the_published_form():
    frames = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None, None], (2, 256, 64, 3))
    made = make("contrast", alpha=1.5)(frames, rng())
    assert made[0, :, 0, 0].tolist() == [round(min(255, max(0, 1.5 * (v - 128) + 128))) for v in range(256)]
    grey = np.full((4, 64, 64, 3), 128, np.uint8)
    noise = make("picture_noise")(grey, rng()).astype(float) - 128
    assert noise.std() == pytest.approx(25, abs=0.3)
    assert not (noise[0] == noise[1]).all()


def test_a_slice_is_the_same_in_sound_and_pictures():
    n = 20
    frames = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 4, 4, 3))
    arrays = {"frames": frames, "mfcc": np.arange(100.0)[:, None], "speech": np.arange(32000, dtype=np.float32) / 32000}
    policy = augment.policy({"name": "slice", "share": [0.3, 0.6]})
    for seed in range(10):
        made = policy(arrays, rng(seed))
        assert made["frames"].shape == frames.shape
        start, end = made["speech"][0], made["speech"][-1]
        assert 0.29 < end - start < 0.61
        assert made["mfcc"][[0, -1], 0] / 100 == pytest.approx([start, end], abs=0.02)
        assert made["frames"][[0, -1], 0, 0, 0] / n == pytest.approx([start, end], abs=1.5 / n)


def test_a_slice_of_a_padded_mfcc_is_one_of_the_speech_and_padded_again():
    padded = np.zeros((290, 3), np.float16)
    padded[:100] = np.arange(1, 101)[:, None]
    made = augment.policy([{"name": "slice", "share": 0.5}])({"mfcc": padded, "speech": np.arange(100.0)}, rng(3))
    rows = np.flatnonzero(made["mfcc"].any(axis=1))
    assert made["mfcc"].shape == padded.shape
    assert made["mfcc"].dtype == padded.dtype
    assert rows.tolist() == list(range(50))
    assert made["mfcc"][rows, 0].tolist() == (made["speech"] + 1).tolist()


def test_sound_is_augmented_before_its_mfcc_is_made_and_masked_after():
    speech, heard = EXAMPLES["sound"], []

    def remake(waveform, names):
        heard.append(waveform)
        assert names == ["mfcc"], "what is not wanted is not computed"
        return {"mfcc": acoustics.mfcc(waveform).T}

    arrays = {"speech": speech, "mfcc": acoustics.mfcc(speech).T, "waveform": speech, "frames": EXAMPLES["pictures"]}
    policy = augment.policy(
        [{"name": "specaugment", "fill": -1234.0, "frequency_masks": 9}, {"name": "gain", "db": -9}]
    )
    made = policy(arrays, rng(1), remake=remake)
    np.testing.assert_allclose(heard[0], speech * 10 ** (-9 / 20), rtol=1e-5)
    hidden = made["mfcc"] == -1234
    assert hidden.any()
    np.testing.assert_array_equal(made["mfcc"][~hidden], acoustics.mfcc(heard[0]).T[~hidden])
    np.testing.assert_array_equal(made["waveform"], heard[0])
    assert made["frames"] is arrays["frames"]
    untouched = augment.policy({"name": "gain", "p": 0})(arrays, rng(), remake=remake)
    assert untouched["mfcc"] is arrays["mfcc"]
    assert len(heard) == 1


def test_presets_are_the_published_settings():
    assert augment.policy("awgn").settings() == [{"name": "noise", "p": 1.0, "snr": [15.0, 30.0]}]
    affine, blur, contrast, noise = augment.policy("faces_va").settings()
    assert affine["mirror"] == 0.5
    assert (affine["rotation"], affine["shear"], affine["crop"]) == ([-25, 25], [-8, 8], [0, 0.1])
    assert (blur["p"], blur["sigma"], contrast["alpha"], noise["sd"]) == (0.5, [0, 0.5], [0.75, 1.5], [25, 25])
    assert {settings["each"] for settings in augment.policy("faces_ia").settings()} == {"image"}
    assert [t.name for t in augment.policy("combined").transforms] == ["noise", "pitch", "stretch", "gain", "polarity"]
    options = augment.policy("stretch_pitch").settings()[0]["options"]
    assert [option.get("rate", option.get("semitones")) for option in options] == [[0.5] * 2, [1.5] * 2, [2.0] * 2]
    assert not set(augment.PRESETS) & set(augment.TRANSFORMS)
    for name, (source, _) in augment.PRESETS.items():
        assert len(augment.policy(name)) >= 1
        assert source.startswith("source 00")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nois", r"unknown augmentation 'nois': choose from affine, awgn"),
        ({"snr": 3}, "unknown augmentation ''"),
        ({"name": "noise", "snrr": 3}, "unknown setting of augmentation 'noise' 'snrr': choose from p, snr"),
        ({"name": "noise", "snr": [30, 15]}, r"snr is \[30, 15\], expected a number or \[lowest, highest\]"),
        ({"name": "noise", "snr": "loud"}, "snr is 'loud'"),
        ({"name": "noise", "p": 2}, "p is 2, expected a number within 0..1"),
        ({"name": "stretch", "rate": 0}, "rate is 0"),
        ({"name": "specaugment", "time": 2.5}, "time is 2.5, expected a whole number"),
        ({"name": "specaugment", "fill": "zero"}, "fill is 'zero'"),
        ({"name": "blur", "each": "frame"}, "unknown unit of augmentation 'blur' 'frame': choose from clip, image"),
        ({"name": "affine", "border": "grey"}, "choose from black"),
        ({"name": "awgn", "snr": 3}, "preset 'awgn' takes no settings"),
        ({"name": "one_of", "options": ["noise", "mirror"]}, "options of one kind"),
        ({"name": "one_of"}, "found none"),
        (3, "augment is 3"),
        ([3], "augment holds 3"),
    ],
)
def test_wrong_names_and_values_are_said(spec, message):
    with pytest.raises(WorkbenchError, match=message):
        augment.policy(spec)


def test_pictures_of_another_type_are_refused():
    with pytest.raises(WorkbenchError, match=r"expected pictures .* found \(2, 8, 8, 3\) float32"):
        make("mirror")(np.zeros((2, 8, 8, 3), np.float32), rng())


def test_every_transform_is_registered_and_documented():
    found, queue = set(), [Transform]
    while queue:
        kinds = queue.pop().__subclasses__()
        found |= set(kinds)
        queue += kinds
    assert {kind for kind in found if kind.__name__ != "Pictures"} == set(augment.TRANSFORMS.values())
    for kind in augment.TRANSFORMS.values():
        for name in set(inspect.signature(kind).parameters) - {"p", "each"}:
            assert f"{name}" in kind.__doc__, f"{kind.__name__}: {name}"


@pytest.fixture
def clips():
    """Four speakers, two emotions, three takes of each, two clips (face with voice, voice alone) a take."""
    rows = [
        {
            "speaker": f"x-{person}",
            "sex": ("male", "female")[person % 2],
            "emotion": emotion,
            "take": take,
            "clip": clip,
        }
        for person in range(4)
        for emotion in ("happy", "sad")
        for take in (f"x-{person}-{emotion}-{number}" for number in range(3))
        for clip in (f"01-{take}", f"03-{take}")
    ]
    return pd.DataFrame(rows)


def test_copies_never_stand_on_the_other_side(clips):
    table = augment.copies(clips, 2)
    assert len(table) == 3 * len(clips)
    assert table["clip"].is_unique
    assert set(table["copy"]) == {0, 1, 2}
    assert table.loc[table["copy"] == 1, "clip"].tolist() == [f"{clip}#1" for clip in clips["clip"]]
    origin = table["clip"].str.split("#").str[0].to_numpy()
    for protocol in ("random", "speaker-disjoint"):
        for seed in range(3):
            for fold in splits.make_folds(table, protocol, n_folds=2, seed=seed):
                assert not set(origin[fold.train]) & set(origin[fold.test])
                inner, validation = splits.inner_split(table, fold.train, share=0.5, seed=seed, by="take")
                assert not set(origin[inner]) & set(origin[validation])


def test_the_audit_finds_a_copy_on_the_other_side(clips):
    table = augment.copies(clips, 1)
    recorded, copied = np.flatnonzero(table["copy"] == 0), np.flatnonzero(table["copy"] == 1)
    with pytest.raises(LeakError, match="takes"):
        splits.audit(table, recorded, copied, allow=("speaker",))


def test_copies_need_a_take_to_hold_them_together(clips):
    clips = clips.assign(take="")
    with pytest.raises(WorkbenchError, match="name no take"):
        augment.copies(clips, 1)
    with pytest.raises(WorkbenchError, match="copies is -1"):
        augment.copies(clips, -1)


def test_real_speech_keeps_its_words_where_pitch_and_tempo_change(shared):
    """The loudness over time of a real clip follows the original's: nothing is cut off, echoed or shifted."""
    path = shared / "data/ravdess/Audio_Speech_Actors_01-24/Actor_05"
    x = media.read_waveform(sorted(path.iterdir())[12], sample_rate=RATE)

    def envelope(y):
        power = np.array([np.mean(part.astype(np.float64) ** 2) for part in np.array_split(y, 60)])
        return np.log10(power + 1e-8)

    for name, settings in (("pitch", {"semitones": 2}), ("stretch", {"rate": 1.3}), ("stretch", {"rate": 0.7})):
        made = make(name, **settings)(x, rng())
        assert np.corrcoef(envelope(x), envelope(made))[0, 1] > 0.9, (name, settings)


def test_the_figure_draws_what_changed_and_says_what_did_not(tmp_path):
    policies = {
        "mirror": {"name": "mirror", "p": 1},
        "stretch, 0.5": {"name": "stretch", "rate": 0.5},
        "slice": "slice",
    }
    figure = plots.augmentations(EXAMPLES["pictures"], EXAMPLES["sound"], policies, n=3)
    rows = np.reshape(figure.axes[:8], (4, 2))
    assert [[len(axes.images) for axes in row] for row in rows] == [[1, 1], [1, 0], [0, 1], [1, 1]]
    assert [axes.get_ylabel() for axes in rows[:, 0]] == ["as recorded", "mirror", "stretch,\n0.5", "slice"]
    assert [text.get_text() for axes in (rows[1, 1], rows[2, 0]) for text in axes.texts] == [
        "sound as recorded",
        "pictures as recorded",
    ]
    strip, mirrored = (axes.images[0].get_array() for axes in rows[:2, 0])
    np.testing.assert_array_equal(strip[:, 1:21], mirrored[:, 20:0:-1])
    assert rows[2, 1].images[0].get_extent()[1] == pytest.approx(2, abs=0.05)  # s
    assert all(axes.get_xlim() == rows[0, 1].get_xlim() for axes in rows[:, 1])
    assert len(plots.save(figure, "augmentations", pd.DataFrame({"row": list(policies)}), folder=tmp_path)) == 3
