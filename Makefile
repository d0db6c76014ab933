# Two commands do everything on a machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m workbench
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.installed-tools
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# What the notebooks import, by one process, with librosa's functions: two at once can spoil numba's cache.
FIRST := import ipykernel.kernelapp, jupyterlab.labapp, papermill, umap, voila.app; \
	import workbench.embedding, workbench.figures, workbench.interact.live, workbench.interact.explorer; \
	import workbench.interact.training, workbench.studies.running; from workbench.doctor import compiled; compiled()
PACKAGES := $(VENV)/lib/python3*/site-packages
SUDO := $(shell [ `id -u` -eq 0 ] || echo sudo)

# pip compiles every module of a package; Python compiles, and keeps, those that are imported.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup tools demo test chromium test-browser lint lab figures clean

help:  ## Show this.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(STAMP)  ## Make .venv and install what the demo needs, with the versions of constraints.txt.

tools: $(TOOLS)  ## Add the tools of development and the extras that the tests need.

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or newer is needed, found {v.major}.{v.minor}: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || { $(PYTHON) -m venv $(VENV) && touch $(VENV)/.made-by-make; }
	$(PIP) --no-compile -e '.[landmarks]'
	@# The tests that packages bring along are 200 MB, and nothing imports them. An environment made elsewhere keeps them.
	test ! -e $(VENV)/.made-by-make || \
		{ find $(PACKAGES) -type d \( -name tests -o -path '*/torch/test' \) -prune -exec rm -rf {} + && rm -f $(PACKAGES)/torch/bin/test_*; }
	$(BIN)/python -c '$(FIRST)'
	touch $@

$(TOOLS): $(STAMP)
	$(PIP) -e '.[dev,cluster,egemaps,onnx,praat,pretrained,tensorboard]'
	touch $@

demo: setup  ## Make the embedded corpus, run every notebook on it; the last draws every figure.
	$(RUN) corpus fetch demo
	$(RUN) notebooks --profile demo

test: tools  ## Lint and run all tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

chromium:  ## Install Chromium if there is none (Debian's, by apt).
	command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }

test-browser: tools chromium  ## Drive the widgets and pages in a headless Chromium; pictures are left in data/screenshots.
	$(PIP) -e '.[browser]'
	$(BIN)/python -m pytest tests/browser -n 2 --dist loadfile --no-loadscope-reorder

lint: tools  ## Format and lint in place.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lab: setup  ## Open JupyterLab on the notebooks.
	$(BIN)/jupyter lab --notebook-dir=notebooks

figures: setup  ## Draw every figure again from saved predictions, without training.
	$(RUN) figures

clean:  ## Remove caches; data/ and figures/ stay.
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache
