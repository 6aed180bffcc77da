# `make run` and `make test` need Python 3.11 and nothing else: they make the virtual environment themselves.
PYTHON ?= python3
VENV ?= .venv
# Test processes; each loads the models, about 2 GB.
WORKERS ?= 2
BIN := $(VENV)/bin
export DAGSTER_HOME := $(CURDIR)/.dagster_home
export RMN_PROJECT := $(CURDIR)
# Nothing is downloaded at run time and nothing is reported to anybody.
export HF_HUB_OFFLINE := 1
export MLFLOW_DISABLE_TELEMETRY := true
# One thread per physical core and no spinning: oversubscription costs a factor of 5 to 10 on small models.
export OMP_WAIT_POLICY := passive
export KMP_BLOCKTIME := 0

.PHONY: help run ui test attack lint unit end_to_end definitions sample pretrain clean

help:  ## what can be made
	@grep -E '^[a-z_]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), f"Python 3.11 to 3.13 is needed, this is {sys.version.split()[0]}: set PYTHON=/path/to/python3.11"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[governance]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[governance,serve,dev]'
	touch $@

$(DAGSTER_HOME)/dagster.yaml: dagster.yaml
	mkdir -p $(DAGSTER_HOME)
	cp dagster.yaml $@

run: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## raw feeds to comparison report, everything in between
	$(BIN)/python -m rmn_pipeline

ui: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml  ## Dagster's webserver and daemon, and MLflow
	$(BIN)/python -m rmn_pipeline.defs.ui

sample: $(VENV)/.installed  ## write the sample market's landing files
	$(BIN)/python -m rmn_pipeline.world.cli

pretrain: $(VENV)/.installed  ## pretrain the small base model again (75 minutes unless told otherwise)
	$(BIN)/python -m rmn_pipeline.lora.pretrain

attack: $(VENV)/.installed  ## attack the clean room: every attack beside an unprotected control (SIZE=ci or full)
	$(BIN)/python -m rmn_pipeline.cleanroom.attacks --size $(or $(SIZE),ci)

lint: $(VENV)/.installed-dev  ## style, types, house rules for imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

definitions: $(VENV)/.installed $(DAGSTER_HOME)/dagster.yaml
	$(BIN)/dagster definitions validate -w workspace.yaml

test: lint definitions  ## lint, types, import rules, unit and end-to-end tests with coverage
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered

clean:  ## remove every output (not the virtual environment)
	rm -rf data/lake data/reports data/landing/*/log data/brands/*/private .dagster_home
	find adapters -mindepth 1 -maxdepth 1 -not -name base -not -name README.md -exec rm -rf {} +
