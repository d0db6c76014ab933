"""Networks others have trained, words, MMER and its losses: tiny random ones, no network, the real code paths."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from workbench.errors import WorkbenchError
from workbench.models import hub
from workbench.models.base import Model
from workbench.models.contrastive import contrastive_in, contrastive_out
from workbench.models.mmer import CHARACTERS, Mmer, auxiliary_losses, spell
from workbench.models.precomputed import Arrays, Embeddings, read_embeddings
from workbench.models.pretrained import PretrainedSpeech
from workbench.models.text import Roberta, tokenise

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
CONVOLUTIONS = {"conv_dim": [8] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LARGE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}  # as "large" weights are


def speech(kind="wav2vec2", **config):
    return {"model_type": kind, **SIZES, **CONVOLUTIONS, **config}


WORDS = {"model_type": "roberta", **SIZES, "vocab_size": 60, "max_position_embeddings": 34, "pad_token_id": 1}
ENCODERS = {
    "wav2vec2": (PretrainedSpeech, {"config": speech(), "fine_tune": "all"}),
    "wav2vec2-large": (PretrainedSpeech, {"config": speech(**LARGE), "fine_tune": "all"}),
    "wav2vec2-as-is": (PretrainedSpeech, {"config": speech(), "fine_tune": "all", "normalise": False}),
    "hubert": (PretrainedSpeech, {"config": speech("hubert"), "fine_tune": "all"}),
    "wavlm": (PretrainedSpeech, {"config": speech("wavlm"), "fine_tune": "all"}),
    "roberta": (Roberta, {"config": WORDS, "fine_tune": "all"}),
    "roberta-first": (Roberta, {"config": WORDS, "fine_tune": "all", "pool": "first"}),
    "embeddings": (Embeddings, {"width": 12}),
}
FROZEN = [name for name in ENCODERS if name != "embeddings"]
each = pytest.mark.parametrize("name", ENCODERS)
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM's own, in the library


@pytest.fixture(autouse=True)
def _no_home(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("WORKBENCH_WEIGHTS", raising=False)


def make(name, **settings):
    torch.manual_seed(0)
    kind, given = ENCODERS[name]
    return kind(**{**given, **settings})


@each
def test_shapes_and_finite_gradients(name):
    encoder = make(name).train()
    x = encoder(*encoder.example(3))
    assert x.shape == (3, encoder.width)
    assert encoder.modality in ("audio", "text")
    assert encoder.source in encoder.__doc__ or encoder.source[:3] in encoder.__doc__
    if name == "embeddings":
        return
    (x * torch.randn(x.shape)).sum().backward()
    for parameter_name, parameter in encoder.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
    still = {name for name, parameter in encoder.named_parameters() if not parameter.requires_grad}
    assert still <= {"backbone.masked_spec_embed"}


@pytest.mark.parametrize("name", FROZEN)
def test_frozen_means_no_gradient_no_dropout_and_the_rest_learns(name):
    encoder = make(name, fine_tune="nothing").train()
    assert not encoder.backbone.training
    head = torch.nn.Linear(encoder.width, 3)
    example = encoder.example()
    assert torch.equal(encoder(*example), encoder(*example))
    head(encoder(*example)).sum().backward()
    assert all(parameter.grad is None for parameter in encoder.parameters())
    assert head.weight.grad.isfinite().all()
    assert head.weight.grad.abs().sum() > 0


def test_fine_tuning_the_transformer_leaves_the_convolutions():
    encoder = make("wav2vec2", fine_tune="transformer").train()
    encoder(*encoder.example()).sum().backward()
    learns = {name.split(".")[1] for name, parameter in encoder.named_parameters() if parameter.grad is not None}
    assert learns == {"feature_projection", "encoder"}


@each
def test_overfits_eight_clips(name):
    encoder = make(name)
    x, mask = encoder.example(8)
    classes, head = torch.arange(8), torch.nn.Linear(encoder.width, 8)
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    if encoder.inputs == "waveform":  # eight tones: of noise, a mean over time says little
        time = torch.arange(4000) / 16000
        x, mask = (
            (8000 * torch.sin(2 * torch.pi * 200 * 1.4 ** classes[:, None] * time)).to(torch.int16),
            mask[:, :4000],
        )
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], 1e-2)
    for _ in range(60):
        logits = head(encoder(x, mask))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits, classes).backward()
        optimiser.step()
    assert (logits.argmax(1) == classes).all()


@each
@torch.no_grad()
def test_padding_and_company_change_nothing(name):
    encoder = make(name).eval()
    x, mask = encoder.example(3)
    together = encoder(x, mask)
    assert together.std(dim=0).mean() > 1e-3, "clips differ"
    alone = [encoder(x[i : i + 1, : int(mask[i].sum())], mask[i : i + 1, : int(mask[i].sum())]) for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=2e-5)
    filled = x.masked_scatter(~mask.view(*mask.shape, *[1] * (x.dim() - 2)).expand(x.shape), x.flatten().flip(0))
    assert torch.allclose(together, encoder(filled, mask), atol=1e-6)
    if encoder.inputs == "tokens":
        filled = filled.masked_fill(~mask, -1)  # no token at all
    longer = torch.cat([filled, filled[:, :5]], dim=1), torch.cat([mask, torch.zeros_like(mask[:, :5])], dim=1)
    assert torch.allclose(together, encoder(*longer), atol=2e-5)


@each
@torch.no_grad()
def test_saved_and_loaded_without_the_weights_it_began_with(name, tmp_path):
    encoder = make(name).eval()
    save_file(encoder.state_dict(), tmp_path / "model.safetensors")
    torch.manual_seed(1)
    again = type(encoder)(**json.loads(json.dumps(encoder.settings))).eval()
    assert again.settings == encoder.settings
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(encoder(*encoder.example()), again(*encoder.example()))


@each
@torch.no_grad()
def test_bf16(name):
    encoder = make(name).eval()
    exact = encoder(*encoder.example())
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(*encoder.example())
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.1 * exact.abs().max()


@pytest.mark.parametrize("name", FROZEN)
@torch.no_grad()
def test_clips_of_next_to_nothing_give_finite_numbers(name):
    encoder = make(name).eval()
    x, mask = encoder.example(3)
    mask[0], mask[1, 1:] = False, False
    assert encoder(x, mask).isfinite().all()
    assert encoder(x[:, :1], mask[:, :1]).isfinite().all()
    assert encoder(torch.zeros_like(x), mask).isfinite().all()


@pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2-large", "hubert", "wavlm"])
@torch.no_grad()
def test_speech_is_what_the_library_makes_of_the_clip_alone(name):
    from transformers import AutoModel, Wav2Vec2FeatureExtractor

    encoder = make(name).eval()
    x, mask = encoder.example(2)
    reference = AutoModel.from_config(encoder.backbone.config).eval()
    reference.load_state_dict(encoder.backbone.state_dict())
    sound = x[1, mask[1]].numpy().astype(np.float32) / 32768
    inputs = Wav2Vec2FeatureExtractor()(sound, sampling_rate=16000, return_tensors="pt")
    steps = reference(inputs["input_values"]).last_hidden_state[0]
    ours, real = encoder.steps(x, mask)
    assert real.sum(dim=1).tolist() == [24, len(steps)]  # 8000 and 6000 samples, windows of 400 each 320
    assert torch.allclose(ours[1, real[1]], steps, atol=1e-5)


@pytest.mark.parametrize(
    ("encoder", "config", "millions", "tolerance"),
    [
        (PretrainedSpeech, {"model_type": "wav2vec2"}, 95, 0.01),
        (PretrainedSpeech, {"model_type": "hubert"}, 95, 0.01),
        (PretrainedSpeech, {"model_type": "wavlm"}, 94.7, 0.005),
        (
            PretrainedSpeech,
            {
                "model_type": "wav2vec2",
                "hidden_size": 1024,
                "num_hidden_layers": 24,
                "num_attention_heads": 16,
                "intermediate_size": 4096,
                **LARGE,
            },
            317,
            0.01,
        ),
        (
            Roberta,
            {
                "model_type": "roberta",
                "vocab_size": 50265,
                "max_position_embeddings": 514,
                "type_vocab_size": 1,
                "pad_token_id": 1,
            },
            125,
            0.01,
        ),
    ],
    ids=["wav2vec2-base", "hubert-base", "wavlm-base", "wav2vec2-large", "roberta-base"],
)
def test_counts_as_published(encoder, config, millions, tolerance):
    with torch.device("meta"):
        network = encoder(config=config)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count / 1e6 == pytest.approx(millions, rel=tolerance)
    assert network.width == config.get("hidden_size", 768)
    assert encoder is Roberta or network.n_samples(1) == 400


def folder_of(name, path):
    """Save an encoder's backbone as the hub would hold it."""
    encoder = make(name).eval()
    encoder.backbone.save_pretrained(path)
    return encoder


@pytest.mark.parametrize("name", FROZEN)
def test_weights_from_a_folder(name, tmp_path):
    encoder = folder_of(name, tmp_path / "here")
    kind, given = ENCODERS[name]
    settings = {key: value for key, value in given.items() if key != "config"}
    torch.manual_seed(1)
    loaded = kind(weights=str(tmp_path / "here"), **settings).eval()
    again = kind(**json.loads(json.dumps(loaded.settings))).eval()
    again.load_state_dict(loaded.state_dict())
    with torch.no_grad():
        answer = loaded(*encoder.example())
        assert torch.allclose(encoder(*encoder.example()), answer, atol=1e-6)
        assert torch.equal(again(*encoder.example()), answer)


@torch.no_grad()
def test_weights_by_name_from_the_data_folder_and_from_the_hubs_cache(tmp_path, monkeypatch):
    for place, at in (
        ("data", tmp_path / "data" / "weights" / "org" / "net"),
        ("given", tmp_path / "given" / "org" / "net"),
        ("cache", tmp_path / "cache" / "models--org--cached" / "snapshots" / "abc"),
    ):
        folder_of("wav2vec2", at)
        if place == "given":
            monkeypatch.setenv("WORKBENCH_WEIGHTS", str(tmp_path / "given"))
        (tmp_path / "cache/models--org--cached/refs").mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache/models--org--cached/refs/main").write_text("abc")
        assert hub.locate("org/cached" if place == "cache" else "org/net") == at
    assert PretrainedSpeech(weights="org/cached").width == 16


@torch.no_grad()
def test_older_files_are_read_too(tmp_path):
    """The hub's older copies are PyTorch files that name the weight norm's two tensors otherwise."""
    encoder = folder_of("wav2vec2", tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    for new, old in (
        ("parametrizations.weight.original0", "weight_g"),
        ("parametrizations.weight.original1", "weight_v"),
    ):
        state = {name.replace(new, old): x for name, x in state.items()}
    assert any(name.endswith("weight_g") for name in state)
    (tmp_path / "model.safetensors").unlink()
    torch.save({f"wav2vec2.{name}": x for name, x in state.items()}, tmp_path / "pytorch_model.bin")
    loaded = PretrainedSpeech(weights=tmp_path).eval()
    assert torch.allclose(encoder(*encoder.example()), loaded(*encoder.example()), atol=1e-6)


def test_the_preprocessor_says_whether_to_normalise(tmp_path):
    folder_of("wavlm", tmp_path)
    assert PretrainedSpeech(weights=tmp_path).normalise
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false, "sampling_rate": 16000}')
    assert not PretrainedSpeech(weights=tmp_path).normalise
    assert PretrainedSpeech(weights=tmp_path, normalise=True).normalise


def test_missing_weights_are_named_with_what_brings_them(tmp_path):
    with pytest.raises(WorkbenchError) as error:
        PretrainedSpeech(weights="facebook/wav2vec2-base")
    into = tmp_path / "data" / "weights" / "facebook" / "wav2vec2-base"
    for part in (
        "'facebook/wav2vec2-base': expected config.json and model.safetensors",
        str(into),
        str(tmp_path / "cache" / "models--facebook--wav2vec2-base"),
        f"hf download facebook/wav2vec2-base --local-dir {into}",
        "download=True",
    ):
        assert part in str(error.value)
    into.mkdir(parents=True)
    (into / "config.json").write_text("{}")
    with pytest.raises(WorkbenchError, match=r"wav2vec2-base \(without model.safetensors or pytorch_model.bin\)"):
        PretrainedSpeech(weights="facebook/wav2vec2-base")
    with pytest.raises(WorkbenchError, match="give the folder that holds them"):
        PretrainedSpeech(weights=tmp_path / "nowhere")
    with pytest.raises(WorkbenchError, match=r"expected config\.json and tokenizer\.json"):
        tokenise(["kids are talking"], "roberta-base")


