"""Damage real recordings in every way we know and prepare them as one batch: none may stop it, all are accounted for.

Each damaged file ends prepared, partly prepared or quarantined, the latter two with a reason that names the file; no
array holds a value that is not a number; two processes give the same as one. Otherwise the exit code is 1.

    python scripts/fuzz_prepare.py ../shared/data/ravdess/Video*/*/*.mp4 ../shared/data/cremad/VideoFlash/*.flv
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache, partial
from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import soundfile

from workbench import media, prepare
from workbench.errors import MediaError
from workbench.recipes import Recipe
from workbench.store import Store

RATE, FPS = 16000, 15
STATES = ["prepared", "partly", "quarantined", "neither"]


# What the files are made of.


@cache
def picture_of(film: Path) -> np.ndarray:
    """Return a second of a film's picture, (15, h, w, 3) uint8, at most 320 pixels wide, even sides."""
    frames, _ = media.read_frames(film, 0.5 + np.arange(FPS) / FPS)
    scale = min(1.0, 320 / frames.shape[2])
    size = tuple(int(side * scale) // 2 * 2 for side in (frames.shape[2], frames.shape[1]))
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


@cache
def voice_of(files: tuple[Path, ...]) -> np.ndarray:
    """Return one to three seconds of the first file's sound that is one, (n,) float32."""
    for file in files:
        try:
            waveform = media.read_waveform(file, sample_rate=RATE)
        except MediaError:
            continue
        if not media.is_silent(waveform):
            start, end = media.speech_span(waveform, sample_rate=RATE)
            return waveform[int(start * RATE) : int(min(end, start + 3) * RATE)]
    sys.exit("expected at least one recording with a voice")


class Material:
    """A film, a sound and chance, from which one damaged file is made at `stem` plus a suffix."""

    def __init__(self, films: tuple[Path, ...], sounds: tuple[Path, ...], rng: np.random.Generator, stem: Path):
        self.rng, self.stem = rng, stem
        self.film, self.any = films[rng.integers(len(films))], (films + sounds)[rng.integers(len(films + sounds))]
        self.voice = voice_of(sounds + films)

    @property
    def frames(self) -> np.ndarray:
        """A second of the film's picture."""
        return picture_of(self.film)

    def path(self, suffix: str) -> Path:
        """Return where a file of this kind goes."""
        return self.stem.with_name(self.stem.name + suffix)

    def mp4(self, frames, waveform, *, fps: float = FPS) -> Path:
        """Write an mp4 of pictures and a sound, either of which may be None."""
        return media.write_clip(self.path(".mp4"), frames, waveform, fps=fps, sample_rate=RATE)

    def wav(self, waveform) -> Path:
        """Write a wav of 32-bit floats, which may hold any value."""
        soundfile.write(self.path(".wav"), np.float32(waveform), RATE, subtype="FLOAT")
        return self.path(".wav")

    def bytes(self, content: bytes, suffix: str) -> Path:
        """Write bytes."""
        self.path(suffix).write_bytes(content)
        return self.path(suffix)


# The kinds of damage: each makes a file and returns its path, or the (path, audio_path) of a clip of two.


def truncated(m: Material) -> Path:
    content = m.any.read_bytes()
    return m.bytes(content[: m.rng.integers(1, len(content))], m.any.suffix)


def flipped(m: Material, *, header: bool) -> Path:
    """Flip bits: up to a hundred in the first 4 kB, or one in 100 to one in 1,000,000 bytes of the whole."""
    content = np.frombuffer(m.any.read_bytes(), np.uint8).copy()
    reach = min(4096, len(content)) if header else len(content)
    number = m.rng.integers(1, 101) if header else max(1, int(reach * 10 ** m.rng.uniform(-6, -2)))
    np.bitwise_xor.at(
        content, m.rng.integers(reach, size=number), np.uint8(1) << m.rng.integers(8, size=number, dtype=np.uint8)
    )
    return m.bytes(content.tobytes(), m.any.suffix)


def two_faces(m: Material) -> Path:
    return m.mp4(np.concatenate([m.frames, m.frames[:, :, ::-1]], axis=2), m.voice)


def no_face(m: Material) -> Path:
    """Blur the picture beyond recognition, or make it grey."""
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 40) for frame in m.frames])
    return m.mp4(blurred if m.rng.random() < 0.5 else np.full_like(m.frames, 128), m.voice)


def not_numbers(m: Material, *, value: float) -> tuple[Path, Path]:
    waveform = m.voice.copy()
    waveform[m.rng.integers(len(waveform), size=m.rng.integers(1, 100))] = value
    return m.mp4(m.frames, m.voice), m.wav(waveform)


