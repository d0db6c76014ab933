"""The classifiers on action units and landmarks have the source's sizes and learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from workbench.errors import WorkbenchError
from workbench.models.geometry import ActionUnitNet, LandmarkNet, levelled, svm


def faces(n=32, seed=0):
    """Return landmarks (n, 68, 2) of four classes, that differ in how far four of the points are moved."""
    rng, base = np.random.default_rng(seed), np.random.default_rng(9).normal(size=(68, 2))
    labels = np.arange(n) % 4
    points = base + 0.05 * rng.normal(size=(n, 68, 2))
    points[np.arange(n), labels] += 1
    return points, labels


@pytest.mark.parametrize(("network", "width", "n_parameters"), [(ActionUnitNet, 8, 108), (LandmarkNet, 136, 2292)])
def test_networks_have_the_sources_layers_and_learn(network, width, n_parameters):
    torch.manual_seed(0)
    net = network(4)
    assert sum(p.numel() for p in net.parameters()) == n_parameters
    points, labels = faces()
    x = torch.from_numpy(levelled(points) if width == 136 else 3 * np.eye(4).repeat(2, axis=1)[labels].astype("f4"))
    target, optimizer = torch.from_numpy(labels), torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), target).backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters())
        optimizer.step()
    net.eval()
    assert (net(x).argmax(1) == target).all()
    assert torch.allclose(net(x[:1]), net(x)[:1], atol=1e-5), "alone as in company"
    copy = network(4).eval()
    copy.load_state_dict(net.state_dict())
    assert torch.equal(copy(x), net(x))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(net(x)).all()


@pytest.mark.parametrize("name", ["svm_poly", "svm_linear", "ssvm"])
def test_machines_learn(name):
    (points, labels), (others, theirs) = faces(200, seed=1), faces(40, seed=2)
    assert svm(name).fit(levelled(points), labels).score(levelled(others), theirs) > 0.9


def test_what_is_unknown_is_refused():
    with pytest.raises(WorkbenchError, match="unknown classifier 'svm': choose from ssvm, svm_linear, svm_poly"):
        svm("svm")
    with pytest.raises(WorkbenchError, match=r"expected landmarks \(t, 68, 2\), found \(68, 2\)"):
        levelled(np.zeros((68, 2)))


def test_landmarks_do_not_tell_where_and_how_large_a_face_is():
    points, _ = faces(3)
    assert levelled(3 * points + [100, -20]) == pytest.approx(levelled(points), abs=1e-5)
