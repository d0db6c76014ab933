"""What a guest asks to be kept: picture and sound as they came, and the answers. Nothing is written unasked."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.interact.live.protocol import picture_of

CLOCK = Fraction(1, 1000)  # s, of the pictures' times
LONGEST = 600.0  # s
KINDS = 0.5  # s after which it is settled whether there is picture, sound, or both


class Recording:
    """A Matroska file that grows while the session goes on: the browser's JPEGs as they are, 16-bit sound.

    Until it is saved the file has no name: it vanishes with this process, or when it is thrown away.

    Parameters
    ----------
    folder : Path
        Where `save` puts `<date and time>.mkv`, and the answers beside it as a CSV.
    """

    def __init__(self, folder: Path):
        self.folder, self.file = folder, tempfile.TemporaryFile()  # noqa: SIM115, it lasts as long as the recording
        self.container, self.streams, self.waiting, self.rows = None, {}, [], []
        self.began, self.seconds, self.n_samples, self.sample_rate = None, 0.0, 0, 0

    def add(self, time: float, picture: bytes | None, sound: bytes | None, *, sample_rate: int, answer: dict) -> None:
        """Keep what came until `time` s and what was answered.

        Raises
        ------
        WorkbenchError
            When the recording has reached ten minutes, or the microphone changes its sample rate.
        """
        self.began = time if self.began is None else self.began
        self.seconds = time - self.began
        if self.seconds > LONGEST:
            raise WorkbenchError(
                f"a recording holds {LONGEST / 60:.0f} minutes: it was stopped, save it or throw it away"
            )
        if self.waiting and sample_rate != self.sample_rate:
            raise WorkbenchError(
                f"the sound changed from {self.sample_rate} to {sample_rate} Hz: save, and record again"
            )
        self.sample_rate = sample_rate
        self.waiting.append((self.seconds, picture, sound))
        self.rows.append(row(answer) | {"time": round(self.seconds, 3)})
        if self.container is not None or self.seconds >= KINDS:
            self._write()

    def _write(self) -> None:
        """Write what waits, but for the last, which says that there is something."""
        if self.container is None:
            self._open()
        for seconds, picture, sound in self.waiting[:-1]:
            if picture is not None and "picture" in self.streams:
                self._mux("picture", picture, round(seconds / CLOCK), CLOCK)
            if sound is not None and "sound" in self.streams:
                self._mux("sound", sound, self.n_samples, Fraction(1, self.sample_rate))
                self.n_samples += len(sound) // 2
        del self.waiting[:-1]

    def _open(self) -> None:
        """Begin the file with what came until now: pictures of the size of the first, sound, or both."""
        self.container = av.open(self.file, "w", format="matroska")
        picture = next((picture for _, picture, _ in self.waiting if picture is not None), None)
        if picture is not None:
            stream = self.container.add_stream("mjpeg", rate=15)
            stream.height, stream.width = picture_of(picture).shape[:2]
            stream.pix_fmt, stream.time_base = "yuvj420p", CLOCK
            self.streams["picture"] = stream
        if any(sound is not None for *_, sound in self.waiting):
            self.streams["sound"] = self.container.add_stream("pcm_s16le", rate=int(self.sample_rate), layout="mono")

    def _mux(self, name: str, data: bytes, time: int, base: Fraction) -> None:
        packet = av.Packet(data)
        packet.stream, packet.time_base, packet.pts, packet.dts = self.streams[name], base, time, time
        packet.is_keyframe = True
        self.container.mux(packet)

    def save(self) -> Path:
        """Finish the file and give it its name; return its path.

        Raises
        ------
        WorkbenchError
            If nothing was recorded.
        """
        if not self.rows:
            raise WorkbenchError("nothing was recorded: neither picture nor sound came")
        self.waiting.append((self.seconds, None, None))
        self._write()
        self.container.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{os.getpid()}.mkv"
        part = path.with_suffix(".part")
        self.file.seek(0)
        with part.open("wb") as out:
            shutil.copyfileobj(self.file, out)
        os.replace(part, path)
        pd.DataFrame(self.rows).to_csv(path.with_suffix(".csv"), index=False)
        self.file.close()
        return path

    def discard(self) -> None:
        """Throw it away."""
        if self.container is not None:
            self.container.close()
        self.file.close()


def row(answer: dict) -> dict:
    """Return an answer as a row of a table: `time, emotion, face, voice, left, top, right, bottom, p_<emotion>...`."""
    left, top, right, bottom = answer["box"] or [float("nan")] * 4
    shares = {f"p_{name}": share for name, share in answer["probabilities"].items()}
    found = {
        "time": answer["time"],
        "emotion": answer["emotion"] or "",
        "face": answer["face"],
        "voice": answer["voice"],
    }
    return found | {"left": left, "top": top, "right": right, "bottom": bottom} | shares
