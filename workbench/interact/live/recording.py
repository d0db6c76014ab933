"""What a guest asks to be kept: picture and sound as they came, and the answers. Nothing is written unasked."""

from __future__ import annotations

import contextlib
import os
import secrets
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
LONGEST, LARGEST = 600.0, 512 * 2**20  # s and bytes of one recording
ROOM = 10 * 2**30  # bytes of all that are saved in a folder
HOLE = 0.2  # s: where this much sound is missing, silence takes its place; less is the clocks' difference
KINDS = 0.5  # s after which it is settled whether there is picture, sound, or both


class Recording:
    """A Matroska file that grows while the session goes on: the browser's JPEGs as they are, 16-bit sound.

    Until it is saved the file has no name: it vanishes with this process, or when it is thrown away. Picture and sound
    lie where their times say; where the browser left sound out (more than a second waited), there is silence.

    Parameters
    ----------
    folder : Path
        Where `save` puts `<date and time>_<secret>.mkv`, and the answers beside it as a CSV.
    """

    def __init__(self, folder: Path):
        self.folder, self.file = folder, tempfile.TemporaryFile()  # noqa: SIM115, it lasts as long as the recording
        self.container, self.finished, self.streams, self.waiting, self.rows = None, False, {}, [], []
        self.began, self.seconds, self.n_samples, self.sample_rate, self.n_bytes = None, 0.0, 0, 0, 0

    def add(self, time: float, picture: bytes | None, sound: bytes | None, *, sample_rate: int, answer: dict) -> None:
        """Keep what came until `time` s and what was answered.

        Raises
        ------
        WorkbenchError
            When the recording has reached ten minutes or half a gigabyte, or the microphone changes its sample rate.
        """
        if self.began is None:
            self.began = time - _length(sound, sample_rate)
        self.seconds = time - self.began
        self.n_bytes += len(picture or b"") + len(sound or b"")
        if self.seconds > LONGEST or self.n_bytes > LARGEST:
            limits = f"{LONGEST / 60:.0f} minutes and {LARGEST / 2**20:.0f} MB"
            raise WorkbenchError(f"a recording holds {limits}: it was stopped, save it or throw it away")
        if sound is not None:
            if self.sample_rate not in (0, sample_rate):
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
                self._fill(seconds - _length(sound, self.sample_rate))
                self._mux_sound(sound)
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

    def _fill(self, begin: float) -> None:
        """Write silence where sound is missing before `begin` s."""
        missing = round(begin * self.sample_rate) - self.n_samples
        if missing > HOLE * self.sample_rate:
            for at in range(0, missing, int(self.sample_rate)):
                self._mux_sound(bytes(2 * min(int(self.sample_rate), missing - at)))

    def _mux_sound(self, sound: bytes) -> None:
        self._mux("sound", sound, self.n_samples, Fraction(1, int(self.sample_rate)))
        self.n_samples += len(sound) // 2

    def _mux(self, name: str, data: bytes, time: int, base: Fraction) -> None:
        packet = av.Packet(data)
        packet.stream, packet.time_base, packet.pts, packet.dts = self.streams[name], base, time, time
        packet.is_keyframe = True
        self.container.mux(packet)

    def _finish(self) -> None:
        """Write what still waits, and the file's end."""
        if not self.finished:
            self.waiting.append((self.seconds, None, None))
            self._write()
            self.container.close()
            self.finished = True

    def save(self) -> Path:
        """Finish the file and give it its name; return its path.

        Raises
        ------
        WorkbenchError
            If nothing was recorded, the folder is full, or it cannot be written to; then it can be tried again.
        """
        if not self.rows:
            raise WorkbenchError("nothing was recorded: neither picture nor sound came")
        path = self.folder / f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{secrets.token_hex(8)}.mkv"
        part = path.with_suffix(".part")
        try:
            self._finish()
            self._check_room()
            self.folder.mkdir(parents=True, exist_ok=True)
            self.file.seek(0)
            with part.open("wb") as out:
                shutil.copyfileobj(self.file, out)
            pd.DataFrame(self.rows).to_csv(path.with_suffix(".csv"), index=False)
            os.replace(part, path)
        except OSError as error:
            for one in (part, path.with_suffix(".csv")):
                with contextlib.suppress(OSError):
                    one.unlink()
            raise WorkbenchError(
                f"Not saved, but still here. {self.folder}: {error.strerror or error}. Mend it and save again, or "
                "throw it away"
            ) from None
        self.file.close()
        return path

    def _check_room(self) -> None:
        """Raise an OSError where the folder has no room for this one."""
        size = sum(one.stat().st_size for one in self.folder.glob("*.mkv"))
        if size + self.n_bytes > ROOM:
            raise OSError(f"its recordings have {size / 2**30:.1f} GB of {ROOM / 2**30:.0f} GB, remove some")

    def discard(self) -> None:
        """Throw it away."""
        if self.container is not None and not self.finished:
            self.container.close()
        self.file.close()


def _length(sound: bytes | None, sample_rate: float) -> float:
    """Return the seconds of 16-bit sound."""
    return len(sound or b"") / 2 / sample_rate


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
