"""A study of one's own, made in the background: found, paused, stopped and gone on with by whoever asks."""

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from waiting import until

from workbench import paths, runs, studies
from workbench.errors import Stopped, WorkbenchError
from workbench.models import build
from workbench.store import Reader, Store
from workbench.studies import results, running, under_way
from workbench.training import Clips, Requests, Settings, fit

VARIANT = {"title": "small", "encoders": {"audio": {"name": "cnn1d", "filters": [8, 8]}}}
OWN = {
    "title": "A small study",
    "corpus": "demo",
    "classes": ["happy", "sad"],
    "protocol": "speaker-disjoint",
    "inner_share": 0.25,
    "recipe": {"name": "benha", "keep": ["mfcc", "waveform"]},
    "training": {"epochs": 4, "batch_size": 4, "patience": 1000},
    "variants": {"small": VARIANT},
    "profiles": {"full": {"n_folds": 2}},
}


def write(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(OWN | changes))
    return path


@pytest.fixture
def clips(tmp_path):
    store, rng = Store(tmp_path / "store"), np.random.default_rng(0)
    names = [f"clip{i}" for i in range(16)]
    arrays = [{"mfcc": (rng.normal(size=(40, 40)) + i % 2).astype(np.float16)} for i in range(16)]
    store.write([{"clip": name} for name in names], arrays)
    return Clips(Reader(store, names, ["mfcc"]), np.arange(16) % 2)


def train(clips, folder, requests=None, progress=None):
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    model = build({"audio": {"name": "cnn1d", "filters": (8, 8), "n_steps": 40}}, 2)
    options = {"settings": Settings(epochs=5, batch_size=4), "seed": 0, "folder": folder}
    history = fit(model, clips, range(12), range(12, 16), requests=requests, progress=progress, **options)
    return history, model


def test_a_stop_ends_at_a_checkpoint_of_every_epoch_and_going_on_changes_nothing(clips, tmp_path):
    whole, model = train(clips, tmp_path / "whole")
    requests = Requests(tmp_path)

    def stop(row):
        if row["epoch"] == 3:  # its checkpoint is not due: the one of the first epoch was written just now
            requests.ask("stop")
            time.sleep(0.3)

    with pytest.raises(Stopped):
        train(clips, tmp_path / "broken", requests, stop)
    state = torch.load(tmp_path / "broken" / "checkpoint.pt", weights_only=True)
    epochs = [row["epoch"] for row in state["history"]]
    assert epochs in ([1, 2, 3], [1, 2, 3, 4])
    assert pd.read_csv(tmp_path / "broken" / "history.csv")["epoch"].tolist() == epochs
    requests.withdraw()
    time.sleep(0.3)
    resumed, again = train(clips, tmp_path / "broken", requests)
    assert resumed.drop(columns="seconds").equals(whole.drop(columns="seconds"))
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in model.state_dict().items())


def test_a_pause_waits_until_it_is_withdrawn_and_can_be_stopped(clips, tmp_path):
    requests, ended = Requests(tmp_path), []
    requests.ask("pause")

    def work():
        try:
            began = time.monotonic()
            history = train(clips, tmp_path / "run", Requests(tmp_path))[0]
            whole = time.monotonic() - began
            assert history["seconds"].sum() < whole - 0.7, "a pause takes none of an epoch's time"
            ended.append(len(history))
        except Stopped:
            ended.append("stopped")

    for way, expected in ((None, 5), ("stop", "stopped")):
        thread = threading.Thread(target=work)
        thread.start()
        assert until(lambda: requests.held, 120)
        time.sleep(0.8)
        assert not ended
        requests.ask(way) if way else requests.withdraw()
        thread.join(120)
        assert ended.pop() == expected
        assert not requests.held
        (tmp_path / "run" / "model.safetensors").unlink(missing_ok=True)
        requests.ask("pause")


def test_the_history_is_on_disk_as_it_grows_also_where_the_loss_is_not_finite(clips, tmp_path):
    seen = []
    train(clips, tmp_path / "run", progress=lambda row: seen.append(len(pd.read_csv(tmp_path / "run/history.csv"))))
    assert seen == [1, 2, 3, 4, 5]
    table = pd.read_csv(tmp_path / "run" / "history.csv")
    assert (table["clips"] == 12).all()
    options = {"settings": Settings(epochs=3, batch_size=4, learning_rate=1e38, optimiser="sgd"), "seed": 0}
    model = build({"audio": {"name": "cnn1d", "filters": (8, 8), "n_steps": 40}}, 2)
    (tmp_path / "bad").mkdir()
    with pytest.raises(WorkbenchError, match="the loss is"):
        fit(model, clips, range(12), range(12, 16), folder=tmp_path / "bad", **options)
    assert not np.isfinite(pd.read_csv(tmp_path / "bad" / "history.csv")["train_loss"]).all()


