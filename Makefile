# Two commands: `make demo` and `make test`. Both set up everything they need, as often as you like, and ask nothing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v /usr/bin/python3.11 || command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMPS)/debian: packaging/debian/packages.txt packaging/debian/setup.sh
	@packaging/debian/setup.sh packaging/debian/packages.txt
	@mkdir -p $(STAMPS) && touch $@

# One environment serves all: the development lock is a superset of the run-time lock.
$(STAMPS)/dev: $(STAMPS)/debian requirements-dev.lock pyproject.toml
	@echo "Setting up .venv (once; a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMPS)/dev ## Install Debian packages and the Python environment
.PHONY: help setup demo test lint bench docs lock

demo: setup ## Deploy the lab, run the daemons, open the terminal interface (HEADLESS=1: run the fibre-cut drill)
	@$(BIN)/lifeline demo $(if $(HEADLESS),--headless)

test: setup lint ## Run all checks and tests
	@$(BIN)/pytest --numprocesses 3 --dist loadgroup # two wait for real timers most of their time (tests/conftest.py)

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: setup ## Run one benchmark (NAME=kernel), or all
	@$(BIN)/python -m bench $(NAME)

docs: setup ## Build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lock: setup ## Resolve the locked dependencies anew
	@packaging/lock.sh
