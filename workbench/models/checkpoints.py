"""Weights that were trained elsewhere, from a file that the user names."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from workbench import paths
from workbench.errors import WorkbenchError


def locate(path: str | Path) -> Path:
    """Return the file at `path`, or of that name in one of the folders of weights (`paths.weights`).

    Raises
    ------
    WorkbenchError
        If there is none; the places are named.
    """
    given = Path(path).expanduser()
    places = list(dict.fromkeys([given, *(folder / given for folder in paths.weights())]))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise WorkbenchError(
            f"no weights at {' or '.join(map(str, places))}: copy the file there, or name the one you have with "
            "weights=PATH"
        )
    return found


def read(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors` file, or of one that `torch.save` wrote (read without running its code).

    What wraps them, a `state_dict` beside the training's state or the `module.` of several GPUs, is taken off.

    Raises
    ------
    WorkbenchError
        If there is no such file (see `locate`), or it holds something else.
    """
    path = locate(path)
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
        return {name.removeprefix("module."): x for name, x in state.items() if isinstance(x, Tensor)}
    except Exception as error:
        raise WorkbenchError(f"{path}: expected tensors by name, found {type(error).__name__}: {error}") from error


def fill(net: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    """Load `state`, read from `path`, into `net`; its counts of batches and tensors unknown to `net` are left out.

    Raises
    ------
    WorkbenchError
        If a tensor is missing or has another shape; the error names the first such.
    """
    for name, wanted in net.state_dict().items():
        found = state.get(name)
        if name.endswith("num_batches_tracked") or (found is not None and found.shape == wanted.shape):
            continue
        shape = "none" if found is None else tuple(found.shape)
        raise WorkbenchError(f"weights {path}: expected {name} {tuple(wanted.shape)}, found {shape}")
    own = net.state_dict()
    net.load_state_dict(own | {name: x for name, x in state.items() if name in own})
