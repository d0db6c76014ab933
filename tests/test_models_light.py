"""EfficientFace, ConvLSTM and the streams of the light model: layers and counts, streaming, export."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from workbench.errors import WorkbenchError
from workbench.fusion.neural import Concatenation
from workbench.models.base import Model, Scoring
from workbench.models.convlstm import ConvLstm, ConvLstm2d
from workbench.models.cost import cost
from workbench.models.efficientface import EfficientFace, Face, Local, Modulator
from workbench.models.export import clip_to_onnx, step_to_onnx
from workbench.models.losses import label_distribution
from workbench.models.steps import at_last, on_real, spread
from workbench.models.streams import FaceStream, SceneStream, SoundStream, Streaming
from workbench.models.video import Lrcn


@torch.no_grad()
def settle(module, *inputs):
    """Give every batch norm the statistics of these inputs, so that clips differ in evaluation too."""
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.momentum = 1.0
    module.train()(*inputs)
    return module.eval()


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


# Steps of time.


def test_spread_keeps_skips_and_repeats_real_steps():
    x = torch.arange(6)[None].repeat(3, 1)
    mask = torch.arange(6)[None] < torch.tensor([6, 3, 1])[:, None]
    assert spread(x, mask, 6)[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert spread(x, mask, 3).tolist() == [[0, 2, 5], [0, 1, 2], [0, 0, 0]]
    assert spread(x, mask, 5)[1].tolist() == [0, 0, 1, 2, 2]


def test_at_last_and_on_real():
    x, mask = torch.arange(12.0).reshape(2, 3, 2), torch.tensor([[True, True, False], [False] * 3])
    assert at_last(x, mask).tolist() == [[2, 3], [0, 0]]
    net = nn.BatchNorm1d(2)
    on_real(net, x, mask)
    torch.testing.assert_close(net.running_mean, 0.1 * torch.tensor([1.0, 2.0]))
    assert on_real(net.eval(), x, mask).shape == x.shape


# ConvLSTM.


@torch.no_grad()
def test_convlstm_counts_and_maps_as_in_the_source():
    """Source 002, Figure 4-15: 58,926 in Keras, layer by layer."""
    encoder, maps = ConvLstm(batch_norm=False), []
    for cell in encoder.cells:
        cell.register_forward_hook(lambda cell, x, y: maps.append(tuple(y.shape[1:])))
    encoder(*encoder.example(1))
    assert maps == [(30, 4, 62, 62), (30, 8, 29, 29), (30, 14, 13, 13), (30, 16, 5, 5)]
    assert encoder.width == 4320
    head = nn.Linear(encoder.width, 6)
    assert [count(part) for part in (*encoder.cells, head)] == [1024, 3488, 11144, 17344, 25926]
    assert count(encoder) + count(head) == 58_926
    assert count(ConvLstm()) == count(encoder) + 2 * (4 + 8 + 14 + 16)


@torch.no_grad()
def test_convlstm_of_one_pixel_is_an_lstm():
    ours, theirs = ConvLstm2d(3, 5, 1, gate="sigmoid"), nn.LSTM(3, 5, batch_first=True)
    theirs.weight_ih_l0.copy_(ours.of_input.weight[:, :, 0, 0])
    theirs.weight_hh_l0.copy_(ours.of_state.weight[:, :, 0, 0])
    theirs.bias_ih_l0.copy_(ours.of_input.bias)
    theirs.bias_hh_l0.zero_()
    x = torch.randn(2, 4, 3)
    torch.testing.assert_close(ours(x[..., None, None])[..., 0, 0], theirs(x)[0])


@torch.no_grad()
def test_convlstm_cell_by_hand():
    """One step with hard sigmoids; the state of the first step reaches neighbours in the second."""
    cell = ConvLstm2d(1, 1, 3)
    assert cell.of_input.bias.tolist() == [0, 1, 0, 0]
    cell.of_input.weight.zero_()
    cell.of_input.bias.copy_(torch.tensor([1.0, 1, 2, -3]))
    state = cell(torch.zeros(1, 1, 1, 3, 3)).item()
    assert state == pytest.approx(np.clip(0.2 * -3 + 0.5, 0, 1) * np.tanh(0.7 * np.tanh(2)), abs=1e-6)
    cell.of_input.bias[3] = 9
    assert cell(torch.zeros(1, 1, 1, 3, 3)).item() == pytest.approx(np.tanh(0.7 * np.tanh(2)), abs=1e-6)


@torch.no_grad()
def test_a_linear_convlstm_has_no_tanh_and_its_batch_norm_stands_before_one():
    """Source 002, Table 4-2, row 4.2."""
    cell = ConvLstm2d(1, 1, 3, linear=True)
    cell.of_input.weight.zero_()
    cell.of_input.bias.copy_(torch.tensor([1.0, 1, 20, 9]))
    assert cell(torch.zeros(1, 1, 1, 3, 3)).item() == pytest.approx(0.7 * 20, rel=1e-6)
    encoder = ConvLstm(n_frames=2, size=48, norm_before=True).eval()
    for norm in encoder.norms:
        norm.bias.fill_(100.0)  # far beyond where a tanh is one
    assert encoder(*encoder.example(1)).unique().tolist() == [1.0]
    assert count(encoder) == count(ConvLstm(n_frames=2, size=48))


# EfficientFace.


def test_efficientface_counts_as_published():
    """Source 000's reference 10: 1.28 M weights with 7 classes, 154.18 M operations at 224 x 224."""
    face = Face()
    assert count(face) == 1_268_118
    assert count(face) + 7 * 1025 == pytest.approx(1.28e6, rel=0.005)
    parts = ("conv1", "stage2", "stage3", "stage4", "local", "modulator", "conv5")
    assert [count(face.get_submodule(part)) for part in parts] == [841, 30827, 244180, 501352, 10208, 3526, 477184]
    with torch.device("meta"):
        encoder = EfficientFace(n_frames=1, pool="mean")
        _, multiply_adds = cost(encoder, torch.empty(1, 1, 224, 224, 3), torch.ones(1, 1, dtype=torch.bool))
    assert multiply_adds == pytest.approx(154.18e6, rel=0.03)


