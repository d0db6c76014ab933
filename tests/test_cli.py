"""The command line, as a user or a program calls it: what is asked is printed, what is wrong is one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import doctor
from workbench.bench import preparation
from workbench.cli import common
from workbench.errors import WorkbenchError


def test_help_lists_the_commands_quickly_without_the_heavy_libraries():
    script = (
        "import sys; sys.argv = ['workbench', '--help']\nfrom workbench import cli\ntry: cli.main()\n"
        "except SystemExit: pass\nassert not {'torch', 'librosa', 'pandas'} & set(sys.modules), 'slow help'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    for command in ("doctor", "corpus", "prepare", "study", "predict", "timeline", "notebooks", "figures", "bench"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["corpus", "check", "ravdes"], "unknown corpus 'ravdes': choose from ckplus, cremad, demo"),
        (["corpus", "check", "ravdess", "--root", "nowhere"], "expected a folder at nowhere, found nothing"),
        (["prepare", "demo"], "expected a folder at"),
        (["study", "run", "thred"], "unknown study 'thred'"),
        (["predict", "x.mp4", "--run", "thread/n0"], "no finished run 'thread/n0'"),
        (["notebooks", "--profile", "huge"], "unknown profile 'huge'"),
        (["notebooks", "--only", "99"], "no notebook '99'"),
        (["figures"], "no results yet"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_no_traceback(call, words, message):
    code, _, problem = call(*words)
    assert code == 1
    assert message in " ".join(problem.split())
    assert "Traceback" not in problem


def test_an_interrupted_command_says_that_it_goes_on_from_there(call, tiny, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.prepare.prepare", interrupted)
    code, _, problem = call("prepare", "demo", "--root", tiny.root)
    assert code == 130
    assert "what is finished is kept" in problem


def test_check_and_prepare_a_corpus(call, tiny):
    code, out, _ = call("corpus", "check", "demo", "--root", tiny.root, "--json")
    report = json.loads(out)
    assert code == 0
    assert list(report) == ["clips", "readable", "missing", "unreadable", "duplicates", "misnamed", "similar_speakers"]
    assert (report["clips"], report["readable"], report["missing"]) == (16, 16, [])
    code, out, _ = call("prepare", "demo", "--root", tiny.root, "--jobs", 1, "--json")
    report = json.loads(out)
    assert list(report) == ["clips", "prepared", "quarantined", "seconds", "bytes"]
    assert (report["clips"], report["prepared"], report["quarantined"]) == (16, 16, 0)
    assert 0 < report["bytes"] / 16 < 0.6e6


def test_study_then_predict_then_table(call, tiny):
    chosen = ["--corpus", "demo", "--profile", "smoke"]
    run = ["study", "run", "thread", "--root", tiny.root, "--variants", "audio_cnn", "--jobs", 1, "--json"]
    code, out, _ = call(*run, *chosen)
    assert code == 0
    assert {(row["variant"], row["protocol"]) for row in json.loads(out)} == {
        ("audio_cnn", "speaker-disjoint"), ("audio_cnn", "random"),
    }  # fmt: skip
    clip = tiny.clips().iloc[0]["path"]
    code, out, _ = call("predict", clip, "--run", "thread/audio_cnn", "--json")
    (answer,) = json.loads(out)
    assert {"path", "emotion", "probabilities", "face", "sound"} <= set(answer)
    assert answer["path"] == clip
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    code, out, _ = call("predict", clip, "--run", "thread/audio_cnn")
    assert code == 0
    assert "happy" in out
    code, out, _ = call("study", "table", "thread", *chosen)
    assert code == 0
    assert "1-D CNN on MFCC" in out
    assert "not run" in out


def test_lists(call):
    code, out, _ = call("study", "list", "--json")
    assert code == 0
    assert "thread" in [row["name"] for row in json.loads(out)]
    code, out, _ = call("corpus", "list", "--json")
    assert {"demo", "ravdess"} <= {row["name"] for row in json.loads(out)}


def test_what_is_not_known_is_null_in_json_and_a_dash_in_a_table(capsys):
    rows = [{"subject": "voice", "volatility": float("nan"), "lags": [0.5, float("inf")], "negative": 0.25}]
    common.show(rows, True)
    said = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert said == [{"subject": "voice", "volatility": None, "lags": [0.5, None], "negative": 0.25}]
    common.show([{"subject": "voice", "volatility": float("nan"), "negative": 0.25}], False)
    cells = [cell.strip() for cell in capsys.readouterr().out.splitlines()[3].split("│")]
    assert cells[1:4] == ["voice", "–", "0.250"]


def test_doctor_finds_a_spoilt_cache_of_compiled_functions(monkeypatch):
    monkeypatch.setattr(doctor.sys, "executable", "/bin/false")
    row = doctor._numba()
    assert not row["ok"]
    assert "nbi" in row["remedy"]


def test_doctor_finds_this_environment_sound():
    rows = doctor.examine()
    assert [row["question"] for row in rows if not row["ok"]] == []
    assert all(row["answer"] for row in rows)


def test_bench_prepare_names_its_figures(tiny, data_folder):
    figures = preparation.prepare(tiny.clips()["path"].head(2).tolist(), repeats=1)
    assert figures["prepare.clips"] == 2
    assert figures["prepare.seconds"] > figures["prepare.decode_seconds"] > 0
    assert 0 < figures["prepare.bytes_per_clip"] < 0.6e6
    with pytest.raises(WorkbenchError, match="zero"):
        (empty := Path(data_folder.parent / "zero.mp4")).touch()
        preparation.prepare([empty])