def test_downloads_only_when_asked(tmp_path, monkeypatch):
    import huggingface_hub

    folder_of("hubert", tmp_path / "far")
    asked = []

    def snapshot(name, *, local_dir, allow_patterns):
        asked.append((name, allow_patterns))
        local_dir.mkdir(parents=True)
        for file in (tmp_path / "far").iterdir():
            (local_dir / file.name).write_bytes(file.read_bytes())

    files = ["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5"]
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda name: files)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    with pytest.raises(WorkbenchError, match="hf download"):
        PretrainedSpeech(weights="org/hubert")
    assert not asked
    assert PretrainedSpeech(weights="org/hubert", download=True).width == 16
    assert asked == [("org/hubert", ["*.json", "*.txt", "model.safetensors"])]
    PretrainedSpeech(weights="org/hubert")  # now it is there


def test_a_failed_download_is_one_error(monkeypatch):
    import huggingface_hub

    def refuse(name):
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "list_repo_files", refuse)
    with pytest.raises(WorkbenchError, match=r"could not be fetched from the hub into .*no route"):
        PretrainedSpeech(weights="org/other", download=True)


def test_wrong_weights_and_settings_are_named(tmp_path):
    folder_of("roberta", tmp_path / "words")
    with pytest.raises(WorkbenchError, match=r"unknown model_type .*'roberta': choose from hubert, wav2vec2, wavlm"):
        PretrainedSpeech(weights=tmp_path / "words")
    with pytest.raises(WorkbenchError, match="unknown model_type 'bert'"):
        Roberta(config={"model_type": "bert"})
    with pytest.raises(WorkbenchError, match="either weights"):
        PretrainedSpeech()
    with pytest.raises(WorkbenchError, match="either weights"):
        PretrainedSpeech(weights="org/net", config=speech())
    with pytest.raises(WorkbenchError, match="unknown fine_tune 'some'"):
        PretrainedSpeech(config=speech(), fine_tune="some")
    folder_of("wav2vec2", tmp_path / "part")
    state = load_file(tmp_path / "part" / "model.safetensors")
    kept = {name: x for name, x in state.items() if "layers.1.attention" not in name}
    save_file(kept, tmp_path / "part" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WorkbenchError, match="8 of the network's tensors are missing"):
        PretrainedSpeech(weights=tmp_path / "part")
    (tmp_path / "part" / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(WorkbenchError, match="cannot be read"):
        PretrainedSpeech(weights=tmp_path / "part")
    (tmp_path / "part" / "config.json").write_text('{"hidden_size": 16}')
    with pytest.raises(WorkbenchError, match="cannot be read"):
        PretrainedSpeech(weights=tmp_path / "part")


def test_loading_is_silent(tmp_path, capfd):
    from transformers import AutoModelForMaskedLM

    AutoModelForMaskedLM.from_config(make("roberta").backbone.config).save_pretrained(tmp_path)
    capfd.readouterr()
    Roberta(weights=tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def tokeniser(tmp_path):
    """A folder with a tokeniser of RoBERTa's kind, learnt from two sentences."""
    from tokenizers import ByteLevelBPETokenizer

    learnt = ByteLevelBPETokenizer()
    texts = ["kids are talking by the door", "dogs are sitting by the door"] * 20
    learnt.train_from_iterator(texts, vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    (tmp_path / "words").mkdir()
    learnt.save_model(str(tmp_path / "words"))
    torch.manual_seed(0)
    roberta = Roberta(config={**WORDS, "vocab_size": 400, "bos_token_id": 0, "eos_token_id": 2})
    roberta.backbone.save_pretrained(tmp_path / "words")
    return tmp_path / "words"


@torch.no_grad()
def test_words_to_tokens_to_a_vector(tokeniser):
    tokens = tokenise(["kids are talking by the door", "dogs", ""], tokeniser)
    assert [array.dtype for array in tokens] == [np.int64] * 3
    assert all(array[0] == 0 and array[-1] == 2 for array in tokens)
    assert len(tokens[0]) > len(tokens[1]) > len(tokens[2]) == 2
    assert len(tokenise(["door " * 2000], tokeniser)[0]) == 512
    batch = {name: torch.from_numpy(x) for name, x in Arrays({"tokens": tokens}).batch([0, 1, 2]).items()}
    encoder = Roberta(weights=tokeniser).eval()
    together = encoder(batch["tokens"], batch["tokens_mask"])
    alone = encoder(torch.from_numpy(tokens[1])[None], torch.ones(1, len(tokens[1]), dtype=torch.bool))
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    from transformers import AutoModel

    reference = AutoModel.from_pretrained(tokeniser).eval()(torch.from_numpy(tokens[1])[None]).last_hidden_state
    assert torch.allclose(together[1], reference[0].mean(dim=0), atol=1e-5)


@torch.no_grad()
def test_more_tokens_than_positions_are_cut():
    encoder = make("roberta").eval()
    x = torch.randint(4, 60, (1, 40))
    mask = torch.ones(1, 40, dtype=torch.bool)
    assert encoder.n_tokens == 32
    assert torch.equal(encoder(x, mask), encoder(x[:, :32], mask[:, :32]))


def test_embeddings_from_files(tmp_path):
    random = np.random.default_rng(0)
    arrays = {"a": random.normal(size=(3, 12)), "b": random.normal(size=(5, 12)), "c": random.normal(size=12)}
    for clip, array in arrays.items():
        np.save(tmp_path / f"{clip}.npy", array)
    np.savez(tmp_path / "all.npz", **arrays)
    for path in (tmp_path, tmp_path / "all.npz"):
        found = read_embeddings(path, ["c", "a", "b"])
        assert [array.shape for array in found] == [(1, 12), (3, 12), (5, 12)]
        batch = Arrays({"embeddings": found}, beside=Arrays({"tokens": [np.arange(2)] * 3})).batch([2, 0])
        assert batch["embeddings"].shape == (2, 5, 12)
        assert batch["embeddings_mask"].sum(axis=1).tolist() == [5, 1]
        assert batch["tokens"].shape == (2, 2)
        tensors = [torch.from_numpy(batch[name]) for name in ("embeddings", "embeddings_mask")]
        assert np.allclose(Embeddings(width=12)(*tensors).numpy()[1], arrays["c"], atol=1e-6)
        with pytest.raises(WorkbenchError, match="expected width=1024"):
            Embeddings()(*tensors)
    with pytest.raises(WorkbenchError, match=r"found none for 1 of 2 clips \(z\)"):
        read_embeddings(tmp_path / "all.npz", ["a", "z"])
    with pytest.raises(WorkbenchError, match="found neither"):
        read_embeddings(tmp_path / "nowhere", ["a"])
    np.save(tmp_path / "d.npy", np.zeros((2, 7)))
    np.save(tmp_path / "e.npy", np.full((2, 12), np.nan))
    with pytest.raises(WorkbenchError, match="one D, found a"):
        read_embeddings(tmp_path, ["a", "d"])
    with pytest.raises(WorkbenchError, match="not finite"):
        read_embeddings(tmp_path, ["a", "e"])


def brute(z, emotion, temperature, inner):
    """Equations 1 and 2 as they are written, one clip at a time; averaged over the anchors with a positive."""
    z = z / z.norm(dim=1, keepdim=True)
    losses = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        positives = [p for p in others if emotion[p] == emotion[i]]
        if not positives:
            continue
        total = sum(torch.exp(z[i] @ z[a] / temperature) for a in others)
        shares = torch.stack([torch.exp(z[i] @ z[p] / temperature) / total for p in positives])
        losses.append(-shares.mean().log() if inner else -shares.log().mean())
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("loss", "inner"), [(contrastive_out, False), (contrastive_in, True)])
def test_contrastive_losses_are_equations_1_and_2(loss, inner):
    torch.manual_seed(0)
    z, emotion = torch.randn(9, 5, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])
    for temperature in (0.07, 0.5):
        assert loss(z, emotion, temperature=temperature) == pytest.approx(brute(z, emotion, temperature, inner))
    order = torch.randperm(9)
    assert loss(z[order], emotion[order]) == pytest.approx(loss(z, emotion))
    assert torch.autograd.gradcheck(lambda x: loss(x, emotion, temperature=0.5), z.requires_grad_(True))
    drawn_together = torch.eye(4, dtype=torch.float64)[emotion]
    assert loss(drawn_together, emotion, temperature=0.5) < loss(z, emotion, temperature=0.5)


def test_contrastive_inner_is_never_larger_and_equal_for_pairs():
    torch.manual_seed(0)
    z, emotion = torch.randn(8, 5), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    assert contrastive_in(z, emotion) < contrastive_out(z, emotion)
    pairs = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    assert contrastive_in(z, pairs).item() == pytest.approx(contrastive_out(z, pairs).item(), rel=1e-5)


@pytest.mark.parametrize("loss", [contrastive_out, contrastive_in])
def test_contrastive_losses_stay_finite(loss):
    for z, emotion in (
        (torch.randn(4, 3), torch.arange(4)),  # nobody has a positive
        (torch.randn(1, 3), torch.zeros(1, dtype=torch.int64)),
        (torch.zeros(4, 3), torch.tensor([0, 0, 1, 2])),
        (1e4 * torch.eye(4)[[0, 0, 1, 1]], torch.tensor([0, 1, 0, 1])),
    ):
        z.requires_grad_(True)
        value = loss(z, emotion, temperature=0.01)
        value.backward()
        assert value.isfinite()
        assert z.grad.isfinite().all()
    assert loss(torch.randn(4, 3), torch.arange(4)) == 0
    with torch.autocast("cpu", torch.bfloat16):
        assert loss(torch.randn(4, 3).bfloat16(), torch.tensor([0, 0, 1, 1])).dtype == torch.float32


def mmer(**settings):
    torch.manual_seed(0)
    encoders = {"audio": make("wav2vec2", **settings), "text": make("roberta", **settings)}
    sizes = {"width": 16, "n_heads": 2, "feed_forward": 24, "projected": 8}
    fusion = Mmer([encoder.width for encoder in encoders.values()], **sizes)
    return Model(encoders, fusion, torch.nn.Linear(fusion.width, 8))


def clips(n_clips, model):
    batch = {}
    for encoder in model.encoders.values():
        batch[encoder.inputs], batch[f"{encoder.inputs}_mask"] = encoder.example(n_clips)
    texts = [spell(text) for text in ("kids", "a door", "dogs are", "by") * 2][:n_clips]
    spelt = Arrays({"characters": texts}).batch(range(n_clips))
    return batch | {name: torch.from_numpy(x) for name, x in spelt.items()} | {"emotion": torch.arange(n_clips) % 4}


def test_mmer_shapes_and_gradients_from_all_three_losses():
    model = mmer().train()
    assert model.inputs == ["waveform", "tokens"]
    batch = clips(8, model)
    output = model(batch)
    assert output["logits"].shape == (8, 8)
    assert output["embedding"].shape == (8, 32)
    assert output["auxiliary"]["ctc"].shape == (8, 24, len(CHARACTERS) + 1)
    for form in ("out", "in"):
        losses = auxiliary_losses(output["auxiliary"], batch, form=form)
        assert set(losses) == {"contrastive", "ctc"}
        assert all(loss.isfinite() and loss > 0 for loss in losses.values())
    (torch.nn.functional.cross_entropy(output["logits"], batch["emotion"]) + sum(losses.values())).backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0 or "k_proj.bias" in name or "key.bias" in name, name
    frozen = mmer(fine_tune="nothing").train()
    sum(auxiliary_losses(frozen(batch)["auxiliary"], batch).values()).backward()
    assert all(parameter.grad is None for parameter in frozen.encoders.parameters())


@torch.no_grad()
def test_mmer_padding_and_company_change_nothing():
    model = mmer().eval()
    batch = clips(3, model)
    together = model(batch)["logits"]
    for i in range(3):
        alone = {}
        for name in model.inputs:
            n_real = int(batch[f"{name}_mask"][i].sum())
            alone |= {key: batch[key][i : i + 1, :n_real] for key in (name, f"{name}_mask")}
        assert torch.allclose(together[i : i + 1], model(alone)["logits"], atol=2e-5)
    filled = {name: batch[name].masked_fill(~batch[f"{name}_mask"], 7) for name in model.inputs}
    assert torch.allclose(together, model(batch | filled)["logits"], atol=2e-5)


@torch.no_grad()
def test_mmer_attends_across_does_without_one_modality_and_runs_in_bf16():
    model = mmer().eval()
    batch, other = clips(2, model), {"tokens": torch.randint(4, 60, (2, 9))}
    together = model(batch)["logits"]
    assert not torch.allclose(together, model(batch | other)["logits"], atol=1e-4)
    for name in model.inputs:
        rest = {key: x for key, x in batch.items() if not key.startswith(name)}
        answer = model(rest)
        assert "auxiliary" not in answer
        assert answer["logits"].isfinite().all()
        assert not torch.allclose(together, answer["logits"], atol=1e-4)
        assert ("ctc" in model.train()(rest)["auxiliary"]) == (name == "tokens")
        model.eval()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(batch)
        assert all(loss.isfinite() for loss in auxiliary_losses(model.train()(batch)["auxiliary"], batch).values())
    assert (output["logits"].float() - together).abs().max() < 0.1 * together.abs().max().clamp(min=1)


def test_mmer_overfits_eight_clips_and_comes_back_from_disk(tmp_path):
    model = mmer(fine_tune="nothing")
    batch = clips(8, model) | {"emotion": torch.arange(8)}
    optimiser = torch.optim.Adam([parameter for parameter in model.parameters() if parameter.requires_grad], 5e-3)
    for _ in range(60):
        output = model.train()(batch)
        loss = torch.nn.functional.cross_entropy(output["logits"], batch["emotion"])
        optimiser.zero_grad()
        (loss + sum(auxiliary_losses(output["auxiliary"], batch).values())).backward()
        optimiser.step()
    with torch.no_grad():
        answer = model.eval()(batch)["logits"]
        assert (answer.argmax(1) == batch["emotion"]).all()
        save_file(model.state_dict(), tmp_path / "model.safetensors")
        again = mmer(fine_tune="nothing").eval()
        again.load_state_dict(load_file(tmp_path / "model.safetensors"))
        assert torch.equal(answer, again(batch)["logits"])


def test_ctc_learns_to_spell():
    """The auxiliary loss is CTC: what a branch that knows the text would say costs nothing."""
    text = spell("a door")
    assert text.tolist() == [3, 1, 6, 17, 17, 20]
    steps = [3, 1, 6, 17, 0, 17, 20, 0]  # a blank parts the double letter
    sure = torch.full((1, 8, 29), -20.0)
    sure[0, range(8), steps] = 0.0
    output = {"ctc": sure.log_softmax(-1), "ctc_mask": torch.ones(1, 8, dtype=torch.bool)}
    output["contrastive"] = torch.randn(1, 4)
    batch = {"characters": torch.from_numpy(text)[None], "characters_mask": torch.ones(1, 6, dtype=torch.bool)}
    batch["emotion"] = torch.zeros(1, dtype=torch.int64)
    assert auxiliary_losses(output, batch)["ctc"] < 1e-3
    assert auxiliary_losses({**output, "ctc": sure.flip(1).log_softmax(-1)}, batch)["ctc"] > 0.1
    short = {**output, "ctc": output["ctc"][:, :3], "ctc_mask": output["ctc_mask"][:, :3]}
    assert auxiliary_losses(short, batch)["ctc"] == 0
    assert set(auxiliary_losses(output, {"emotion": batch["emotion"]})) == {"contrastive"}
    with pytest.raises(WorkbenchError, match="unknown form of the contrastive loss 'both': choose from in, out"):
        auxiliary_losses(output, batch, form="both")


def test_spelling_knows_letters_and_apostrophes():
    assert "".join(CHARACTERS[i - 1] for i in spell("It’s 11 o'clock, Kids!")) == "it's o'clock kids"
    assert spell("").shape == (0,)


def test_the_library_is_loaded_only_when_it_is_wanted():
    code = "import sys, workbench.models.pretrained, workbench.models.text, workbench.models.mmer;"
    code += "assert not {'transformers', 'huggingface_hub'} & set(sys.modules), 'loaded too early'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
