"""The contract of every fusion inside the network: a line a case in `CASES`, and each test below holds for all of them.

Then what is particular to some: formulas by hand, side branches, modality dropout, frozen encoders, real encoders.
"""

from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_networks import WORDS
from torch import nn
from torch.nn import functional as F

from workbench.errors import WorkbenchError
from workbench.fusion import neural
from workbench.fusion.neural.plain import FUSIONS_1_TO_5
from workbench.models import ENCODERS, FUSIONS, build
from workbench.models.base import Encoder
from workbench.models.steps import mean_over
from workbench.models.streams import Streaming
from workbench.training import Settings, loss_of

SMALL = {"width": 16}
STEPS = SMALL | {"n_heads": 2, "feed_forward": 24}


@dataclass(frozen=True)
class Case:
    """A fusion's name in the registry, with settings that make it small, and how many modalities it joins."""

    name: str
    settings: dict
    variant: str = ""
    numbers: tuple[int, ...] = (2, 3)

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name


DROPPED = {"modality_dropout": {"probability": 0.3}}
CASES = [
    Case("bilinear", SMALL | {"inner": 6}),
    Case("concatenation", {}),
    Case("concatenation", DROPPED, "dropped"),
    Case("cross_attention", STEPS),
    Case("cross_attention", STEPS | DROPPED, "dropped"),
    Case("dense", {"hidden": 16}),
    Case("dense", {"hidden": 16, "activation": "relu"}, "streams"),
    Case("gated", SMALL),
    Case("low_rank", SMALL | {"rank": 3}),
    Case("mmer", STEPS | {"projected": 8}, numbers=(2,)),
    Case("mmer", STEPS | {"projected": 8} | DROPPED, "dropped", numbers=(2,)),
    Case("n1", {}),
    Case("n2", {}),
    Case("n2", {"modality_dropout": {"probability": 0.3, "fill": "noise"}}, "noise"),
    Case("plain", {}),
    Case("scores", {}),
]
EVERY = pytest.mark.parametrize(
    ("case", "n"), [pytest.param(case, n, id=f"{case}-{n}") for case in CASES for n in case.numbers]
)


class Tiny(Encoder):
    """A dense layer on every step, and their mean."""

    values = 4

    def __init__(self):
        super().__init__()
        self.dense, self.norm = nn.Linear(self.values, self.width), nn.LayerNorm(self.width)

    def steps(self, x, mask):
        return self.norm(self.dense(x.masked_fill(~mask[..., None], 0))).tanh(), mask

    def forward(self, x, mask):
        return mean_over(*self.steps(x, mask))


def tiny(kind, array, size):
    return type("Tiny", (Tiny,), {"modality": kind, "inputs": array, "width": size})


TINY = {"audio": tiny("audio", "a", 6), "text": tiny("text", "t", 10), "video": tiny("video", "v", 8)}


@pytest.fixture(autouse=True)
def _tiny_encoders(monkeypatch):
    for modality, kind in TINY.items():
        monkeypatch.setitem(ENCODERS, f"tiny_{modality}", kind)


def make(case, n, *, seed=0):
    torch.manual_seed(seed)
    encoders = {modality: {"name": f"tiny_{modality}"} for modality in list(TINY)[:n]}
    return build(encoders, 8, fusion={"name": case.name, **case.settings})


def clips(n_clips=4, *, seed=0):
    """Return clips of five steps of each modality, the last one's shorter by two."""
    random = torch.Generator().manual_seed(seed)
    batch = {kind.inputs: torch.randn(n_clips, 5, Tiny.values, generator=random) for kind in TINY.values()}
    mask = torch.ones(n_clips, 5, dtype=torch.bool)
    mask[-1, 3:] = False
    return batch | {f"{name}_mask": mask for name in list(batch)} | {"emotion": torch.arange(n_clips) % 8}


def without(batch, array, clip=None):
    """Return the batch without an array, or with one clip that has none of it and something odd in its place."""
    if clip is None:
        return {name: x for name, x in batch.items() if name not in (array, f"{array}_mask")}
    x, mask = batch[array].clone(), batch[f"{array}_mask"].clone()
    x[clip], mask[clip] = 77.0, False
    return batch | {array: x, f"{array}_mask": mask}


