"""Action units of people and FP68: made of landmarks and the clip table; the person is what their neutral face says."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from workbench import geometry
from workbench.errors import WorkbenchError
from workbench.geometry import ACTION_UNITS, SHAPE_UNITS, Fit

MODEL = geometry.points68()


def picture(shape, units, yaw=0.0, seed=0):
    """Return landmarks (1, 68, 2) of a person showing action units, turned by `yaw` degrees."""
    rng, none = np.random.default_rng(seed), np.zeros(1)
    rotation = np.radians([[0.0, yaw, 0.0]])
    fitted = Fit(none + rng.uniform(50, 150), rotation, rng.uniform(100, 400, (1, 2)), units[None], shape, none)
    return geometry.project(MODEL, fitted)


@pytest.fixture(scope="module")
def people():
    """Two people, each neutral and smiling, frontal and turned: landmarks, clip table, action units (n, 8)."""
    rng, landmarks, rows, truth = np.random.default_rng(3), [], [], []
    for speaker in ("a", "b"):
        shape, smile = rng.uniform(-0.5, 0.5, len(SHAPE_UNITS)), rng.uniform(0, 0.6, len(ACTION_UNITS))
        for emotion, yaw in (("neutral", 0), ("neutral", 30), ("happy", 0), ("happy", 30)):
            units = smile if emotion == "happy" else np.zeros(len(ACTION_UNITS))
            landmarks.append(picture(shape, units, yaw, seed=len(rows)))
            rows.append({"speaker": speaker, "emotion": emotion, "yaw": yaw})
            truth.append(units)
    return landmarks, pd.DataFrame(rows), np.array(truth)


def test_action_units_are_measured_from_the_persons_own_neutral_face(people):
    landmarks, clips, truth = people
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        units = geometry.action_units(landmarks, clips.set_index(np.arange(50, 58)))
    assert [(u.shape, u.dtype) for u in units] == [((1, 8), np.float32)] * 8
    assert np.concatenate(units) == pytest.approx(truth, abs=0.03)
    with pytest.warns(UserWarning, match=r"no neutral picture of 2 of 2 speakers \('a', 'b'\): .* average face"):
        strangers = geometry.action_units(landmarks[2:4], clips.assign(emotion="happy").iloc[[2, 6]])
    assert np.abs(strangers[0] - truth[2]).max() > 0.1, "the person is taken for an expression"


def test_a_clip_of_several_frames_has_a_row_a_frame_and_the_order_is_kept(people):
    landmarks, clips, truth = people
    order = [6, 0, 3, 4, 7, 2, 5, 1]
    units = geometry.action_units([np.repeat(landmarks[i], i + 1, axis=0) for i in order], clips.iloc[order])
    assert [len(u) for u in units] == [i + 1 for i in order]
    assert np.stack([u.mean(axis=0) for u in units]) == pytest.approx(truth[order], abs=0.03)


def test_the_frontal_neutral_pictures_make_the_person_where_there_are_some(people):
    landmarks, clips, _ = people
    spoilt = [points + 40 * (np.arange(136).reshape(68, 2) % 7) if i in (1, 5) else points
              for i, points in enumerate(landmarks)]  # fmt: skip
    assert geometry.shapes(spoilt, clips, MODEL)["a"] == pytest.approx(geometry.shapes(landmarks, clips, MODEL)["a"])
    turned = clips[clips["yaw"] != 0]
    only = geometry.shapes([landmarks[i] for i in turned.index], turned, MODEL)
    assert set(only) == {"a", "b"}, "turned ones serve where no other is there"
    nobody = geometry.shapes(landmarks, clips.assign(speaker=["", "", "", "", "b", "b", "b", "b"]), MODEL)
    assert set(nobody) == {"b"}, "pictures of unnamed people are of no one person"


def test_fp68_does_not_tell_where_and_how_large_a_face_is(people):
    landmarks, clips, _ = people
    points = np.concatenate(landmarks)
    assert geometry.levelled(3 * points + [100, -20]) == pytest.approx(geometry.levelled(points), abs=1e-5)
    found = geometry.describe(landmarks, clips, ["fp68", "action_units_stranger"])
    strangers = [geometry.fit(points, MODEL).action_units for points in landmarks]
    assert np.concatenate(found.pop("action_units_stranger")) == pytest.approx(np.concatenate(strangers), abs=1e-5)
    assert list(found) == ["fp68"]
    assert found["fp68"][0].shape == (1, 136)
    assert not np.allclose(found["fp68"][0], found["fp68"][1], atol=0.02), "the head's turn is left in"
    with pytest.raises(WorkbenchError, match=r"expected landmarks \(t, 68, 2\), found \(68, 2\)"):
        geometry.levelled(np.zeros((68, 2)))
