"""`build` and its errors, the list of encoders, and the counts of the 1-D CNN and LRCN against the source."""

import pytest
import torch

from workbench.errors import WorkbenchError
from workbench.models import ENCODERS, build, catalogue
from workbench.models.audio import Cnn1d
from workbench.models.video import Lrcn, standardise


@torch.no_grad()
def test_speech_longer_than_the_window_is_cut_at_both_ends():
    encoder = Cnn1d(n_steps=50).eval()
    x, mask = torch.randn(2, 60, 40), torch.ones(2, 60, dtype=torch.bool)
    assert torch.allclose(encoder(x, mask), encoder(x[:, 5:55], mask[:, 5:55]), atol=1e-5)


def test_lrcn_counts_as_in_the_source():
    """Source 002, section 4.3.1: 73,126 in Keras; PyTorch's LSTM has a second bias vector of 4 x 32."""
    model = build({"video": {"name": "lrcn", "kernel_size": 3, "batch_norm": False, "hidden": 32}}, 6)
    convolutions = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)]
    count = [sum(p.numel() for p in module.parameters()) for module in (*convolutions, model.encoders["video"].lstm)]
    assert count == [448, 4640, 18496, 36928, 12416 + 128]
    assert sum(p.numel() for p in model.parameters()) == 73_126 + 128


def test_lrcn_flattens_what_its_poolings_leave():
    """Source 002, Table 4-6: without the first layer, 128 filters each, the LSTM meets 4 x 4 pixels of 128."""
    assert Lrcn(filters=(128,) * 3, pool=(4, 2, 2), dropout=(0.2, 0.3)).lstm.input_size == 4 * 4 * 128
    with pytest.raises(WorkbenchError, match=r"pooling by \(4, 4, 2, 2\) leaves nothing of pictures of 32 pixels"):
        Lrcn(size=32)


def test_cnn1d_layers_as_in_the_source():
    layers = Cnn1d().layers
    convolutions = [module for module in layers if isinstance(module, torch.nn.Conv1d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convolutions] == [
        (40, 128, 12),
        (128, 256, 12),
    ]
    assert [module.p for module in layers if isinstance(module, torch.nn.Dropout)] == [0.1, 0.3]


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


def test_the_catalogue_counts_what_the_sources_count(monkeypatch):
    wanted = ("convlstm", "resnet_frames", "cnn_transformer")
    monkeypatch.setattr(catalogue, "ENCODERS", {name: ENCODERS[name] for name in wanted})
    rows = {row["name"]: row for row in catalogue.encoders()}
    assert rows["resnet_frames"]["parameters"] == 11_176_512 + 2_101_248  # ResNet-18 on RGB and an LSTM of 512
    assert rows["cnn_transformer"]["width"] == 1064
    assert rows["convlstm"]["multiply_adds"] > 1e8


def test_standardising_leaves_the_frames_as_they_are_and_gives_each_colour_mean_0_and_deviation_1():
    frames = torch.randint(0, 256, (2, 3, 8, 8, 3), generator=torch.Generator().manual_seed(0)).float()
    before, mask = frames.clone(), torch.tensor([[True, True, True], [True, True, False]])
    shown = standardise(frames, mask)
    assert torch.equal(frames, before)
    for clip, real in zip(shown, mask, strict=True):
        values = clip[real].reshape(-1, 3)
        torch.testing.assert_close(values.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
        torch.testing.assert_close(values.std(0, correction=0), torch.ones(3), atol=0.01, rtol=0)