@torch.no_grad()
def settled(model):
    """Give every batch norm the statistics of some clips, as training would, and leave training mode."""
    norms = [part for part in model.train().modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = 1.0
    model.dropout, dropout = None, model.dropout
    model(clips(16, seed=5))
    model.dropout = dropout
    return model.eval()


def close(found, expected, tolerance=1e-5):
    return torch.allclose(found, expected, rtol=0, atol=tolerance * max(expected.abs().max().item(), 1.0))


def test_every_fusion_has_a_line():
    assert {case.name for case in CASES} == set(FUSIONS)
    assert len({str(case) for case in CASES}) == len(CASES)
    for kind in FUSIONS.values():
        assert kind.source[:3] in ("000", "001", "004") or " 20" in kind.source
        assert kind.source.split(",")[0].lower() in kind.__doc__.lower() or kind.source[:3] == "000"


@EVERY
def test_shapes_and_finite_gradients_to_every_parameter(case, n):
    model, batch = make(case, n).train(), clips(8)
    output = model(batch)
    assert output["logits"].shape == (8, 8)
    assert output["embedding"].shape == (8, model.fusion.width)
    loss_of(output, batch, Settings()).backward()
    for name, parameter in model.named_parameters():
        spelling = name.startswith("fusion.ctc")  # learns from texts, of which there are none here
        assert spelling or parameter.grad is not None, name
        assert spelling or parameter.grad.isfinite().all(), name
    for encoder in model.encoders.values():
        assert encoder.dense.weight.grad.any()


@EVERY
@torch.no_grad()
def test_alone_as_in_company(case, n):
    model, batch = settled(make(case, n)), clips()
    together = model(batch)["logits"]
    for i in range(4):
        real = int(batch["a_mask"][i].sum())
        alone = model({name: x[i : i + 1, :real] for name, x in batch.items() if name != "emotion"})["logits"]
        assert close(alone[0], together[i])


@EVERY
@torch.no_grad()
def test_every_modality_changes_the_answer_to_that_clip_only(case, n):
    model, batch, other = settled(make(case, n)), clips(), clips(seed=1)
    before = model(batch)["logits"]
    for array in model.inputs:
        x = torch.cat([other[array][:1], batch[array][1:]])
        after = model(batch | {array: x})["logits"]
        assert (after[0] - before[0]).abs().max() > 1e-3, array
        assert close(after[1:], before[1:])


@EVERY
@torch.no_grad()
def test_a_missing_modality_gives_finite_answers_and_changes_nothing_else(case, n):
    """Whether the whole batch lacks it or a clip, and whatever stands in its place; what is there is still heard."""
    model, batch, other = settled(make(case, n)), clips(), clips(seed=1)
    whole = model(batch)["logits"]
    for array in model.inputs:
        lacking = model(without(batch, array))["logits"]
        assert lacking.isfinite().all()
        assert (lacking - whole).abs().max() > 1e-3
        one = model(without(batch, array, clip=0))["logits"]
        assert close(one[0], lacking[0])
        assert close(one[1:], whole[1:])
        for rest in model.inputs:
            changed = model(without(batch | {rest: other[rest]}, array))["logits"]
            assert rest == array or (changed - lacking).abs().max() > 1e-3, f"without {array}, {rest} counts"
    nothing = batch
    for array in model.inputs:
        nothing = without(nothing, array, clip=0)
    answer = model(nothing)["logits"]
    assert answer.isfinite().all()
    assert close(answer[1:], whole[1:])
    with pytest.raises(WorkbenchError, match="none of the model's modalities"):
        model({})


@EVERY
def test_trains_on_clips_that_lack_a_modality(case, n):
    """What stands in the place of a missing one sways no gradient and no statistic; even a single clip that has it."""
    found = []
    for value in (0.0, 50.0):
        model, batch = make(case, n).train(), clips(6)
        for part in model.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
        for clip in range(1, 6):
            batch = without(batch, "a", clip)
        batch["a"][1:] = value
        batch = without(batch, "t", 2)
        torch.manual_seed(0)
        loss_of(model(batch), batch, Settings()).backward()
        grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
        assert all(grad.isfinite().all() for grad in grads.values())
        assert "encoders.audio.dense.weight" in grads
        found.append(grads | {f"state of {name}": x.float() for name, x in model.state_dict().items()})
    for name, x in found[0].items():
        assert close(x, found[1][name], 1e-4), name


@EVERY
@torch.no_grad()
def test_saved_and_loaded_to_equal_outputs(case, n, tmp_path):
    model, batch = settled(make(case, n)), clips()
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = make(case, n, seed=1).eval()
    assert not torch.equal(model(batch)["logits"], again(batch)["logits"])
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(model(batch)["logits"], again(batch)["logits"])


@EVERY
def test_runs_in_bfloat16(case, n):
    model, batch = make(case, n).train(), clips(8)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(model(batch), batch, Settings())
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    with torch.no_grad():
        exact = settled(model)(batch)["logits"]
        with torch.autocast("cpu", torch.bfloat16):
            rough = model(batch)["logits"].float()
            assert model(without(batch, "a", clip=1))["logits"].isfinite().all()
    assert (rough - exact).abs().max() < 0.1 * exact.abs().max().clamp(min=1)


@EVERY
def test_overfits_eight_clips(case, n):
    """All eight right, as evaluated, whatever is dropped in training."""
    model, batch = make(case, n), clips(8)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        loss = loss_of(model.train()(batch), batch, Settings())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            if (model.eval()(batch)["logits"].argmax(1) == batch["emotion"]).all():
                return
    pytest.fail("eight clips were not learned in 300 steps")


def vectors(n_clips=5, widths=(3, 4), seed=0):
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(n_clips, width, generator=random, dtype=torch.float64) for width in widths]


def batch_norm(x):
    return (x - x.mean(dim=0)) / (x.var(dim=0, correction=0) + 1e-5).sqrt()


def fresh(kind, widths=(3, 4), **settings):
    torch.manual_seed(0)
    return kind(widths, 8, **settings).double()


def test_n2_is_equation_32():
    """f' = f^ + FN(Sigmoid(Dense f^)), side scores Dense(f'), and FN(cat(f')): in training, batch statistics."""
    fusion, given = fresh(neural.Mrpn).train(), vectors()
    embedding, sides = fusion.with_side(given)
    updated = []
    for x, perceptron, side, logits in zip(given, fusion.perceptrons, fusion.sides, sides, strict=True):
        x = batch_norm(x)
        x = x + batch_norm(1 / (1 + torch.exp(-(x @ perceptron.dense.weight.T + perceptron.dense.bias))))
        assert torch.allclose(logits, x @ side.weight.T + side.bias)
        updated.append(x)
    assert torch.allclose(embedding, batch_norm(torch.cat(updated, dim=1)))
    assert torch.allclose(fresh(neural.Mrpn).train()(given), embedding)


def test_n0_and_n1_are_equations_30_and_31():
    given = vectors()
    joined = batch_norm(torch.cat([batch_norm(x) for x in given], dim=1))
    assert torch.allclose(fresh(neural.Concatenation).train()(given), joined)
    fusion = fresh(neural.SideBranches).train()
    embedding, sides = fusion.with_side(given)
    assert torch.allclose(embedding, joined)
    for x, side, logits in zip(given, fusion.sides, sides, strict=True):
        assert torch.allclose(logits, batch_norm(x) @ side.weight.T + side.bias)
    counts = {norm.num_batches_tracked.item() for norm in (*fusion.norms, fusion.norm)}
    assert counts == {1}, "batch norms count a batch once"


@pytest.mark.parametrize("name", ["n1", "n2"])
@pytest.mark.parametrize("n", [2, 3])
def test_the_loss_has_a_term_for_each_modality_and_one_for_all(name, n):
    model, batch = make(Case(name, {}), n).train(), clips(8)
    output = model(batch)
    assert list(output["side"]) == list(model.encoders)
    terms = [F.cross_entropy(logits, batch["emotion"]) for logits in (output["logits"], *output["side"].values())]
    assert len(terms) == n + 1
    assert loss_of(output, batch, Settings()).item() == pytest.approx(sum(terms).item())
    weighed = loss_of(output, batch, Settings(side_weight=0.5)).item()
    assert weighed == pytest.approx((terms[0] + 0.5 * sum(terms[1:])).item())


def test_a_side_branch_learns_from_the_clips_that_have_its_modality():
    model, batch = make(Case("n2", {}), 2).train(), clips(8)
    for clip in (0, 3):
        batch = without(batch, "a", clip)
    output = model(batch)
    sides, has = output["side"], torch.tensor([1, 2, 4, 5, 6, 7])
    expected = F.cross_entropy(output["logits"], batch["emotion"]) + F.cross_entropy(sides["text"], batch["emotion"])
    expected += F.cross_entropy(sides["audio"][has], batch["emotion"][has])
    assert loss_of(output, batch, Settings()).item() == pytest.approx(expected.item())
    assert loss_of(model(without(batch, "a")), batch, Settings()).isfinite(), "none of the batch has it"


