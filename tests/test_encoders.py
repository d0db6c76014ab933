"""The contract of every encoder: a line a case in `CASES`, and each test below holds for all of them.

A new encoder is a line here. What is particular to some (counts, weights, streaming, export) stands in `test_models_*`.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from tiny_networks import LARGE, WORDS, speech
from torch import nn
from torch.nn import functional as F

from workbench.models import ENCODERS, build
from workbench.models.base import MODALITIES, Encoder

pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM's own, in the library


@dataclass(frozen=True)
class Case:
    """An encoder's name in the registry, with settings that make it small.

    It is tested on clips as long as its example, or of so many `steps`, and with pictures of that size, or of so many
    pixels a `side`. `frozen` is a regular expression for the names of the parameters that do not learn.
    """

    name: str
    settings: dict
    variant: str = ""
    steps: int | None = None
    side: int | None = None
    frozen: str = "^$"

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name


MEL = {"seconds": 0.5, "start": 0.0, "n_mels": 32, "n_fft": 512, "hop_length": 125}  # 65 steps
MFCC = {"n_steps": 64, "n_mfcc": 20}
SMALL = {"filters": 8, "width": 32}
SEGMENTS = SMALL | {"segment": 32, "step": 16}
SOUND = {"window": 256, "filters": (16, 16, 32, 32)}
THREE = {"size": 32, "filters": (8, 16, 16), "pool": (4, 2, 1), "dropout": (0.2, 0.3)}
ALL, UNUSED = {"fine_tune": "all"}, "masked_spec_embed"  # which only masking would use

ARRAYS = {  # that preparation makes, and what they are of
    "mfcc": (torch.float32, "audio"),
    "spectrogram": (torch.uint8, "audio"),
    "waveform": (torch.int16, "audio"),
    "frames": (torch.uint8, "video"),
    "whole": (torch.uint8, "scene"),
    "tokens": (torch.int64, "text"),
}

CASES = [
    Case("action_units", {}),
    Case("cnn1d", {"n_steps": 50}),
    Case("cnn1d", {"n_steps": 50, "pool": "statistics"}, "statistics"),
    Case("cnn1d", {"inputs": "mel", "n_steps": 50, "pool": "statistics", "pool_size": 2}, "mel"),
    Case("cnn1d", {"n_steps": 50, "dense": (16, 16), "input_norm": False, "batch_norm": False}, "reference"),
    Case("cnn1d", {"n_steps": 50, "filters": (16, 32, 32), "dropout": (0.3, 0.3, 0.3)}, "three"),
    Case("cnn1d", {"n_steps": 50, "pool": "statistics", "activation": "tanh"}, "tanh"),
    Case("cnn2d", {"mel": MEL, "filters": (16, 16, 8, 8, 8, 8)}),
    Case("cnn_transformer", MFCC),
    Case("cnn_transformer", MFCC | {"filters": (16, 32, 64, 128), "dropout": (0.3,) * 4}, "schema-1"),
    Case("convlstm", {"n_frames": 3, "size": 48}),
    Case("convlstm", {"n_frames": 3, "size": 48, "batch_norm": False}, "original"),
    Case("convlstm", {"n_frames": 3, "size": 48, "norm_before": True}, "norm-before"),
    Case("efficientface", {"n_frames": 2, "size": 32}),
    Case("efficientface", {"n_frames": 2, "size": 32, "pool": "dense"}, "dense"),
    Case("efficientface", {"n_frames": 2, "size": 32, "pool": "mean"}, "mean"),
    Case("efficientface", {"n_frames": 2, "size": 32, "pool": "max"}, "max"),
    Case("efficientface", {"n_frames": 2, "size": 32, "frozen": True}, "frozen", frozen=r"^face\."),
    Case("embeddings", {"width": 12}),
    Case("embeddings", {"width": 12, "modality": "video"}, "video"),
    Case("embeddings", {"width": 12, "norm": True, "hidden": 6, "dropout": 0.1}, "layer"),
    Case("embeddings", {"width": 12, "norm": True, "pool": "dense", "n_steps": 3}, "dense"),
    Case("embeddings", {"width": 12, "pool": "max", "n_steps": 3}, "max"),
    Case("fp68", {}),
    Case("image_cnn1", {}),
    Case("image_cnn2", {"size": 48}),
    Case("image_cnn3", {"size": 46}),
    Case("lrcn", {}, steps=5),
    Case("lrcn", {"kernel_size": 3, "batch_norm": False, "hidden": 32}, "original", steps=5),
    Case("lrcn", THREE | {"kernel_size": 4, "dense": (16,)}, "three-and-dense", steps=5),
    Case("mfcc_cnn", MFCC | {"filters": (8, 16)}),
    Case("mfcc_cnn", MFCC | {"filters": (8, 16), "dual": True}, "dual"),
    Case("named_features", {}),
    Case("named_features", {"batch_norm": True, "input_dropout": 0.2}, "batch-norm"),
    Case("parallel_cnn_lstm", {"mel": MEL}),
    Case("pretrained", {"config": speech(), **ALL}, "wav2vec2", 4000, frozen=UNUSED),
    Case("pretrained", {"config": speech(**LARGE), **ALL}, "wav2vec2-large", 4000, frozen=UNUSED),
    Case("pretrained", {"config": speech(), **ALL, "normalise": False}, "wav2vec2-as-is", 4000, frozen=UNUSED),
    Case("pretrained", {"config": speech("hubert"), **ALL}, "hubert", 4000, frozen=UNUSED),
    Case("pretrained", {"config": speech("wavlm"), **ALL}, "wavlm", 4000, frozen=UNUSED),
    Case(
        "pretrained", {"config": speech(), "fine_tune": "transformer"}, "transformer", 4000, frozen="extractor|masked"
    ),
    Case("pretrained", {"config": speech()}, "wav2vec2-frozen", 4000, frozen="backbone"),
    Case("pretrained", {"config": speech("hubert")}, "hubert-frozen", 4000, frozen="backbone"),
    Case("pretrained", {"config": speech("wavlm")}, "wavlm-frozen", 4000, frozen="backbone"),
    Case("raw_cnn_lstm", {"frame": 256, "filters": (16, 16, 32)}),
    Case("resnet3d", {"filters": 8, "n_frames": 4}, steps=4, side=32),
    Case("resnet3d", {"filters": 8, "n_frames": 4, "stem": 3, "pool": False}, "torchvision", 4, 32),
    Case("resnet_frames", SMALL, steps=3, side=32),
    Case("resnet_frames", SMALL | {"aggregator": "bilstm"}, "bilstm", 3, 32),
    Case("resnet_frames", SMALL | {"aggregator": "transformer", "n_heads": 4}, "transformer", 3, 32),
    Case("resnet_segments", SEGMENTS, steps=64),
    Case("resnet_segments", SEGMENTS | {"aggregator": "bilstm"}, "bilstm", 64),
    Case("resnet_segments", SEGMENTS | {"aggregator": "transformer"}, "transformer", 64),
    Case("resnet_segments", SEGMENTS | {"aggregator": "mean"}, "mean", 64),
    Case("roberta", {"config": WORDS, **ALL}),
    Case("roberta", {"config": WORDS, **ALL, "pool": "first"}, "first"),
    Case("roberta", {"config": WORDS}, "frozen", frozen="backbone"),
    Case("stacked_cnn_lstm", {"mel": MEL, "chunk": 16, "stride": 8}),
    Case("stream_face", {"size": 32}, steps=3),
    Case("stream_scene", {"size": 32}, steps=3),
    Case("stream_sound", SOUND, steps=700),
    Case("vgg_face", {"size": 32, "filters": 4, "dense": 256}),
    Case("vgg_face", {"size": 32, "filters": 2, "pool": "average", "colours": "imagenet"}, "imagenet"),
    Case("vgg_picture", {"size": 32, "filters": 8}),
    Case("vgg_picture", {"size": 32, "filters": 8, "batch_norm": True}, "batch-norm"),
    Case("vgg_picture", {"size": 32, "filters": 8, "batch_norm": True, "frozen": 13}, "frozen", frozen="features"),
    Case("vgg_picture", {"depth": 19, "inputs": "mfcc", "size": 32, "filters": 8, "batch_norm": True}, "19-mfcc"),
    Case("yamnet", {"filters": 8}),
    Case("yamnet", {"filters": 8, "freeze": True}, "frozen", frozen=r"^patch"),
]


def readme():
    """Return the README's section on an encoder of one's own, and the encoder's class."""
    text = (Path(__file__).parents[1] / "README.md").read_text()
    section = re.search(r"^## An encoder of your own\n(.*?)^## ", text, re.M | re.S)[1]
    names = {"__name__": "readme"}
    exec(re.search(r"```python\n(.*?)```", section, re.S)[1], names)
    (kind,) = (x for x in names.values() if getattr(x, "__module__", None) == "readme")
    return section, kind


