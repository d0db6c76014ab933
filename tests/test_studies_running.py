"""Runs of a study: on which clips and folds, in which order, by whom, and the same whoever makes them."""

import dataclasses
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file

from workbench import runs, studies
from workbench.datasets.demo import Demo
from workbench.errors import WorkbenchError
from workbench.studies import items, planning, results, running

TRAINING = {"epochs": 2, "batch_size": 8}
AUDIO = {"encoders": {"audio": {"name": "cnn1d", "filters": [8, 8]}}}
VIDEO = {"classical": {"video": {"name": "logistic_regression", "inputs": "frames", "statistics": ["mean"]}}}
MEMBERS = {"members": ["audio", "svm"], "rule": {"name": "mean"}}
SVM = {"classical": {"audio": {"name": "svm_linear", "inputs": "mfcc", "statistics": ["mean"]}}}
VARIANTS = {"audio": AUDIO, "svm": SVM, "late": MEMBERS}
PROFILE = {"n_folds": 2, "training": TRAINING, "recipe": {"n_frames": 2, "size": 16}}


def study(variants=VARIANTS, name="small", **changes):
    """Return a small study of our own."""
    base = studies.load("thread")
    return dataclasses.replace(base, name=name, variants=variants, profiles={"smoke": PROFILE}, **changes)


