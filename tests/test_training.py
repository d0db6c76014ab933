"""The loop: learns, stops early, resumes to the same weights, augments training clips only, says what is wrong."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from workbench import acoustics, runs, studies
from workbench.augment import Augmented, Speech, policy
from workbench.errors import WorkbenchError
from workbench.models import build
from workbench.prepare import sound_arrays
from workbench.recipes import Recipe
from workbench.store import Reader, Store
from workbench.studies import running
from workbench.training import Clips, Settings, class_weights, fit, loss_of, predict, rate_factor

TRAIN, VALIDATION = list(range(20)), list(range(20, 28))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """28 clips of two classes that differ in their first coefficient; lengths differ."""
    store, rng = Store(tmp_path_factory.mktemp("store")), np.random.default_rng(0)
    emotion = np.arange(28) % 2
    names = [f"clip{i:02d}" for i in range(28)]
    arrays = []
    for label in emotion:
        mfcc = rng.normal(size=(rng.integers(30, 50), 40))
        mfcc[:, 0] += 3 * label
        arrays.append({"mfcc": mfcc.astype(np.float16)})
    store.write([{"clip": name} for name in names], arrays)
    return Clips(Reader(store, names, ["mfcc"]), emotion)


def train(clips, folder, *, interrupt_after=None, **settings):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    model = build({"audio": {"name": "cnn1d", "filters": (8, 8), "n_steps": 50}}, 2)

    def stop(row):
        if row["epoch"] == interrupt_after:
            raise KeyboardInterrupt

    settings = Settings(**{"epochs": 4, "batch_size": 8, "learning_rate": 3e-3, **settings})
    history = fit(model, clips, TRAIN, VALIDATION, settings=settings, seed=3, folder=folder, progress=stop)
    return model, history


def test_learns_and_keeps_the_best_epoch(clips, tmp_path):
    model, history = train(clips, tmp_path, epochs=12)
    probabilities, embedding = predict(model, clips, VALIDATION)
    assert (probabilities.argmax(1) == np.arange(20, 28) % 2).mean() >= 0.9
    assert np.allclose(probabilities.sum(1), 1)
    assert embedding.shape == (8, 16)
    chosen = -np.log(probabilities[np.arange(8), np.arange(20, 28) % 2]).mean()
    assert chosen == pytest.approx(history["validation_loss"].min(), rel=1e-4)
    saved = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


def test_interrupted_and_resumed_gives_the_same_weights(clips, tmp_path):
    whole, history = train(clips, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(clips, tmp_path / "broken", interrupt_after=2)
    assert (tmp_path / "broken" / "checkpoint.pt").exists()
    resumed, again = train(clips, tmp_path / "broken")
    assert history["train_loss"].tolist() == again["train_loss"].tolist()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert not (tmp_path / "broken" / "checkpoint.pt").exists()


def test_stops_when_validation_no_longer_improves(clips, tmp_path):
    _, history = train(clips, tmp_path, epochs=30, patience=2, learning_rate=0.03)
    best = history["validation_loss"].idxmin()
    assert len(history) == best + 3 or len(history) == 30
    assert len(history) < 30


def test_a_loss_that_is_not_finite_is_said(clips, tmp_path):
    with pytest.raises(WorkbenchError, match="learning rate"):
        train(clips, tmp_path, learning_rate=1e38, optimiser="sgd")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimiser": "adamm"}, "choose from adam"),
        ({"epochs": 0}, "epochs is 0"),
        ({"precision": "half"}, "precision"),
        ({"augment": ["nois"]}, "unknown augmentation 'nois'"),
        ({"class_weights": "inverse"}, "class_weights is 'inverse', expected true, false or emotion: weight"),
        ({"class_weights": {"hapy": 2}}, "unknown emotion of class_weights 'hapy': choose from angry"),
        ({"class_weights": {"happy": -1}}, "class_weights of happy is -1, expected a number, 0 or more"),
        ({"copies": 2}, "copies is 2, but augment names nothing"),
        ({"copies": -1, "augment": ["awgn"]}, "copies is -1, expected 0 or more"),
    ],
)
def test_settings_are_checked_before_work(settings, message):
    with pytest.raises(WorkbenchError, match=message):
        Settings(**settings)


def test_class_weights_by_hand(clips):
    """Six of twelve training clips in each class count as 1; nine and three as 2/3 and 2, in all branches alike."""
    even, uneven = list(range(12)), [*range(0, 18, 2), 1, 3, 5]
    assert class_weights(clips, even, Settings()) is None
    assert class_weights(clips, even, Settings(class_weights=True)).tolist() == [1, 1]
    weights = class_weights(clips, uneven, Settings(class_weights=True))
    assert weights.tolist() == pytest.approx([12 / (2 * 9), 12 / (2 * 3)])
    with pytest.raises(WorkbenchError, match="class_weights names emotions, but the clips do not"):
        class_weights(clips, even, Settings(class_weights={"sad": 3}))
    named = Clips(clips.reader, clips.emotion, classes=["happy", "sad"])
    assert class_weights(named, even, Settings(class_weights={"sad": 3, "angry": 9})).tolist() == [1, 3]
    logits, batch = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), {"emotion": torch.tensor([0, 1])}
    side = torch.tensor([[1.0, 0.0], [torch.nan, torch.nan]])
    first, second = np.log(1 + np.e), np.log(1 + np.exp(3))
    found = loss_of({"logits": logits, "side": {"audio": side}}, batch, Settings(), weights)
    assert found.item() == pytest.approx((2 / 3 * first + 2 * second) / 2 + 2 / 3 * np.log(1 + np.exp(-1)))


def test_training_weighs_its_classes_and_validation_does_not(clips, tmp_path):
    """Trained on three times as many clips of one class: by their weights, that class is no longer preferred."""
    uneven, shares = [*range(0, 20, 2), 1, 3], {}
    for weights in (False, True, {"happy": 0.0}):
        (tmp_path / str(weights)).mkdir()
        torch.manual_seed(0)
        model = build({"audio": {"name": "cnn1d", "filters": (8, 8), "n_steps": 50}}, 2)
        named = Clips(clips.reader, clips.emotion, classes=["happy", "sad"])
        settings = Settings(epochs=2, batch_size=6, learning_rate=1e-3, class_weights=weights)
        folder = tmp_path / str(weights)
        history = fit(model, named, uneven, VALIDATION, settings=settings, seed=3, folder=folder)
        shares[str(weights)] = predict(model, clips, VALIDATION)[0][:, 0].mean()
        chosen = predict(model, clips, VALIDATION)[0][np.arange(8), np.arange(20, 28) % 2]
        assert history["validation_loss"].min() == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    assert shares["{'happy': 0.0}"] < shares["True"] < shares["False"]


MASKING = {"name": "specaugment", "fill": 99.0, "time": 9, "share": 0.5}


def test_an_augmented_run_interrupted_and_resumed_gives_the_same_weights(clips, tmp_path):
    plain, _ = train(clips, tmp_path / "plain")
    whole, history = train(clips, tmp_path / "whole", augment=[MASKING])
    with pytest.raises(KeyboardInterrupt):
        train(clips, tmp_path / "broken", interrupt_after=2, augment=[MASKING])
    resumed, again = train(clips, tmp_path / "broken", augment=[MASKING])
    assert history["train_loss"].tolist() == again["train_loss"].tolist()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert any(not torch.equal(value, plain.state_dict()[name]) for name, value in whole.state_dict().items())


@pytest.mark.parametrize("copies", [0, 2])
def test_training_clips_are_augmented_and_nobody_elses(clips, tmp_path, monkeypatch, copies):
    """Each clip the loop asks for, in training and in validation, is compared with what the store holds."""
    stored = [clips.batch([position])["mfcc"][0] for position in range(28)]
    met = {"augmented": [], "plain": []}
    sample, batch = Augmented.sample, Clips.batch

    def sampled(self, position):
        arrays = sample(self, position)
        met["augmented"].append((position, arrays["mfcc"]))
        return arrays

    def gathered(self, positions):
        out = batch(self, positions)
        met["plain"] += list(zip(positions, out["mfcc"], strict=True))
        return out

    monkeypatch.setattr(Augmented, "sample", sampled)
    monkeypatch.setattr(Clips, "batch", gathered)
    model, _ = train(clips, tmp_path, epochs=2, augment=[MASKING], copies=copies)
    predict(model, clips, VALIDATION)
    for position, mfcc in met["plain"]:
        assert position in VALIDATION
        assert torch.equal(mfcc[: len(stored[position])], stored[position])
    assert len(met["plain"]) == 3 * len(VALIDATION)
    expected = [position + 28 * copy for copy in range(copies + 1) for position in TRAIN]
    assert sorted(position for position, _ in met["augmented"]) == sorted(2 * expected)
    masked = {position for position, mfcc in met["augmented"] if (mfcc == 99).any()}
    assert not masked & set(VALIDATION)
    assert masked <= set(expected if not copies else expected[20:])
    assert len(masked) > 0.8 * (len(expected) - (20 if copies else 0))


def test_draws_depend_on_seed_epoch_and_clip_or_on_seed_and_copy(clips):
    def drawn(seed, epoch, position, copies=0):
        augmented = Augmented(clips, policy([MASKING]), seed=seed, copies=copies)
        augmented.epoch = epoch
        return augmented.sample(position)["mfcc"].astype(float).tolist()

    assert drawn(0, 0, 3) == drawn(0, 0, 3)
    assert len({str(drawn(*which)) for which in ((0, 0, 3), (1, 0, 3), (0, 1, 3), (0, 0, 4))}) == 4
    assert drawn(0, 0, 31, copies=2) == drawn(0, 5, 31, copies=2)
    assert len({str(drawn(0, 0, 3 + 28 * copy, copies=2)) for copy in range(3)}) == 3
    assert drawn(0, 0, 3, copies=2) == clips.reader.batch([3])["mfcc"][0].astype(float).tolist()


def test_a_batch_is_padded_and_masked_as_the_stores_are(clips):
    still = Augmented(clips, policy([{"name": "specaugment", "p": 0}]), seed=0)
    for name, x in clips.batch([4, 9, 1]).items():
        assert torch.equal(still.batch([4, 9, 1])[name], x), name


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """Four clips of one recipe with their waveform, and the same without it."""
    rng, recipe, folders = np.random.default_rng(0), Recipe(), tmp_path_factory.mktemp("heard")
    arrays, rows = [], []
    for number in range(4):
        waveform = (0.1 * rng.normal(size=16000 + 800 * number)).astype(np.float32)
        arrays.append(sound_arrays(waveform, (0.25, 0.75), recipe))
        rows.append({"clip": f"clip{number}", "speech_start": 0.25, "speech_end": 0.75})
    stores = [Store(folders / name) for name in ("with", "without")]
    stores[0].write(rows, arrays)
    stores[1].write(rows, [{"mfcc": mine["mfcc"]} for mine in arrays])
    names = [row["clip"] for row in rows]
    return [
        Clips(Reader(store, names, ["mfcc"]), np.zeros(4), speech=Speech(store, names, recipe, sound_arrays))
        for store in stores
    ]


def test_sound_is_augmented_between_the_ends_of_the_speech_and_its_mfcc_made_anew(heard):
    clips = heard[0]
    quiet = Augmented(clips, policy([{"name": "gain", "db": -12}]), seed=0)
    made, stored = quiet.sample(2)["mfcc"], clips.reader.batch([2])["mfcc"][0]
    assert made.shape == stored.shape
    assert made.dtype == stored.dtype
    # 12 dB less in 128 bands, by the orthonormal transform: the first coefficient, and no other.
    np.testing.assert_allclose(stored[:, 0] - made[:, 0], 12 * np.sqrt(128), atol=1.5)
    np.testing.assert_allclose(stored[:, 1:], made[:, 1:], atol=0.6)
    slow = Augmented(clips, policy([{"name": "stretch", "rate": 0.5}]), seed=0)
    assert len(slow.sample(2)["mfcc"]) == pytest.approx(2 * len(stored), abs=1)
    assert clips.speech.waveform(2).shape == (8000,)
    assert len(clips.speech.store.view("waveform", "clip2")) == 8000
    again = acoustics.mfcc(clips.speech.waveform(2)).T
    np.testing.assert_allclose(again, stored, atol=0.6)


def test_sound_that_the_store_did_not_keep_is_missed_before_training(heard):
    with pytest.raises(WorkbenchError, match="keeps no waveform of 4 of 4 clips"):
        Augmented(heard[1], policy(["awgn"]), seed=0)
    Augmented(heard[1], policy(["specaugment", "slice", "faces_va"]), seed=0)
    with pytest.raises(WorkbenchError, match="noise acts on sound"):
        Augmented(Clips(heard[0].reader, np.zeros(4)), policy(["awgn"]), seed=0)


def test_a_study_augments_by_its_yaml_and_its_parameters_say_so(tiny, data_folder):
    """At the study, the profile and the variant; the runs' test clips are those of the runs without."""
    study = studies.load("thread")
    both = study.variants["n0"] | {"training": {"augment": ["mrpn", "combined"], "copies": 1}, "start": []}
    small = {"n_folds": 2, "training": {"epochs": 2, "batch_size": 8, "augment": ["awgn", "faces_ia"]}}
    study = dataclasses.replace(study, variants=study.variants | {"n0": both}, profiles={"smoke": small})
    options = {"profile": "smoke", "protocols": ["speaker-disjoint"]}
    made = running.run(study, tiny, variants=["audio_cnn", "n0"], **options)
    by = {variant: [run for run in made if run.params["variant"] == variant] for variant in ("audio_cnn", "n0")}
    audio = by["audio_cnn"][0].params["training"]
    assert [settings["name"] for settings in audio["augment"]][:2] == ["noise", "affine"]
    fused = by["n0"][0].params["training"]
    assert [settings["name"] for settings in fused["augment"]][:2] == ["slice", "affine"]
    assert fused["copies"] == 1
    plain = dataclasses.replace(study, profiles={"smoke": {"n_folds": 2, "training": {"epochs": 2, "batch_size": 8}}})
    bare = running.run(plain, tiny, variants=["audio_cnn"], **options)
    assert not {run.name for run in bare} & {run.name for run in made}
    tested = [runs.predictions(which).query("usage == 'test'")["clip"].tolist() for which in (bare, by["audio_cnn"])]
    assert tested[0] == tested[1]
    again = running.run(study, tiny, variants=["audio_cnn", "n0"], **options)
    assert [run.name for run in again] == [run.name for run in made]


