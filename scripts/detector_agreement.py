"""Print how far the face detectors agree on recordings: in what share of the frames their boxes are one face.

A frame counts for a pair of detectors if either finds a face in it; they agree if their best boxes have an
intersection over union above 0.5. Milliseconds are medians, of the detector alone, on the frames as they are.

    python scripts/detector_agreement.py clips/*.mp4 --weights data/weights --detectors dlib,yunet --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from workbench import faces, media
from workbench.errors import WorkbenchError


def frames_of(path: str, n_frames: int) -> np.ndarray:
    """Return `n_frames` frames (t, h, w, 3), evenly spaced over a recording."""
    times = (np.arange(n_frames) + 0.5) * media.probe(path).duration / n_frames
    return media.read_frames(path, times)[0]


def look(detector: faces.Detector, frames: list[np.ndarray]) -> tuple[list[np.ndarray], list[float]]:
    """Return each frame's boxes (k, 5), and the milliseconds that each took; the first call, which loads, is free."""
    boxes, milliseconds = [], []
    detector(frames[0])
    for frame in frames:
        began = time.perf_counter()
        boxes.append(detector(frame))
        milliseconds.append(1000 * (time.perf_counter() - began))
    return boxes, milliseconds


def agreement(a: list[np.ndarray], b: list[np.ndarray]) -> dict[str, float]:
    """Compare two detectors' boxes of the same frames: frames that count, share that agrees, median overlap."""
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if len(x) or len(y)]
    overlaps = [faces.overlap(x[0, :4], y[0, :4]) if len(x) and len(y) else 0.0 for x, y in pairs]
    share, middle = (float(np.mean(np.array(overlaps) > 0.5)), float(np.median(overlaps))) if pairs else (np.nan,) * 2
    return {"frames": len(pairs), "agreement": round(share, 4), "median_overlap": round(middle, 3)}


def compare(files: list[str], names: list[str], *, weights: str | None, n_frames: int) -> dict[str, list[dict]]:
    """Return the rows to print: one a detector, and one a pair of them."""
    frames = [frame for file in files for frame in frames_of(file, n_frames)]
    looks = {name: look(faces.detector(name, weights), frames) for name in names}
    single = [
        {
            "detector": name,
            "frames": len(frames),
            "found": sum(len(found) > 0 for found in boxes),
            "several": sum(len(found) > 1 for found in boxes),
            "milliseconds": round(float(np.median(milliseconds)), 2),
        }
        for name, (boxes, milliseconds) in looks.items()
    ]
    pairs = [{"pair": f"{a}, {b}", **agreement(looks[a][0], looks[b][0])} for a, b in combinations(names, 2)]
    return {"detectors": single, "pairs": pairs}


def main() -> None:
    """Read the command line, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
    parser.add_argument("--weights", help="folder of the weights (default: $WORKBENCH_WEIGHTS, data/weights)")
    parser.add_argument(
        "--detectors", default=",".join(faces.DETECTORS), help="names, with commas (default: %(default)s)"
    )
    parser.add_argument("--frames", type=int, default=10, help="frames a recording (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    try:
        names = chosen.detectors.split(",")
        tables = compare(chosen.files, names, weights=chosen.weights, n_frames=chosen.frames)
    except WorkbenchError as error:
        sys.exit(f"error: {error}")
    if chosen.json:
        print(json.dumps(tables))
    else:
        print(*(pd.DataFrame(rows).to_string(index=False) for rows in tables.values()), sep="\n\n")


if __name__ == "__main__":
    main()
