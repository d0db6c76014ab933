"""What is drawn on a frame lies where it was found, and the legend says what is what."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

from workbench import plots
from workbench.plots.faces import REGIONS
from workbench.plots.style import WIDTH


@pytest.fixture
def points():
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.stack([200 + 40 * np.cos(angle), 100 + 50 * np.sin(angle)], axis=1).astype(np.float32)


FRAME = np.full((240, 400, 3), 90, np.uint8)


def test_all_68_points_are_drawn_in_the_colour_of_their_region(points):
    figure = plots.landmarks(FRAME, points, title="Points", note="A note")
    (axes,) = figure.axes
    drawn = np.concatenate([line.get_xydata() for line in axes.lines])
    assert {tuple(xy) for xy in drawn.tolist()} == {tuple(xy) for xy in points.tolist()}
    mouth = axes.lines[-1]
    assert mouth.get_xydata().tolist() == [*points[60:68].tolist(), points[60].tolist()]  # the inner lips are a ring
    assert to_hex(mouth.get_color()) == REGIONS["mouth"][0]
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["jaw", "brows", "nose", "eyes", "mouth"]
    assert legend.get_title().get_text() == "Points"
    assert figure.get_figwidth() == WIDTH


def test_the_picture_shows_the_face_large_and_never_what_is_not_there(points):
    (axes,) = plots.landmarks(FRAME, points).axes
    assert axes.get_xlim()[0] > 100
    assert axes.get_xlim()[1] < 300
    (axes,) = plots.landmarks(FRAME, points - [190, 90]).axes  # half out of the frame
    assert axes.get_xlim()[0] == -0.5
    assert axes.get_ylim()[1] == -0.5


def test_each_detector_has_its_colour_and_its_number_of_boxes():
    boxes = {
        "dlib": np.array([[10, 20, 60, 70, 1.5], [110, 20, 160, 70, 0.5]]),
        "yunet": np.array([[12, 20, 62, 70]]),
        "mtcnn": np.empty((0, 5)),
    }
    figure = plots.detectors(FRAME, boxes, note="A note")
    (axes,) = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dlib (2)", "yunet (1)", "mtcnn (0)"]
    assert len(axes.lines) == 3
    assert axes.lines[2].get_xydata().min(axis=0).tolist() == [12, 20]
    assert axes.lines[2].get_xydata().max(axis=0).tolist() == [62, 70]
    assert axes.lines[0].get_color() == axes.lines[1].get_color() != axes.lines[2].get_color()