def test_side_branches_cost_nothing_in_evaluation():
    model = settled(make(Case("n2", {}), 3))
    for side in model.fusion.sides:
        side.forward = None  # whoever calls it fails
    assert model(clips())["side"] == {}


def test_an_encoder_that_fails_is_no_missing_modality():
    """NaN of its own must not pass for silence: the loss says so, and training stops."""
    model, batch = make(Case("n2", {}), 2).train(), clips()
    with torch.no_grad():
        model.encoders["audio"].dense.weight.fill_(torch.nan)
    assert not loss_of(model(batch), batch, Settings()).isfinite()


@torch.no_grad()
def test_what_is_missing_stands_at_the_mean_of_training():
    for name in ("concatenation", "n1"):
        fusion = settled(make(Case(name, {}), 2)).fusion
        x, mean = torch.randn(4, fusion.widths[0]), fusion.norms[1].running_mean.expand(4, -1)
        assert mean.abs().max() > 0.01
        assert close(fusion([x, None]), fusion([x, mean]))


def test_batch_norms_count_only_clips_that_have_the_modality():
    x, present = torch.randn(5, 3), torch.tensor([True, False, True, True, False])
    norm, plain = neural.FeatureNorm(3).train(), nn.BatchNorm1d(3).train()
    out = norm(x, present)
    assert torch.equal(out[present], plain(x[present]))
    assert torch.equal(norm.running_var, plain.running_var)
    assert not out[~present].any()
    before = norm.running_mean.clone()
    alone = norm(x, torch.arange(5) == 0)
    assert torch.equal(norm.running_mean, before)
    assert torch.equal(alone[0], norm.eval()(x, torch.arange(5) == 0)[0])


@torch.no_grad()
def test_each_modality_attends_to_the_others():
    """Of three, the first's part of the answer depends on the steps of every other; alone, on its own alone."""
    fusion = FUSIONS["cross_attention"]((4, 5, 6), 8, **STEPS).eval()
    mask = torch.ones(2, 3, dtype=torch.bool)
    given = [(torch.randn(2, 3, width), mask) for width in (4, 5, 6)]
    first = fusion(given)[:, :16]
    for i in (0, 1, 2):
        changed = [(x + (j == i), real) for j, (x, real) in enumerate(given)]
        assert not torch.allclose(fusion(changed)[:, :16], first, atol=1e-4), i
    alone = fusion([given[0], None, None])
    assert not alone[:, 16:].any()
    assert torch.equal(alone, fusion([given[0], (given[1][0], ~mask), None]))


def halves(fusion, widths=(3, 4)):
    """Return two vectors for a fusion in evaluation mode, whose norms leave (almost) all as it was."""
    for norm in fusion.eval().norms:
        norm.running_var.fill_(1 - norm.eps)
    return vectors(2, widths)


@torch.no_grad()
def test_the_gated_unit_by_hand():
    fusion = fresh(neural.Gated, width=2)
    x, y = halves(fusion)
    gate = 1 / (1 + torch.exp(-torch.cat([x, y], dim=1) @ fusion.gates.weight.T))
    first, second = (torch.tanh(v @ layer.weight.T) for v, layer in zip((x, y), fusion.values, strict=True))
    assert torch.allclose(fusion([x, y]), gate * first + (1 - gate) * second)
    fusion = fresh(neural.Gated, (3, 4, 2), width=2)
    given = halves(fusion, (3, 4, 2))
    gates = (1 / (1 + torch.exp(-torch.cat(given, dim=1) @ fusion.gates.weight.T))).view(2, 3, 2)
    expected = sum(gates[:, i] * torch.tanh(x @ fusion.values[i].weight.T) for i, x in enumerate(given))
    assert torch.allclose(fusion(given), expected)


