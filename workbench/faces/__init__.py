"""Find the face in a clip, follow it, cut it out: frames (t, h, w, 3) become crops (t, size, size, 3).

The default detector is dlib's HOG detector on a downscaled picture, which needs no weights; YuNet, OpenCV's
ResNet-SSD, MTCNN, or any callable of the same shape (`Detector`) serve in its place, and so do boxes found elsewhere
(`given`). The 68 points are dlib's regression trees, whose weights come from the extra package
`face-recognition-models`.
"""

from workbench.faces.boxes import overlap
from workbench.faces.crops import align, crop, whole
from workbench.faces.detectors import DETECTORS, Detector, DlibHog, DlibSurest, ResNetSsd, YuNet, detector, suited
from workbench.faces.following import Followed, Follower, crossed
from workbench.faces.mtcnn import Mtcnn
from workbench.faces.openface import OpenFace, box_of, given, read_openface
from workbench.faces.points import default_weights, eyes, find_weights, landmarks, landmarks_clip, mouth_opening
from workbench.faces.tracking import Track, track

__all__ = [
    "DETECTORS",
    "Detector",
    "DlibHog",
    "DlibSurest",
    "Followed",
    "Follower",
    "Mtcnn",
    "OpenFace",
    "ResNetSsd",
    "Track",
    "YuNet",
    "align",
    "box_of",
    "crop",
    "crossed",
    "default_weights",
    "detector",
    "eyes",
    "find_weights",
    "given",
    "landmarks",
    "landmarks_clip",
    "mouth_opening",
    "overlap",
    "read_openface",
    "suited",
    "track",
    "whole",
]
