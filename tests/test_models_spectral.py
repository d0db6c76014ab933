"""Encoders of sources 002 and 003 (and raw sound, 001): counts, shapes, gradients, padding, overfitting, front ends."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from workbench import acoustics
from workbench.errors import WorkbenchError
from workbench.fusion.neural import Concatenation
from workbench.models.audio import TABLE_3_4, Cnn1d, RawCnnLstm
from workbench.models.base import Model, Scoring
from workbench.models.frontends import Mel, Mfcc, example_waveform
from workbench.models.mfcc import MfccCnn, NamedFeatures
from workbench.models.spectral import SCHEMAS, Cnn2d, CnnTransformer, ParallelCnnLstm, StackedCnnLstm
from workbench.models.vgg import Vgg, VggPicture

MEL = {"seconds": 0.5, "start": 0.0, "n_mels": 32, "n_fft": 512, "hop_length": 125}  # 65 steps
SMALL = {
    "cnn1d": (Cnn1d, {"n_steps": 50}),
    "cnn1d-reference": (Cnn1d, {"n_steps": 50, **TABLE_3_4["0.2"]}),
    "cnn1d-three": (Cnn1d, {"n_steps": 50, **TABLE_3_4["2.2"]}),
    "cnn1d-tanh": (Cnn1d, {"n_steps": 50, "pool": "statistics", **TABLE_3_4["11"]}),
    "raw-cnn-lstm": (RawCnnLstm, {"frame": 256, "filters": (16, 16, 32)}),
    "cnn-transformer": (CnnTransformer, {"n_steps": 64, "n_mfcc": 20}),
    "cnn-transformer-1": (CnnTransformer, {"n_steps": 64, "n_mfcc": 20, **SCHEMAS[1]}),
    "stacked-cnn-lstm": (StackedCnnLstm, {"mel": MEL, "chunk": 16, "stride": 8}),
    "parallel-cnn-lstm": (ParallelCnnLstm, {"mel": MEL}),
    "cnn2d": (Cnn2d, {"mel": MEL, "filters": (16, 16, 8, 8, 8, 8)}),
    "mfcc-cnn": (MfccCnn, {"n_steps": 64, "n_mfcc": 20, "filters": (8, 16)}),
    "mfcc-cnn-dual": (MfccCnn, {"n_steps": 64, "n_mfcc": 20, "filters": (8, 16), "dual": True}),
    "named-features": (NamedFeatures, {}),
    "vgg16": (VggPicture, {"size": 32, "filters": 8}),
    "vgg16-batch-norm": (VggPicture, {"size": 32, "filters": 8, "batch_norm": True}),
    "vgg19-mfcc": (VggPicture, {"depth": 19, "inputs": "mfcc", "size": 32, "filters": 8, "batch_norm": True}),
}
encoders = pytest.mark.parametrize("name", SMALL)


def make(name):
    torch.manual_seed(0)
    encoder, settings = SMALL[name]
    return encoder(**settings)


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    return model


def count(module):
    return sum(p.numel() for p in module.parameters())


@encoders
def test_states_its_contract(name):
    encoder = make(name)
    assert encoder.modality in ("audio", "features")
    assert encoder.inputs in ("mfcc", "spectrogram", "waveform", "features")
    assert encoder.source[:3] in ("001", "002", "003")
    assert "source 00" in type(encoder).__doc__


@encoders
def test_shapes_and_finite_gradients_to_every_parameter(name):
    encoder = make(name)
    x, mask = encoder.example(4)
    y = encoder(x, mask)
    assert y.shape == (4, encoder.width)
    torch.nn.Linear(encoder.width, 4)(y).square().sum().backward()
    for parameter, value in encoder.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter


@encoders
def test_overfits_eight_clips(name):
    encoder = without_dropout(make(name))
    model, (x, mask), emotion = torch.nn.Linear(encoder.width, 8), encoder.example(8), torch.arange(8)
    optimiser = torch.optim.Adam([*encoder.parameters(), *model.parameters()], 2e-3)
    for _ in range(150):
        logits = model(encoder(x, mask))
        if (logits.argmax(1) == emotion).all():
            return
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, emotion).backward()
        optimiser.step()
    pytest.fail(f"{(logits.argmax(1) == emotion).sum()} of 8 clips after 150 steps")


@encoders
@torch.no_grad()
def test_padding_and_company_change_nothing(name):
    encoder = make(name).eval()
    x, mask = encoder.example(3)
    together = encoder(x, mask)
    alone = torch.cat([encoder(x[i : i + 1], mask[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-4)
    lengths = mask.sum(dim=1).tolist()
    trimmed = torch.cat([encoder(x[i : i + 1, :n], mask[i : i + 1, :n]) for i, n in enumerate(lengths)])
    assert torch.allclose(together, trimmed, atol=1e-4)
    odd = float("nan") if x.is_floating_point() else 99
    extra = torch.full_like(x[:, :1], odd).repeat_interleave(37, dim=1)
    padded = torch.cat([x.masked_fill(~mask.view(*mask.shape, *[1] * (x.dim() - 2)), odd), extra], dim=1)
    longer = torch.cat([mask, torch.zeros(3, 37, dtype=torch.bool)], dim=1)
    assert torch.allclose(together, encoder(padded, longer), atol=1e-4)


@encoders
@torch.no_grad()
def test_what_is_heard_changes_the_answer(name):
    encoder = make(name).eval()
    (x, mask), (other, _) = encoder.example(3), encoder.example(3, seed=1)
    assert torch.equal(x, encoder.example(3)[0])
    assert not torch.allclose(encoder(x, mask), encoder(other, mask), atol=1e-5)


@encoders
@torch.no_grad()
def test_saved_and_loaded_it_answers_the_same(name, tmp_path):
    encoder = make(name)
    x, mask = encoder.example(3)
    encoder(x, mask)  # training mode: batch norms leave their first state
    torch.save(encoder.state_dict(), tmp_path / "weights.pt")
    torch.manual_seed(1)
    again = SMALL[name][0](**SMALL[name][1])
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(encoder.eval()(x, mask), again.eval()(x, mask))


@encoders
def test_runs_in_bfloat16(name):
    encoder = make(name)
    x, mask = encoder.example(4)
    for mode in (True, False):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = encoder.train(mode)(x, mask)
        assert y.isfinite().all()
        if mode:
            y.float().sum().backward()


@encoders
@torch.no_grad()
def test_a_clip_without_sound_gives_no_nan(name):
    encoder = make(name).eval()
    x, mask = encoder.example(2)
    mask[1] = False
    assert encoder(x, mask).isfinite().all()


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


def test_schemas_of_table_3_2():
    assert sorted(SCHEMAS) == list(range(14))
    widths = {number: CnnTransformer(**settings).width for number, settings in SCHEMAS.items()}
    assert {number: width for number, width in widths.items() if width != 1064} == {1: 552, 2: 552, 3: 1576}
    rates = [layer.p for layer in CnnTransformer(**SCHEMAS[13]).cnns[1] if isinstance(layer, torch.nn.Dropout)]
    assert rates == [0.3, 0.8, 0.3]
    assert len(CnnTransformer(**SCHEMAS[4]).transformer.layers) == 2
    assert CnnTransformer(**SCHEMAS[11]).transformer.layers[0].dropout.p == 0.3


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


@pytest.mark.parametrize("row", TABLE_3_4)
def test_rows_of_table_3_4(row):
    encoder = Cnn1d(**TABLE_3_4[row])
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
    parts = {"audio": make("mfcc-cnn"), "features": NamedFeatures(n_features=16)}
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
