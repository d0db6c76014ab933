"""Finding the faces in one frame: detectors behind one interface, their boxes drawn alike.

dlib draws squares from the brows to the chin; the networks draw upright boxes from the hairline to the chin. Each
network's boxes are turned into dlib's convention, so that the crops of one are the crops of the other; how, was
measured on real frames where both see the face (`scripts/detector_agreement.py` repeats the comparison).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import cv2
import dlib
import numpy as np

from workbench import paths
from workbench import weights as declared
from workbench.errors import choose
from workbench.faces.boxes import as_dlib, inside, shrunk, suppress
from workbench.faces.mtcnn import Mtcnn

# How dlib's squares lie to each network's boxes: `as_dlib`'s side and down; medians over 340 frames of RAVDESS and
# CREMA-D.
YUNET, SSD = (0.91, 0.07), (0.9, 0.085)
SSD_MEAN = (123, 177, 104)  # RGB: what is taken off before the network


class Detector(Protocol):
    """Whatever finds faces in one frame.

    A detector that knows five points of a face has a method `points` as well: frame to (k, 5, 2) float32, x, y in
    pixels, in the order of the boxes; left and right eye as seen in the picture, nose, left and right mouth corner.
    """

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return the boxes in a frame (h, w, 3) uint8 RGB of any size.

        Returns
        -------
        boxes : (k, 5) float32
            Left, top, right, bottom in pixels of the frame, which they may leave, and a score (more is surer, and
            its scale is the detector's own), best first.
        """


@lru_cache(maxsize=1)
def _hog():
    """Return dlib's frontal face detector, of which the data folder keeps a copy: dlib unpacks its own in 0.4 s."""
    copy = paths.data() / "cache" / f"dlib_frontal_{dlib.__version__}.svm"
    if copy.is_file():
        return dlib.fhog_object_detector(str(copy))
    detector = dlib.get_frontal_face_detector()
    with contextlib.suppress(OSError, RuntimeError):
        copy.parent.mkdir(exist_ok=True)  # in the data folder, where there is one
        part = copy.with_suffix(f".{os.getpid()}")
        detector.save(str(part))
        os.replace(part, copy)
    return detector


@dataclass(frozen=True)
class DlibHog:
    """dlib's frontal face detector (HOG and linear SVM; Dalal & Triggs 2005), needing no weights.

    It works on the frame scaled to `width` pixels and sees faces of 80 pixels and more there: at the default
    320, those that fill a quarter of the picture's width.
    """

    width: int = 320

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return boxes as `Detector` promises; the score is the SVM's distance from the margin, above 0."""
        return _look(frame, self.width, 0.0)


@dataclass(frozen=True)
class DlibSurest:
    """dlib's detector for pictures that are known to show one face: its surest box, down to a score of -1.

    `DlibHog` is a frontal detector: of the drawn heads of `demo_stills` it finds all that are turned by 45 degrees and
    one in ten turned by 60; this one finds them all. In a picture without a face it may see one.
    """

    width: int = 320

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return at most one box as `Detector` promises; the score is the SVM's distance from the margin."""
        return _look(frame, self.width, -1.0)[:1]


def _look(frame: np.ndarray, width: int, threshold: float) -> np.ndarray:
    """Return dlib's boxes (k, 5), best first, of a frame scaled to `width`, with scores above `threshold`."""
    scale = min(width / frame.shape[1], 4 * width / frame.shape[0])  # no endless columns
    size = tuple(max(1, round(edge * scale)) for edge in frame.shape[1::-1])
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    found, scores, _ = _hog().run(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), 0, threshold)
    edges = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in found]
    boxes = np.array(edges, np.float32).reshape(-1, 4) / scale
    return np.column_stack([boxes, scores]).astype(np.float32)


