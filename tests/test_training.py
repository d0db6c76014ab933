"""The loop: learns, stops early, resumes to the same weights, and says what is wrong."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from workbench.errors import WorkbenchError
from workbench.models import build
from workbench.store import Reader, Store
from workbench.training import Clips, Settings, fit, predict

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
    ],
)
def test_settings_are_checked_before_work(settings, message):
    with pytest.raises(WorkbenchError, match=message):
        Settings(**settings)
