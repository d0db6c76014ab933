"""The loop: learns, stops early, resumes to the same weights, augments training clips only, says what is wrong."""

import dataclasses
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from workbench import acoustics, runs, studies
from workbench.augment import Augmented, Speech, policy
from workbench.errors import WorkbenchError
from workbench.models import Model, build
from workbench.models.losses import label_distribution
from workbench.prepare import sound_arrays
from workbench.recipes import Recipe
from workbench.standards import Standards
from workbench.store import Reader, Store
from workbench.studies import running
from workbench.training import (
    Clips,
    Settings,
    checkpoint,
    class_weights,
    fit,
    hold,
    loss_of,
    make_optimiser,
    predict,
    rate_factor,
)
from workbench.training import held as held_module
from workbench.training.held import Held

TRAIN, VALIDATION = list(range(20)), list(range(20, 28))
NETWORK = {"audio": {"name": "cnn1d", "filters": (8, 8), "n_steps": 50}}
MASKING = {"name": "specaugment", "fill": 99.0, "time": 9, "share": 0.5}


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
    votes = np.stack([1 - emotion, emotion], axis=1) * 0.8 + 0.1
    return Clips(Reader(store, names, ["mfcc"]), emotion, classes=["happy", "sad"], votes=votes)


def same(one, other):
    """Return whether two models have the same weights, bit by bit."""
    theirs = other.state_dict()
    return all(torch.equal(x, theirs[name]) for name, x in one.state_dict().items())


def train(clips, folder, *, interrupt_after=None, tensorboard=None, **settings):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    model = build(NETWORK, 2)

    def stop(row):
        if row["epoch"] == interrupt_after:
            raise KeyboardInterrupt

    settings = Settings(**{"epochs": 4, "batch_size": 8, "learning_rate": 3e-3, **settings})
    options = {"settings": settings, "seed": 3, "folder": folder, "tensorboard": tensorboard, "progress": stop}
    history = fit(model, clips, TRAIN, VALIDATION, **options)
    return model, history


def test_learns_and_keeps_the_best_epoch(clips, tmp_path):
    model, history = train(clips, tmp_path, epochs=12)
    probabilities, embedding = predict(model, clips, VALIDATION)
    assert (probabilities.argmax(1) == np.arange(20, 28) % 2).mean() >= 0.9
    assert np.allclose(probabilities.sum(1), 1)
    assert embedding.shape == (8, 16)
    chosen = -np.log(probabilities[np.arange(8), np.arange(20, 28) % 2]).mean()
    assert chosen == pytest.approx(history["validation_loss"].min(), rel=1e-4)
    kept = history.loc[history["validation_loss"].idxmin()]
    assert kept["validation_commonest"] == np.bincount(probabilities.argmax(1)).max() / 8
    saved = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())


