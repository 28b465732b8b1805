# Every target sets up .venv when it is absent or older than pyproject.toml or constraints.txt.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Set PYTHON to choose the interpreter; the pinned versions were resolved on 3.11, so it comes first.
PYTHON ?=
TORCH ?= torch==2.13.0
JOBS ?= 2
BENCHES ?= physics env routes loop crash
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --progress-bar off

.PHONY: help setup demo test lint bench clean

help:
	@echo "make demo    set up, run a simulated campaign, write runs/demo/report.html"
	@echo "make test    set up, run the tests"
	@echo "make lint    ruff, pyright, import contracts"
	@echo "make bench   what the claims rest on (BENCHES=\"$(BENCHES)\")"
	@echo "make clean   remove caches, builds and runs/demo; keeps .venv and every other run"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@python=; \
	for each in $(or $(PYTHON),python3.11 python3.12 python3.13 python3.14 python3 python); do \
	  if "$$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$each; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11 or newer found$(if $(PYTHON), at PYTHON=$(PYTHON)). Install one (apt install python3.11 python3.11-venv), or name it: make PYTHON=/path/to/python3.11" >&2; \
	  exit 2; \
	fi; \
	echo "Setting up $(VENV) with $$($$python --version): some minutes, some GB, once."; \
	[ -x $(BIN)/python ] || $$python -m venv $(VENV)
	@# Torch first and alone: otherwise the resolver may take a newer one with GPU libraries.
	@$(PIP) "$(TORCH)"
	@$(PIP) -c constraints.txt -e ".[all,dev]" || { \
	  echo "The pinned versions do not install here; taking the ranges of pyproject.toml." >&2; \
	  $(PIP) -e ".[all,dev]"; }
	@touch $@

demo: $(STAMP)
	$(BIN)/sdl run sdl/templates/demo.yaml --out runs/demo --fresh

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --threads 2
	$(BIN)/lint-imports

bench: $(STAMP)
	@set -e; for name in $(BENCHES); do echo "== sdl bench $$name"; $(BIN)/sdl bench $$name; done

clean:
	rm -rf dist build htmlcov .coverage .pytest_cache .ruff_cache .hypothesis .import_linter_cache runs/demo
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