README = Case("step_means", {"width": 32}, "readme")


@pytest.fixture(params=[*CASES, README], ids=str)
def case(request, monkeypatch):
    """Each case, and the README's example as if it were registered."""
    if request.param is README:
        monkeypatch.setitem(ENCODERS, README.name, readme()[1])
    return request.param


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """Networks as small as these are done sooner by one thread than shared out to several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(case, *, seed=0):
    """Build the encoder as a study would, with a linear head for eight classes."""
    torch.manual_seed(seed)
    modality = case.settings.get("modality", ENCODERS[case.name].modality)
    model = build({modality: {"name": case.name, **case.settings}}, 8)
    return model.encoders[modality], model.head


def without_dropout(module):
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        elif isinstance(getattr(part, "dropout", None), float):  # attention's
            part.dropout = 0.0
    return module


@torch.no_grad()
def settled(encoder, x, mask):
    """Give every batch norm the statistics of these clips, as training would, and leave training mode."""
    encoder.train()
    for part in encoder.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.momentum = 1.0
            part.train()  # of a frozen network too, whose weights would have come with their statistics
    encoder(x, mask)
    return encoder.eval()


def clips(case, encoder, n_clips=4, *, seed=0):
    """Return clips that differ, and their mask: the last is shorter than the others, by a quarter.

    Pictures and spectrograms are coarse patterns and sounds are tones: of noise, a mean says little.
    """
    x = encoder.example(n_clips, seed)[0][:, : case.steps]
    if x.dtype == torch.uint8:
        first, sides = (2, [case.side or x.shape[2]] * 2) if x.dim() == 5 else (1, x.shape[1:])
        for dim, side in enumerate(sides, first):
            x = x.index_select(dim, torch.arange(side) * 4 // side)
    elif x.dtype == torch.int16:
        pitch = (200 + 50 * seed) * 1.4 ** torch.arange(n_clips)
        x = (8000 * torch.sin(2 * torch.pi * pitch[:, None] * torch.arange(x.shape[1]) / 16000)).to(torch.int16)
    mask = torch.ones(x.shape[:2], dtype=torch.bool)
    if x.shape[1] > 1:
        mask[-1, -max(x.shape[1] // 4, 1) :] = False
    return x, mask


def odd(x):
    """Return what no encoder should look at, in the shape of x: NaN, no token at all, any level."""
    if x.is_floating_point():
        return torch.full_like(x, torch.nan)
    if x.dtype == torch.int64:
        return torch.full_like(x, -1)
    levels = torch.iinfo(x.dtype)
    return torch.randint(levels.min, levels.max + 1, x.shape, dtype=x.dtype)


def padded(x, mask, n_steps):
    """Add so many steps to clips, and put something odd into them and into all that was padding before."""
    mask = F.pad(mask, (0, n_steps))
    x = torch.cat([x, x[:, :1].expand(-1, n_steps, *x.shape[2:])], dim=1)
    x[~mask] = odd(x[~mask])
    return x, mask


def close(found, expected, tolerance=1e-4):
    """Tell whether all values agree to within a share of the largest."""
    return torch.allclose(found, expected, rtol=0, atol=tolerance * max(expected.abs().max().item(), 1e-3))


def learn(encoder, head, x, mask):
    """Add the gradients in training mode, on clips that have an emotion each; return the logits."""
    logits = head(encoder.train()(x, mask))
    F.cross_entropy(logits.float(), torch.arange(len(x))).backward()
    return logits


def test_every_encoder_has_a_line():
    assert {case.name for case in CASES} == set(ENCODERS)
    assert len({str(case) for case in CASES}) == len(CASES)


def test_the_readmes_lines_name_its_encoder(monkeypatch):
    section, kind = readme()
    assert f'"{README.name}": {kind.__name__},' in section
    assert f'Case("{README.name}", {{}}),' in section
    monkeypatch.setitem(ENCODERS, README.name, kind)
    variants = yaml.safe_load(re.search(r"```yaml\n(.*?)```", section, re.S)[1])
    (variant,) = variants.values()
    assert variant["encoders"] == {kind.modality: {"name": README.name, **README.settings}}
    assert isinstance(build(variant["encoders"], 8).encoders[kind.modality], kind)


def test_states_its_contract(case):
    encoder, _ = make(case)
    kind = type(encoder)
    assert encoder.modality in MODALITIES
    document = re.match(r"00[0-4]\b|[A-Z][\w &.-]+ \d{4}\b", encoder.source)[0]  # one of the five, or a publication
    assert ("source " * document.isdigit() + document).lower() in kind.__doc__.lower()
    assert kind.example is not Encoder.example
    (x, mask), (again, _), (other, _) = encoder.example(3), encoder.example(3), encoder.example(3, seed=1)
    assert torch.equal(x, again)
    assert not torch.equal(x, other)
    assert (mask.shape, mask.dtype) == (x.shape[:2], torch.bool)
    assert len(x) == 3
    assert (x.dtype, encoder.modality) == ARRAYS.get(encoder.inputs, (torch.float32, encoder.modality))
    assert encoder.eval()(x[:2], mask[:2]).shape == (2, encoder.width)


def test_shapes_and_finite_gradients_to_every_parameter(case):
    encoder, head = make(case)
    x, mask = clips(case, encoder)
    before = {name: x.clone() for name, x in encoder.state_dict().items()}
    assert encoder(x, mask).shape == (4, encoder.width)
    assert learn(encoder, head, x, mask).shape == (4, 8)
    frozen = set()
    for name, parameter in encoder.named_parameters():
        if not parameter.requires_grad:
            frozen.add(name)
            assert parameter.grad is None, name
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any() or name.endswith(("k_proj.bias", "key.bias")), name  # attention is blind to those
    assert frozen == {name for name, _ in encoder.named_parameters() if re.search(case.frozen, name)}
    assert head.weight.grad.any()
    for name, x in encoder.state_dict().items():  # the statistics of frozen batch norms among them
        assert torch.equal(x, before[name]) or not re.search(case.frozen, name), name


@pytest.mark.parametrize("case", [case for case in CASES if case.frozen == "backbone"], ids=str)
def test_what_is_frozen_has_no_dropout(case):
    encoder, _ = make(case)
    x, mask = clips(case, encoder)
    fresh = encoder(x, mask)
    assert torch.equal(encoder.train()(x, mask), fresh)
    assert torch.equal(encoder.eval()(x, mask), fresh)


def test_overfits_eight_clips(case):
    """All eight right, in training and as evaluated."""
    encoder, head = make(case)
    x, mask = clips(case, without_dropout(encoder), 8)
    settled(encoder, x, mask)
    learners = {1e-3: list(encoder.parameters()), 1e-2: list(head.parameters())}
    optimiser = torch.optim.Adam({"params": params, "lr": rate} for rate, params in learners.items() if params)
    emotion = torch.arange(8)
    for _ in range(100):
        optimiser.zero_grad()
        if (learn(encoder, head, x, mask).argmax(1) == emotion).all():
            with torch.no_grad():
                if (head(encoder.eval()(x, mask)).argmax(1) == emotion).all():
                    return
        optimiser.step()
    pytest.fail("eight clips were not learned in 100 steps")


@torch.no_grad()
def test_padding_and_company_change_nothing(case):
    encoder, _ = make(case)
    x, mask = clips(case, encoder)
    together = settled(encoder, x, mask)(x, mask)
    assert torch.equal(together, encoder(*padded(x, mask, 0)))
    for n_steps in (1, x.shape[1]):
        assert close(encoder(*padded(x, mask, n_steps)), together), n_steps
    alone = [encoder(x[i : i + 1, :n], mask[i : i + 1, :n]) for i, n in enumerate(mask.sum(dim=1).tolist())]
    assert close(torch.cat(alone), together)


def test_padding_changes_nothing_in_training_either(case):
    """Neither the answer, nor the statistics that batch norms keep, nor the gradients."""
    answers, states, gradients = [], [], []
    for n_steps in (0, 5):
        encoder, head = make(case)
        x, mask = clips(case, without_dropout(encoder))
        settled(encoder, x, mask)
        answers.append(learn(encoder, head, *(padded(x, mask, n_steps) if n_steps else (x, mask))))
        states.append(encoder.state_dict())
        gradients.append({name: p.grad for name, p in encoder.named_parameters() if p.requires_grad})
    assert close(*answers)
    for name, x in states[0].items():
        assert close(x.float(), states[1][name].float()), name
    for name, x in gradients[0].items():
        assert close(x, gradients[1][name], 1e-2), name


@torch.no_grad()
def test_what_is_seen_changes_the_answer_to_that_clip_only(case):
    encoder, _ = make(case)
    (x, mask), (other, _) = clips(case, encoder), clips(case, encoder, seed=1)
    before = settled(encoder, x, mask)(x, mask)
    assert torch.cdist(before, before).fill_diagonal_(torch.inf).min() > 0.03 * before.norm(dim=1).max()
    after = encoder(torch.cat([other[:1], x[1:]]), mask)
    assert (after[0] - before[0]).norm() > 0.03 * before[0].norm()
    assert close(after[1:], before[1:])


def test_clips_of_nothing_or_next_to_nothing_give_finite_numbers(case):
    encoder, head = make(case)
    x, mask = clips(case, encoder)
    settled(encoder, x, mask)
    less = mask.clone()
    less[0], less[1, 1:] = False, False
    with torch.no_grad():
        together = encoder(x, mask)
        answer = encoder(*padded(x, less, 2))
        assert answer.isfinite().all()
        assert close(answer[2:], together[2:])
        assert encoder(x[:, :1], mask[:, :1]).isfinite().all()
        assert encoder(torch.zeros_like(x), mask).isfinite().all()
    learn(encoder, head, *padded(x, less, 2))
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.requires_grad)


@torch.no_grad()
def test_saved_and_loaded_to_equal_outputs(case, tmp_path):
    encoder, _ = make(case)
    x, mask = clips(case, encoder)
    settled(encoder, x, mask)  # batch norms leave their first state
    save_file(encoder.state_dict(), tmp_path / "model.safetensors")
    again, _ = make(case, seed=1)
    if hasattr(encoder, "settings"):  # as a run keeps them, without the files that the encoder began with
        again = type(encoder)(**json.loads(json.dumps(encoder.settings)))
        assert again.settings == encoder.settings
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(encoder(x, mask), again.eval()(x, mask))


def test_runs_in_bfloat16(case):
    encoder, head = make(case)
    x, mask = clips(case, encoder)
    with torch.autocast("cpu", torch.bfloat16):
        assert learn(encoder, head, x, mask).isfinite().all()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.requires_grad)
    with torch.no_grad():
        exact = settled(encoder, x, mask)(x, mask)
        with torch.autocast("cpu", torch.bfloat16):
            rough = encoder(x, mask).float()
    assert torch.cdist(rough, exact).argmin(dim=1).tolist() == [0, 1, 2, 3]  # each clip is known by its answer