def test_poisson_is_keras_loss_of_the_probabilities():
    """Source 002, Table 4-6, row 4.27: the mean over classes of p - y log p."""
    logits, emotion = torch.tensor([[2.0, -1, 0], [0.5, 0, 3]]), torch.tensor([0, 1])
    p, y = logits.softmax(1), torch.eye(3)[emotion]
    found = loss_of({"logits": logits, "side": {}}, {"emotion": emotion}, Settings(loss="poisson"))
    assert found.item() == pytest.approx((p - y * p.log()).mean().item(), rel=1e-6)
    with pytest.raises(WorkbenchError, match="unknown loss 'hinge': choose from cross-entropy, poisson"):
        Settings(loss="hinge")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"optimiser": "sgd"}, [1.0, 2.0]),
        ({"optimiser": "sgd", "momentum": 0.8}, [1.0, 2.8]),
        # Divided by the root of the mean square, which forgets a tenth a step (source 002, Table 3-3; Keras).
        ({"optimiser": "rmsprop"}, [0.1**-0.5, 0.1**-0.5 + 0.19**-0.5]),
    ],
)
def test_steps_of_an_optimiser_along_a_gradient_of_one(settings, expected):
    weight, way = torch.nn.Parameter(torch.zeros(1)), []
    optimiser = make_optimiser([weight], Settings(learning_rate=1.0, **settings))
    for _ in range(2):
        weight.grad = torch.full((1,), -1.0)
        optimiser.step()
        way.append(weight.item())
    assert way == pytest.approx(expected, rel=1e-5)


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
        ({"targets": "teacher"}, "unknown targets 'teacher': choose from labels, votes"),
        ({"clip_norm": -1}, "clip_norm is -1, expected 0"),
        ({"momentum": 0.8}, "momentum is 0.8, expected none with adam"),
        ({"momentum": 1.0, "optimiser": "sgd"}, "momentum is 1.0, expected 0 or more, and less than 1"),
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
    assert class_weights(clips, even, Settings(class_weights={"sad": 3, "angry": 9})).tolist() == [1, 3]
    with pytest.raises(WorkbenchError, match="class_weights names emotions, but the clips do not"):
        class_weights(Clips(clips.reader, clips.emotion), even, Settings(class_weights={"sad": 3}))
    logits, batch = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), {"emotion": torch.tensor([0, 1])}
    side = torch.tensor([[1.0, 0.0], [torch.nan, torch.nan]])
    first, second = np.log(1 + np.e), np.log(1 + np.exp(3))
    found = loss_of({"logits": logits, "side": {"audio": side}}, batch, Settings(), weights)
    assert found.item() == pytest.approx((2 / 3 * first + 2 * second) / 2 + 2 / 3 * np.log(1 + np.exp(-1)))


def test_training_weighs_its_classes_and_validation_does_not(clips, tmp_path):
    """Trained on three times as many clips of one class: by their weights, that class is no longer preferred."""
    uneven, shares = [*range(0, 20, 2), 1, 3], {}
    for weights in (False, True, {"happy": 0.0}):
        folder = tmp_path / str(weights)
        folder.mkdir()
        torch.manual_seed(0)
        model = build(NETWORK, 2)
        settings = Settings(epochs=2, batch_size=6, learning_rate=1e-3, class_weights=weights)
        history = fit(model, clips, uneven, VALIDATION, settings=settings, seed=3, folder=folder)
        found = predict(model, clips, VALIDATION)[0]
        shares[str(weights)] = found[:, 0].mean()
        chosen = found[np.arange(8), np.arange(20, 28) % 2]
        assert history["validation_loss"].min() == pytest.approx(-np.log(chosen).mean(), rel=1e-4)
    assert shares["{'happy': 0.0}"] < shares["True"] < shares["False"]


@pytest.fixture(scope="module")
def plain(clips, tmp_path_factory):
    """The model and the history of the usual settings."""
    return train(clips, tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"augment": [MASKING]},
        {"augment": [MASKING], "copies": 1},
        {"schedule": "cosine"},
        {"optimiser": "sgd", "momentum": 0.9, "clip_norm": 0.5, "class_weights": {"happy": 3}, "targets": "votes"},
    ],
)
def test_interrupted_and_resumed_gives_the_same_weights(clips, tmp_path, plain, settings):
    whole, history = train(clips, tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        train(clips, tmp_path / "broken", interrupt_after=2, **settings)
    assert (tmp_path / "broken" / "checkpoint.pt").exists()
    resumed, again = train(clips, tmp_path / "broken", **settings)
    columns = ["epoch", "train_loss", "validation_loss", "learning_rate"]
    assert history[columns].equals(again[columns])
    assert same(whole, resumed)
    assert not (tmp_path / "broken" / "checkpoint.pt").exists()
    assert same(whole, plain[0]) == (not settings)


def test_a_checkpoint_is_written_seldom_enough_to_take_little_of_the_time(tmp_path, monkeypatch):
    moments = iter([10, 12, 211, 213, 214])  # the first writing takes 2 s: none for 200 s
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: next(moments))
    kept = checkpoint.Checkpoint(tmp_path)
    found = []
    for epoch in range(3):
        kept.save({"epoch": epoch})
        found.append(kept.load()["epoch"])
    assert found == [0, 0, 2]