def test_a_study_of_ones_own_is_loaded_by_path_and_by_name(data_folder, tmp_path):
    study = studies.load(write(tmp_path / "mine.yaml"))
    assert (study.name, study.title, study.source) == ("mine", "A small study", "")
    with pytest.raises(WorkbenchError, match="unknown study 'mine'"):
        studies.load("mine")
    write(data_folder / "studies" / "mine.yaml", title="by name")
    assert studies.load("mine").title == "by name"
    assert {"mine", "thread"} <= set(studies.names())
    assert studies.load_of("mine/small")[1] == "small"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (None, "none.yaml", "none.yaml': expected a YAML file, found nothing"),
        ("title: [", "bad.yaml", "bad.yaml: while parsing"),
        ("- a list", "bad.yaml", "bad.yaml: expected the fields of a study, found list"),
        ("title: alone", "bad.yaml", "bad.yaml: .*missing 4 required"),
        (yaml.safe_dump(OWN | {"protocol": "rand"}), "bad.yaml", "bad.yaml: unknown protocol 'rand'"),
        (yaml.safe_dump(OWN), "thread.yaml", "'thread' is one of the workbench's"),
        (yaml.safe_dump(OWN), "my study.yaml", "cannot be called 'my study': expected 1 to 64 letters"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, text, name, message):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(WorkbenchError, match=message):
        studies.load(path)


def test_all_commands_take_the_path_of_a_study(call, tiny, tmp_path):
    path = write(tmp_path / "mine.yaml")
    code, out, problem = call("study", "run", path, "--root", tiny.root, "--jobs", 1, "--json")
    assert code == 0, problem
    assert [row["variant"] for row in json.loads(out)] == ["small"]
    code, out, _ = call("study", "show", path, "--json")
    assert json.loads(out)["variants"][0]["runs"][0]["runs"] == 2
    code, out, _ = call("study", "table", path)
    assert code == 0
    assert "A small study" in out
    code, out, problem = call("figures", "--study", path, "--profile", "full", "--json")
    assert code == 0, problem
    drawn = {row["figure"] for row in json.loads(out)}
    assert "mine_table" in drawn
    assert any(name.startswith("mine_") and name.endswith("_full_accuracy") for name in drawn)
    assert len(results.results(studies.load(path))) == 2
    (ended,) = under_way.every("mine")
    assert (ended["state"], ended["pid"], len(ended["runs"])) == ("finished", os.getpid(), 2)
    code, _, problem = call("study", "stop", path)
    assert code == 1
    assert "nobody makes its runs" in problem


