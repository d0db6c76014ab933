"""Encoders of sources 002 and 003 (and raw sound, 001): layers and counts, weights of VGG, front ends."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from workbench import acoustics, studies
from workbench.errors import WorkbenchError
from workbench.fusion.neural import Concatenation
from workbench.models import build
from workbench.models.audio import Cnn1d, RawCnnLstm
from workbench.models.base import Model, Scoring
from workbench.models.cost import cost
from workbench.models.frontends import Mel, Mfcc, example_waveform
from workbench.models.mfcc import MfccCnn, NamedFeatures
from workbench.models.spectral import Cnn2d, CnnTransformer, ParallelCnnLstm, StackedCnnLstm
from workbench.models.vgg import Vgg
from workbench.models.yamnet import PATCH, LogMel, Yamnet, mel_bands, mobile_net


def count(module):
    return sum(p.numel() for p in module.parameters())


@torch.no_grad()
def test_two_cnns_and_transformer_as_in_the_source():
    """Source 002, section 3.3.1.1: 16 x 20 x 141, 32 x 5 x 35, 64 x 1 x 8; 512 + 512 + 40 = 1064 before the head."""
    encoder = CnnTransformer().eval()
    x, shapes = torch.zeros(1, 1, 40, 282), []
    for layer in encoder.cnns[0]:
        x = layer(x)
        shapes += [tuple(x.shape[1:])] if isinstance(layer, torch.nn.MaxPool2d) else []
    assert shapes == [(16, 20, 141), (32, 5, 35), (64, 1, 8)]
    assert encoder.width == 1064
    assert encoder(*encoder.example()).shape == (2, 1064)
    kernels = [layer.weight[0].numel() for layer in encoder.cnns[0] if isinstance(layer, torch.nn.Conv2d)]
    assert kernels == [9, 144, 288]
    layer = encoder.transformer.layers[0]
    assert (len(encoder.transformer.layers), layer.self_attn.num_heads, layer.linear1.out_features) == (4, 4, 512)


@torch.no_grad()
def test_the_transformer_attends_to_real_steps_only():
    """However much of the window is empty, what it makes of a clip is the same."""
    small, large = (CnnTransformer(n_steps=n_steps, n_mfcc=20).eval() for n_steps in (64, 96))
    large.transformer.load_state_dict(small.transformer.state_dict())
    x, mask = torch.randn(2, 32, 20), torch.ones(2, 32, dtype=torch.bool)
    assert torch.allclose(small(x, mask)[:, -20:], large(x, mask)[:, -20:], atol=1e-5)


def test_schemas_of_table_3_2():
    """The encoders of the study, as the text of section 3.3.1.3 has the schemas."""
    variants = studies.load("benha_3_2").variants
    settings = {name: variant["encoders"]["audio"] for name, variant in variants.items() if "encoders" in variant}
    made = {name: build({"audio": one}, 6).encoders["audio"] for name, one in settings.items()}
    assert [*made, "schema_7"] == ["base", *(f"schema_{n}" for n in range(1, 14) if n != 7), "schema_7"]
    widths = {name: encoder.width for name, encoder in made.items() if encoder.width != 1064}
    assert widths == {"schema_1": 552, "schema_2": 552, "schema_3": 1576}
    rates = {name: [m.p for m in encoder.cnns[-1] if isinstance(m, torch.nn.Dropout)] for name, encoder in made.items()}
    changed = {name: found for name, found in rates.items() if found != [0.3, 0.3, 0.3]}
    assert changed.pop("schema_1") == [0.3] * 4
    assert changed == {"schema_9": [0.4, 0.6, 0.3], "schema_11": [0.2, 0.4, 0.4], "schema_13": [0.3, 0.8, 0.3]}
    layers = {name: len(encoder.transformer.layers) for name, encoder in made.items()}
    assert {name for name, n_layers in layers.items() if n_layers != 4} == {"schema_4"}
    assert layers["schema_4"] == 2
    rates = {name: encoder.transformer.layers[0].dropout.p for name, encoder in made.items()}
    assert {name: rate for name, rate in rates.items() if rate != 0.4} == {"schema_11": 0.3}


def test_cnn2d_counts_as_its_reference():
    """Reference [31] of source 002: 341,644 weights in Keras with 12 classes, of which 340,620 are trained."""
    encoder = Cnn2d()
    assert encoder.mel.n_steps == 259
    convolutions = [layer for layer in encoder.cnn if isinstance(layer, torch.nn.Conv2d)]
    assert [count(layer) for layer in convolutions] == [1280, 147_584, 73_792, 36_928, 36_928, 36_928]
    assert encoder.width == 512
    assert count(encoder) + count(torch.nn.Linear(512, 12)) == 340_620
    statistics = sum(2 * m.num_features for m in encoder.cnn if isinstance(m, torch.nn.BatchNorm2d))
    assert 340_620 + statistics == 341_644


def test_attention_lstms_have_the_sizes_of_their_reference():
    stacked, parallel = StackedCnnLstm(), ParallelCnnLstm()
    assert (stacked.lstm.lstm.input_size, stacked.width) == (1024, 128)
    assert (stacked.mel.n_steps - stacked.chunk) // stacked.stride + 1 == 7
    assert (parallel.lstm.lstm.input_size, parallel.width) == (64, 256 + 256)


ROWS = [variant["published"]["row"] for variant in studies.load("benha_3_4").variants.values()]


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_table_3_4(row):
    """The study's encoders and training, as the text of section 3.3.2.3 has the modifications."""
    variant = studies.load("benha_3_4").variant(f"row_{row.replace('.', '_')}")
    encoder = build(variant["encoders"], 6).encoders["audio"]
    training = studies.load("benha_3_4").training | variant["training"]
    adam = row in ("0.2", "1.2", "2.2", "3.2", "10", "11")
    assert training["optimiser"] == ("adam" if adam else "rmsprop")
    assert training["learning_rate"] == (2e-5 if row in ("0.1", "0.2") else 2e-4)
    assert training.get("copies", 0) == (3 if row == "7" else 0)
    convolutions = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv1d)]
    kernel = {"5.2": 4, "5.3": 16}.get(row, 8 if float(row) < 5 else 12)
    assert {m.kernel_size[0] for m in convolutions} == {kernel}
    filters = {"2.1": [128, 256, 256], "2.2": [128, 256, 256], "6": [64, 128]}.get(row, [128, 256])
    assert [m.out_channels for m in convolutions] == filters
    assert len(encoder.dense) == (4 if float(row) < 3 else 0)
    norms = sum(isinstance(m, torch.nn.BatchNorm1d) for m in encoder.modules())
    assert norms == (0 if float(row) < 8 else 2 if row == "8" else 3)
    rates = [m.p for m in encoder.modules() if isinstance(m, torch.nn.Dropout)]
    assert rates[0] == (0.1 if row == "4.1" or float(row) >= 8 else 0.0 if row == "4.2" else 0.3)
    assert any(isinstance(m, torch.nn.Tanh) for m in encoder.modules()) == (row == "11")