def answers(made):
    """Return the test predictions of runs, in one order."""
    table = runs.predictions(made).query("usage == 'test'")
    return table.sort_values(["variant", "protocol", "seed", "clip"], ignore_index=True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder of the module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        yield patch


@pytest.fixture(scope="module")
def made(tiny, data):
    """All runs of the small study, made in this process."""
    return running.run(study(), tiny, profile="smoke")


def test_two_processes_make_the_same_bytes_as_one(made, tiny, tmp_path, monkeypatch):
    """So they do where TensorBoard's events are asked for."""
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    events = find_spec("tensorboard") is not None
    again = running.run(study(), tiny, profile="smoke", jobs=2, tensorboard=events)
    assert [run.name for run in again] == [run.name for run in made]
    for run, first in zip(again, made, strict=True):
        assert (run.folder / "tensorboard").is_dir() == (events and "encoders" in run.params)
        pd.testing.assert_frame_equal(run.predictions(), first.predictions(), check_exact=True)
        for weights in first.folder.glob("model.safetensors"):
            assert (run.folder / weights.name).read_bytes() == weights.read_bytes()


class Voted(Demo):
    """The demo corpus with votes of a crowd: three in four, or all, for the emotion that was shown."""

    certain = False

    def clips(self):
        table = super().clips()
        shown = [table["emotion"] == emotion for emotion in ("happy", "sad")]
        return table.assign(
            votes_happy=np.where(shown[0], 3, not self.certain), votes_sad=np.where(shown[1], 3, not self.certain)
        )


def test_votes_of_the_clip_table_reach_the_loss(tiny, made, tmp_path, monkeypatch):
    by_votes = study({"audio": AUDIO | {"training": {"targets": "votes"}}})
    options = {"profile": "smoke", "protocols": ["random"]}
    with pytest.raises(WorkbenchError, match="'demo' come without a crowd's votes, which targets: votes needs"):
        running.run(by_votes, tiny, **options)
    monkeypatch.setenv("WORKBENCH_DATA", str(tmp_path))
    voted = Voted(tiny.root)
    unsure = running.run(by_votes, voted, **options)
    voted.certain = True
    sure = running.run(by_votes, voted, **options)
    labels = [run for run in made if run.params["variant"] == "audio" and run.params["protocol"] == "random"]
    assert not {run.name for run in unsure} & {run.name for run in [*sure, *labels]}, "the votes are part of the data"
    loss = [[run.history()["train_loss"][0] for run in some] for some in (labels, sure, unsure)]
    assert loss[1] == pytest.approx(loss[0], rel=1e-5), "votes that are all for the label are the label"
    assert loss[2] != pytest.approx(loss[0], rel=1e-2)


def test_a_training_setting_that_there_is_not_is_named(tiny, data):
    with pytest.raises(
        WorkbenchError, match="unknown training setting of variant 'audio' 'class_weigths': choose from"
    ):
        running.run(study({"audio": AUDIO | {"training": {"class_weigths": True}}}), tiny, profile="smoke")


def test_what_a_run_needs_comes_in_an_earlier_wave(tiny, made):
    plan = planning.plan(study(), tiny, profile="smoke")
    waves = items.in_waves(items.every(plan, "late", ["random"]), planning.Prepared())
    assert [{item.variant for item in wave.values()} for wave in waves] == [{"audio", "svm"}, {"late"}]
    assert [len(wave) for wave in waves] == [4, 2]


def test_folds_and_seeds_may_differ_by_protocol(tiny, data):
    repeats = {"random": [27, 31], "speaker-disjoint": 1}
    changes = {"n_folds": {"random": 4, "speaker-disjoint": 2}, "folds": {"random": 1}, "repeats": repeats}
    few = dataclasses.replace(study({"svm": SVM}), profiles={"smoke": PROFILE | changes})
    made = running.run(few, tiny, profile="smoke")
    found = sorted((run.params["protocol"], run.params["seed"], run.params["fold"]) for run in made)
    unseen = [("speaker-disjoint", 0, "fold1"), ("speaker-disjoint", 0, "fold2")]
    assert found == [("random", 27, "fold1"), ("random", 31, "fold1"), *unseen]
    by_seed = answers(made).query("protocol == 'random'").groupby("seed")["clip"].agg(set)
    assert {len(clips) for clips in by_seed} == {4}
    assert by_seed[27] != by_seed[31]


def test_a_variant_of_another_study_is_shown_and_not_made_again(tiny, made, tmp_path, monkeypatch):
    variants = {"theirs": {"of": "small/svm"}, "late": MEMBERS | {"members": ["theirs", "mine"]}, "mine": AUDIO}
    other = study(variants, name="other")
    for one in (study(), other):
        values = {key: value for key, value in dataclasses.asdict(one).items() if key != "name"}
        (tmp_path / f"{one.name}.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    shown = running.run(other, tiny, profile="smoke", variants=["theirs", "late"])
    theirs = [run for run in shown if run.params["variant"] == "theirs"]
    assert [run.folder for run in theirs] == [run.folder for run in made if run.params["variant"] == "svm"]
    assert set(runs.predictions(theirs)["study"]) == {"other"}
    assert set(runs.predictions(theirs)["variant"]) == {"theirs"}
    assert {run.folder for run in results.results("other", variant="theirs")} == {run.folder for run in theirs}
    assert set(runs.predictions(results.results("other"))["variant"]) == {"theirs", "late"}
    late = next(run for run in shown if run.params["variant"] == "late")
    assert late.params["members"][0].startswith("small/svm/")


def test_a_variant_may_have_classes_and_a_recipe_of_its_own(tiny, data):
    own = {"few": VIDEO | {"classes": ["sad", "happy"]}, "small": VIDEO | {"recipe": {"size": 8}}, "usual": VIDEO}
    whole = planning.plan(study(own, classes=["neutral", "happy", "sad"]), tiny, profile="smoke")
    parts = {name: whole.part(name)[0] for name in own}
    assert parts["usual"] is whole
    assert parts["few"].classes == ["happy", "sad"]
    assert parts["small"].recipe == dataclasses.replace(whole.recipe, size=8)
    assert len({items.run_of(items.every(whole, name, ["random"])[0], planning.Prepared()).name for name in own}) == 3


def test_members_on_other_folds_are_refused(tiny, data):
    odd = {"a": SVM | {"classes": ["happy", "sad"]}, "b": SVM, "late": MEMBERS | {"members": ["a", "b"]}}
    changed = dataclasses.replace(study(odd), profiles={"smoke": PROFILE})
    running.run(changed, tiny, profile="smoke", variants=["late"], protocols=["random"])  # equal folds will do
    whole = planning.plan(changed, tiny, profile="smoke")
    whole.part("a")[0].profile["n_folds"] = 3
    whole.part("a")[0].kept.clear()
    late = items.every(whole, "late", ["random"])[0]
    with pytest.raises(WorkbenchError, match=r"variant 'late' of study 'small': 'a' has other folds.*expected"):
        late.needs("members")


def test_costs_are_measured_where_a_study_asks(tiny, data):
    measured = study({"audio": AUDIO}, name="costly", measures=["accuracy", "parameters", "bytes_per_clip"])
    run = running.run(measured, tiny, profile="smoke", protocols=["random"])[0]
    found = json.loads((run.folder / "cost.json").read_text())
    weights = load_file(run.folder / "model.safetensors")
    expected = sum(x.numel() for name, x in weights.items() if "running" not in name and "num_batches" not in name)
    assert found["parameters"] == expected
    assert found["multiply_adds"] > 1e5
    assert found["latency_ms"] > 0
    store = planning.load(planning.plan(measured, tiny, profile="smoke"), "audio").store
    lengths = store.lengths("mfcc", tiny.clips()["clip"].tolist())
    assert found["bytes_per_clip"] == pytest.approx(lengths.mean() * 40 * 2)


def test_killed_at_random_moments_it_goes_on_to_the_same_predictions(tiny, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "scripts")
    import kill_study

    words = ["thread", "--corpus", "demo", "--root", str(tiny.root), "--profile", "smoke", "--variants", "audio_cnn"]
    report = kill_study.trial([*words, "--jobs", "1"], tmp_path, kills=2)
    assert report["kills"] == 2
    assert report["rows"] > 2 * len(tiny.clips())
    assert report["identical"]


def test_torchrun_shares_out_the_runs(tiny, made, tmp_path):
    """Two processes of torchrun make every run once, and their predictions are those of one."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(os.path.dirname(__file__))!r})
from test_studies_running import study
from workbench import datasets, scale
from workbench.studies import making, running
execute = making.execute
def noted(item, **options):
    run = execute(item, **options)
    open({str(tmp_path)!r} + f"/made-by-{{scale.ranks().rank}}", "a").write(run.name + "\\n")
    return run
making.execute = noted
running.run(study(), datasets.corpus("demo", {str(tiny.root)!r}), profile="smoke")
""")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--rdzv-backend=c10d"]
    environment = os.environ | {"WORKBENCH_DATA": str(tmp_path), "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, "--rdzv-endpoint=127.0.0.1:0", str(script)], env=environment, check=True, timeout=500)
    there = [runs.Run(tmp_path / "runs" / run.name, run.params) for run in made]
    mine, others = ((tmp_path / f"made-by-{rank}").read_text().split() for rank in range(2))
    assert sorted(mine + others) == sorted(run.name for run in made)
    assert abs(len(mine) - len(others)) <= 2
    pd.testing.assert_frame_equal(answers(there), answers(made), check_exact=True)
