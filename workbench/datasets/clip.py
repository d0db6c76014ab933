"""One clip of a corpus, as a notebook shows it: a picture of it, what is said, who says it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd

from workbench import media
from workbench.emotions import COLOURS
from workbench.errors import MediaError, WorkbenchError
from workbench.representation import card, chip

SHOWN = ("corpus", "speaker", "sex", "intensity", "text", "take", "usage", "path", "audio_path")
HEIGHT = 120  # of the picture, pixels


@dataclass(frozen=True)
class Clip:
    """A row of the clip table."""

    row: Mapping

    @classmethod
    def of(cls, clips: pd.DataFrame, name: str) -> Clip:
        """Return the clip of that name in a clip table.

        Raises
        ------
        WorkbenchError
            If there is none; some that there are, are named.
        """
        rows = clips[clips["clip"] == name]
        if rows.empty:
            some = ", ".join(clips["clip"].head(5))
            raise WorkbenchError(f"unknown clip {name!r}: there are {len(clips)}, such as {some}")
        return cls(rows.iloc[0].to_dict())

    def picture(self) -> bytes:
        """Return a picture from the middle of the clip, as a JPEG file; b'' of a clip without a readable one."""
        try:
            start, end = self.row.get("start", 0.0), self.row.get("end", np.nan)
            end = media.probe(self.row["path"]).duration if np.isnan(end) else end
            frames, _ = media.read_frames(self.row["path"], np.array([(start + end) / 2]))
        except (MediaError, KeyError):
            return b""
        frame = frames[0]
        size = (round(frame.shape[1] * HEIGHT / frame.shape[0]), HEIGHT)
        found, data = cv2.imencode(".jpg", cv2.cvtColor(cv2.resize(frame, size), cv2.COLOR_RGB2BGR))
        return data.tobytes() if found else b""

    def _repr_html_(self) -> str:
        row, picture = self.row, self.picture()
        facts = {name: value for name in SHOWN if (value := row.get(name)) and not pd.isna(value)}
        inline = base64.b64encode(picture).decode()
        image = f"<img alt='a picture from the middle' src='data:image/jpeg;base64,{inline}'>"
        shown = f"<div>{image}</div>" if picture else ""
        named = chip(row["emotion"], COLOURS[row["emotion"]]) if row.get("emotion") in COLOURS else ""
        return card("Clip", str(row["clip"]), facts, extra=f" {named}{shown}")
