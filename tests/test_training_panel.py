"""The training panel without a page: fields set, reasons read, a study written, a process started, found again."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml
from waiting import until

from workbench import models, paths, studies
from workbench.datasets.demo import Demo
from workbench.errors import WorkbenchError
from workbench.interact import checks, choices, training
from workbench.studies import checking, planning, under_way
from workbench.training import Settings

BOTH = ["voice", "face", "both"]
SMALL = {"n_folds": 2, "epochs": 3, "batch_size": 4, "voice_options": "filters: [8, 8]"}


@pytest.fixture
def panel(tiny, data_folder):
    return training.TrainingPanel(root=str(tiny.root), **SMALL)


def type_in(panel, **values):
    for name, value in values.items():
        panel.inputs[name].value = value
    return panel.reasons


def test_every_choice_begins_with_what_the_package_says(panel):
    assert panel.reasons == {}
    defaults = choices.study_of({name: choices.parse(one, one.default) for name, one in choices.FIELDS.items()})
    assert Settings(**defaults["training"]) == Settings()
    assert set(panel.inputs["voice"].options) - {"none"} < set(models.ENCODERS) | set(models.CLASSICAL)
    fusions = {name.partition(": ")[2] for name in panel.inputs["fusion"].options}
    assert set(models.FUSIONS) < fusions


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"epochs": "many"}, "epochs", "training setting epochs is 'many', expected a whole number"),
        ({"epochs": "2.5"}, "epochs", "expected a whole number"),
        ({"epochs": ""}, "epochs", "is None, expected a whole number"),
        ({"batch_size": "0"}, "batch_size", "batch_size is 0, expected more than 0"),
        ({"learning_rate": "-1e-3"}, "learning_rate", "is -0.001, expected more than 0"),
        ({"learning_rate": "nan"}, "learning_rate", "expected a number"),
        ({"label_smoothing": "1"}, "label_smoothing", "expected 0 (none) or more, and less than 1"),
        ({"weight_decay": "-1"}, "weight_decay", "expected 0 (none) or more"),
        ({"more": "momentum: 0.5"}, "more", "momentum is 0.5, expected none with adam"),
        ({"more": "clip_nrom: 1"}, "more", "unknown training setting 'clip_nrom': choose from augment"),
        ({"more": "epochs: 3"}, "more", "epochs has a field of its own"),
        ({"more": "augment: [nois]"}, "more", "unknown augmentation 'nois'"),
        ({"more": "a: [1"}, "more", "expected settings such as a: 1, b: [2, 3]"),
        ({"more": "clip_norm"}, "more", "clip_norm has no value"),
        ({"name": "thread"}, "name", "is one of the workbench's"),
        ({"name": "../up"}, "name", "cannot be called '../up'"),
        ({"root": "nowhere"}, "root", "corpus 'demo': expected a folder at nowhere, found nothing"),
        ({"root": ""}, "corpus", "corpus 'demo': expected a folder at"),
        ({"emotions": "happy, sadd"}, "emotions", "unknown emotions ['sadd']"),
        ({"emotions": "happy"}, "emotions", "classes is ['happy'], expected a list of 2 or more names"),
        ({"recipe_options": "size: 7"}, "recipe_options", "size is 7, expected an even number"),
        ({"recipe_options": "sise: 8"}, "recipe_options", "unknown value of recipe 'benha' 'sise'"),
        ({"voice_options": "filterz: 3"}, "voice_options", "unknown setting of encoder 'cnn1d' 'filterz'"),
        ({"voice_options": "inputs: frames"}, "voice_options", "unknown input 'frames': choose from mel, mfcc"),
        ({"voice": "none"}, "voice", "choose a voice, a face, or both"),
        ({"fusion": "network: gated"}, "fusion", "a fusion joins a voice and a face"),
        (
            {"face": "lrcn", "voice": "svm_rbf", "voice_options": "", "fusion": "network: gated"},
            "fusion",
            "a network joins encoders",
        ),
        (
            {"face": "lrcn", "fusion": "rule: mean", "fusion_options": "a: 1"},
            "fusion_options",
            "has no settings",
        ),
        ({"face": "lrcn", "fusion": "stacked answers: knn", "fusion_options": "k: 1"}, "fusion_options", "'k'"),
        ({"face": "lrcn", "fusion": "network: low_rank", "fusion_options": "k: 1"}, "fusion_options", "'k'"),
        ({"n_folds": "two"}, "n_folds", "n_folds is 'two', expected a whole number, 2 or more"),
        ({"n_folds": "1"}, "n_folds", "n_folds is 1, expected a whole number, 2 or more"),
        ({"folds": "0"}, "folds", "folds is 0, expected a whole number, 1 or more"),
        ({"repeats": "[0, x]"}, "repeats", "expected how many, or seeds"),
        ({"protocol": "given"}, "n_folds", "given"),
        ({"jobs": "0"}, "jobs", "processes are 0, expected a whole number, 1 or more"),
    ],
)
def test_a_wrong_value_has_its_reason_beside_it_and_nothing_can_be_started(panel, values, field, reason):
    reasons = type_in(panel, **values)
    assert list(reasons) == [field]
    assert reason in reasons[field]
    shown = panel.notes[field].value
    assert "color:#c1121f" in shown
    assert panel.buttons["Start"].disabled
    assert {box.text for box in panel.boxes.values()} == {""}
    for name in values:
        panel.inputs[name].value = panel.begin.get(name, choices.FIELDS[name].default)
    assert panel.reasons == {}
    assert not panel.buttons["Start"].disabled
    assert "#c1121f" not in panel.notes[field].value


def test_reasons_come_field_by_field_and_what_is_typed_is_text(panel):
    reasons = type_in(panel, epochs="<b>x", batch_size="-1", voice_options="{", n_folds="x")
    assert set(reasons) == {"epochs", "batch_size", "voice_options", "n_folds"}
    assert "<b>x" not in panel.notes["epochs"].value
    assert "&lt;b&gt;x" in panel.notes["epochs"].value


def test_numbers_are_read_as_people_write_them(panel):
    type_in(panel, learning_rate="1e-3", more="clip_norm: 5e-1")
    assert panel.reasons == {}
    assert panel.checked.study["training"]["learning_rate"] == 0.001
    assert panel.checked.study["training"]["clip_norm"] == 0.5


@pytest.mark.parametrize(
    ("values", "variants", "notebook", "runs"),
    [
        ({}, ["voice"], "30_audio_models", 2),
        ({"voice": "none", "voice_options": "", "face": "lrcn"}, ["face"], "31_video_models", 2),
        ({"face": "lrcn", "fusion": "network: concatenation", "start": True}, BOTH, "40_", 6),
        (
            {"face": "lrcn", "fusion": "stacked answers: knn", "protocol": "random"},
            BOTH,
            "40_",
            12,
        ),
        (
            {"face": "lrcn", "fusion": "rule: mean", "repeats": "[3, 4]", "folds": 1},
            BOTH,
            "40_",
            6,
        ),
        (
            {"voice": "svm_rbf", "voice_options": "", "more": "augment: [awgn]"},
            ["voice"],
            "30_",
            2,
        ),
    ],
)
def test_what_is_shown_is_the_study_that_is_run(panel, tiny, values, variants, notebook, runs):
    type_in(panel, **{name: value if value is True else str(value) for name, value in values.items()})
    assert panel.reasons == {}
    assert f": {runs} runs" in panel.says.value
    text, line = panel.boxes["The study"].text, panel.boxes["On the command line"].text
    panel.save()
    path = checks.file_of("my_training")
    assert path.read_text() == text
    words = shlex.split(line)
    assert words[:6] == ["python", "-m", "workbench", "study", "run", str(path)]
    study = studies.load("my_training")
    assert list(study.variants) == variants
    plan = planning.plan(study, tiny)
    checking.check(plan, variants)
    assert (
        sum(len(plan.folds(protocol, seed)) for protocol in study.protocols for seed in plan.seeds(protocol))
        * len(variants)
        == runs
    )
    command = shlex.split(panel.boxes["As a notebook"].text)
    assert command[0] == "papermill"
    assert notebook in command[1]
    given = dict(zip(command[4::3], command[5::3], strict=False))
    assert given == {
        "study": str(path),
        "corpus": "demo",
        "profile": "full",
        "root": str(tiny.root),
        "variants": "None",
        "jobs": "1",
        "tensorboard": "False",
    }
    # And back: the fields of the study are those that were typed.
    again = choices.fields_of(study, {"root": str(tiny.root), "jobs": 1})
    assert checks.check(again).text == text


def test_a_model_that_reads_what_the_recipe_does_not_keep_has_it_added(panel):
    type_in(panel, voice="resnet_segments", voice_options="segment: 62, step: 31, filters: 4, width: 16")
    assert panel.reasons == {}
    assert panel.checked.study["recipe"]["keep"] == ["frames", "mfcc", "waveform", "spectrogram"]


def test_a_study_of_another_making_is_not_overwritten(panel, data_folder):
    own = yaml.safe_load(panel.checked.text) | {"measures": ["f1"]}
    own["variants"]["third"] = own["variants"]["voice"]
    path = checks.file_of("theirs")
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(own))
    reasons = type_in(panel, name="theirs")
    assert "has more to it than these fields" in reasons["name"]
    with pytest.raises(WorkbenchError, match="has more to it"):
        choices.fields_of(studies.load("theirs"), {})
    panel.refresh()
    panel.known.value = "theirs"  # it can be watched all the same
    assert panel.monitor.study == "theirs"


def test_what_was_typed_before_a_press_counts_though_the_page_tells_of_it_after(panel):
    """A page tells of a press at once, but of a change only when the kernel has dealt with the one before."""
    type_in(panel, name="typed", epochs="1")
    shown = {name: one.value for name, one in panel.inputs.items()}
    panel.buttons["Save"]._handle_custom_msg({"values": shown | {"epochs": "17"}}, [])
    assert studies.load("typed").training["epochs"] == 17
    assert panel.inputs["epochs"].value == "17"
    panel.buttons["Save"]._handle_custom_msg({"values": shown | {"epochs": "many"}}, [])
    assert "expected a whole number" in panel.reasons["epochs"]
    assert studies.load("typed").training["epochs"] == 17


def test_a_training_is_started_paused_stopped_and_found_again_by_another_panel(panel, tiny):
    type_in(panel, name="long", epochs="4000", patience="4000")
    panel.buttons["Start"].click()
    try:
        assert panel.known.value == "long"
        assert panel.buttons["Start"].disabled
        assert until(lambda: any(len(one.history) for one in panel.monitor.watched) or panel.refresh(), 120)
        assert panel.process["state"] == "running"
        panel.buttons["Pause"].click()
        assert until(lambda: panel.process["state"] == "paused" or panel.refresh(), 120)
        assert panel.buttons["Start"].description == "Go on"
        panel.buttons["Start"].click()
        assert until(lambda: panel.process["state"] == "running" or panel.refresh(), 120)

        other = training.TrainingPanel()  # as a page opened anew would
        assert other.known.value == "long"
        assert other.inputs["epochs"].value == "4000"
        assert other.inputs["root"].value == str(tiny.root)
        assert other.reasons == {}
        other.buttons["Stop"].click()
        assert until(lambda: other.process["state"] == "stopped" or other.refresh(), 120)
        assert "stopped, at a checkpoint" in other.state.value
        assert other.buttons["Start"].description == "Go on"
        assert other.buttons["Pause"].disabled
        assert other.buttons["Stop"].disabled
        assert list(under_way.folder("long").glob("voice/*/checkpoint.pt"))
        assert other.picture() is not None
    finally:
        under_way.kill("long")
        panel.started.wait(120)


def test_what_cannot_be_started_is_said(panel, tiny):
    panel.save()
    one = under_way._process(os.getpid()) | {"state": "running"}
    under_way._write(under_way._path("my_training", os.getpid()), one)
    panel._do(panel.start)
    assert "its runs are being made already" in panel.state.value
    panel.refresh()
    assert "its runs are being made already" in panel.state.value, "the next second does not wipe it away"
    panel._do(panel.pause)
    assert "already" not in panel.state.value


def test_without_a_page_nothing_ticks_and_no_figure_is_made(panel):
    assert panel.ticking is None
    assert panel.monitor.figure is None
    assert panel.picture() is None


VOICE = {"voice": "cnn1d", "voice_options": "filters: [8, 8]"}
FACE = {"face": "lrcn", "face_options": "kernel_size: 3", "recipe_options": "n_frames: 5, size: 64"}


@pytest.mark.parametrize(
    ("values", "variants"),
    [
        (VOICE, ["voice"]),
        (FACE | {"voice": "none", "jobs": 2}, ["face"]),
        (VOICE | FACE, ["voice", "face"]),
        (VOICE | FACE | {"fusion": "rule: mean"}, BOTH),
    ],
)
def test_the_very_command_that_is_shown_makes_the_runs_and_a_notebook_without_errors(
    tiny, data_folder, values, variants
):
    """The name is one that YAML and papermill would take for a number."""
    small = {"n_folds": 2, "folds": 1, "epochs": 1, "batch_size": 4}
    panel = training.TrainingPanel(root=str(tiny.root), name="1e3", **small, **values)
    assert panel.reasons == {}
    copy(panel.boxes["As a notebook"])
    words = shlex.split(panel.boxes["As a notebook"].text)
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=paths.project(), capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert sorted(path.parts[-3] for path in paths.runs().glob("1e3/*/*/done")) == sorted(variants)
    cells = nbformat.read(words[2], as_version=4).cells
    shown = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [one for one in shown if one.output_type == "error" or one.get("data", {}).get("text/plain") == "None"]


def copy(box):
    """Press the button of a box as a page does."""
    box._handle_custom_msg({"copied": True}, [])


def test_to_copy_a_command_writes_the_file_that_it_reads_but_not_under_a_training(panel, tiny):
    assert "to copy it saves the study" in panel.boxes["On the command line"].title
    copy(panel.boxes["On the command line"])
    assert checks.file_of("my_training").read_text() == panel.checked.text
    one = under_way._process(os.getpid()) | {"state": "running"}
    under_way._write(under_way._path("my_training", os.getpid()), one)
    type_in(panel, epochs="77")
    copy(panel.boxes["As a notebook"])
    assert "77" not in checks.file_of("my_training").read_text()


def test_commands_go_from_the_projects_folder_whatever_the_kernels_is(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("WORKBENCH_DATA")
    for folder in ("workbench", "notebooks"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").touch()
    shutil.copytree(tiny.root, tmp_path / "notebooks" / "clips")
    monkeypatch.chdir(tmp_path / "notebooks")
    panel = training.TrainingPanel(root="clips", tensorboard=True, jobs=2, **SMALL)
    assert panel.reasons == {}
    line, notebook = (panel.boxes[name] for name in ("On the command line", "As a notebook"))
    assert notebook.text.startswith(f"papermill {Path(__file__).parents[1] / 'notebooks'}/30_audio"), (
        "it has none itself"
    )
    (tmp_path / "notebooks" / "30_audio_models.ipynb").touch()
    panel.check()
    assert str(tmp_path) in line.title
    assert "run data/studies/my_training.yaml --corpus demo --root notebooks/clips --jobs 2 --tensorboard" in line.text
    start = "papermill notebooks/30_audio_models.ipynb data/runs/my_training/30_audio_models.ipynb"
    assert notebook.text.startswith(f"{start} -r study data/studies/my_training.yaml -r corpus demo")
    assert notebook.text.endswith("-r root notebooks/clips -p variants None -p jobs 2 -p tensorboard True")


def test_clips_that_come_later_are_seen_and_a_bare_folder_is_not_walked_at_every_key(
    tiny, data_folder, tmp_path, monkeypatch
):
    root, walks, files = tmp_path / "clips", [], Demo.files

    def walk(self):
        walks.append(1)
        time.sleep(0.05)
        return files(self)

    monkeypatch.setattr(Demo, "files", walk)
    root.mkdir()
    panel = training.TrainingPanel(root=str(root), **SMALL)
    assert "no recording" in panel.reasons["root"]
    for epochs in range(1, 10):
        type_in(panel, epochs=str(epochs))
    assert "no recording" in panel.reasons["root"]
    assert len(walks) == 1
    shutil.copytree(tiny.root, root, dirs_exist_ok=True)

    def seen():
        type_in(panel, epochs=str(1 + len(panel.inputs["epochs"].value) % 2))
        panel.check()
        return "16 takes of 4 speakers" in panel.says.value

    assert until(seen)


def test_a_fold_without_a_class_is_said_before_the_training(tiny, data_folder, tmp_path):
    clips, root = tiny.clips(), tmp_path / "clips"
    sad = clips[clips["emotion"] == "sad"].sort_values("speaker")["path"]
    shutil.copytree(tiny.root, root)

    def without(paths):
        for path in paths:
            (root / os.path.relpath(path, tiny.root)).unlink()
        checks._LOOKED.clear()
        return training.TrainingPanel(root=str(root), protocol="leave-one-speaker-out", **SMALL)

    panel = without(sad[:2])  # those of the first speaker
    assert panel.reasons == {}
    assert panel.says.value.count("has no test clip of sad") == 1
    panel = without(sad[2:6])  # one speaker's are left: where she is tested, nobody's are trained on
    assert "no training clip of sad" in panel.reasons["n_folds"]
    assert panel.buttons["Start"].disabled


def test_what_a_pause_waits_for_is_said_as_it_is(panel):
    one = under_way._process(os.getpid()) | {"state": "running"}
    path = under_way._path("my_training", os.getpid())
    panel.save()
    for about, words in (
        ({}, "Pauses as soon as the clip at hand is ready"),
        ({"runs": []}, "Pauses at the end of the epoch"),
    ):
        under_way._write(path, one | about)
        under_way.ask("my_training", "pause")
        panel.refresh()
        assert words in panel.state.value


def test_without_a_kernel_the_choices_stand_there_and_the_curves_of_this_study_alone(tiny, data_folder):
    other = paths.runs() / "other" / "voice" / "fold1-0-abc"
    other.mkdir(parents=True)
    params = "{study: other, variant: voice, fold: fold1, seed: 0, protocol: speaker-disjoint, classes: [happy, sad],"
    params += " training: {epochs: 3}}"
    (other / "params.yaml").write_text(params)
    columns = "epoch,train_loss,train_accuracy,clips,validation_loss,validation_accuracy,learning_rate,seconds"
    (other / "history.csv").write_text(f"{columns}\n1,0.7,0.5,8,0.7,0.5,0.001,1\n")
    panel = training.TrainingPanel(root=str(tiny.root), name="<i>mine", **SMALL)
    (said,) = panel.still()
    assert "cannot be called" in said.data
    assert "<i>mine" not in said.data
    panel.inputs["name"].value = "mine"
    (said,) = panel.still()
    for words in (
        "cnn1d",
        "voice, its settings",
        "filters: [8, 8]",
        "16 takes of 4 speakers",
        "nothing called mine has been",
    ):
        assert words in said.data
    assert panel.monitor.study == "other"
    panel.inputs["name"].value = "other"
    said, curves = panel.still()
    assert curves.axes
    assert "none yet" not in said.data
    shutil.copytree(other, paths.runs() / "later" / "voice" / "fold1-0-abc")
    os.utime(other / "history.csv", (1, 1))
    assert training.TrainingPanel(root=str(tiny.root), **SMALL).monitor.study == "later"
    assert training.TrainingPanel(root=str(tiny.root), watch="other", **SMALL).monitor.study == "other"
