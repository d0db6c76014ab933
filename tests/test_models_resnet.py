"""Encoders of source 004: ResNet-18 over frames, segments and volumes; CNN-1, CNN-2, CNN-3; VGG-16 from faces."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from workbench import recipes
from workbench.acoustics import segments
from workbench.errors import WorkbenchError
from workbench.models import build
from workbench.models.cost import cost
from workbench.models.image import ImageCnn1, ImageCnn2, ImageCnn3, VggFace
from workbench.models.resnet import ResNet3d, ResNet18, example_frames
from workbench.models.sequence import ResNetFrames, ResNetSegments, backwards
from workbench.models.vgg import Vgg

KINDS = (ResNetFrames, ResNetSegments, ResNet3d, ImageCnn1, ImageCnn2, ImageCnn3, VggFace)


@pytest.mark.parametrize("kind", KINDS)
def test_in_the_published_size_it_reads_its_example(kind):
    with torch.device("meta"):
        encoder = kind().eval()
    x, mask = encoder.example()
    assert not mask.all() or x.shape[1] < 4
    with torch.device("meta"):
        assert encoder(x.to("meta"), mask.to("meta")).shape == (2, encoder.width)


def published_cost(*parts):
    """Sum the costs of (module, shape of x, with a mask) on the meta device, where nothing is computed."""
    costs = []
    for make_module, shape, masked in parts:
        with torch.device("meta"):
            x = torch.zeros(1, *shape, dtype=torch.uint8 if masked else torch.float32)
            costs.append(cost(make_module(), x, torch.ones(x.shape[:2], dtype=torch.bool) if masked else None))
    return tuple(map(sum, zip(*costs, strict=True)))


def head():
    return nn.Sequential(nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 8))


BATCH_NORMS = 2 * 4800  # weights of both networks' batch norms, which the source's tool counts as multiply-adds


def test_resnet_with_lstm_and_its_2d_audio_encoder_cost_what_the_source_says():
    """Source 004, section 4.4: one frame of 224 x 224, one segment of 250 windows; both numbers to the last digit."""
    frames = (ResNetFrames, (1, 224, 224, 3), True)
    sound = (lambda: ResNetSegments(segment=250), (250, 257), True)
    parameters, multiply_adds = published_cost(frames, sound, (head, (1024,), False))
    assert parameters == 26_813_704
    assert multiply_adds + BATCH_NORMS == 4_200_483_008


@pytest.mark.parametrize(
    ("video", "aggregator", "count"), [("resnet_frames", "lstm", 26_813_704), ("resnet3d", "mean", 44_638_600)]
)
def test_both_encoders_under_n0_have_the_weights_that_the_source_counts(video, aggregator, count):
    encoders = {"video": {"name": video}, "audio": {"name": "resnet_segments", "aggregator": aggregator}}
    with torch.device("meta"):
        model = build(encoders, 8, fusion={"name": "concatenation", "hidden": 256, "affine": False})
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_3d_resnet_and_its_2d_audio_encoder_cost_what_the_source_says():
    """Source 004, section 4.4: 25 frames of 224 x 224, one segment of 250 windows, no LSTM after it."""
    frames = (ResNet3d, (25, 224, 224, 3), True)
    sound = (lambda: ResNet18(1), (1, 257, 250), False)
    parameters, multiply_adds = published_cost(frames, sound, (head, (1024,), False))
    assert parameters == 44_638_600
    assert multiply_adds + BATCH_NORMS == 56_933_271_744


def test_25_frames_cost_nearly_as_much_frame_by_frame_as_in_3d():
    frame_by_frame = published_cost((ResNetFrames, (25, 224, 224, 3), True))[1]
    assert 54_550_544_384 / frame_by_frame == pytest.approx(1.20, abs=0.01)


def test_vgg_face_costs_what_the_source_says():
    """Source 004, section 4.3.1: "15.5 billion"; 138,357,544 weights with 1000 classes, as VGG-16 is published."""
    parameters, multiply_adds = published_cost((VggFace, (1, 224, 224, 3), True))
    assert parameters + 4097 * 1000 == 138_357_544
    assert multiply_adds == pytest.approx(15.5e9, rel=0.005)


def weights_of(encoder, kind):
    return [module.weight.numel() for module in encoder.modules() if isinstance(module, kind)]


def test_image_cnns_layer_by_layer():
    assert weights_of(ImageCnn1(maps=4), nn.Conv2d) == [
        *(16 * 25, 16 * 16 * 25, 32 * 16 * 25, 32 * 32 * 25, 64 * 32 * 9, 64 * 64 * 9, 64 * 64, 128 * 64 * 9),
        *(256 * 128, 128 * 256 * 9, 256 * 128, 4 * 256 * 9),
    ]
    assert weights_of(ImageCnn3(), (nn.Conv2d, nn.Linear)) == [288, 9216, 18432, 36864, 64 * 64 * 7 * 7]
    relus = ["ReLU" in type(layer).__name__ for layer in ImageCnn1(maps=4).picture]
    assert sum(relus) == 5


def test_cnn2_is_the_published_mini_xception():
    """Arriaga et al. 2017: 56,951 trained weights with seven classes."""
    assert sum(parameter.numel() for parameter in ImageCnn2(maps=7).parameters()) == 56_951


@pytest.mark.parametrize(
    ("length", "n_segments"), [(10, 1), (250, 1), (374, 1), (375, 2), (500, 3)], ids=lambda value: str(value)
)
def test_segments_are_those_of_the_recipe(length, n_segments):
    x = torch.randint(0, 256, (2, 500, 257), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(500) < torch.tensor([length, 500])[:, None]
    ours, real = ResNetSegments(filters=4, width=8).segments(x, mask)
    recipe = recipes.load("mrpn")
    expected = segments(x[0, :length].numpy(), segment=recipe.segment, step=recipe.step)  # (S, segment, F)
    assert real.sum(dim=1).tolist() == [n_segments, 3]
    np.testing.assert_array_equal(ours[0, :n_segments, :, :, 0].swapaxes(1, 2).numpy(), expected)


def test_backwards_turns_the_real_steps():
    x, mask = torch.arange(10.0).view(2, 5, 1), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
    turned = backwards(x, mask)[..., 0]
    assert turned[0, :3].tolist() == [2, 1, 0]
    assert turned[1].tolist() == [9, 8, 7, 6, 5]


def test_resnet_takes_weights_named_as_by_torchvision(tmp_path):
    colour = ResNet18(filters=4)
    state = {f"module.{name}": x for name, x in colour.state_dict().items() if "num_batches" not in name}
    torch.save({"state_dict": state | {"module.fc.weight": torch.zeros(10, 32)}, "epoch": 3}, tmp_path / "faces.pth")
    encoder = ResNetFrames(filters=4, width=8, weights=tmp_path / "faces.pth")
    picture = torch.rand(1, 1, 32, 32)
    expected = colour.eval()(picture.expand(1, 3, 32, 32))
    assert encoder.frame[1].eval()(picture.expand(1, 3, 32, 32)).equal(expected)
    assert ResNet18(1, filters=4, weights=tmp_path / "faces.pth").eval()(picture).allclose(expected, atol=1e-5)


def test_resnet3d_takes_weights_named_as_torchvisions_r3d(tmp_path):
    names = {"conv1.": "stem.0.", "bn1.": "stem.1."}
    own = ResNet18(filters=4, dims=3, stem=3, pool=False)
    theirs = {}
    for name, x in own.state_dict().items():
        parts = name.split(".")
        if name.startswith("layer") and "downsample" not in name:
            parts[2] = {"conv": f"conv{parts[2][-1]}.0", "bn": f"conv{parts[2][-1]}.1"}[parts[2][:-1]]
        theirs[".".join(parts) if name.startswith("layer") else names[f"{parts[0]}."] + parts[1]] = x
    save_file(theirs, tmp_path / "r3d.safetensors")
    again = ResNet18(filters=4, dims=3, stem=3, pool=False, weights=tmp_path / "r3d.safetensors")
    assert all(x.equal(again.state_dict()[name]) for name, x in own.state_dict().items())


def test_vgg_face_takes_both_namings_and_freezes(tmp_path, monkeypatch):
    source = Vgg(16, pool="dense", filters=2)
    state = source.state_dict()
    save_file(state, tmp_path / "torchvision.safetensors")
    layers = [f"conv{block}_{i}" for block, n in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, n + 1)]
    convolutions = sorted({int(name.split(".")[1]) for name in state if name.startswith("features")})
    renamed = {f"features.{i}": layer for i, layer in zip(convolutions, layers, strict=True)}
    renamed |= {"classifier.0": "fc6", "classifier.3": "fc7"}
    theirs = {f"{renamed[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": x for name, x in state.items()}
    save_file(theirs | {"fc8.bias": torch.zeros(2622)}, tmp_path / "vgg_face.safetensors")

    x, mask = example_frames(3, 3, 32, 0)
    face = VggFace(weights=tmp_path / "vgg_face.safetensors", freeze=True, size=32, filters=2).eval()
    mean = torch.tensor([129.1863, 104.7624, 93.5940])[:, None, None]
    expected = source.eval()(x[:, 0].permute(0, 3, 1, 2) - mean)  # as VGG-Face takes its pictures: 0 to 255
    torch.testing.assert_close(face(x[:, :1], mask[:, :1]), expected, rtol=1e-3, atol=1e-3)
    assert {name.split(".")[2] for name, p in face.named_parameters() if p.requires_grad} == {"classifier"}
    monkeypatch.setenv("WORKBENCH_WEIGHTS", str(tmp_path))
    plain = VggFace(weights="torchvision.safetensors", size=32, filters=2)
    assert all(value.equal(state[name]) for name, value in plain.picture[1].state_dict().items())
    assert all(parameter.requires_grad for parameter in plain.parameters())


def test_wrong_weights_and_names_are_named(tmp_path):
    with pytest.raises(WorkbenchError, match=r"no weights at .*nowhere\.pth"):
        ResNetFrames(weights=tmp_path / "nowhere.pth")
    save_file(ResNet18(filters=2).state_dict(), tmp_path / "narrow.safetensors")
    with pytest.raises(WorkbenchError, match=r"expected conv1.weight \(4, 3, 7, 7\), found \(2, 3, 7, 7\)"):
        ResNet18(filters=4, weights=tmp_path / "narrow.safetensors")
    (tmp_path / "noise.pth").write_bytes(b"nothing")
    with pytest.raises(WorkbenchError, match="expected tensors by name"):
        VggFace(weights=tmp_path / "noise.pth", size=32, filters=2)
    with pytest.raises(WorkbenchError, match="unknown aggregator 'gru': choose from bilstm, lstm, mean, transformer"):
        ResNetFrames(aggregator="gru", filters=2)


@pytest.mark.parametrize("length", [1, 7])
def test_cost_counts_recurrent_layers_and_attention(length):
    x = torch.zeros(2, length, 8)
    assert cost(nn.LSTM(8, 16, batch_first=True), x) == (64 * (8 + 16) + 128, 2 * length * 64 * (8 + 16))
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    dense, attention = 2 * length * (4 * 8 * 8 + 2 * 8 * 16), 2 * 2 * length * length * 8
    assert cost(layer, x)[1] == dense + attention
    assert cost(layer.to("meta"), x.to("meta"))[1] == dense + attention
    assert layer.training
