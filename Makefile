# The two commands of the README: each makes its own environment, installs and runs.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: train test fast slow lint

train: .venv/installed
	$(BIN)/python tools/train.py configs/cxr_r1.yaml

test: .venv/installed fast slow

fast: .venv/installed
	$(BIN)/python -m pytest -q -m "not slow"

slow: .venv/installed
	$(BIN)/python -m pytest -q -m slow

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch and torchvision come from the registry together: a CPU build of one breaks the other
.venv/installed: pyproject.toml setup.cfg
	$(PYTHON) -m venv .venv || (echo "Python's venv is missing: apt-get install python3.11-venv" && exit 1)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@
