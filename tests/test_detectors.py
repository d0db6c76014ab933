"""Four detectors behind one interface: the same face in the same box, on real frames, tiny ones and empty ones."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
from itertools import combinations
from pathlib import Path

import dlib
import numpy as np
import pytest

from workbench import faces, media, scale
from workbench.errors import WorkbenchError
from workbench.faces import detectors
from workbench.faces.boxes import as_dlib, suppress
from workbench.faces.cascade import squared

SCRIPT = Path(__file__).parents[1] / "scripts" / "detector_agreement.py"
NETWORKS = ("yunet", "resnet_ssd", "mtcnn")


@pytest.fixture(scope="module")
def weights(shared):
    if not (shared / "weights").is_dir():
        pytest.skip(f"no weights in {shared / 'weights'}")
    return shared / "weights"


@pytest.fixture(scope="module")
def real_frames(real_clips):
    """One frame of each real video, from a second into it."""
    return [media.read_frames(path, np.array([1.0]))[0][0] for path in real_clips]


def test_the_copy_of_the_frontal_detector_finds_what_the_original_finds(data_folder, tiny):
    frames, _ = media.read_frames(tiny.clips()["path"][0], np.array([0.5, 1.0]))
    detectors._hog.cache_clear()
    faces.detector("dlib")(frames[0])
    assert not data_folder.exists()  # no data folder is made for it
    data_folder.mkdir()
    detectors._hog.cache_clear()
    first = [faces.detector("dlib")(frame) for frame in frames]
    (copy,) = (data_folder / "cache").iterdir()
    dlib.get_frontal_face_detector().save(str(data_folder / "original.svm"))
    assert copy.read_bytes() == (data_folder / "original.svm").read_bytes()
    detectors._hog.cache_clear()
    for frame, boxes in zip(frames, first, strict=True):
        np.testing.assert_array_equal(faces.detector("dlib")(frame), boxes)
        assert len(boxes) == 1


def test_boxes_of_the_same_face_agree_between_any_two_detectors(weights, real_frames):
    found = {name: [faces.detector(name, weights)(frame) for frame in real_frames] for name in faces.DETECTORS}
    for name, boxes in found.items():
        assert [len(mine) for mine in boxes] == [1] * len(real_frames), name
        assert all(mine.dtype == np.float32 and mine.shape[1] == 5 for mine in boxes)
    for a, b in combinations(found, 2):
        overlaps = [faces.overlap(x[0, :4], y[0, :4]) for x, y in zip(found[a], found[b], strict=True)]
        assert min(overlaps) > 0.5, (a, b)
        assert np.median(overlaps) > 0.75, (a, b)


def test_crops_in_which_the_face_fills_the_frame(weights, shared):
    paths = sorted(shared.glob("data/ravdess_extra/face_crops/*/*.mp4"))[::20]
    if not paths:
        pytest.skip("no face crops")
    for path in paths:
        frame = media.read_frames(path, np.array([1.0]))[0][0]
        found = [faces.detector(name, weights)(frame) for name in faces.DETECTORS]
        assert [len(boxes) for boxes in found] == [1] * len(found), path
        assert all(faces.overlap(a[0, :4], b[0, :4]) > 0.5 for a, b in combinations(found, 2)), path


@pytest.mark.parametrize("name", NETWORKS)
def test_boxes_grow_and_move_with_the_picture(name, weights, real_frames):
    frame = real_frames[0]  # 480 x 360
    detector = faces.detector(name, weights)
    box = detector(frame)[0, :4]
    large = np.full((720, 1200, 3), 90, np.uint8)
    large[200:560, 500:980] = frame
    np.testing.assert_allclose(detector(large)[0, :4] - np.tile([500, 200], 2), box, atol=0.12 * (box[2] - box[0]))
    small = detector(np.ascontiguousarray(frame[::2, ::2]))[0, :4]
    np.testing.assert_allclose(2 * small, box, atol=0.08 * (box[2] - box[0]))


@pytest.mark.parametrize("name", ["yunet", "mtcnn"])
def test_five_points_are_in_the_order_of_the_picture(name, weights, real_frames):
    detector = faces.detector(name, weights)
    both = np.hstack([real_frames[0], real_frames[1][:, ::-1]])
    boxes, points = detector(both), detector.points(both)
    assert boxes.shape == (2, 5)
    assert points.shape == (2, 5, 2)
    for (left, top, right, bottom, _), (left_eye, right_eye, nose, left_lip, right_lip) in zip(
        boxes, points, strict=True
    ):
        assert left < left_eye[0] < nose[0] < right_eye[0] < right
        assert left_lip[0] < nose[0] < right_lip[0]
        assert top < left_eye[1] < nose[1] < left_lip[1] < bottom


@pytest.mark.parametrize("name", faces.DETECTORS)
@pytest.mark.parametrize("shape", [(16, 16), (1, 1), (20, 900), (700, 24), (97, 131)])
def test_frames_of_any_shape_without_a_face_give_no_box(name, shape, weights, real_frames):
    detector = faces.detector(name, weights)
    frame = np.full((*shape, 3), 255, np.uint8)
    detector(real_frames[0])  # nothing of an earlier frame may stay behind
    boxes = detector(frame)
    assert boxes.shape == (0, 5)
    assert boxes.dtype == np.float32
    if hasattr(detector, "points"):
        assert detector.points(frame).shape == (0, 5, 2)


@pytest.mark.parametrize("name", NETWORKS)
def test_detectors_are_deterministic_and_grey_will_do(name, weights, real_frames):
    detector = faces.detector(name, weights)
    frame = real_frames[-1]
    first = detector(frame)
    detector(real_frames[0])  # another size in between
    np.testing.assert_array_equal(detector(frame), first)
    grey = np.repeat(frame.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert faces.overlap(detector(grey)[0, :4], first[0, :4]) > 0.8


@pytest.mark.parametrize("name", NETWORKS)
def test_tracks_and_crops_are_comparable(name, weights, real_clips):
    frames, _ = media.read_frames(real_clips[-1], np.linspace(0.8, 1.6, 4))
    ours = faces.track(frames, faces.detector(name, weights))
    boxes = faces.track(frames).boxes
    assert ours.n_faces == 1
    assert ours.found.all()
    assert min(faces.overlap(a, b) for a, b in zip(ours.boxes, boxes, strict=True)) > 0.6


def look(detector, frame):
    return detector(frame)


def test_detectors_travel_to_worker_processes(weights, real_frames):
    detectors = [faces.detector(name, weights) for name in faces.DETECTORS]
    assert len({*detectors, *(faces.detector(name, weights) for name in faces.DETECTORS)}) == len(faces.DETECTORS)
    there = scale.fan_out(functools.partial(look, frame=real_frames[0]), detectors, jobs=2)
    for detector, boxes in zip(detectors, there, strict=True):
        np.testing.assert_allclose(boxes, detector(real_frames[0]), atol=0.01)


def test_an_unknown_detector_is_refused_with_the_choices():
    with pytest.raises(
        WorkbenchError, match=r"unknown detector 'ssd': choose from dlib, dlib_surest, mtcnn, resnet_ssd, yunet"
    ):
        faces.detector("ssd")


@pytest.mark.parametrize("name", NETWORKS)
def test_missing_weights_are_told_with_the_command(name, tmp_path, data_folder, monkeypatch):
    monkeypatch.delenv("WORKBENCH_WEIGHTS", raising=False)
    with pytest.raises(WorkbenchError, match=f"weights fetch {name}"):
        faces.detector(name, tmp_path)(np.zeros((64, 64, 3), np.uint8))


def test_boxes_become_the_squares_of_dlib():
    wide = np.array([[10, 20, 50, 120, 0.7]], np.float32)  # 40 x 100: a square of 63.2
    square = as_dlib(wide, 1.0, 0.1)
    assert square.shape == (1, 5)
    side = np.sqrt(4000)
    np.testing.assert_allclose(
        square[0], [30 - side / 2, 70 - 0.4 * side, 30 + side / 2, 70 + 0.6 * side, 0.7], rtol=1e-5
    )


def test_the_best_of_overlapping_boxes_are_kept():
    boxes = np.array([[0, 0, 10, 10, 0.8], [1, 0, 11, 10, 0.9], [30, 0, 40, 10, 0.7], [32, 2, 36, 6, 0.6]])
    assert suppress(boxes, 0.5).tolist() == [1, 2, 3]
    assert suppress(boxes, 0.5, of_smaller=True).tolist() == [1, 2]
    assert suppress(boxes[:0], 0.5).tolist() == []


def test_squares_keep_the_centre():
    np.testing.assert_allclose(squared(np.array([[0.0, 0, 4, 10, 1]])), [[-3, 0, 7, 10, 1]])


def script():
    spec = importlib.util.spec_from_file_location("detector_agreement", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_agreement_counts_the_frames_in_which_either_sees_a_face():
    none, here, near, far = np.empty((0, 5)), *(np.array([[x, 0, x + 10, 10, 1.0]]) for x in (0, 1, 40))
    row = script().agreement([none, here, here, here], [none, near, far, none])
    assert row == {"frames": 3, "agreement": 0.3333, "median_overlap": 0.0}


def test_the_script_prints_json(real_clips, weights, monkeypatch, capsys):
    arguments = ["detector_agreement", str(real_clips[0]), "--weights", str(weights), "--frames", "2", "--json"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--detectors", "dlib,yunet"])
    script().main()
    tables = json.loads(capsys.readouterr().out)
    (pair,) = tables["pairs"]
    assert pair["pair"] == "dlib, yunet"
    assert (pair["frames"], pair["agreement"]) == (2, 1.0)
    assert [row["found"] for row in tables["detectors"]] == [2, 2]
    monkeypatch.setattr(sys, "argv", [*arguments, "--detectors", "dlibb"])
    with pytest.raises(SystemExit, match="error: unknown detector 'dlibb'"):
        script().main()