def test_final_cnn1d_keeps_its_weights_names():
    assert list(Cnn1d().state_dict())[:7] == [
        *(f"norm.{name}" for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")),
        *("layers.1.weight", "layers.1.bias"),
    ]
    assert count(Cnn1d()) == 2 * (40 + 128 + 256) + 128 * (40 * 12 + 1) + 256 * (128 * 12 + 1)


def test_unknown_activation_is_named():
    with pytest.raises(WorkbenchError, match="unknown activation 'swish': choose from elu, relu, tanh"):
        Cnn1d(activation="swish")


@pytest.mark.parametrize(("depth", "features", "whole"), [(16, 14_714_688, 138_357_544), (19, 20_024_384, 143_667_240)])
def test_vgg_counts_as_published(depth, features, whole):
    with torch.device("meta"):
        assert count(Vgg(depth)) == features
        assert count(Vgg(depth, pool="dense")) + count(torch.nn.Linear(4096, 1000)) == whole
        convolutions = [m for m in Vgg(depth, batch_norm=True).modules() if isinstance(m, torch.nn.Conv2d)]
        assert len(convolutions) == depth - 3
        assert Vgg(depth, pool="flatten")(torch.empty(1, 3, 224, 224)).shape == (1, 25_088)


@torch.no_grad()
def test_vgg_starts_from_weights_and_freezes(tmp_path):
    start = Vgg(16, filters=4, batch_norm=True).eval()
    torch.save(start.state_dict() | {"classifier.6.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    save_file(start.state_dict(), tmp_path / "vgg.safetensors")
    x = torch.rand(2, 1, 32, 32)
    for name in ("vgg.pth", "vgg.safetensors"):
        grey = Vgg(16, 1, filters=4, batch_norm=True, weights=tmp_path / name).eval()
        assert torch.allclose(grey(x), start(x.expand(-1, 3, -1, -1)), atol=1e-5)
    frozen = Vgg(16, filters=4, batch_norm=True, weights=tmp_path / "vgg.pth", frozen=2).train()
    still = [m for m in frozen.modules() if isinstance(m, torch.nn.Conv2d) and not m.weight.requires_grad]
    assert len(still) == 2
    before = frozen.features[1].running_mean.clone()
    frozen(torch.rand(2, 3, 32, 32))
    assert torch.equal(frozen.features[1].running_mean, before)
    with pytest.raises(WorkbenchError, match="no weights at"):
        Vgg(weights=tmp_path / "none.pth")
    with pytest.raises(WorkbenchError, match=r"expected features\.0\.weight \(8, 3, 3, 3\), found \(4, 3"):
        Vgg(16, filters=8, batch_norm=True, weights=tmp_path / "vgg.pth")
    with pytest.raises(WorkbenchError, match="unknown VGG depth '17': choose from 16, 19"):
        Vgg(17)
    with pytest.raises(WorkbenchError, match="frozen is 14, expected 0 to 13"):
        Vgg(16, filters=4, frozen=14)


def test_mfcc_cnn_kernels_and_constraint():
    encoder = MfccCnn(max_norm=0.5)
    convolutions = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.kernel_size for m in convolutions] == [(5, 15), (3, 9)]
    assert convolutions[1].weight.flatten(1).norm(dim=1).max() <= 0.5 + 1e-6
    assert MfccCnn(max_norm=None, dual=True).width == 128


def test_cnn_and_other_features_make_one_model():
    """Source 003's "CNN + others"."""
    parts = {"audio": MfccCnn(n_steps=64, n_mfcc=20, filters=(8, 16)), "features": NamedFeatures(n_features=16)}
    fusion = Concatenation([encoder.width for encoder in parts.values()])
    model, batch = Model(parts, fusion, Scoring(fusion.width, 7)), {}
    for encoder in parts.values():
        batch[encoder.inputs], batch[f"{encoder.inputs}_mask"] = encoder.example(3)
    assert model(batch)["logits"].shape == (3, 7)
    del batch["features"]
    assert model.eval()(batch)["logits"].isfinite().all()


@torch.no_grad()
def test_raw_cnn_has_the_sizes_of_its_reference():
    encoder = RawCnnLstm()
    assert encoder.lstm.input_size == 128 * 6
    assert count(encoder) < 350_000


def test_yamnet_has_the_weights_and_multiply_adds_of_the_published_one():
    """Its Keras model has 3,729,481 trained weights, 521 sounds and no scales in batch norms, and 69.2 M multiplies."""
    with torch.device("meta"):
        net, last = mobile_net(32), torch.nn.Linear(1024, 521)
        parameters, multiply_adds = cost(net, torch.zeros(1, 1, 96, 64))
    scales = sum(count(part) // 2 for part in net.modules() if isinstance(part, torch.nn.BatchNorm2d))
    assert parameters - scales + count(last) == 3_729_481
    assert multiply_adds + last.weight.numel() == pytest.approx(69.2e6, abs=0.05e6)


@torch.no_grad()
def test_yamnet_hears_a_tone_in_its_band_and_silence_beyond_the_clip():
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(PATCH) / 16000)
    level = LogMel()(torch.stack([tone, 0 * tone]))[:, 0]  # (2, 96, 64)
    loudest = int(level[0].mean(dim=0).argmax())
    assert abs(int(mel_bands()[32].argmax()) - loudest) <= 1  # bin 32 of 512 at 16 kHz is 1 kHz
    assert torch.allclose(level[1], torch.full_like(level[1], 0.001).log())
    sound, mask = example_waveform(2, 2.0, 0)
    steps, real = Yamnet(filters=2).eval().steps(sound, mask)
    assert steps.shape == (2, 4, 64)
    assert real.sum(dim=1).tolist() == [4, 3]  # 2 s and 1.5 s, 0.975 s and 0.48 s each


@torch.no_grad()
def test_front_ends_equal_the_acoustics_room():
    sound, mask = example_waveform(2, 1.0, 0)
    for front, function in [(Mel, acoustics.mel_spectrogram), (Mfcc, acoustics.mfcc)]:
        x, real = front(hop_length=256, start=0.25, seconds=0.5)(sound, mask)
        for number in range(2):
            speech = sound[number, 4000:12000].numpy().astype(np.float32) / 32767
            assert np.allclose(x[number].numpy().T, function(speech), atol=2e-3)
        assert real.all()


@torch.no_grad()
def test_window_of_a_short_clip_is_taken_from_earlier_on():
    sound, mask = example_waveform(2, 1.0, 0)
    mel = Mel(hop_length=160, start=0.5, seconds=0.9)
    x, real = mel(sound, mask)  # 1 s and 0.75 s: from 0.1 s on, and from the beginning
    assert real.sum(dim=1).tolist() == [91, 76]
    assert torch.allclose(x[:1], Mel(hop_length=160, start=0.1, seconds=0.9)(sound[:1], mask[:1])[0], atol=1e-3)