@torch.no_grad()
def test_the_low_rank_tensor_by_hand():
    """Equal to the whole tensor: the outer product of [x, 1] and [y, 1], weighed by the sum of rank-one tensors."""
    fusion = fresh(neural.LowRank, width=2, rank=3)
    x, y = halves(fusion)
    fusion.bias.copy_(torch.tensor([0.5, -1.0]))
    one = torch.ones(2, 1, dtype=torch.float64)
    whole = torch.einsum("bi,bj->bij", torch.cat([x, one], 1), torch.cat([y, one], 1))
    left, right = (
        torch.cat([factor.weight, factor.bias[:, None]], 1).view(3, 2, -1) for factor in fusion.factors
    )  # (rank, width, D + 1)
    tensor = torch.einsum("r,rwi,rwj->wij", fusion.weights.weight[0], left, right)
    assert torch.allclose(fusion([x, y]), torch.einsum("wij,bij->bw", tensor, whole) + fusion.bias)


@torch.no_grad()
def test_the_bilinear_form_by_hand():
    fusion = fresh(neural.Bilinear, (3, 4, 2), width=2, inner=2)
    given = halves(fusion, (3, 4, 2))
    inner = [F.pad(x @ enter.weight.T, (0, 1), value=1.0) for x, enter in zip(given, fusion.enter, strict=True)]
    pairs, expected = [(0, 1), (0, 2), (1, 2)], torch.zeros(2, 2, dtype=torch.float64)
    for form, (i, j) in zip(fusion.forms, pairs, strict=True):
        for clip in range(2):
            for k in range(2):
                expected[clip, k] += inner[i][clip] @ form.weight[k] @ inner[j][clip]
    assert torch.allclose(fusion(given), expected)


def test_the_five_fusions_of_source_000_by_their_layers():
    """Sizes as in Figures 10 to 14: 1024 values of the voice, 15 x 1024 of the face, eight emotions."""
    layers = {}
    for number, parts in FUSIONS_1_TO_5.items():
        fusion = {"name": parts["fusion"]["name"]}
        encoders = {
            "audio": {"name": "embeddings", "width": 1024},
            "video": {"name": "efficientface", "pool": parts["pool"]},
        }
        model = build(encoders, 8, fusion=fusion)
        own = [model.encoders["video"].over_time, model.fusion, model.head]
        dense = [part for where in own for part in where.modules() if isinstance(part, nn.Linear)]
        layers[number] = [(part.in_features, part.out_features) for part in dense]
    assert layers == {
        1: [(1024, 8), (128, 8), (16, 8)],
        2: [(15 * 1024, 1024), (2048, 8)],
        3: [(2048, 8)],
        4: [(2048, 1024), (1024, 8)],
        5: [(2048, 1024), (1024, 8)],
    }
    assert [FUSIONS_1_TO_5[number]["pool"] for number in (3, 4, 5)] == ["mean", "mean", "max"]
    assert [type(part).__name__ for part in model.fusion.layers] == ["Linear", "Dropout", "ELU"]


@torch.no_grad()
def test_scores_are_those_of_each_modality_alone():
    fusion, (x, y) = fresh(neural.Scores), vectors(2)
    expected = [v @ head.weight.T + head.bias for v, head in zip((x, y), fusion.heads, strict=True)]
    assert torch.allclose(fusion([x, y]), torch.cat(expected, dim=1))
    assert torch.equal(fusion([x, None])[:, 8:], torch.zeros(2, 8, dtype=torch.float64))


def test_modality_dropout_never_drops_all_and_as_often_as_asked():
    for p in (0.3, 1.0):
        dropout = neural.ModalityDropout(p).train()
        torch.manual_seed(0)
        given = [torch.ones(20_000, 2), torch.ones(20_000, 3)]
        out, dropped = dropout(given)
        missing = torch.stack([x.isnan().all(dim=1) for x in out], dim=1)
        assert torch.equal(missing, dropped)
        assert not missing.all(dim=1).any()
        assert missing.float().mean(dim=0).tolist() == pytest.approx([p - p * p / 2] * 2, abs=0.015)
        torch.manual_seed(0)
        assert torch.equal(dropout(given)[1], dropped), "torch's seed decides"
    half = torch.full((400, 2), torch.nan).index_fill(0, torch.arange(200), 1.0)
    out, _ = dropout([half, torch.ones(400, 3)])
    assert not (out[0].isnan().all(dim=1) & out[1].isnan().all(dim=1)).any(), "what a clip lacks cannot be what stays"
    assert dropout([None, torch.ones(400, 3)])[0][1].isfinite().all(), "nor what the batch lacks"