@pytest.mark.parametrize("copies", [0, 2])
def test_training_clips_are_augmented_and_nobody_elses(clips, tmp_path, monkeypatch, copies):
    """What the model is given in validation is what the store holds, in training what augmentation has drawn."""
    stored = [clips.batch([position])["mfcc"][0] for position in range(28)]
    given, drawn, sample, forward = {True: [], False: []}, [], Augmented.sample, Model.forward

    def sampled(self, position):
        drawn.append((position, sample(self, position)["mfcc"]))
        return {"mfcc": drawn[-1][1]}

    def watched(self, batch):
        given[self.training] += list(batch["mfcc"])
        return forward(self, batch)

    monkeypatch.setattr(Augmented, "sample", sampled)
    monkeypatch.setattr(Model, "forward", watched)
    train(clips, tmp_path, epochs=2, augment=[MASKING], copies=copies)
    for position, mfcc in zip(VALIDATION * 2, given[False], strict=True):
        assert torch.equal(mfcc[: len(stored[position])], stored[position])
        assert not mfcc[len(stored[position]) :].any()
    expected = [position + 28 * copy for copy in range(copies + 1) for position in TRAIN]
    assert sorted(position for position, _ in drawn) == sorted((1 if copies else 2) * expected)  # copies: once for all
    masked = [position for position, mfcc in drawn if (mfcc == 99).any()]
    assert set(masked) <= set(expected[20:] if copies else expected)
    assert len(masked) > 0.8 * 40
    assert sum((mfcc == 99).any().item() for mfcc in given[True]) == (2 if copies else 1) * len(masked)


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


def test_the_schedule_is_that_of_the_history(clips, tmp_path):
    _, history = train(clips, tmp_path, schedule="cosine")
    assert history["learning_rate"].tolist() == pytest.approx([3e-3 * f for f in (1, 0.8535534, 0.5, 0.1464466)])


def test_clipping_bounds_the_norm_of_the_gradients(clips, tmp_path):
    """One step of SGD with learning rate 1 moves the weights by the gradients themselves."""
    step = {"epochs": 1, "batch_size": 20, "optimiser": "sgd", "learning_rate": 1.0}
    torch.manual_seed(0)
    before = build(NETWORK, 2)
    moved = {}
    for norm in (0, 0.01):
        after, _ = train(clips, tmp_path / str(norm), clip_norm=norm, **step)
        pairs = zip(after.parameters(), before.parameters(), strict=True)
        moved[norm] = torch.stack([(x - y).norm() for x, y in pairs]).norm().item()
    assert moved[0] > 0.1
    assert moved[0.01] == pytest.approx(0.01, rel=1e-3)


