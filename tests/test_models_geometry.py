"""The classifiers on action units and landmarks have the source's sizes and learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workbench.geometry import levelled
from workbench.models import ENCODERS, build, classical


def faces(n=32, seed=0):
    """Return landmarks (n, 68, 2) of four classes, that differ in how far four of the points are moved."""
    rng, base = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(68, 2))
    labels = np.arange(n) % 4
    points = base + 0.05 * rng.normal(size=(n, 68, 2))
    points[np.arange(n), labels] += 1
    return points, labels


def batch_of(name, n=32):
    """Return a batch of one frame a clip of four classes that can be told apart, and the classes."""
    points, labels = faces(n)
    x = levelled(points) if name == "fp68" else 3 * np.eye(4).repeat(2, axis=1)[labels].astype("f4")
    mask = torch.ones(n, 1, dtype=torch.bool)
    return {name: torch.from_numpy(x)[:, None], f"{name}_mask": mask}, torch.from_numpy(labels)


@pytest.mark.parametrize(("name", "n_parameters"), [("action_units", 108), ("fp68", 2292)])
def test_networks_have_the_sources_layers_and_learn(name, n_parameters):
    torch.manual_seed(0)
    net = build({"geometry": {"name": name}}, 4)
    assert sum(p.numel() for p in net.parameters()) == n_parameters
    assert net.inputs == [name]
    (batch, target), optimizer = batch_of(name), torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(batch)["logits"], target).backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters())
        optimizer.step()
    net.eval()
    assert (net(batch)["logits"].argmax(1) == target).all()
    copy = build({"geometry": {"name": name}}, 4).eval()
    copy.load_state_dict(net.state_dict())
    assert torch.equal(copy(batch)["logits"], net(batch)["logits"])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(net(batch)["logits"]).all()


@torch.no_grad()
@pytest.mark.parametrize("name", ["action_units", "fp68"])
def test_a_clip_is_the_mean_of_its_real_frames_alone_and_in_company(name):
    encoder = ENCODERS[name]().eval()
    x, mask = encoder.example(3)
    together = encoder(x, mask)
    assert together.shape == (3, encoder.width)
    alone = torch.stack([encoder.row(frames[real]).mean(dim=0) for frames, real in zip(x, mask, strict=True)])
    assert torch.allclose(together, alone, atol=1e-6)
    x[-1, 2:] = 99
    assert torch.equal(encoder(x, mask), together), "padding counts for nothing"
    encoder.train()
    x[-1, 2:] = float("nan")
    assert torch.isfinite(encoder(x, mask)).all()


@pytest.mark.parametrize(("name", "settings"), [("svm_poly3", {"coef0": 1.0}), ("svm_linear", {}), ("ssvm", {})])
def test_the_classical_machines_learn_the_same_rows(name, settings):
    (points, labels), (others, theirs) = faces(200, seed=1), faces(40, seed=2)
    assert classical.make(name, **settings).fit(levelled(points), labels).score(levelled(others), theirs) > 0.9
