"""Make `torchaudio` importable beside a CPU build of torch.

The compiled extension in torchaudio's last wheel (2.11) does not load there, although everything the
workbench uses (transforms, functional, models) is plain PyTorch. The package installs this import hook
first of all: when somebody (we, or transformers) imports torchaudio, its extension is tried, and where
that fails a stub stands in. Nothing is imported before it is wanted, so `workbench --help` stays quick.
`torchaudio.load` and `save` stay unusable: read sound with `workbench.media`.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        try:
            self.loader.exec_module(module)
        except (OSError, ImportError, RuntimeError):
            module._IS_TORCHAUDIO_EXT_AVAILABLE = module._IS_ALIGN_AVAILABLE = False
            module._check_cuda_version = lambda: None
            module.fail_if_no_align = lambda function: function


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torchaudio._extension":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def install() -> None:
    """Put the hook in front of the import path, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