def test_training_on_votes_by_hand(clips, tmp_path):
    logits, side = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[1.0, 0.0], [torch.nan, torch.nan]])
    votes = torch.tensor([[0.7, 0.3], [0.0, 1.0]])
    batch, output = {"emotion": torch.tensor([0, 1]), "votes": votes}, {"logits": logits, "side": {"audio": side}}
    p, q = logits.softmax(1).log(), side[0].softmax(0).log()
    head = -(0.7 * p[0, 0] + 0.3 * p[0, 1] + p[1, 1]) / 2
    branch = -(0.7 * q[0] + 0.3 * q[1])
    by_votes = Settings(targets="votes")
    assert loss_of(output, batch, by_votes).item() == pytest.approx((head + branch).item())
    assert loss_of(output | {"side": {}}, batch, by_votes).item() == label_distribution(logits, votes).item()
    weighed = -3 * (0.7 * p[0, 0] + 0.3 * p[0, 1]) / 2 - 2 * p[1, 1] / 2 + 3 * branch
    assert loss_of(output, batch, by_votes, torch.tensor([3.0, 2.0])).item() == pytest.approx(weighed.item())
    smooth = torch.tensor([[0.68, 0.32], [0.05, 0.95]])
    found = loss_of(output | {"side": {}}, batch, Settings(targets="votes", label_smoothing=0.1)).item()
    assert found == pytest.approx(label_distribution(logits, smooth).item())
    # A model of votes that are 9 to 1 for either class learns to be that unsure.
    model, _ = train(clips, tmp_path, epochs=25, targets="votes", patience=25)
    assert predict(model, clips, TRAIN)[0].max(axis=1).mean() == pytest.approx(0.9, abs=0.04)
    with pytest.raises(WorkbenchError, match="targets is votes, but the clips come without"):
        train(Clips(clips.reader, clips.emotion), tmp_path / "none", targets="votes")