def long(m: Material, *, seconds: int = 600) -> Path:
    """Loop the picture, 96 pixels high and 5 frames a second, and the voice."""
    small = [cv2.resize(frame, (128, 96), interpolation=cv2.INTER_AREA) for frame in m.frames]
    frames = np.broadcast_to(np.stack(small), (seconds * 5 // FPS + 1, FPS, 96, 128, 3)).reshape(-1, 96, 128, 3)
    return m.mp4(frames[: seconds * 5], np.resize(m.voice, seconds * RATE), fps=5)


def variable_rate(m: Material) -> Path:
    """Show each picture for a time of its own, 10 to 300 ms."""
    with av.open(str(m.path(".mkv")), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, pix_fmt="yuv420p")
        stream.height, stream.width = m.frames.shape[1:3]
        stream.codec_context.time_base = Fraction(1, 1000)
        at = 0
        for picture in map(av.VideoFrame.from_ndarray, m.frames):
            picture.pts, picture.time_base = at, Fraction(1, 1000)
            container.mux(stream.encode(picture))
            at += int(m.rng.integers(10, 300))
        container.mux(stream.encode(None))
    return m.path(".mkv"), m.wav(m.voice)


def rotated(m: Material) -> Path:
    """Lay the picture on its side and note in the header (`tkhd`) how it is to be turned upright."""
    path = m.mp4(np.rot90(m.frames, axes=(1, 2)), m.voice)
    content, quarter = path.read_bytes(), np.array([0, 65536, 0, -65536, 0, 0, 0, 0, 2**30], ">i4").tobytes()
    matrix = content.index(b"tkhd") + 44
    path.write_bytes(content[:matrix] + quarter + content[matrix + 36 :])
    return path


def odd_size(m: Material) -> tuple[Path, Path]:
    with av.open(str(m.path(".mkv")), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, pix_fmt="yuv444p")
        stream.width, stream.height = 101, 77
        for frame in m.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cv2.resize(frame, (101, 77)))))
        container.mux(stream.encode(None))
    return m.path(".mkv"), m.wav(m.voice)


def folder(m: Material) -> Path:
    m.path(".mp4").mkdir()
    return m.path(".mp4")


def forbidden(m: Material) -> Path:
    shutil.copy(m.film, m.path(m.film.suffix))
    m.path(m.film.suffix).chmod(0)
    return m.path(m.film.suffix)


def unicode_name(m: Material) -> Path:
    path = m.stem.with_name(f"{m.stem.name} Ärger, 'été' 笑顔 😀\u0301{m.film.suffix}")
    shutil.copy(m.film, path)
    return path


def link(m: Material, *, to: str) -> Path:
    m.path(".mp4").symlink_to(to or m.path(".mp4").name)
    return m.path(".mp4")


def pipe(m: Material) -> Path:
    os.mkfifo(m.path(".mp4"))
    return m.path(".mp4")


