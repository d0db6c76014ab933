"""Packages that a command or a plain import may not load: each of them takes tenths of a second, in every process."""

import subprocess
import sys

import numpy as np
import pytest

from workbench import classifiers
from workbench.models import classical

NOTEBOOK = {"IPython", "ipywidgets", "plotly", "papermill"}
COMPILERS = {"numba", "torch._dynamo", "torch._inductor", "sympy"}
UNUSED = NOTEBOOK | COMPILERS | {"dask", "pytest", "accelerate", "requests", "transformers", "umap", "skops"}
HEAVY = {"torch", "sklearn", "scipy.signal", "scipy.stats", "scipy.optimize"}
NUMERIC = {"numpy", "pandas", "scipy", "sklearn", "torch", "matplotlib", "cv2", "av", "librosa"}
HELP = """
import sys
from workbench import cli
sys.argv = ["workbench", "--help"]
try:
    cli.main()
except SystemExit:
    pass
"""
PREDICT = """
import numpy as np
from workbench import acoustics, classifiers, media, predict
acoustics.mel_spectrogram(np.ones(8000, np.float32))
acoustics.spectrogram(np.ones(8000, np.float32))
media.speech_span(np.ones(8000, np.float32), sample_rate=16000)
classifiers.load({path!r})
"""


def loaded(script: str, packages: set[str]) -> list[str]:
    """Return those of `packages` that a new interpreter has loaded after `script`."""
    script += f"\nimport sys\nprint(*sorted({packages!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("script", "packages"),
    [
        ("import workbench", UNUSED | NUMERIC),
        (HELP, UNUSED | NUMERIC),
        ("from workbench import runs, paths, datasets", UNUSED | HEAVY | {"matplotlib"}),
        ("from workbench import datasets, evaluation, plots, runs, studies", UNUSED | HEAVY),
        ("import workbench.figures", UNUSED | HEAVY),
        ("import workbench.prepare", UNUSED | HEAVY | {"matplotlib"}),
        ("import workbench.predict", UNUSED | {"matplotlib"}),
        ("import workbench.interact.timeline", UNUSED | {"matplotlib", "workbench.plots"}),
    ],
    ids=["package", "help", "data", "notebook", "figures", "prepare", "predict", "timeline"],
)
def test_what_is_not_needed_is_not_imported(script, packages):
    assert loaded(script, packages) == []


def test_a_prediction_imports_neither_compilers_nor_all_of_scikit_learn(tmp_path):
    rng = np.random.default_rng(0)
    model = classical.make("logistic_regression").fit(rng.random((20, 3)), ["sad", "happy"] * 10)
    path = tmp_path / "model.skops"
    classifiers.save(model, path)
    packages = UNUSED - {"skops"} | {"matplotlib", "sklearn.gaussian_process", "sklearn.mixture"}
    assert loaded(PREDICT.format(path=str(path)), packages) == []