def test_modality_dropout_is_off_in_evaluation_and_noise_has_the_batchs_spread():
    given = [3 + 2 * torch.randn(5000, 2), torch.randn(5000, 3)]
    for fill in ("zeros", "noise"):
        out, dropped = neural.ModalityDropout(0.5, fill).eval()(given)
        assert all(torch.equal(x, y) for x, y in zip(out, given, strict=True))
        assert not dropped.any()
    out, dropped = neural.ModalityDropout(0.5, "noise").train()(given)
    noise = out[0][dropped[:, 0]]
    assert torch.equal(out[0][~dropped[:, 0]], given[0][~dropped[:, 0]])
    assert not torch.isclose(noise, given[0][dropped[:, 0]]).any(dim=0).all()
    assert noise.mean(dim=0).tolist() == pytest.approx([3, 3], abs=0.2)
    assert noise.std(dim=0).tolist() == pytest.approx([2, 2], abs=0.2)


def test_modality_dropout_of_steps():
    mask = torch.ones(300, 4, dtype=torch.bool)
    mask[:, 3] = False
    steps = [(5 + torch.randn(300, 4, 2), mask), (torch.randn(300, 4, 3), mask)]
    out, dropped = neural.ModalityDropout(0.5).train()(steps)
    for (_, real), gone in zip(out, dropped.T, strict=True):
        assert gone.any()
        assert torch.equal(real, mask & ~gone[:, None])
    out, dropped = neural.ModalityDropout(0.5, "noise").train()(steps)
    (x, real), gone = out[0], dropped[:, 0]
    assert torch.equal(real, mask)
    assert torch.equal(x[~gone], steps[0][0][~gone])
    assert not torch.equal(x[gone], steps[0][0][gone])
    assert x[gone].mean().item() == pytest.approx(5, abs=0.2)


def test_a_dropped_clip_is_as_one_without_the_modality_and_its_side_branch_learns_nothing():
    for fill in ("zeros", "noise"):
        model = make(Case("n2", {"modality_dropout": {"probability": 0.6, "fill": fill}}), 2).train()
        output, batch = model(clips(32)), clips(32)
        missing = {name: logits.isnan().all(dim=1) for name, logits in output["side"].items()}
        assert missing["audio"].any()
        assert missing["text"].any()
        assert not (missing["audio"] & missing["text"]).any()
        assert loss_of(output, batch, Settings()).isfinite()
    trained = make(Case("n2", {"modality_dropout": {"probability": 1.0}}), 2).train()
    torch.manual_seed(3)
    output, batch = trained(clips(8)), clips(8)
    for clip, (a, t) in enumerate(zip(*(x.isnan().all(dim=1).tolist() for x in output["side"].values()), strict=True)):
        batch = without(batch, "a", clip) if a else batch
        batch = without(batch, "t", clip) if t else batch
    same = make(Case("n2", {}), 2).train()
    assert close(same(batch)["logits"], output["logits"])


def test_frozen_encoders_keep_weights_and_statistics_and_have_no_dropout():
    encoders = {"audio": {"name": "cnn1d", "n_steps": 50}, "video": {"name": "tiny_video"}}
    torch.manual_seed(0)
    model = build(encoders, 8, fusion={"name": "scores"}).freeze().train()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    batch = clips(8) | {"mfcc": torch.randn(8, 50, 40), "mfcc_mask": torch.ones(8, 50, dtype=torch.bool)}
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2, weight_decay=0.1)
    first = model.fusion([model.encode(encoder, batch) for encoder in model.encoders.values()])
    for _ in range(2):
        optimiser.zero_grad()
        loss_of(model(batch), batch, Settings()).backward()
        optimiser.step()
    for name, x in model.state_dict().items():
        assert torch.equal(x, before[name]) != name.startswith("head"), name
    again = model.fusion([model.encode(encoder, batch) for encoder in model.encoders.values()])
    assert torch.equal(first, again)
    assert model.train().head.training


def test_a_model_begins_with_trained_encoders_and_their_heads():
    torch.manual_seed(1)
    alone = build({"text": {"name": "tiny_text"}}, 8)
    for name in ("scores", "n2"):
        model = make(Case(name, {}), 2)
        model.begin("text", alone)
        assert torch.equal(model.encoders["text"].dense.weight, alone.encoders["text"].dense.weight)
        if name == "scores":
            assert torch.equal(model.fusion.heads[1].weight, alone.head.weight)
    with pytest.raises(WorkbenchError, match="the trained model of text has other layers"):
        make(Case("scores", {}), 2).begin("text", build({"text": {"name": "tiny_text"}}, 5))