def test_schedules_move_the_learning_rate_by_epoch_and_loss():
    rates = lambda losses, **settings: [rate_factor(Settings(**settings), losses[:n]) for n in range(len(losses) + 1)]  # noqa: E731
    falling = [3.0, 2.0, 1.0, 0.5]
    assert rates(falling) == [1] * 5
    assert rates(falling, schedule="cosine", epochs=4) == pytest.approx([1, 0.8535534, 0.5, 0.1464466, 0])
    assert rates(falling, schedule="step", schedule_epochs=2, schedule_factor=0.1) == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01]
    )
    stuck = [1.0, 2.0, 1.5, 0.9, 0.9, 0.9, 3.0]
    assert rates(stuck, schedule="plateau", schedule_epochs=2) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    with pytest.raises(WorkbenchError, match="unknown schedule 'linear': choose from constant, cosine"):
        Settings(schedule="linear")


def test_a_scheduled_run_interrupted_and_resumed_gives_the_same_weights(clips, tmp_path):
    whole, history = train(clips, tmp_path / "whole", schedule="cosine")
    assert history["learning_rate"].tolist() == pytest.approx([3e-3 * f for f in (1, 0.8535534, 0.5, 0.1464466)])
    with pytest.raises(KeyboardInterrupt):
        train(clips, tmp_path / "broken", schedule="cosine", interrupt_after=2)
    again, resumed = train(clips, tmp_path / "broken", schedule="cosine")
    assert resumed["learning_rate"].tolist() == history["learning_rate"].tolist()
    for name, x in whole.state_dict().items():
        assert torch.equal(x, again.state_dict()[name]), name
