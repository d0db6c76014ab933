"""Demo corpora for tests. A clip depends on its name only, so each is made once for all corpora and processes."""

import os
import shutil

import pytest
from filelock import FileLock

from workbench.datasets import demo


def session_folder(tmp_path_factory):
    """Return the folder that all processes of one call of pytest share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def generate(root, tmp_path_factory, **options):
    """Return `demo.generate(root, **options)`; clips that another corpus of the session has are copied."""
    clips, make = session_folder(tmp_path_factory) / "clips", demo._make

    def make_once(take, *, root, **rest):
        made = demo._files(clips, take.clip)
        if not all(path.is_file() for path in made):
            make(take, root=clips, **rest)
        for path, copy in zip(made, demo._files(root, take.clip), strict=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        return take.clip

    with FileLock(clips.with_suffix(".lock")), pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "_make", make_once)
        return demo.generate(root, jobs=1, **options)
