"""Networks of the `transformers` library: found on this machine, or fetched from the Hugging Face hub when asked."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from workbench import paths
from workbench.errors import WorkbenchError, choose

CONFIG = ("config.json",)
TENSORS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENISER = ("tokenizer.json", "vocab.json")
_UNUSED = ("pooler.", "masked_spec_embed")  # parts of the networks that no encoder here uses


def places(weights: str | Path) -> list[Path]:
    """Return the folders in which `locate` looks, in order.

    `weights` itself, a folder of that name in `$WORKBENCH_WEIGHTS` and in `weights` of the data folder, and the copy in
    the hub's own cache, where there is one (else the cache's folder for it).
    """
    given = Path(weights).expanduser()
    if not _is_hub_name(weights):
        return [given]
    from huggingface_hub import constants, try_to_load_from_cache

    cached = try_to_load_from_cache(str(weights), "config.json", cache_dir=constants.HF_HUB_CACHE)
    folder = Path(constants.HF_HUB_CACHE) / ("models--" + str(weights).replace("/", "--"))
    cached = Path(cached).parent if isinstance(cached, str) else folder
    return [given, *(root / weights for root in paths.weights()), cached]


def locate(weights: str | Path, *, wants: Sequence[Sequence[str]] = (CONFIG, TENSORS), download: bool = False) -> Path:
    """Return the first of the `places` that holds the wanted files.

    Parameters
    ----------
    weights : str or Path
        A folder, or a name on the hub.
    wants : sequence of sequences of str
        Of each, one file has to be there.
    download : bool
        Fetch what is not there into `$WORKBENCH_WEIGHTS` or `weights` of the data folder.

    Raises
    ------
    WorkbenchError
        If no place has them: what is missing, where it was looked for, and the command that brings it.
    """
    looked = places(weights)
    for folder in looked:
        if not _missing(folder, wants):
            return folder
    if download and _is_hub_name(weights):
        return _fetch(str(weights), paths.weights()[0] / weights)
    begun = [f"{folder} (without {' and '.join(_missing(folder, wants))})" for folder in looked if folder.is_dir()]
    into = paths.weights()[0] / weights
    brings = (
        f"run `hf download {weights} --local-dir {into}`, copy the folder there from a machine that has it, or ask for "
        "it with download=True"
        if _is_hub_name(weights)
        else "give the folder that holds them, or a name on the hub such as facebook/wav2vec2-base"
    )
    raise WorkbenchError(
        f"weights {str(weights)!r}: expected {' and '.join(' or '.join(files[:3:2]) for files in wants)}, found no "
        f"such files in {', '.join(begun + [str(folder) for folder in looked if not folder.is_dir()])}; {brings}"
    )


def backbone(
    weights: str | Path, config: Mapping | None, types: Sequence[str], *, download: bool = False, **fields
) -> tuple[nn.Module, Path | None]:
    """Return a network with its weights and their folder, or, from `config` alone, with random weights and None.

    Parameters
    ----------
    weights : str or Path
        As in `locate`; or "".
    config : mapping, optional
        `model_type` and other fields of the network's configuration.
    types : sequence of str
        The model types that will do.
    fields : of the configuration, set in either case.

    Raises
    ------
    WorkbenchError
        If transformers is not installed, if not exactly one of `weights` and `config` is given, for another type of
        model, if the files lack weights of the network or cannot be read, or as `locate` does.
    """
    needs_transformers()
    from transformers import AutoConfig, AutoModel

    if bool(weights) == bool(config):
        raise WorkbenchError("expected either weights (a folder or a name on the hub) or config, found both or neither")
    if config:
        options = {**config, **fields}
        kind = choose("model_type", options.pop("model_type", ""), types)
        options.pop("transformers_version", None)
        return AutoModel.from_config(AutoConfig.for_model(kind, **options)), None
    folder = locate(weights, download=download)
    try:
        with _quiet():
            settings = AutoConfig.from_pretrained(folder, local_files_only=True)
            choose(f"model_type in {folder}", settings.model_type, types)
            settings.update(fields)
            network, report = AutoModel.from_pretrained(
                folder, config=settings, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
    except WorkbenchError:
        raise
    except Exception as error:
        raise WorkbenchError(f"weights in {folder} cannot be read: {type(error).__name__}: {error}") from error
    lacking = sorted(name for name in report["missing_keys"] if not name.startswith(_UNUSED))
    if lacking:
        raise WorkbenchError(f"weights in {folder}: {len(lacking)} of the network's tensors are missing ({lacking[0]})")
    return network, folder


def needs_transformers() -> None:
    """Raise WorkbenchError if the package transformers is not installed."""
    if importlib.util.find_spec("transformers") is None:
        raise WorkbenchError(
            "pretrained encoders need the package transformers, which is not installed: "
            "pip install 'workbench[pretrained]' (or pip install transformers)"
        )


@contextmanager
def _quiet():
    """No progress bar, and no report of the tensors that were not wanted: what lacks is an error here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _is_hub_name(weights: str | Path) -> bool:
    return isinstance(weights, str) and bool(re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", weights))


def _missing(folder: Path, wants: Sequence[Sequence[str]]) -> list[str]:
    return [" or ".join(files[:3:2]) for files in wants if not any((folder / file).is_file() for file in files)]


def _fetch(name: str, into: Path) -> Path:
    """Bring configuration, tokeniser and weights (safetensors, where there are some) of `name` from the hub."""
    from huggingface_hub import list_repo_files, snapshot_download

    try:
        files = list_repo_files(name)
        tensors = [file for file in files if re.fullmatch(r"model[\w.-]*\.safetensors", file)] or ["pytorch_model*.bin"]
        snapshot_download(name, local_dir=into, allow_patterns=["*.json", "*.txt", *tensors])
    except Exception as error:
        raise WorkbenchError(f"weights {name!r} could not be fetched from the hub into {into}: {error}") from error
    return locate(str(into))