@torch.no_grad()
def test_real_encoders_of_three_streams_under_one_dense_layer():
    """Source 001: whole picture, face and sound, concatenated, and fully connected layers."""
    encoders = {
        "audio": {"name": "stream_sound", "window": 256, "filters": (16, 16)},
        "video": {"name": "stream_face", "size": 32},
        "scene": {"name": "stream_scene", "size": 32},
    }
    model = build(encoders, 8, fusion={"name": "dense", "hidden": 64, "activation": "relu"}).eval()
    batch = {}
    for name, encoder in zip(("waveform", "frames", "whole"), model.encoders.values(), strict=True):
        batch[name], batch[f"{name}_mask"] = encoder.example(2)
    assert model(batch)["logits"].shape == (2, 8)
    answer, _ = Streaming(model).step({}, {name: batch[name] for name in model.inputs})
    assert close(answer, model(batch)["logits"])
    del batch["whole"]
    assert model(batch)["logits"].isfinite().all()
    with pytest.raises(WorkbenchError, match="choose one of vectors"):
        Streaming(build(encoders, 8, fusion={"name": "cross_attention", **STEPS}))


@torch.no_grad()
def test_efficientface_gives_its_steps_and_others_their_vector_as_one():
    encoders = {
        "audio": {"name": "cnn1d", "n_steps": 50},
        "video": {"name": "efficientface", "n_frames": 3, "size": 32},
    }
    model = build(encoders, 8, fusion={"name": "cross_attention", **STEPS}).eval()
    (sound, heard), (frames, seen) = (encoder.example(2) for encoder in model.encoders.values())
    seen[1] = False
    batch = {"mfcc": sound, "mfcc_mask": heard, "frames": frames, "frames_mask": seen}
    assert [x.shape for x, _ in (model.encode(e, batch) for e in model.encoders.values())] == [
        (2, 1, model.encoders["audio"].width),
        (2, 3, 128),
    ]
    for encoder in model.encoders.values():
        x, mask = batch[encoder.inputs][:1], batch[f"{encoder.inputs}_mask"][:1]
        assert close(encoder.steps(x, mask)[0].mean(dim=1), encoder(x, mask))
    assert model.encoders["video"].steps(frames, seen)[1].any(dim=1).tolist() == [True, False]
    answer = model(batch)["logits"]
    assert answer.isfinite().all()
    assert close(answer[1:], model({"mfcc": sound[1:], "mfcc_mask": heard[1:]})["logits"])


@torch.no_grad()
def test_a_text_of_no_words_is_a_missing_one():
    """Whatever step an encoder needs for its own sake."""
    encoders = {"audio": {"name": "tiny_audio"}, "text": {"name": "roberta", "config": WORDS}}
    model = build(encoders, 8, fusion={"name": "cross_attention", **STEPS}).eval()
    tokens, said = model.encoders["text"].example(4)
    said[0] = False
    batch = clips() | {"tokens": tokens, "tokens_mask": said}
    assert model.encoders["text"].steps(tokens, said)[1][0].any()
    assert close(model(batch)["logits"][0], model(without(batch, "tokens"))["logits"][0])


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ({"name": "n9"}, "unknown fusion 'n9': choose from bilinear, concatenation"),
        ({"name": "gated", "depth": 3}, "fusion 'gated' with settings .*depth"),
        ({"name": "dense", "activation": "step"}, "unknown activation 'step': choose from elu, relu"),
        ({"name": "n2", "modality_dropout": {"probability": 2}}, "probability is 2, expected 0 to 1"),
        ({"name": "n2", "modality_dropout": {"probability": 0.2, "fill": "ones"}}, "'ones': choose from noise, zeros"),
        ({"name": "n2", "modality_dropout": {"share": 0.2}}, "modality dropout with settings .*share"),
    ],
)
def test_wrong_names_and_settings_are_named(fusion, message):
    with pytest.raises(WorkbenchError, match=message):
        build({"audio": {"name": "tiny_audio"}, "text": {"name": "tiny_text"}}, 8, fusion=fusion)
    with pytest.raises(WorkbenchError, match="mmer joins speech and words, found 3"):
        make(Case("mmer", {}), 3)
