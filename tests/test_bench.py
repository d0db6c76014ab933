"""The measurements of training run, at tiny sizes, and what they compare is equal work."""

import numpy as np
import pytest
import torch

from workbench.bench import mrpn, training
from workbench.errors import WorkbenchError
from workbench.models import build
from workbench.training import Settings, Shuffled, fit, loader

# Without dropout, whose draws the loader of the loop would move.
TINY = {"audio": {"name": "cnn1d", "filters": (8, 8), "dropout": (0, 0)}}


def test_the_bare_loop_does_the_work_of_the_training_loop(tmp_path):
    """The same validation losses after each epoch, and so the same training before."""
    clips, settings = training.random_clips({"mfcc": (200, 40)}, 40), Settings(epochs=3, batch_size=8)
    train, validation = np.arange(32), np.arange(32, 40)
    order, epochs = Shuffled(train, 1), []
    for order.epoch in range(3):
        epochs.append(list(loader(clips, order, 8)))
    torch.manual_seed(0)
    first, second = build(TINY, 8), build(TINY, 8)
    second.load_state_dict(first.state_dict())
    losses = training.bare_loop(first, epochs, list(loader(clips, validation.tolist(), 16)), settings)
    history = fit(second, clips, train, validation, settings=settings, seed=1, folder=tmp_path)
    assert losses == pytest.approx(history["validation_loss"].tolist(), rel=1e-6)


def test_bench_train_prints_its_figures(monkeypatch, call):
    for network in training.CASES:
        monkeypatch.setitem(training.CASES, network, (TINY, {"mfcc": (200, 40)}, 20))
    code, out, _ = call("bench", "train", "--repeats", 2, "--epochs", 1)
    assert code == 0
    for name in ("overhead", "overhead_processor", "seconds", "seconds_bare"):
        assert f"train.{name} " in out
        assert f"train.{name.replace('overhead', 'overhead_cnn1d').replace('seconds', 'seconds_cnn1d')} " in out


def test_bench_mrpn_trains_folds_and_projects_twelve(monkeypatch):
    shapes = {"frames": (2, 32, 32, 3), "spectrogram": (60, 257)}
    found = mrpn.mrpn(folds=2, epochs=1, clips=48, batch_size=12, filters=2, shapes=shapes, precision="bf16")
    assert found["mrpn.minutes_of_12_folds"] == pytest.approx(12 * found["mrpn.seconds_per_fold"] / 60)
    with pytest.raises(WorkbenchError, match="23 clips, 1 folds: expected 24 or more, 1 to 12"):
        mrpn.mrpn(clips=23)


def test_the_folds_of_mrpn_keep_speakers_apart_and_test_each_once(monkeypatch):
    sides, speaker = [], np.arange(48) // 2
    monkeypatch.setattr(mrpn, "fit", lambda model, data, train, validation, **_: sides.append([train, validation]))
    monkeypatch.setattr(mrpn, "predict", lambda model, data, test: sides[-1].append(test))
    shapes = {"frames": (1, 32, 32, 3), "spectrogram": (8, 257)}
    mrpn.mrpn(folds=12, epochs=1, clips=48, filters=1, shapes=shapes)
    assert sorted(np.concatenate([test for *_, test in sides])) == list(range(48))
    for parts in sides:
        assert sorted(np.concatenate(parts)) == list(range(48))
        people = [set(speaker[part]) for part in parts]
        assert [len(one) for one in people] == [18, 4, 2]
        assert len(set.union(*people)) == 24