def test_a_failure_is_noted_with_its_reason(tiny, data_folder):
    bad = write(data_folder / "studies" / "bad.yaml", training={"epochs": 2, "learning_rate": 1e38, "optimiser": "sgd"})
    with pytest.raises(WorkbenchError):
        running.run(studies.load(bad), tiny)
    one = under_way.latest("bad")
    assert one["state"] == "failed"
    assert "the loss is" in one["reason"]
    assert under_way.known() == ["bad"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_in_the_background_it_pauses_stops_and_goes_on(tiny, data_folder, jobs):
    """A process of its own: what is asked of it comes from this one, and so it would from any other."""
    long = OWN["training"] | {"epochs": 3000, "patience": 3000}
    path = write(data_folder / "studies" / "long.yaml", training=long)
    words = under_way.command(path, corpus="demo", root=tiny.root, jobs=jobs)
    process = under_way.start("long", words)
    try:
        with pytest.raises(WorkbenchError, match="being made already"):
            under_way.start("long", words)
        assert until(lambda: _epochs("long") > 5, 120)
        assert under_way.latest("long")["state"] == "running"
        under_way.ask("long", "pause")
        assert until(lambda: under_way.latest("long")["state"] == "paused", 120)
        time.sleep(0.5)
        before = _epochs("long")
        time.sleep(1)
        assert _epochs("long") == before, "paused is paused"
        under_way.ask("long", None)
        assert until(lambda: _epochs("long") > before, 120)
        under_way.ask("long", "stop")
        process.wait(240)
        ended = under_way.latest("long")
        assert (ended["state"], ended["jobs"]) == ("stopped", jobs)
        assert "stopped, as was asked: 0 of 2 runs are finished" in (under_way.folder("long") / "log.txt").read_text()
        stopped_at = _epochs("long")
        held = [torch.load(file, weights_only=True)["history"] for file in paths.runs().rglob("checkpoint.pt")]
        assert sum(map(len, held)) == stopped_at, "every epoch is in a checkpoint"
        process = under_way.start("long", words)
        assert until(lambda: _epochs("long") > stopped_at, 120)
        under_way.kill("long")
        process.wait(120)
        assert under_way.latest("long")["state"] == "killed"
    finally:
        under_way.kill("long")
        process.wait(120)


def _epochs(study):
    """Return how many epochs the histories of a study's runs hold."""
    return sum(max(0, file.read_text().count("\n") - 1) for file in under_way.folder(study).rglob("history.csv"))


def test_who_has_died_without_a_word_is_known_by_its_log(data_folder):
    process = under_way.start("gone", under_way.command("gone", corpus="demo"))
    try:
        process.wait(240)
    finally:
        process.kill()
    one = under_way.latest("gone")
    assert one["state"] == "killed"
    assert one["reason"].startswith("error: unknown study 'gone'")


def test_run_finds_unfinished_runs_when_asked(tiny, data_folder):
    study = studies.load(write(data_folder / "studies" / "mine.yaml", training={"epochs": 1, "batch_size": 4}))
    made = running.run(study, tiny)
    (made[0].folder / "done").unlink()
    assert [run.name for run in runs.find("mine")] == [made[1].name]
    assert {run.name for run in runs.find("mine", unfinished=True)} == {run.name for run in made}


def test_the_words_are_those_of_the_command_line(tmp_path):
    words = under_way.command(tmp_path / "my.yaml", corpus="demo", root="x", variants=["a", "b"], tensorboard=True)
    tail = ["--corpus", "demo", "--root", "x", "--variants", "a,b", "--tensorboard"]
    assert words == ["-m", "workbench", "study", "run", str(tmp_path / "my.yaml"), *tail]
    done = subprocess.run([sys.executable, *words[:4], "--help"], capture_output=True, text=True, timeout=240)
    assert all(word in done.stdout for word in ("--corpus", "--root", "--variants", "--tensorboard", "STUDY"))


def test_what_is_asked_right_after_the_start_holds(tiny, data_folder):
    long = OWN["training"] | {"epochs": 3000, "patience": 3000}
    path = write(data_folder / "studies" / "early.yaml", training=long)
    process = under_way.start("early", under_way.command(path, corpus="demo", root=tiny.root))
    try:
        under_way.ask("early", "pause")  # long before it has so much as begun to read what it should do
        assert until(lambda: under_way.latest("early")["state"] == "paused", 120)
        under_way.ask("early", "stop")
        process.wait(240)
        assert under_way.latest("early")["state"] == "stopped"
        assert _epochs("early") == 0
    finally:
        under_way.kill("early")
        process.wait(120)


def test_a_file_that_another_process_removes_meanwhile_is_no_error(data_folder):
    """As `announced` does of those that have ended; here the name is listed, and there is nothing to read."""
    path = under_way._path("gone", 12345)
    path.parent.mkdir(parents=True)
    path.symlink_to(path.with_name("nothing"))
    assert under_way.every("gone") == []
    assert under_way.latest("gone") is None
    assert under_way.known() == ["gone"]


def test_who_works_on_another_machine_and_is_heard_of_no_more_is_dead(data_folder, monkeypatch):
    one = under_way._process(os.getpid()) | {"host": "elsewhere", "state": "running"}
    path = under_way._path("far", one["pid"], "elsewhere")
    path.parent.mkdir(parents=True)
    under_way._write(path, one)
    assert under_way.latest("far")["state"] == "running"
    past = time.time() - under_way.SILENT - 1
    os.utime(path, (past, past))
    gone = under_way.latest("far")
    assert gone["state"] == "killed"
    assert gone["reason"] == "elsewhere has not been heard of for 2 min"
    monkeypatch.setattr(under_way, "BEAT", 0.02)
    with under_way.announced("far"):  # another takes over, and is heard of as long as it works
        assert not path.exists()
        own = under_way._path("far", os.getpid())
        os.utime(own, (past, past))
        assert until(lambda: own.stat().st_mtime > past + 1)


def test_how_far_the_preparation_is_can_be_seen_meanwhile(tiny, data_folder):
    study, seen = studies.load(write(data_folder / "studies" / "mine.yaml", training={"epochs": 1})), []

    def watched(items, **_):
        for item in items:
            yield item
            seen.append(under_way.latest("mine").get("preparing"))

    running.run(study, tiny, progress=watched)
    assert [16, 16] in seen
    assert "preparing" not in under_way.latest("mine")
