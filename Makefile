# Each target sets up all it needs on a machine that has only Python (>= 3.10) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LABEL_VENV := .venv-label
DEMO := demo

.PHONY: demo test lint bench docs figures clean label test-label

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# torch by itself first: a pinned version finds a CPU build where one is offered
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/ready
	$(BIN)/python -m monai_lsext.apps.demo --output $(DEMO)

test: lint
	@# one thread a process: two processes of two threads each take many times longer on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not real_data and not label"

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready
	for name in racenet dp_snake edpcnn conv_lstm level_set rls crls; do $(BIN)/python -m benchmarks.bench_$$name || exit 1; done

docs: $(VENV)/ready
	$(BIN)/mkdocs build

figures: demo
	$(BIN)/python docs/make_figures.py $(DEMO)

# MONAI Label by itself pulls CUDA builds: its light requirements first, then the rest without dependencies
$(LABEL_VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(LABEL_VENV)
	$(LABEL_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(LABEL_VENV)/bin/python -m pip install --quiet -c constraints.txt torch
	$(LABEL_VENV)/bin/python -m pip install --quiet -c constraints.txt -e '.[label]'
	$(LABEL_VENV)/bin/python -m pip install --quiet --no-deps monailabel==0.8.5 pydicom-seg==0.4.1 torchvision==0.28.0
	@touch $@

label: $(LABEL_VENV)/ready
	@test -n "$(STUDIES)" || { echo "make label STUDIES=folder with images or DICOM"; exit 2; }
	$(LABEL_VENV)/bin/python -m monai_lsext.apps.label --studies "$(STUDIES)"

test-label: $(VENV)/ready $(LABEL_VENV)/ready
	OMP_NUM_THREADS=1 LSEXT_LABEL_PYTHON=$(abspath $(LABEL_VENV))/bin/python $(BIN)/python -m pytest -m label

clean:
	rm -rf $(VENV) $(LABEL_VENV) $(DEMO) site .pytest_cache .mypy_cache .ruff_cache