def suited(frames: np.ndarray, *, widths: tuple[int, ...] = (320, 640, 1280)) -> DlibHog:
    """Return the coarsest `DlibHog` for a clip (t, h, w, 3) that misses no face which a finer one sees.

    The middle frame decides: the widths are tried in pairs, from the first. Small pictures are not blown up
    more than three times.
    """
    middle = frames[len(frames) // 2]
    widths = [width for width in widths if width <= max(widths[0], 3 * middle.shape[1])]
    for width, finer in pairwise(widths):
        n_faces = len(DlibHog(width)(middle))
        if n_faces and n_faces >= len(DlibHog(finer)(middle)):
            return DlibHog(width)
    return DlibHog(widths[-1])


@lru_cache(maxsize=4)
def _yunet(path: Path, threshold: float):
    return cv2.FaceDetectorYN.create(str(path), "", (320, 320), threshold, 0.3, 100)


@dataclass(frozen=True)
class YuNet:
    """YuNet (Wu, Peng & Yu 2023), a small convolutional network run by OpenCV, with five points a face.

    It works on the frame shrunk to `side` pixels, the longer way, and sees faces of about 10 pixels and more there.

    Parameters
    ----------
    weights : str or Path, optional
        The ONNX file or its folder; by default where `weights.find` looks.
    side : int
        Pixels; smaller frames are taken as they are.
    threshold : float
        Least score, 0..1.
    """

    weights: str | Path | None = None
    side: int = 320
    threshold: float = 0.6

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return boxes as `Detector` promises; the score is 0..1."""
        rows = self._rows(frame)
        return as_dlib(np.column_stack([rows[:, :2], rows[:, :2] + rows[:, 2:4], rows[:, 14]]), *YUNET)

    def points(self, frame: np.ndarray) -> np.ndarray:
        """Return the five points of each face, (k, 5, 2) float32, as `Detector` promises."""
        return self._rows(frame)[:, 4:14].reshape(-1, 5, 2)

    def _rows(self, frame: np.ndarray) -> np.ndarray:
        """Return (k, 15): left, top, width, height, five points, score; in pixels of the frame, best first."""
        small, scale = shrunk(frame, self.side)
        net = _yunet(*declared.find("yunet", self.weights), self.threshold)
        # Below 64 pixels either way OpenCV's run of it reads memory that it has not written: pad with black.
        lacks = [max(0, 64 - edge) for edge in small.shape[:2]]
        small = cv2.copyMakeBorder(small, 0, lacks[0], 0, lacks[1], cv2.BORDER_CONSTANT)
        net.setInputSize(small.shape[1::-1])
        _, rows = net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if rows is None:
            return np.empty((0, 15), np.float32)
        rows[:, :14] /= scale
        return rows[np.argsort(-rows[:, 14], kind="stable")]


@lru_cache(maxsize=2)
def _ssd(model: Path, layers: Path):
    return cv2.dnn.readNetFromTensorflow(str(model), str(layers))


@dataclass(frozen=True)
class ResNetSsd:
    """OpenCV's single-shot detector on a small ResNet (Liu et al. 2016), in its 8-bit form.

    The frame is fitted into the network's 300 x 300 pixels, its shape kept. A face that fills all of them is missed, so
    where there is none, 210 pixels are tried. Such large faces throw ghosts, offset by a part or more of their size:
    boxes mostly off the frame are dropped.

    Parameters
    ----------
    weights : str or Path, optional
        The folder with the .pb and the .pbtxt, or one of them; by default where `weights.find` looks.
    threshold : float
        Least score, 0..1.
    """

    weights: str | Path | None = None
    threshold: float = 0.5

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return boxes as `Detector` promises; the score is 0..1."""
        for side in (300, 210):
            boxes = self._look(frame, side)
            if len(boxes):
                break
        return as_dlib(boxes, *SSD)

    def _look(self, frame: np.ndarray, side: int) -> np.ndarray:
        """Return the network's own boxes (k, 5), best first, of the frame fitted into `side` of its pixels."""
        net, square = _ssd(*declared.find("resnet_ssd", self.weights)), np.full((300, 300, 3), SSD_MEAN, np.uint8)
        small, scale = shrunk(frame, side)
        square[: small.shape[0], : small.shape[1]] = small
        net.setInput(cv2.dnn.blobFromImage(square, mean=SSD_MEAN[::-1], swapRB=True))
        found = net.forward()[0, 0]  # (n, 7): image, class, score, left, top, right, bottom (shares)
        boxes = np.column_stack([found[:, 3:] * 300 / scale, found[:, 2]])
        boxes = boxes[(boxes[:, 4] >= self.threshold) & (inside(boxes, frame.shape) > 0.6)]
        return boxes[suppress(boxes, 0.7, of_smaller=True)]


DETECTORS: dict[str, Callable[..., Detector]] = {
    "dlib": DlibHog,
    "dlib_surest": DlibSurest,
    "yunet": YuNet,
    "resnet_ssd": ResNetSsd,
    "mtcnn": Mtcnn,
}


def detector(name: str, weights: str | Path | None = None) -> Detector:
    """Return a detector of `DETECTORS` by name.

    Parameters
    ----------
    name : {'dlib', 'dlib_surest', 'yunet', 'resnet_ssd', 'mtcnn'}
    weights : str or Path, optional
        File or folder of its weights; dlib's have none and take no notice.

    Raises
    ------
    WorkbenchError
        If there is no detector of that name. Missing weights are told at the first frame.
    """
    make = DETECTORS[choose("detector", name, DETECTORS)]
    return make() if make in (DlibHog, DlibSurest) else make(weights)
