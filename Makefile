# Two commands do everything on a bare machine: `make run` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
DENSE := mnist_mlp --optimizer rmsprop rmsprop_adam rmsprop_adam_tweaked
CONVOLUTIONAL := mnist_dcgan --optimizer adam --members 1
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: run demo test check fix format lint types imports figures schemas wheel-chain clean

## run: install, train the demo configurations, open the Dagster UI on 127.0.0.1:$(PORT)
run: demo
	@$(BIN)/ganforge ui --port $(PORT)

## demo: install and train the demo configurations, without the UI
demo: .venv/installed
	@echo "== training the demo: ganforge materialize $(DENSE)"
	@$(BIN)/ganforge materialize $(DENSE)
	@echo "== and beside it: ganforge materialize $(CONVOLUTIONAL)"
	@$(BIN)/ganforge materialize $(CONVOLUTIONAL)
	@$(BIN)/ganforge reports
	@echo "== the same as a page, to open in a browser: data/comparison/mnist_mlp/comparison.html"

## test: install and run the whole fast test suite
test: .venv/tested
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

## check: format, lint, types, import contracts and tests
check: format lint types imports test

## fix: mend what ruff can mend, and format
fix: .venv/tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

format: .venv/tested
	$(BIN)/ruff format --check .

lint: .venv/tested
	$(BIN)/ruff check .

types: .venv/tested
	$(BIN)/mypy

imports: .venv/tested
	$(BIN)/lint-imports

## figures: run the demo and make README's transcript and pictures from that one run (needs Chromium)
figures: .venv/installed
	$(BIN)/python docs/figures.py

## schemas: write the JSON schemas of the TOML tables and docs/settings.md from the classes that read the tables
schemas: .venv/tested
	$(BIN)/python -m tests.schemas

## wheel-chain: build the wheel, install it into an environment of its own, and use it in an empty folder
wheel-chain: .venv/tested
	$(BIN)/python -m tests.wheel.chain

## clean: remove the environment and caches; data/ stays
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info

.venv/installed: pyproject.toml constraints.txt
	@echo "== installing into .venv (torch is several GB: some minutes the first time)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(PIP) -e '.[offline,celeba]' | sed -u '/^Requirement already/d'
	@touch $@

.venv/tested: .venv/installed
	@$(PIP) -e '.[offline,celeba,dev,references]' | sed -u '/^Requirement already/d'
	@touch $@
