"""The demo's still pictures: turned as their names say, the truth beside them, resumed speaker by speaker."""

import json
import shutil

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from workbench import faces, geometry, media, splits
from workbench.datasets import corpus, demo_stills, select
from workbench.datasets.demo_acting import ACTION_UNITS, FACE, FACE_UNIT, Take, act, hold
from workbench.datasets.demo_stills import DemoStills, generate
from workbench.errors import WorkbenchError

SMALL = {"n_speakers": 2, "n_takes": 2, "emotions": ("neutral", "happy"), "yaws": (0, 30), "jobs": 1}


@pytest.fixture(scope="module")
def stills(tmp_path_factory):
    return generate(tmp_path_factory.mktemp("corpora") / "stills", **SMALL)


def test_clip_table_and_check(stills):
    clips = stills.clips().set_index("clip")
    assert len(clips) == 2 * 2 * 2 * 2 * 2
    row = clips.loc["02_happy_strong_1_-30"]
    assert row[["emotion", "intensity", "speaker", "sex", "yaw", "audio_path"]].tolist() == [
        "happy", "strong", "demo-02", "female", -30, "",
    ]  # fmt: skip
    assert sorted(set(clips["yaw"])) == [-30, 0, 30]
    assert (clips.groupby("take")["yaw"].agg(lambda yaws: set(yaws) in ({0, 30}, {0, -30}))).all(), "one turn, one side"
    assert len(select(stills.clips(), "video")) == len(clips), "views of one take are clips of their own"
    report = corpus("demo_stills", stills.root).check()
    assert (report["clips"], report["readable"], report["missing"], report["duplicates"]) == (32, 32, [], [])
    assert splits.make_folds(stills.clips(), n_folds=2)


def test_pictures_are_turned_as_they_say_and_keep_their_truth(stills):
    clips, truth = stills.clips().set_index("clip"), stills.truth().set_index("clip")
    assert set(truth.index) == set(clips.index)
    assert (truth["head_yaw"] == clips["yaw"].reindex(truth.index)).all()
    model = geometry.points68()
    names = [f"01_happy_normal_1_{yaw}" for yaw in ("+00", "+30")] + ["01_happy_strong_1_-30"]
    frames = np.concatenate([media.read_frames(clips.loc[name, "path"], np.zeros(1))[0] for name in names])
    assert frames.shape == (3, 256, 256, 3)
    boxes = np.concatenate([faces.track(frame[None]).boxes for frame in frames])
    found = geometry.fit(faces.landmarks_clip(frames, boxes), model)
    right = Rotation.from_euler("ZYX", truth.loc[names, ["head_roll", "head_yaw", "head_pitch"]], degrees=True)
    assert np.abs(found.pose[:, 0] - [0, 30, -30]).max() < 8
    assert np.median(geometry.angle(found.matrix, right.as_matrix())) < 8
    same = ["01_happy_normal_1_+00", "01_happy_normal_1_+30"]
    assert truth.loc[same, list(ACTION_UNITS)].nunique().eq(1).all(), "one performance, whatever the angle"


def test_a_head_and_its_manner_are_those_of_the_demo_corpus():
    for emotion in ("happy", "angry"):
        take = Take(3, emotion, 2)
        speech, truth = act(take)
        spoken = truth[truth["time"].between(speech.phones[2][1], speech.phones[-1][2])][list(FACE)].mean()
        apart = (spoken - list(hold(take)[1].values())).abs() / FACE_UNIT
        assert apart.drop(["AU18", "AU24", "AU26", "AU43", "head_pitch"]).max() < 0.35
    assert hold(Take(3, "happy"))[0] == hold(Take(3, "sad"))[0] != hold(Take(5, "sad"))[0]


def test_a_second_run_mends_what_is_missing_and_nothing_else(stills, tmp_path, monkeypatch):
    root = shutil.copytree(stills.root, tmp_path / "stills")
    gone = root / "Actor_02" / "02_happy_normal_1_+30.png"
    content, kept = gone.read_bytes(), {p: p.stat().st_mtime_ns for p in root.rglob("*.png") if p != gone}
    gone.unlink()
    assert DemoStills(root).missing(DemoStills(root).files()) == [gone.stem]
    seen = []
    generate(root, **SMALL, progress=lambda speakers, **about: seen.append(about["total"]) or speakers)
    assert seen == [1]
    assert gone.read_bytes() == content
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    monkeypatch.setattr(demo_stills, "_make", lambda *_, **__: pytest.fail("nothing is left to do"))
    generate(root, **SMALL)


def test_other_parameters_other_pictures_and_a_refusal(stills, tmp_path):
    other = generate(tmp_path / "stills", **SMALL | {"n_speakers": 1, "seed": 1})
    name = "Actor_01/01_happy_normal_1_+00.png"
    assert (other.root / name).read_bytes() != (stills.root / name).read_bytes()
    with pytest.raises(WorkbenchError, match=r"other parameters: seed 0 \(asked: 1\)"):
        generate(stills.root, **SMALL, seed=1)
    for wrong in ({"n_speakers": 0}, {"n_takes": 3}, {"yaws": (0, 90)}, {"yaws": ()}, {"emotions": ("bored",)}):
        with pytest.raises(WorkbenchError, match=r"expected|unknown emotions"):
            generate(tmp_path / "none", **SMALL | wrong)
    assert not (tmp_path / "none").exists()


def test_it_says_that_it_is_synthetic(stills):
    assert DemoStills.card.synthetic
    assert (stills.root / "README.md").read_text().splitlines()[2].startswith("SYNTHETIC")
    assert json.loads((stills.root / "demo_stills.json").read_text())["version"] == demo_stills.VERSION
