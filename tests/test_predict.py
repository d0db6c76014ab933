"""Answers on single files: what cannot be read, what has nothing to go by, bad weights, synthetic training."""

import json
import wave

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from untrained import CLASSES, joined, untrained

from workbench import classifiers, runs, standards
from workbench.errors import WorkbenchError
from workbench.fusion import rules
from workbench.interact.views import look
from workbench.models import classical
from workbench.predict import load_model, predict, predictor

RATE = 16000


def wav(path, waveform):
    """Write a waveform as 16-bit PCM; return the path."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, len(waveform), "NONE", ""))
        file.writeframes(np.round(32767 * waveform).astype("<i2").tobytes())
    return path


@pytest.fixture
def sound(tmp_path, voice):
    """A wav with a voice."""
    return wav(tmp_path / "voice.wav", voice)


@pytest.fixture
def silent(tmp_path, voice):
    """A wav of silence: it can be read, and there is nothing in it."""
    return wav(tmp_path / "silent.wav", np.zeros_like(voice))


def nothing(answer):
    """Return whether an answer gives neither emotion nor probability."""
    return answer["emotion"] is None and np.isnan(list(answer["probabilities"].values())).all()


def test_a_file_that_cannot_be_read_has_no_probabilities_and_a_reason(tmp_path, sound, silent):
    words, run = tmp_path / "words.mp4", untrained(tmp_path, "audio")
    words.write_text("only words")
    answers = predict([tmp_path / "no.mp4", words, silent, sound], run)
    assert [answer["readable"] for answer in answers] == [False, False, True, True]
    assert [nothing(answer) for answer in answers] == [True, True, True, False]
    assert [list(answer["probabilities"]) for answer in answers] == [CLASSES] * 4
    assert "no such file" in answers[0]["reason"]
    assert "expected a recording that decodes" in answers[1]["reason"]
    assert answers[2]["reason"].endswith(f"nothing that run {run.name} can use, so no emotion is given")
    assert all(answer["reason"] in answer["notes"] for answer in answers[:3])
    assert answers[3]["reason"] == ""
    assert sum(answers[3]["probabilities"].values()) == pytest.approx(1)


def test_the_command_line_answers_the_rest_and_ends_with_1(call, data_folder, tmp_path, sound, silent):
    run = untrained(data_folder / "runs", "audio")
    status, out, _ = call("predict", tmp_path / "no.mp4", sound, "--run", run.name, "--json")
    first, second = json.loads(out)
    assert (status, first["emotion"], set(first["probabilities"].values())) == (1, None, {None})
    assert second["emotion"] in CLASSES
    status, out, err = call("predict", tmp_path / "no.mp4", "--run", run.name)
    assert status == 1
    assert "0.33" not in out
    assert out.count("–") >= len(CLASSES) + 1
    assert "no such file" in err
    status, out, err = call("predict", silent, sound, "--run", run.name)
    assert status == 0
    assert "so no emotion is given" in err.replace("\n", " ")


def test_an_answer_says_which_corpus_the_run_learned_from(call, data_folder, sound):
    made = untrained(data_folder / "runs", "audio")
    (answer,) = predict([sound], made)
    words = f"run {made.name} was trained on the synthetic corpus demo: its answers say nothing about people"
    assert (answer["corpus"], answer["synthetic"], answer["notes"].count(words)) == ("demo", True, 1)
    _, out, err = call("predict", sound, sound, "--run", made.name)
    assert "synthetic corpus demo" in out
    assert err.count("say nothing about people") == 1, "once, however many files"
    assert words in look({"clip": "voice", "audio_path": str(sound)}, made).notes
    real = untrained(data_folder / "runs", "audio", corpus="cremad:vote_audio")
    (answer,) = predict([sound], real)
    assert (answer["corpus"], answer["synthetic"]) == ("cremad:vote_audio", False)
    assert not any("synthetic" in note for note in answer["notes"])
    unknown = untrained(data_folder / "runs", "audio", corpus="elsewhere")
    assert predict([sound], unknown)[0]["synthetic"] is False


def spoil(run, value):
    """Put a value into the first weights of a run."""
    path = run.folder / "model.safetensors"
    state = load_file(path)
    name = next(name for name, x in state.items() if x.is_floating_point())
    state[name].view(-1)[0] = value
    save_file(state, path)
    return name


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_the_runs_name(tmp_path, sound, value):
    run = untrained(tmp_path, "audio")
    name = spoil(run, value)
    message = rf"run {run.name}: its weights hold NaN or infinity \({name}\): train it again"
    for ask in (load_model, predictor, lambda run: predict([sound], run)):
        with pytest.raises(WorkbenchError, match=message):
            ask(run)


def test_a_member_or_a_rule_that_is_not_finite_is_refused_too(tmp_path, monkeypatch):
    run = joined(tmp_path)
    rules.Fitted("class_weighted", np.array([[1.0, np.nan, 1.0], [1.0, 1.0, 1.0]])).save(run.folder / "rule.json")
    with pytest.raises(WorkbenchError, match=f"run {run.name}: its rule hold"):
        predictor(run)
    rules.Fitted("mean").save(run.folder / "rule.json")
    member = runs.load(tmp_path / run.params["members"][0])
    spoil(member, float("nan"))
    with pytest.raises(WorkbenchError, match=f"run {member.name}: its weights hold"):
        predictor(run)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("logistic_regression", "coef_"), ("svm_rbf", "_dual_coef_"), ("mlp", "coefs_"), ("knn", "_fit_X")],
)
def test_a_classifier_that_is_not_finite_is_noticed(name, attribute):
    rng = np.random.default_rng(0)
    x, emotion = rng.normal(size=(30, 4)), np.array(["happy", "sad", "angry"] * 10)
    x[:, 2] = np.nan
    model = classical.make(name).fit(x, emotion)
    assert classifiers.broken(model) == [], "an imputer keeps NaN for a column that was never there"
    array = getattr(model["classifier"], attribute)
    array = array[0] if isinstance(array, list) else array
    array.flat[0] = np.nan
    assert any(one.startswith("classifier.") for one in classifiers.broken(model))


def test_probabilities_that_are_not_finite_are_no_answer(tmp_path, sound):
    """Finite weights, whose products overflow."""
    run = untrained(tmp_path, "audio")
    path = run.folder / "model.safetensors"
    save_file({name: x * 1e30 if x.is_floating_point() else x for name, x in load_file(path).items()}, path)
    assert all(torch.isfinite(x).all() for x in load_file(path).values())
    (answer,) = predict([sound], run)
    assert nothing(answer)
    assert answer["readable"]
    assert answer["reason"].endswith(f"run {run.name}: its probabilities are not finite, so no emotion is given")
    assert predictor(run)([{"mfcc": np.zeros((60, 40), np.float32)}]) == [None]


def test_an_array_that_few_recordings_have_is_not_standardised(tmp_path, voice):
    """Five recordings for the voice, one for the face: the face, standardised by itself, would be zeros."""
    run = untrained(tmp_path, "audiovisual", normalise="speaker")
    rng = np.random.default_rng(0)
    clips = [{"mfcc": rng.normal(size=(60, 40)).astype(np.float32)} for _ in range(standards.LEAST)]
    face = {"frames": rng.normal(size=(4, 64, 64, 3)).astype(np.float32)}
    ask = predictor(run)
    with_face = ask([clips[0] | face, *clips[1:]])
    assert np.array_equal(with_face[0], ask(clips)[0])
    assert ask(clips[1:]) == [None] * (standards.LEAST - 1)
    assert ask([{}, *clips[1:]]) == [None] * standards.LEAST
