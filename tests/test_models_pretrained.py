"""Networks others have trained, where their weights are looked for, words: tiny random ones, the real code paths."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_networks import LARGE, WORDS, speech

from workbench.errors import WorkbenchError
from workbench.models import hub
from workbench.models.precomputed import Arrays, Embeddings, read_embeddings
from workbench.models.pretrained import PretrainedSpeech
from workbench.models.text import Roberta, tokenise

ENCODERS = {
    "wav2vec2": (PretrainedSpeech, speech()),
    "wav2vec2-large": (PretrainedSpeech, speech(**LARGE)),
    "hubert": (PretrainedSpeech, speech("hubert")),
    "wavlm": (PretrainedSpeech, speech("wavlm")),
    "roberta": (Roberta, WORDS),
}
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")  # WavLM's own, in the library


@pytest.fixture(autouse=True)
def _no_home(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("WORKBENCH_WEIGHTS", raising=False)


def make(name, **settings):
    torch.manual_seed(0)
    kind, config = ENCODERS[name]
    return kind(config=config, **settings)


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


@pytest.mark.parametrize("name", ENCODERS)
@torch.no_grad()
def test_bfloat16_is_near_and_gives_float32(name):
    encoder = make(name).eval()
    exact = encoder(*encoder.example())
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(*encoder.example())
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.1 * exact.abs().max()


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


@pytest.mark.parametrize("name", ENCODERS)
def test_weights_from_a_folder(name, tmp_path):
    encoder = folder_of(name, tmp_path / "here")
    kind, _ = ENCODERS[name]
    torch.manual_seed(1)
    loaded = kind(weights=str(tmp_path / "here")).eval()
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


def test_the_library_is_loaded_only_when_it_is_wanted():
    code = "import sys, workbench.models.pretrained, workbench.models.text, workbench.models.mmer;"
    code += "assert not {'transformers', 'huggingface_hub'} & set(sys.modules), 'loaded too early'"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


@pytest.mark.parametrize("needs", [lambda: make("roberta"), lambda: tokenise(["kids"], "roberta-base")])
def test_missing_transformers_is_an_error_that_names_the_extra(monkeypatch, needs):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WorkbenchError, match=r"pip install 'workbench\[pretrained\]'"):
        needs()
