"""N0, the concatenation of voice and face: gradients, learning by heart, padding, company, a missing modality."""

import pytest
import torch
from torch.nn import functional as F

from workbench.models import build


@pytest.fixture
def model():
    torch.manual_seed(0)
    encoders = {"audio": {"name": "cnn1d", "n_steps": 50}, "video": {"name": "lrcn", "kernel_size": 3}}
    return build(encoders, 8, fusion={"name": "concatenation"})


def clips(n_clips, *, seed=0):
    random = torch.Generator().manual_seed(seed)
    return {
        "mfcc": torch.randn(n_clips, 50, 40, generator=random),
        "mfcc_mask": torch.ones(n_clips, 50, dtype=torch.bool),
        "frames": torch.randint(0, 256, (n_clips, 3, 64, 64, 3), dtype=torch.uint8, generator=random),
        "frames_mask": torch.ones(n_clips, 3, dtype=torch.bool),
    }


def test_shapes_and_finite_gradients_to_every_parameter(model):
    output = model(clips(4))
    assert output["logits"].shape == (4, 8)
    assert output["embedding"].shape == (4, model.fusion.width)
    F.cross_entropy(output["logits"], torch.arange(4)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_overfits_eight_clips(model):
    batch, emotion, optimiser = clips(8), torch.arange(8), torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        logits = model(batch)["logits"]  # batch statistics: eight clips are too few for running ones
        if (logits.argmax(1) == emotion).all():
            return
        optimiser.zero_grad()
        F.cross_entropy(logits, emotion).backward()
        optimiser.step()
    pytest.fail("eight clips were not learned in 60 steps")


@torch.no_grad()
def test_padding_and_company_change_nothing(model):
    batch = clips(3)
    together = model.eval()(batch)["logits"]
    alone = torch.cat([model({name: x[i : i + 1] for name, x in batch.items()})["logits"] for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)
    padded = {}
    for name, value in (("mfcc", torch.nan), ("frames", 7)):
        x, mask = batch[name], batch[f"{name}_mask"]
        padded[name] = torch.cat([x, torch.full_like(x[:, :2], value)], dim=1)
        padded[f"{name}_mask"] = F.pad(mask, (0, 2))
    assert torch.allclose(together, model(padded)["logits"], atol=1e-5)


@torch.no_grad()
def test_a_missing_modality_stands_at_its_training_mean(model):
    """And each of the two changes the answer."""
    batch, other = clips(2), clips(2, seed=1)
    model.eval()
    for given in ("mfcc", "frames"):
        heard = model({name: x for name, x in batch.items() if name.startswith(given)})["logits"]
        assert heard.isfinite().all()
        assert not torch.allclose(heard, model(batch)["logits"])
        changed = model({name: x for name, x in other.items() if name.startswith(given)})["logits"]
        assert not torch.allclose(heard, changed)
