SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
STAMP := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test lint lock

run: $(STAMP)
	.venv/bin/snakemake --cores all $(ARGS)

test: $(STAMP)
	.venv/bin/pytest

lint: $(STAMP)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	snakemake --lint
	mypy

# Resolve pyproject.toml afresh in a throw-away environment.
lock:
	set -euo pipefail; \
	tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(PYTHON) -m venv "$$tmp/venv"; \
	"$$tmp/venv/bin/pip" install ".[dev]"; \
	{ grep '^#' requirements.lock; \
	  "$$tmp/venv/bin/pip" freeze --exclude tracin-workflow \
	  | sed -E 's/\+[A-Za-z0-9.]+$$//' | grep -Ev '^(nvidia-|cuda-|triton)'; } > "$$tmp/lock"; \
	cp "$$tmp/lock" requirements.lock

$(STAMP): requirements.lock
	$(PYTHON) -m venv .venv
	.venv/bin/pip install -r requirements.lock
	touch $@