@pytest.mark.parametrize(("pool", "width"), [("convolutions", 128), ("mean", 1024), ("max", 1024), ("dense", 1024)])
def test_efficientface_has_15_frames_over_time(pool, width):
    encoder = EfficientFace(pool=pool)
    assert encoder.width == width
    convolutions = [layer for layer in encoder.over_time if isinstance(layer, nn.Conv1d)]
    if pool == "convolutions":
        assert [(c.in_channels, c.out_channels) for c in convolutions] == [(1024, 64), (64, 64), (64, 128), (128, 128)]
    if pool == "dense":
        assert count(encoder.over_time) == 15 * 1024 * 1024 + 1024


@torch.no_grad()
def test_each_quarter_of_the_face_has_features_of_its_own():
    local, x = Local(3, 6).eval(), torch.randn(1, 3, 16, 16)
    before = local(x)
    assert before.shape == (1, 6, 8, 8)
    for rows in (slice(0, 8), slice(8, 16)):
        for columns in (slice(0, 8), slice(8, 16)):
            other = x.clone()
            other[:, :, rows, columns] += 1
            changed = (local(other) != before).any(dim=1)[0]
            inside = torch.zeros(8, 8, dtype=torch.bool)
            inside[rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2] = True
            assert changed.any()
            assert not changed[~inside].any()


@torch.no_grad()
def test_the_modulator_weighs_and_never_adds():
    x = torch.randn(2, 32, 8, 8)
    share = Modulator(32).eval()(x) / x
    assert ((share > 0) & (share < 1)).all()