def test_precision_is_that_of_each_training(clips, tmp_path, plain):
    """After one in half precision, another in the same process is as it would have been, and so is the model."""
    half, _ = train(clips, tmp_path / "half", precision="bf16")
    assert not same(half, plain[0])
    assert same(train(clips, tmp_path / "single")[0], plain[0])
    torch.manual_seed(0)
    fresh = build(NETWORK, 2)
    fresh.load_state_dict(half.state_dict())
    assert np.array_equal(predict(half, clips, VALIDATION)[0], predict(fresh, clips, VALIDATION)[0])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Eighty clips with packed pictures, sound of another length, votes and speakers."""
    store, rng = Store(tmp_path_factory.mktemp("mixed")), np.random.default_rng(1)
    names = [f"clip{i:02d}" for i in range(80)]
    arrays = [
        {
            "frames": rng.integers(0, 255, (rng.integers(1, 6), 6, 4), dtype=np.uint8),
            "mfcc": rng.normal(size=(rng.integers(3, 30), 5)).astype(np.float16),
        }
        for _ in names
    ]
    store.write([{"clip": name} for name in names], arrays)
    reader = Reader(store, names, ["frames", "mfcc"])
    norm = Standards({"mfcc": reader.views["mfcc"]}, ["a", "b"] * 40)
    return Clips(reader, np.arange(80) % 2, standards=norm, votes=rng.dirichlet([1, 1], 80))


def test_batches_of_held_clips_equal_those_that_are_read(mixed, monkeypatch):
    copied = Augmented(mixed, policy([MASKING]), seed=0, copies=1)
    for clips, positions in ((mixed, np.arange(79, 4, -1)), (copied, copied.with_copies(range(40)))):
        held = hold(clips, positions, torch.device("cpu"))
        assert isinstance(held, Held)
        for which in np.random.default_rng(0).permutation(positions)[:64].reshape(-1, 4).tolist():
            expected, found = clips.batch(which), held.batch(which)
            assert expected.keys() == found.keys()
            for name, x in expected.items():
                assert found[name].dtype == x.dtype
                assert torch.equal(found[name], x), name
            for name, x in mixed.labels.items():
                assert torch.equal(found[name], x[np.array(which) % 80]), "a copy is labelled as its clip"
    monkeypatch.setattr(held_module, "SHARE", 1e-9)
    assert hold(mixed, range(80), torch.device("cpu")) is mixed


def test_clips_are_held_only_while_they_fit(mixed, monkeypatch):
    """One long clip pads all others: what the tensors would take counts, not what the clips have."""
    lengths = mixed.reader.views["mfcc"]
    long = Reader.of({"mfcc": [*lengths[1:], np.zeros((1000, 5), np.float16)]})
    clips = Clips(long, np.zeros(80))
    padded = 80 * 1000 * (5 * 4 + 1) + 80 * 8
    free = psutil.virtual_memory().available
    monkeypatch.setattr(held_module.psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    for room, kind in ((padded + 1, Held), (padded - 1, Clips)):
        monkeypatch.setattr(held_module, "SHARE", room / free)
        assert isinstance(hold(clips, range(80), torch.device("cpu")), kind)
    long.views = {"mfcc": [*lengths[1:], np.zeros((9, 7), np.float16)]}
    monkeypatch.setattr(held_module, "TOGETHER", 1)
    assert hold(clips, range(80), torch.device("cpu")) is clips  # a batch of both says what is wrong


@pytest.mark.parametrize("settings", [{}, {"augment": [MASKING], "copies": 1}])
def test_held_on_the_device_or_read_anew_gives_the_same_weights(clips, tmp_path, monkeypatch, settings):
    held, history = train(clips, tmp_path / "held", **settings)
    monkeypatch.setattr(held_module, "SHARE", 0)
    streamed, again = train(clips, tmp_path / "streamed", **settings)
    assert same(held, streamed)
    assert history.drop(columns="seconds").equals(again.drop(columns="seconds"))


def test_tensorboard_shows_the_history_also_of_a_resumed_run(clips, tmp_path, plain):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = tmp_path / "events"
    with pytest.raises(KeyboardInterrupt):
        train(clips, tmp_path, interrupt_after=2, tensorboard=events)
    model, history = train(clips, tmp_path, tensorboard=events)
    assert same(model, plain[0])
    shown = EventAccumulator(str(events)).Reload()
    assert set(shown.Tags()["scalars"]) == set(history.columns) - {"epoch"}
    for name in shown.Tags()["scalars"]:
        curve = shown.Scalars(name)
        assert [point.step for point in curve] == history["epoch"].tolist()
        assert [point.value for point in curve] == pytest.approx(history[name].tolist(), rel=1e-6)


def test_tensorboard_that_is_not_installed_is_said_before_training(clips, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(WorkbenchError, match=r"pip install 'workbench\[tensorboard\]'"):
        train(clips, tmp_path, tensorboard=tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def spoilt(clips, position, value, name="mfcc"):
    """Return the clips with a value in an array of one of them."""
    views = {"mfcc": [np.array(view) for view in clips.reader.views["mfcc"]]}
    views = {name: views["mfcc"]}
    views[name][position][3, 2] = value
    names = [f"clip{i:02d}" for i in range(28)]
    return Clips(Reader.of(views), clips.emotion.numpy(), classes=clips.classes, names=names)


@pytest.mark.parametrize(("position", "value"), [(2, np.nan), (25, np.nan), (25, np.inf)])
def test_a_clip_with_nan_is_named_before_training(clips, tmp_path, position, value):
    broken = spoilt(clips, position, value)
    with pytest.raises(
        WorkbenchError, match=rf"1 array\(s\) of clips hold NaN .* numbers: clip{position:02d}: mfcc; leave"
    ):
        train(broken, tmp_path / "broken")
    assert not (tmp_path / "broken" / "history.csv").exists()
    broken.names = []
    with pytest.raises(WorkbenchError, match=f"numbers: clip {position}: mfcc; leave"):
        broken.check(TRAIN + VALIDATION)
    broken.check([number for number in TRAIN + VALIDATION if number != position])


def test_named_features_may_be_missing_and_not_infinite(clips):
    spoilt(clips, 4, np.nan, "features").check(TRAIN)
    with pytest.raises(WorkbenchError, match="clip04: features"):
        spoilt(clips, 4, np.inf, "features").check(TRAIN)


def test_weights_that_overflow_after_the_only_batch_are_an_error_that_says_so(clips, tmp_path):
    """The training loss of the epoch is that of the weights before the step."""
    with pytest.raises(WorkbenchError, match="epoch 1: the loss is nan on the validation clips; try a lower"):
        train(clips, tmp_path / "run", batch_size=20, learning_rate=1e38, optimiser="sgd")
