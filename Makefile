# Each target sets up all it needs on a machine that has only Python (>= 3.10) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LABEL_VENV := .venv-label
DEPLOY_VENV := .venv-deploy
DEMO := demo

.PHONY: demo test lint bench reproduce docs figures clean label test-label deploy test-deploy

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
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not real_data and not label and not deploy"

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# make bench [COMPARE=1]
bench: $(VENV)/ready
	$(BIN)/python -m benchmarks $(if $(COMPARE),--compare)

# LSEXT_DATA=FOLDER make reproduce [TASK=bundle] [PLAN=1]
reproduce: $(VENV)/ready
	$(BIN)/python -m benchmarks.reproduce $(TASK) $(if $(PLAN),--plan)

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

# MONAI Deploy wants older versions of two packages
$(DEPLOY_VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEPLOY_VENV)
	grep -vE '^(protobuf|ml_dtypes)==' constraints.txt > $(DEPLOY_VENV)/constraints.txt
	$(DEPLOY_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(DEPLOY_VENV)/bin/python -m pip install --quiet -c $(DEPLOY_VENV)/constraints.txt torch
	$(DEPLOY_VENV)/bin/python -m pip install --quiet -c $(DEPLOY_VENV)/constraints.txt -e '.[deploy]'
	@touch $@

deploy: $(DEPLOY_VENV)/ready
	@test -n "$(BUNDLE)" -a -n "$(STUDIES)" -a -n "$(OUTPUT)" || { \
	  echo "make deploy BUNDLE=name STUDIES=DICOM-folder OUTPUT=folder"; exit 2; }
	ulimit -s 32768 || true; $(DEPLOY_VENV)/bin/python -m monai_lsext.apps.deploy \
	  --bundle "$(BUNDLE)" --input "$(STUDIES)" --output "$(OUTPUT)"

test-deploy: $(VENV)/ready $(DEPLOY_VENV)/ready
	OMP_NUM_THREADS=1 LSEXT_DEPLOY_PYTHON=$(abspath $(DEPLOY_VENV))/bin/python $(BIN)/python -m pytest -m deploy

clean:
	rm -rf $(VENV) $(LABEL_VENV) $(DEPLOY_VENV) $(DEMO) site .pytest_cache .mypy_cache .ruff_cache
