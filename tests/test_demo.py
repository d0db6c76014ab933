"""The demo corpus: its acting is lawful and repeatable, its files are complete, and it says that it is synthetic."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from workbench import datasets, media, paths
from workbench.datasets import demo, demo_acting
from workbench.datasets.demo import Demo, generate
from workbench.datasets.demo_acting import (
    ACTION_UNITS,
    DEMO,
    FACE,
    FACE_UNIT,
    LOOK_ALIKE,
    POSE,
    SOUND_ALIKE,
    Difficulty,
    Spread,
    Take,
    act,
    perform,
)
from workbench.emotions import EMOTIONS
from workbench.errors import WorkbenchError

SMOKE = {"n_speakers": 2, "emotions": ("neutral", "happy"), "statements": (1,), "jobs": 1}
PLAIN = Difficulty(Spread(0, 0, 0), Spread(0, 0, 0), take_noise=0)  # no pairs, no manner, no rest


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("corpora") / "demo", **SMOKE)


def shown(take, **options):
    """Return the mean of every cue of the face while the speaker speaks."""
    speech, truth = act(take, **options)
    return truth[truth["time"].between(speech.phones[2][1], speech.phones[-1][2])][list(FACE)].mean()


def said(take, **options):
    speech, _ = act(take, **options)
    semitones = 12 * np.log2(speech.pitch[speech.pitch > 0] / 100)
    seconds = speech.phones[-1][2] - speech.phones[0][1]
    return {"pitch": semitones.mean(), "range": semitones.std(), "seconds": seconds, "dB": loudness(speech.waveform)}


def loudness(waveform):
    return 10 * np.log10(np.mean(np.square(waveform, dtype=np.float64)))


def test_same_seed_same_arrays_other_seed_other_arrays():
    take = Take(2, "sad", 2, 2)
    first, again, other = perform(take), perform(take), perform(take, seed=1)
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.waveform, again.waveform)
    assert first.truth.equals(again.truth)
    assert not np.array_equal(first.frames[0], other.frames[0])
    assert first.frames.shape[1:] == (256, 256, 3)
    assert len(first.frames) == len(first.truth) == pytest.approx(len(first.waveform) / 16000 * 25, abs=1)


def test_truth_is_within_its_ranges_and_follows_the_speech():
    for speaker, emotion in [(1, "angry"), (2, "surprised"), (3, "disgust"), (4, "sad")]:
        speech, truth = act(Take(speaker, emotion, 2))
        assert ((truth[list(ACTION_UNITS)] >= 0) & (truth[list(ACTION_UNITS)] <= 1)).all(axis=None)
        assert all(truth[angle].abs().max() <= limit for angle, limit in POSE.items())
        assert truth["jaw"].equals(truth["AU26"])
        assert truth["phone"].iloc[0] == truth["phone"].iloc[-1] == ""
        assert truth["pitch_hz"][truth["phone"] == "S"].eq(0).all()
        assert (truth["pitch_hz"] > 0).mean() > 0.3
        mouth = np.interp(truth["time"], np.arange(len(speech.jaw)) / 100, speech.jaw)
        assert np.corrcoef(mouth, truth["jaw"])[0, 1] > 0.9


def test_emotions_show_and_sound_as_in_the_literature():
    face = {emotion: shown(Take(1, emotion), difficulty=PLAIN) for emotion in EMOTIONS}
    voice = {emotion: said(Take(1, emotion), difficulty=PLAIN) for emotion in EMOTIONS}
    assert face["happy"]["AU12"] > 0.6 > 0.2 > face["sad"]["AU12"]
    assert face["disgust"]["AU9"] > 0.6 > 0.2 > face["angry"]["AU9"]
    assert min(face["fearful"]["AU1"], face["surprised"]["AU1"], face["sad"]["AU1"]) > 0.5
    assert face["sad"]["head_pitch"] < face["neutral"]["head_pitch"] < face["surprised"]["head_pitch"]
    assert face["disgust"]["head_yaw"] > 3
    order = sorted(EMOTIONS, key=lambda emotion: voice[emotion]["dB"])
    assert order[0] == "sad"
    assert order[-1] == "angry"
    assert voice["fearful"]["pitch"] > voice["neutral"]["pitch"] + 4
    assert voice["surprised"]["range"] > 1.5 * voice["neutral"]["range"]
    assert voice["sad"]["seconds"] > 1.1 * voice["neutral"]["seconds"] > 1.2 * voice["fearful"]["seconds"]


def test_strong_is_further_from_neutral():
    for speaker in (1, 2, 3):
        smile = [shown(Take(speaker, "happy", i), difficulty=PLAIN)["AU12"] for i in (1, 2)]
        assert smile[1] > smile[0] + 0.1
        loud = [said(Take(speaker, "angry", i), difficulty=PLAIN)["dB"] for i in (1, 2)]
        assert loud[1] > loud[0] + 1


def test_a_full_blend_makes_pairs_the_same_in_one_modality_only():
    same = Difficulty(Spread(1, 0, 0), Spread(1, 0, 0), take_noise=0)

    def gap(*emotions):  # in the face, blinks aside
        one, other = (shown(Take(1, emotion), difficulty=same) for emotion in emotions)
        return ((one - other).abs() / FACE_UNIT).drop("AU43").max()

    for first, second in LOOK_ALIKE:
        assert gap(first, second) < 0.3
        assert abs(said(Take(1, first), difficulty=same)["dB"] - said(Take(1, second), difficulty=same)["dB"]) > 1
    for first, second in SOUND_ALIKE:
        one, other = said(Take(1, first), difficulty=same), said(Take(1, second), difficulty=same)
        assert abs(one["dB"] - other["dB"]) < 1
        assert abs(one["pitch"] - other["pitch"]) < 0.5
        assert gap(first, second) > 0.3


def test_a_manner_is_the_speakers_own_and_kept_in_every_take():
    cue = [unit for unit in ACTION_UNITS if unit not in ("AU18", "AU26", "AU43")]
    mean = {(s, text): shown(Take(s, "happy", statement=text))[cue] for s in range(1, 7) for text in (1, 2)}
    within = np.mean([(mean[s, 1] - mean[s, 2]).abs().mean() for s in range(1, 7)])
    between = np.mean([(mean[s, 1] - mean[s % 6 + 1, 2]).abs().mean() for s in range(1, 7)])
    assert between > 3 * within


def test_clip_table(corpus):
    clips = corpus.clips().set_index("clip")
    assert len(clips) == 2 * (1 + 2)
    row = clips.loc["01-01-03-02-01-01-02"]
    assert row[["corpus", "emotion", "intensity", "speaker", "sex"]].tolist() == [
        "demo", "happy", "strong", "demo-02", "female",
    ]  # fmt: skip
    assert row["path"] == row["audio_path"]
    assert clips["take"].is_unique
    assert clips["take"].str.startswith("demo-").all()
    assert datasets.corpus("demo", corpus.root).check()["readable"] == 6


def test_files_hold_what_was_performed(corpus):
    take = Take(2, "happy")
    performance = perform(take)
    path = corpus.root / "Actor_02" / f"{take.clip}.mp4"
    probe = media.probe(path)
    assert (probe.width, probe.height, probe.fps) == (256, 256, 25)
    frames, _ = media.read_frames(path, np.arange(len(performance.frames)) / 25)
    assert np.abs(frames.astype(int) - performance.frames).mean() < 6
    waveform = media.read_waveform(path)
    assert loudness(waveform) == pytest.approx(loudness(performance.waveform), abs=1)
    assert corpus.truth(take.clip).equals(performance.truth)


def test_says_that_it_is_synthetic(corpus):
    assert Demo.card.synthetic
    readme = (corpus.root / "README.md").read_text()
    assert readme.splitlines()[2].startswith("SYNTHETIC")
    assert "not people" in readme
    notes = json.loads((corpus.root / "demo.json").read_text())
    assert (notes["seed"], notes["version"]) == (0, demo_acting.VERSION)
    assert notes["difficulty"]["face"]["blend"] == DEMO.face.blend


def test_second_run_goes_on_where_the_first_stopped(corpus, tmp_path, monkeypatch):
    root = shutil.copytree(corpus.root, tmp_path / "demo")
    gone = root / "Actor_01" / "01-01-03-01-01-01-01.mp4"
    content, kept = gone.read_bytes(), {p: p.stat().st_mtime_ns for p in root.rglob("*.mp4") if p != gone}
    gone.unlink()
    assert Demo(root).missing(Demo(root).files()) == ["01-01-03-01-01-01-01"]
    seen = []
    generate(root, **SMOKE, progress=lambda clips, **about: seen.append(about) or clips)
    assert seen == [{"total": 1, "description": "making the demo corpus"}]
    assert gone.read_bytes() == content
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    monkeypatch.setattr(demo, "perform", lambda *_, **__: pytest.fail("nothing is left to do"))
    generate(root, **SMOKE)


def test_processes_make_the_same_clips(corpus, tmp_path):
    generate(tmp_path / "demo", **SMOKE | {"n_speakers": 1, "emotions": ("happy",), "jobs": 2})
    for path in sorted((tmp_path / "demo").rglob("*.mp4")):
        same = corpus.root / path.relative_to(tmp_path / "demo")
        assert path.read_bytes() == same.read_bytes()


def test_refuses_other_parameters_and_other_folders(corpus, tmp_path):
    with pytest.raises(WorkbenchError, match=r"other parameters: seed 0 \(asked: 1\)"):
        generate(corpus.root, **SMOKE, seed=1)
    with pytest.raises(WorkbenchError, match="difficulty"):
        generate(corpus.root, **SMOKE, difficulty=PLAIN)
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(WorkbenchError, match="expected an empty or new folder"):
        generate(tmp_path, **SMOKE)
    with pytest.raises(WorkbenchError, match="expected an empty or new folder"):
        generate(tmp_path / "thesis.docx", **SMOKE)


@pytest.mark.parametrize(
    "wrong", [{"n_speakers": 0}, {"n_speakers": 100}, {"n_takes": 3}, {"statements": (3,)}, {"emotions": ("bored",)}]
)
def test_refuses_parameters_out_of_range(tmp_path, wrong):
    with pytest.raises(WorkbenchError, match=r"expected|unknown emotions"):
        generate(tmp_path / "demo", **SMOKE | wrong)
    assert not (tmp_path / "demo").exists()


def test_the_whole_corpus_is_balanced(tmp_path):
    asked = {"n_speakers": 12, "n_takes": 1, "emotions": EMOTIONS, "statements": (1, 2)}
    takes = demo._takes(asked)
    assert len(takes) == len({take.clip for take in takes}) == 12 * 30
    rows = [Demo.parse(Demo(tmp_path), tmp_path / f"{take.clip}.mp4") for take in takes]
    for take, row in zip(takes, rows, strict=True):
        assert (row["emotion"], row["sex"], row["repetition"]) == (take.emotion, take.sex, take.repetition)
        assert row["speaker"] == f"demo-{take.speaker:02d}"
    assert sum(row["sex"] == "female" for row in rows) == 180


def test_clips_of_the_whole_corpus_are_copied_into_a_smaller_one(data_folder, tmp_path, monkeypatch):
    parts = {"n_speakers": 1, "emotions": ("happy",), "statements": (1,), "jobs": 1}
    made = demo.generate(tmp_path / "made", **parts)
    demo.generate(paths.raw("demo"), **parts)
    monkeypatch.setattr(demo, "perform", None)  # nothing is performed again
    copied = demo.generate(tmp_path / "copied", **parts)
    for kind in ("mp4", "parquet"):
        files = [sorted(Path(corpus.root).rglob(f"*.{kind}")) for corpus in (made, copied)]
        assert len(files[0]) == 2
        assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    with pytest.raises(TypeError):  # of another seed, they are
        demo.generate(tmp_path / "other", **parts, seed=1)
    for unreadable in ("{", "[]"):
        (paths.raw("demo") / "demo.json").write_text(unreadable)
        with pytest.raises(TypeError):
            demo.generate(tmp_path / f"other{len(unreadable)}", **parts)