@torch.no_grad()
def test_efficientface_begins_from_a_file(tmp_path):
    face = EfficientFace(n_frames=1, size=32).face
    state = {f"module.part{number}.{name}": x for number, (name, x) in enumerate(face.state_dict().items())}
    fc = {"module.fc.weight": torch.zeros(7, 1024), "module.fc.bias": torch.zeros(7)}
    torch.save({"state_dict": state | fc}, tmp_path / "published.pth.tar")
    save_file(face.state_dict(), tmp_path / "own.safetensors")
    x = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)
    for name in ("published.pth.tar", "own.safetensors"):
        begun = EfficientFace(weights=tmp_path / name, frozen=True).train()
        assert torch.equal(begun.face(x), face.eval()(x))
        assert not any(parameter.requires_grad for parameter in begun.face.parameters())
        assert all(parameter.requires_grad for parameter in begun.over_time.parameters())
    torch.save({"state_dict": fc | {"a": torch.zeros(3)}}, tmp_path / "other.pth")
    with pytest.raises(WorkbenchError, match=r"expected the \d+ tensors of EfficientFace"):
        EfficientFace(weights=tmp_path / "other.pth")
    with pytest.raises(WorkbenchError, match="no weights at"):
        EfficientFace(weights=tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EfficientFace(pool="median"), "unknown pool 'median': choose from"),
        (lambda: Face()(torch.zeros(1, 40, 48, 3)), "40 x 48, expected multiples of 16"),
        (lambda: ConvLstm(gate="tanh"), "unknown gate 'tanh'"),
        (lambda: FaceStream(size=50), "size is 50, expected a multiple of 16"),
        (lambda: SceneStream()(*FaceStream(size=32).example()), r"whole are \(32, 32, 3\), expected \(112, 112, 3\)"),
        (lambda: SoundStream(window=100), "window is 100 samples, expected 256 or more"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(WorkbenchError, match=message):
        make()


# The loss.


def test_label_distribution_is_cross_entropy_with_a_mixture():
    logits = torch.randn(4, 7, requires_grad=True)
    emotion = torch.tensor([0, 3, 6, 3])
    torch.testing.assert_close(label_distribution(logits, F.one_hot(emotion, 7)), F.cross_entropy(logits, emotion))
    teacher = torch.randn(4, 7, requires_grad=True)
    mixture = teacher.softmax(1)
    torch.testing.assert_close(label_distribution(logits, mixture), F.cross_entropy(logits, mixture.detach()))
    label_distribution(logits, mixture).backward()
    assert teacher.grad is None
    torch.testing.assert_close(logits.grad, (logits.softmax(1) - mixture).detach() / 4)


def test_label_distribution_is_smallest_at_the_mixture():
    mixture = torch.tensor([[0.7, 0.2, 0.1]])
    entropy = -(mixture * mixture.log()).sum()
    torch.testing.assert_close(label_distribution(mixture.log() + 5, mixture), entropy)
    assert label_distribution(torch.tensor([[9.0, 0, 0]]), mixture) > entropy
    assert label_distribution(torch.tensor([[2e4, 0, -2e4]]), mixture).isfinite()


# The light model of three streams.


def light(**picture):
    """The three streams as `build` joins them."""
    torch.manual_seed(0)
    encoders = {"scene": SceneStream(**picture), "video": FaceStream(**picture), "audio": SoundStream()}
    fusion = Concatenation([encoder.width for encoder in encoders.values()])
    return Model(encoders, fusion, Scoring(fusion.width, 8))


@pytest.fixture(scope="module")
def model():
    """A light model for pictures of 32 x 32, with fewer bottlenecks."""
    model = light(size=32, blocks=[(2, 32, 2, 2), (4, 64, 1, 2), (2, 64, 1, 2)])
    return settle(model, batch_of(model, 8, n_frames=2, n_samples=3300))


def batch_of(model, n_clips, *, n_frames, n_samples, seed=0):
    batch = {}
    for encoder in model.encoders.values():
        n_steps = n_samples if encoder.inputs == "waveform" else n_frames
        x, mask = encoder.example(n_clips, seed)
        batch |= {encoder.inputs: x[:, :n_steps], f"{encoder.inputs}_mask": mask[:, :n_steps]}
    return batch


def test_the_light_model_has_under_a_million_weights():
    model = light()
    assert {name: count(encoder) for name, encoder in model.encoders.items()} == {
        "scene": 305_472,
        "video": 305_472,
        "audio": 137_024,
    }
    assert count(model) == 761_736 < 1e6
    assert model.inputs == ["whole", "frames", "waveform"]


@pytest.mark.parametrize(
    "ends",
    [
        {"frames": [1, 2, 3, 4, 5], "whole": [1, 2, 3, 4, 5], "waveform": [1000, 2000, 3000, 4000, 5000]},
        {"frames": [0, 3, 3, 5], "whole": [2, 2, 4, 5], "waveform": [5000, 5000, 5000, 5000]},
        {"frames": [5], "whole": [5], "waveform": [5000]},
    ],
    ids=["picture by picture", "unevenly", "at once"],
)
@torch.no_grad()
def test_carried_state_gives_the_answer_of_the_whole_clip(model, ends):
    batch, begin, state = batch_of(model, 2, n_frames=5, n_samples=5000), dict.fromkeys(ends, 0), {}
    streaming = Streaming(model)
    for now in zip(*ends.values(), strict=True):
        end = dict(zip(ends, now, strict=True))
        inputs = {name: batch[name][:, begin[name] : end[name]] for name in ends if end[name] > begin[name]}
        logits, state = streaming.step(state, inputs)
        until = {name: x[:, : end[name.removesuffix("_mask")]] for name, x in batch.items()}
        heard = {name: x for name, x in until.items() if end[name.removesuffix("_mask")]}
        torch.testing.assert_close(logits, model(heard)["logits"], atol=1e-5, rtol=0)
        begin = end
    whole = model(batch)["logits"]
    torch.testing.assert_close(logits, whole, atol=1e-5, rtol=0)
    assert (whole[0] - whole[1]).abs().max() > 0.05


@torch.no_grad()
def test_streaming_without_a_modality_or_with_too_little_sound(model):
    batch, streaming = batch_of(model, 2, n_frames=2, n_samples=900), Streaming(model)
    given = {name: x for name, x in batch.items() if not name.startswith("whole")}
    logits, state = streaming.step({}, {"frames": batch["frames"], "waveform": batch["waveform"]})
    assert set(state) == {"video", "audio"}
    torch.testing.assert_close(logits, model(given)["logits"], atol=1e-5, rtol=0)
    kept, _ = streaming.step(state, {})
    assert torch.equal(kept, logits)


def test_streaming_needs_streams():
    encoder = Lrcn()
    with pytest.raises(WorkbenchError, match="the encoder of video carries no state"):
        Streaming(Model({"video": encoder}, Concatenation([encoder.width]), nn.Linear(encoder.width, 8)))


@torch.no_grad()
def test_the_light_model_exports(model):
    batch = batch_of(model, 2, n_frames=2, n_samples=3300)
    clips = torch.export.Dim("clips", min=1)
    program = torch.export.export(model, (batch,), dynamic_shapes=({name: {0: clips} for name in batch},))
    other = batch_of(model, 3, n_frames=2, n_samples=3300, seed=1)
    torch.testing.assert_close(program.module()(other)["logits"], model(other)["logits"], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_light_model_answers_alike_in_onnx_runtime(model, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    clip_to_onnx(model, batch_of(model, 2, n_frames=2, n_samples=3300), tmp_path / "light.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "light.onnx")
    for n_clips, n_real in ((2, 2), (1, 2), (3, 1)):
        batch = batch_of(model, n_clips, n_frames=2, n_samples=3300, seed=n_clips)
        batch["frames_mask"][0, n_real:], batch["waveform_mask"][0, n_real * 1650 :] = False, False
        (logits,) = session.run(["logits"], {name: x.numpy() for name, x in batch.items()})
        np.testing.assert_allclose(logits, model(batch)["logits"], atol=1e-4)


@torch.no_grad()
def test_a_step_of_streams_answers_alike_in_onnx_runtime(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    model = Model({"audio": SoundStream()}, Concatenation([64]), nn.Linear(64, 8))
    sound, mask = model.encoders["audio"].example(2)
    settle(model, {"waveform": sound[:, :8000], "waveform_mask": mask[:, :8000]})
    step_to_onnx(model, {"waveform": sound[:, :1600]}, tmp_path / "step.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "step.onnx")
    names = [output.name for output in session.get_outputs()]
    assert names == ["logits", "audio_output_next", "audio_cell_next"]
    state = {"audio_output": np.zeros((2, 64), np.float32), "audio_cell": np.zeros((2, 64), np.float32)}
    for begin in range(0, 8000, 1600):
        logits, *state = session.run(names, {"waveform": sound[:, begin : begin + 1600].numpy(), **state})
        state = dict(zip(("audio_output", "audio_cell"), state, strict=True))
    whole = model({"waveform": sound[:, :8000], "waveform_mask": mask[:, :8000]})["logits"]
    np.testing.assert_allclose(logits, whole, atol=1e-4)
    assert (whole[0] - whole[1]).abs().max() > 0.05
    with pytest.raises(WorkbenchError, match="1700 steps of waveform are not whole pieces"):
        step_to_onnx(model, {"waveform": sound[:, :1700]}, tmp_path / "step.onnx")
    with pytest.raises(WorkbenchError, match="no waveform: expected all of waveform"):
        step_to_onnx(model, {}, tmp_path / "step.onnx")
