"""MMER and its losses: gradients, padding, company, a missing modality, learning by heart; CTC and contrast by hand."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_networks import WORDS, speech

from workbench.errors import WorkbenchError
from workbench.models.base import Model
from workbench.models.contrastive import contrastive_in, contrastive_out
from workbench.models.mmer import CHARACTERS, Mmer, auxiliary_losses, spell
from workbench.models.precomputed import Arrays
from workbench.models.pretrained import PretrainedSpeech
from workbench.models.text import Roberta


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


def mmer(*, fine_tune="all"):
    torch.manual_seed(0)
    encoders = {
        "audio": PretrainedSpeech(config=speech(), fine_tune=fine_tune),
        "text": Roberta(config=WORDS, fine_tune=fine_tune),
    }
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


def test_mmer_has_one_step_of_zeros_where_a_modality_is_missing():
    """In the batch or in a clip, whose speech then spells nothing: the loss of a text that no step could say is 0."""
    fusion = mmer().fusion.eval()
    mask, every = torch.tensor([[True] * 5, [False] * 5]), torch.ones(2, 5, dtype=torch.bool)
    heard, said = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    zeros, one = torch.zeros(2, 1, 16), torch.ones(2, 1, dtype=torch.bool)
    without = fusion([(heard, every), (zeros, one)])
    assert torch.allclose(fusion([(heard, every), None]), without, atol=1e-6)
    assert torch.allclose(fusion([(heard, every), (said, mask)])[1], without[1], atol=1e-6)
    output = fusion.auxiliary([(heard, mask), (said, mask)], without)
    characters = {"characters": torch.full((2, 3), 4), "characters_mask": torch.ones(2, 3, dtype=torch.bool)}
    losses = auxiliary_losses(output, characters | {"emotion": torch.tensor([0, 1])})
    assert losses["ctc"].isfinite()


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
