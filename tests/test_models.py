"""Encoders and fusion: shapes, counts against the source, gradients, padding, one or many."""

import re

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.models import ENCODERS, build, catalogue
from workbench.models.base import MODALITIES, Encoder

SETTINGS = [
    {"audio": {"name": "cnn1d"}},
    {"audio": {"name": "cnn1d", "pool": "statistics"}},
    {"video": {"name": "lrcn"}},
    {"audio": {"name": "cnn1d"}, "video": {"name": "lrcn"}},
]
IDS = ["cnn1d", "cnn1d-statistics", "lrcn", "n0"]


def make(encoders):
    torch.manual_seed(0)
    return build(encoders, 8, fusion={"name": "concatenation"} if len(encoders) > 1 else None)


def batch_of(n_clips, *, mfcc_steps=90, seed=0):
    random = torch.Generator().manual_seed(seed)
    return {
        "mfcc": torch.randn(n_clips, mfcc_steps, 40, generator=random),
        "mfcc_mask": torch.ones(n_clips, mfcc_steps, dtype=torch.bool),
        "frames": torch.randint(0, 256, (n_clips, 5, 64, 64, 3), dtype=torch.uint8, generator=random),
        "frames_mask": torch.ones(n_clips, 5, dtype=torch.bool),
    }


@pytest.mark.parametrize("encoders", SETTINGS, ids=IDS)
def test_shapes_and_finite_gradients_to_every_parameter(encoders):
    model = make(encoders)
    output = model(batch_of(4))
    assert output["logits"].shape == (4, 8)
    assert output["embedding"].shape[0] == 4
    torch.nn.functional.cross_entropy(output["logits"], torch.arange(4)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("encoders", SETTINGS, ids=IDS)
def test_overfits_eight_clips(encoders):
    model, batch, emotion = make(encoders), batch_of(8), torch.arange(8)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(batch)["logits"], emotion)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        model.train()  # batch statistics: eight clips are too few for running ones
        assert (model(batch)["logits"].argmax(1) == emotion).float().mean() > 0.9


@pytest.mark.parametrize("encoders", SETTINGS, ids=IDS)
@torch.no_grad()
def test_padding_and_company_change_nothing(encoders):
    model, batch = make(encoders).eval(), batch_of(3)
    together = model(batch)["logits"]
    alone = torch.cat([model({name: x[i : i + 1] for name, x in batch.items()})["logits"] for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-4)
    padded = {}
    for name in ("mfcc", "frames"):
        x, mask = batch[name], batch[f"{name}_mask"]
        padded[name] = torch.cat([x, torch.full_like(x[:, :2], 7)], dim=1)
        padded[f"{name}_mask"] = torch.cat([mask, torch.zeros_like(mask[:, :2])], dim=1)
    assert torch.allclose(together, model(padded)["logits"], atol=1e-4)


@torch.no_grad()
def test_speech_longer_than_the_window_is_cut_at_both_ends():
    model, batch = make({"audio": {"name": "cnn1d", "n_steps": 50}}).eval(), batch_of(2, mfcc_steps=60)
    middle = batch | {"mfcc": batch["mfcc"][:, 5:55], "mfcc_mask": batch["mfcc_mask"][:, 5:55]}
    assert torch.allclose(model(batch)["logits"], model(middle)["logits"], atol=1e-5)


def test_lrcn_counts_as_in_the_source():
    """Source 002, section 4.3.1: 73,126 in Keras; PyTorch's LSTM has a second bias vector of 4 x 32."""
    model = build({"video": {"name": "lrcn", "kernel_size": 3, "batch_norm": False, "hidden": 32}}, 6)
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    count = [sum(p.numel() for p in module.parameters()) for module in (*convolutions, model.encoders["video"].lstm)]
    assert count == [448, 4640, 18496, 36928, 12416 + 128]
    assert sum(p.numel() for p in model.parameters()) == 73_126 + 128


def test_cnn1d_layers_as_in_the_source():
    layers = make({"audio": {"name": "cnn1d"}}).encoders["audio"].layers
    convolutions = [module for module in layers if isinstance(module, torch.nn.Conv1d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convolutions] == [
        (40, 128, 12),
        (128, 256, 12),
    ]
    assert [module.p for module in layers if isinstance(module, torch.nn.Dropout)] == [0.1, 0.3]


@torch.no_grad()
def test_a_missing_modality_stands_at_its_training_mean():
    model, batch = make(SETTINGS[3]).eval(), batch_of(2)
    heard = model({name: x for name, x in batch.items() if name.startswith("mfcc")})
    assert heard["logits"].isfinite().all()
    other = batch_of(2, seed=1)
    changed = model({name: other[name] for name in ("mfcc", "mfcc_mask")})
    assert not torch.allclose(heard["logits"], changed["logits"])


@pytest.mark.parametrize(
    ("encoders", "message"),
    [
        ({"audio": {"name": "cnn9d"}}, "unknown encoder 'cnn9d': choose from"),
        ({"audio": {"name": "cnn1d", "kernels": 3}}, "kernels"),
        ({"audio": {"name": "lrcn"}}, "is for video, not audio"),
        ({"audio": {"name": "cnn1d"}, "video": {"name": "lrcn"}}, "need a fusion"),
    ],
)
def test_wrong_settings_are_named(encoders, message):
    with pytest.raises(WorkbenchError, match=message):
        build(encoders, 8)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_every_encoder_states_its_contract(name):
    encoder = ENCODERS[name]
    assert encoder.modality in MODALITIES
    assert re.match(r"00[0-4]\b", encoder.source)
    assert "source" in encoder.__doc__.lower()
    assert encoder.example is not Encoder.example


def test_the_catalogue_counts_what_the_sources_count(monkeypatch):
    wanted = ("convlstm", "resnet_frames", "cnn_transformer")
    monkeypatch.setattr(catalogue, "ENCODERS", {name: ENCODERS[name] for name in wanted})
    rows = {row["name"]: row for row in catalogue.encoders()}
    assert rows["resnet_frames"]["parameters"] == 11_176_512 + 2_101_248  # ResNet-18 on RGB and an LSTM of 512
    assert rows["cnn_transformer"]["width"] == 1064
    assert rows["convlstm"]["multiply_adds"] > 1e8