KINDS: dict[str, Callable] = {
    "truncated": truncated,
    "flipped_header": partial(flipped, header=True),
    "flipped_body": partial(flipped, header=False),
    "zero_bytes": lambda m: m.bytes(b"", ".mp4"),
    "random_bytes": lambda m: m.bytes(m.rng.bytes(50_000), ".mp4"),
    "film_named_wav": lambda m: m.bytes(m.film.read_bytes(), ".wav"),
    "wav_named_mp4": lambda m: m.wav(m.voice).rename(m.path(".mp4")),
    "text_named_flv": lambda m: m.bytes(b"not a film\n" * 100, ".flv"),
    "playlist_named_mp4": lambda m: m.bytes(f"#EXTM3U\n#EXTINF:3,\nfile://{m.film}\n".encode(), ".mp4"),
    "no_audio": lambda m: m.mp4(m.frames, None),
    "no_video": lambda m: m.mp4(None, m.voice),
    "one_frame": lambda m: m.mp4(m.frames[:1], m.voice),
    "no_face": no_face,
    "two_faces": two_faces,
    "nan_audio": partial(not_numbers, value=np.nan),
    "infinite_audio": partial(not_numbers, value=np.inf),
    "silent_audio": lambda m: m.mp4(m.frames, np.zeros(RATE, np.float32)),
    "of_50_ms": lambda m: m.mp4(m.frames[:1], m.voice[: RATE // 20], fps=20),
    "of_10_minutes": long,
    "variable_rate": variable_rate,
    "rotated": rotated,
    "odd_size": odd_size,
    "missing": lambda m: m.path(".mp4"),
    "folder": folder,
    "forbidden": forbidden,
    "unicode_name": unicode_name,
    "link_to_itself": partial(link, to=""),
    "link_to_nothing": partial(link, to="nowhere.mp4"),
    "pipe": pipe,
}
OFTEN = ["truncated", "flipped_header", "flipped_body"] * 3


def plan(n: int) -> list[str]:
    """Return the kinds of n files: each once, then those of chance most often, and ten minutes at most twice."""
    kinds = [kind for kind in KINDS if not (kind == "forbidden" and os.geteuid() == 0)]  # root may read everything
    rest = [kind for kind in kinds if kind not in (*OFTEN, "of_10_minutes")]
    again = ["of_10_minutes", *islice(cycle(OFTEN + rest), n)] if n >= 100 else cycle(OFTEN + rest)
    return [*kinds, *islice(again, max(0, n - len(kinds)))][:n]


def damage(files: list[Path], out: Path, *, n: int = 200, seed: int = 0, seconds: int = 600) -> pd.DataFrame:
    """Make n damaged files from recordings; return their clip table with the `kind` of each.

    `seconds` is the length of the long ones. The same seed makes the same files.
    """
    probes = {file: media.probe(file) for file in map(Path.resolve, files)}
    films = tuple(file for file, probe in probes.items() if probe.has_frames)
    sounds = tuple(file for file, probe in probes.items() if not probe.has_frames)
    out.mkdir(parents=True)
    rows = []
    for number, kind in enumerate(plan(n)):
        name = f"{number:03d}-{kind}"
        material = Material(films, sounds, np.random.default_rng([seed, number]), out / name)
        options = {"seconds": seconds} if kind == "of_10_minutes" else {}
        made = KINDS[kind](material, **options)
        path, audio_path = made if isinstance(made, tuple) else (made, made)
        rows.append({"clip": name, "kind": kind, "path": str(path), "audio_path": str(audio_path)})
    return pd.DataFrame(rows)


# What became of them.


def watched(done: Iterator, *, total: int, times: list[float], limit: float) -> Iterator:
    """Note the seconds that each result takes; end the process with a word when one takes too long."""

    def give_up():
        print(f"file {len(times)} of {total} takes longer than {limit:.0f} s", file=sys.stderr, flush=True)
        os._exit(1)

    while True:
        timer, began = threading.Timer(limit, give_up), time.perf_counter()
        timer.start()
        try:
            result = next(done)
        except StopIteration:
            return
        finally:
            timer.cancel()
        times.append(time.perf_counter() - began)
        yield result


def account(store: Store, clips: pd.DataFrame) -> pd.DataFrame:
    """Return the clip table with `state` (of `STATES`), `unnamed` reasons (no file in them) and `not_finite` arrays."""
    notes, rows = dict(list(store.quarantine.groupby("clip"))), []
    for clip in clips.to_dict("records"):
        mine = notes.get(clip["clip"], store.quarantine.head(0))
        left_out, ready = bool((mine["left_out"] != "").any()), clip["clip"] in store.index.index
        state = ("partly" if left_out else "prepared") if ready else ("quarantined" if left_out else "neither")
        files = clip["path"], clip["audio_path"]
        unnamed = sum(not any(file in reason for file in files) for reason in mine["reason"])
        bad = [name for name, array in arrays(store, clip["clip"]).items() if not np.isfinite(array).all()]
        rows.append(clip | {"state": state, "unnamed": unnamed, "not_finite": len(bad)})
    return pd.DataFrame(rows)


def arrays(store: Store, clip: str) -> dict[str, np.ndarray]:
    """Return what the store has of a clip, by name."""
    names = [column.removesuffix("_length") for column in store.index if column.endswith("_length")]
    return {name: store.array(name, clip) for name in names if store.lengths(name, [clip])[0]}


def same(one: Store, two: Store) -> bool:
    """Tell whether two stores hold the same clips, arrays and quarantine."""
    if not (one.index.equals(two.index) and one.quarantine.equals(two.quarantine)):
        return False
    pairs = ((arrays(one, clip), arrays(two, clip)) for clip in one.index.index)
    return all(a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a) for a, b in pairs)


def main() -> None:
    """Make the files, prepare them with one process and with two, print the account."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="recordings, some of them films with a face")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--n", type=int, default=200, help="files to make")
    parser.add_argument("--out", type=Path, help="folder to make, kept [default: a temporary one]")
    parser.add_argument("--limit", type=float, default=120, help="seconds that one file may take")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out, times = given.out or Path(scratch) / "fuzz", []
        clips = damage(given.files, out / "files", n=given.n, seed=given.seed)
        one, two = Store(out / "store"), Store(out / "store2")
        prepare.fill(one, clips, Recipe(), progress=partial(watched, times=times, limit=given.limit))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        prepare.fill(two, clips, Recipe(), jobs=2, progress=partial(watched, times=[], limit=given.limit))
        table = account(Store(out / "store"), clips)
        equal = same(Store(out / "store"), Store(out / "store2"))
    counts = {state: int((table["state"] == state).sum()) for state in STATES}
    report = {"files": len(table), **counts, "unnamed": int(table["unnamed"].sum())}
    report |= {"not_finite": int(table["not_finite"].sum()), "same_with_two_processes": equal}
    report |= {"seconds": round(sum(times), 1), "slowest_seconds": round(max(times), 1)}
    report |= {"slowest": clips["clip"][int(np.argmax(times))], "peak_mb": round(peak)}
    if given.json:
        print(json.dumps(report))
    else:
        kinds = pd.crosstab(table["kind"], table["state"]).reindex(columns=STATES, fill_value=0)
        print(kinds.loc[table["kind"].unique()].to_string(), "", pd.Series(report).to_string(), sep="\n")
    sys.exit(bool(report["neither"] or report["unnamed"] or report["not_finite"] or not equal))


if __name__ == "__main__":
    main()
