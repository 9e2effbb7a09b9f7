# Each target sets up all it needs on a machine that has only Python (>= 3.10) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo

.PHONY: demo test lint bench docs figures clean

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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not real_data"

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready
	for name in racenet dp_snake edpcnn conv_lstm level_set rls; do $(BIN)/python -m benchmarks.bench_$$name || exit 1; done

docs: $(VENV)/ready
	$(BIN)/mkdocs build

figures: demo
	$(BIN)/python docs/make_figures.py $(DEMO)

clean:
	rm -rf $(VENV) $(DEMO) site .pytest_cache .mypy_cache .ruff_cache
