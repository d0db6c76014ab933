# Two commands do everything on a machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python -m workbench
STAMP := $(VENV)/.installed
SUDO := $(shell [ `id -u` -eq 0 ] || echo sudo)

.PHONY: help setup demo test chromium test-browser lint lab figures clean

help:  ## Show this.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(STAMP)  ## Make .venv and install the workbench in it, with the versions of constraints.txt.

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or newer is needed, found {v.major}.{v.minor}: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,landmarks,cluster,egemaps,onnx,praat,pretrained,tensorboard]'
	$(BIN)/python -c 'from workbench.doctor import compiled; compiled()'  # by one process: two at once can spoil the cache
	touch $@

demo: setup  ## Make the embedded corpus, run every notebook on it; the last draws every figure.
	$(RUN) corpus fetch demo
	$(RUN) notebooks --profile demo

test: setup  ## Lint and run all tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

chromium:  ## Install Chromium if there is none (Debian's, by apt).
	command -v chromium >/dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }

test-browser: setup chromium  ## Drive the widgets and pages in a headless Chromium; pictures are left in data/screenshots.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	$(BIN)/python -m pytest tests/browser -n 2 --dist loadfile --no-loadscope-reorder

lint: setup  ## Format and lint in place.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lab: setup  ## Open JupyterLab on the notebooks.
	$(BIN)/jupyter lab --notebook-dir=notebooks

figures: setup  ## Draw every figure again from saved predictions, without training.
	$(RUN) figures

clean:  ## Remove caches; data/ and figures/ stay.
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache
