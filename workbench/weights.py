"""Pretrained weights: declared with address, size, checksum and licence; found, verified, and fetched when asked.

`find(name)` gives the files or one error with the command that brings them. Nothing is downloaded unasked.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench import paths
from workbench.download import digest, download
from workbench.errors import WorkbenchError, choose
from workbench.remotes import Remote

GITHUB = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class Weight:
    """The weights of one model.

    `remotes` are its files, in the order in which `find` returns them. `copies` names, for a file, checksums of other
    copies in circulation that serve as well. `package` is a Python package (and `folder` the one inside it) that
    carries the files: such weights are installed, not downloaded.
    """

    name: str
    title: str
    licence: str
    citation: str
    home: str
    remotes: tuple[Remote, ...]
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    package: str = ""
    folder: str = ""

    @property
    def command(self) -> str:
        """What brings the files."""
        return f"pip install {self.package}" if self.package else f"workbench weights fetch {self.name}"


def _remote(part: str, url: str, size: int, sha256: str) -> Remote:
    return Remote(url.rsplit("/", 1)[1], url, part, size, f"sha256:{sha256}")


# The checksums are those of the copies that this project was measured with. Where the publisher names one too, they
# agree: YuNet's Git LFS pointer, and the SHA-1 of the SSD weights in OpenCV's weights.meta4.
_DECLARED = (
    Weight(
        name="yunet",
        title="YuNet face detector (OpenCV Zoo, March 2023)",
        licence="MIT",
        citation="W. Wu, H. Peng, S. Yu (2023). YuNet: a tiny millisecond-level face detector. Machine Intelligence "
        "Research 20, 656-665. https://doi.org/10.1007/s11633-023-1423-y",
        home="https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet",
        remotes=(
            _remote(
                "yunet",
                "https://media.githubusercontent.com/media/opencv/opencv_zoo/main/models/face_detection_yunet/"
                "face_detection_yunet_2023mar.onnx",
                232_589,
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            ),
        ),
    ),
    Weight(
        name="resnet_ssd",
        title="ResNet-10 SSD face detector of OpenCV, 8 bit",
        licence="Apache-2.0 for the network's description (part of OpenCV); the publisher names none for the weights",
        citation="OpenCV's face detector: W. Liu et al. (2016), SSD: single shot multibox detector. ECCV, "
        "https://doi.org/10.1007/978-3-319-46448-0_2, on a reduced ResNet-10, trained by A. Nikitin for OpenCV",
        home="https://github.com/opencv/opencv/tree/4.x/samples/dnn/face_detector",
        remotes=(
            _remote(
                "resnet_ssd",
                f"{GITHUB}/opencv/opencv_3rdparty/dnn_samples_face_detector_20180220_uint8/"
                "opencv_face_detector_uint8.pb",
                2_727_750,
                "5c71d752ef2cbf2f457ac82fdd580fcb2522fd04c5efdaed18eb6d9e2843fbed",
            ),
            _remote(
                "resnet_ssd",
                f"{GITHUB}/opencv/opencv/ab129cfb80ea437e194c702f4b39fd67153ee15c/samples/dnn/face_detector/"
                "opencv_face_detector.pbtxt",
                34_912,
                "5397808362fc6fb7c4044484848e297b22449d913a267fa7f8bd9d86dce29144",
            ),
        ),
        copies={  # without the line feed at its end
            "opencv_face_detector.pbtxt": ("sha256:2e2c720657684a43c7c99f321cd872138aa3e68cb036f6103c1d8a4f732608e0",)
        },
    ),
    Weight(
        name="mtcnn",
        title="MTCNN face detector (PyTorch weights of facenet-pytorch)",
        licence="MIT",
        citation="K. Zhang, Z. Zhang, Z. Li, Y. Qiao (2016). Joint face detection and alignment using multi-task "
        "cascaded convolutional networks. IEEE Signal Processing Letters 23(10). "
        "https://doi.org/10.1109/LSP.2016.2603342",
        home="https://github.com/timesler/facenet-pytorch",
        remotes=tuple(
            _remote("mtcnn", f"{GITHUB}/timesler/facenet-pytorch/master/data/{file}", size, sha256)
            for file, size, sha256 in (
                ("pnet.pt", 28_570, "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f"),
                ("rnet.pt", 403_147, "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86"),
                ("onet.pt", 1_559_269, "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d"),
            )
        ),
    ),
    Weight(
        name="landmarks68",
        title="dlib's 68 facial landmarks (the extra `landmarks`)",
        licence="CC0 for the file; trained on 300-W, whose pictures are for research only",
        citation="V. Kazemi, J. Sullivan (2014). One millisecond face alignment with an ensemble of regression trees. "
        "CVPR. https://doi.org/10.1109/CVPR.2014.241",
        home="https://github.com/davisking/dlib-models",
        remotes=(
            _remote(
                "landmarks68",
                "https://github.com/ageitgey/face_recognition_models/raw/master/face_recognition_models/models/"
                "shape_predictor_68_face_landmarks.dat",
                99_693_937,
                "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
            ),
        ),
        package="face-recognition-models",
        folder="models",
    ),
)
WEIGHTS: dict[str, Weight] = {weight.name: weight for weight in _DECLARED}


def weight(name: str) -> Weight:
    """Return the declaration called `name`.

    Raises
    ------
    WorkbenchError
        For an unknown name; the choices are listed.
    """
    return WEIGHTS[choose("weights", name, WEIGHTS)]


def places(name: str, path: str | Path | None = None) -> list[Path]:
    """Return the folders in which `find` looks, in order.

    `path` (or, for a file, its folder), `$WORKBENCH_WEIGHTS`, `weights` in the data folder, and the package that
    carries them where there is one.
    """
    given = [Path(path).expanduser()] if path else []
    found = [place.parent if place.is_file() else place for place in [*given, *paths.weights()]]
    declared = weight(name)
    spec = importlib.util.find_spec(declared.package.replace("-", "_")) if declared.package else None
    if spec and spec.submodule_search_locations:
        found.append(Path(spec.submodule_search_locations[0]) / declared.folder)
    return found


def find(name: str, path: str | Path | None = None) -> tuple[Path, ...]:
    """Return the verified files of the weights called `name`, in the order of their declaration.

    Parameters
    ----------
    path : str or Path, optional
        A folder that holds them, or the file itself (whatever it is called, if the weights are one file); looked at
        before the other `places`.

    Raises
    ------
    WorkbenchError
        If a file is in none of the places (they are named, with the command that brings it), or if the bytes of one
        are not those declared.
    """
    declared = weight(name)
    if path and len(declared.remotes) == 1 and Path(path).expanduser().is_file():
        return (_verified(declared, declared.remotes[0], Path(path).expanduser()),)
    return tuple(_verified(declared, remote, _where(declared, remote, path)) for remote in declared.remotes)


def where(name: str) -> Path | None:
    """Return the folder in which all files of the weights called `name` are (unverified), or None."""
    files = [remote.name for remote in weight(name).remotes]
    return next((place for place in places(name) if all((place / file).is_file() for file in files)), None)


def fetch(
    name: str,
    *,
    accept_licence: bool = False,
    source: str | Path | None = None,
    progress: Callable = lambda items, **_: items,
    **options,
) -> tuple[Path, ...]:
    """Bring the files of the weights called `name` into `$WORKBENCH_WEIGHTS` or `weights` in the data folder.

    Parameters
    ----------
    accept_licence : bool
        That the licence was read and accepted; without it nothing is brought.
    source : str or Path, optional
        A folder that holds copies of the files; they are verified and copied, and no network is used.
    options : of `download`

    Raises
    ------
    WorkbenchError
        Without `accept_licence`, for weights that come as a package, or as `download` and `find` do.
    """
    declared = weight(name)
    if declared.package:
        raise WorkbenchError(f"weights {name!r} come as a package: run `{declared.command}`")
    if not accept_licence:
        raise WorkbenchError(
            f"weights {name!r} are under this licence: {declared.licence} ({declared.home}); accept it with "
            f"`{declared.command} --accept-licence`"
        )
    folder = places(name)[0]
    folder.mkdir(parents=True, exist_ok=True)
    for remote in declared.remotes:
        if source:
            _copy(_verified(declared, remote, _where(declared, remote, source, only=True)), folder / remote.name)
        elif not _is_good(declared, remote, folder / remote.name):
            download(remote, folder, progress=progress, **options)
    return find(name, folder)


_known: set[tuple] = set()  # files verified by this process: (path, size, time of change, checksum)


def _where(declared: Weight, remote: Remote, path: str | Path | None, *, only: bool = False) -> Path:
    """Return the first of the places that holds the file; `only`: none but `path` counts."""
    looked = [Path(path).expanduser()] if path and only else places(declared.name, path)
    found = next((place / remote.name for place in looked if (place / remote.name).is_file()), None)
    if not found:
        raise WorkbenchError(
            f"weights {declared.name!r}: expected {remote.name}, found no such file in {', '.join(map(str, looked))}; "
            f"run `{declared.command}`, or set WORKBENCH_WEIGHTS to the folder that holds it"
        )
    return found


def _verified(declared: Weight, remote: Remote, file: Path) -> Path:
    """Return `file` if its bytes are those declared; each file is read once a process."""
    state = file.stat()
    key = (str(file.resolve()), state.st_size, state.st_mtime_ns, remote.checksum)
    if key not in _known:
        found = digest(file, "sha256")
        if found not in (remote.checksum, *declared.copies.get(remote.name, ())):
            raise WorkbenchError(
                f"weights {declared.name!r}: {file} is not the declared file: expected {remote.size} bytes with "
                f"{remote.checksum}, found {state.st_size} bytes with {found}; delete it and run `{declared.command}`"
            )
        _known.add(key)
    return file


def _is_good(declared: Weight, remote: Remote, file: Path) -> bool:
    return file.is_file() and digest(file, "sha256") in (remote.checksum, *declared.copies.get(remote.name, ()))


def _copy(file: Path, into: Path) -> None:
    """Copy a file; `into` is complete or not there."""
    if into.is_file() and file.samefile(into):
        return
    part = into.with_name(f".{into.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(file, part)
        os.replace(part, into)
    finally:
        part.unlink(missing_ok=True)
