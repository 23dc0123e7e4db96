SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
STAMP := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test browser lint lock rulegraph

run: $(STAMP)
	.venv/bin/snakemake --cores all $(ARGS)

test: $(STAMP) browser
	.venv/bin/pytest

# The review page is tested in Debian's Chromium; its tests are skipped where it can't be had.
browser:
	@if command -v chromium > /dev/null || command -v google-chrome > /dev/null; then :; \
	elif command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update > /dev/null && apt-get install -y --no-install-recommends chromium > /dev/null \
	  || echo "Chromium could not be installed: the review page's browser tests are skipped."; \
	else echo "No Chromium here (sudo apt-get install chromium): the browser tests are skipped."; fi

lint: $(STAMP)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	snakemake --lint
	mypy

# The picture of all rules, without the arrows that others imply; wants Graphviz (apt-get install graphviz).
rulegraph: $(STAMP)
	set -o pipefail; snakemake --rulegraph dot 2> /dev/null | tred | dot -Tsvg > docs/rulegraph.svg

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
