SHELL := /bin/bash
PYTHON ?= python3
ARGS ?=
# Tests side by side; no worker has more threads than its share of the cores.
PARALLEL ?= --numprocesses logical --maxprocesses 4 --no-loadscope-reorder
STAMP := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: run test test-slow browser lint lock audit rulegraph

run: $(STAMP)
	.venv/bin/snakemake --cores all $(ARGS)

test: $(STAMP) browser
	.venv/bin/pytest $(PARALLEL)

# Fifty killed runs, a full disk in every stage, ten thousand damaged images, long runs: about an hour.
test-slow: $(STAMP)
	.venv/bin/pytest -m slow $(ARGS)

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
	set -o pipefail; tmp=docs/.rulegraph.svg; snakemake --rulegraph dot 2> /dev/null | tred | dot -Tsvg -o "$$tmp" && mv "$$tmp" docs/rulegraph.svg

# Lock what pyproject.toml asks for; ARGS=--upgrade renews all versions, ARGS='--upgrade-package NAME' one.
lock:
	set -euo pipefail; \
	tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(PYTHON) -m venv "$$tmp"; "$$tmp/bin/pip" install -q uv; \
	PATH="$$tmp/bin:$$PATH" python envs/lock.py $(ARGS)

# Known vulnerabilities of the locked versions; asks a public database.
audit:
	set -euo pipefail; \
	tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(PYTHON) -m venv "$$tmp"; "$$tmp/bin/pip" install -q pip-audit; \
	"$$tmp/bin/pip-audit" --strict --require-hashes --disable-pip \
	  -r requirements.lock -r requirements-cuda.lock

# pip's hash mode passes over a machine's own build of torch (for the CPU alone, say), so it is fetched
# first and taken if the lock knows it. torch's standard builds for Linux then lack CUDA's libraries.
$(STAMP): requirements.lock requirements-cuda.lock
	$(PYTHON) -m venv .venv
	set -euo pipefail; \
	tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	.venv/bin/pip download -qd "$$tmp" --no-deps "$$(grep -o '^torch==[^ ]*' requirements.lock)"; \
	hash=$$(.venv/bin/pip hash "$$tmp"/torch-*.whl | tail -1); \
	if grep -qFe "$$hash" requirements.lock; then .venv/bin/pip install --no-deps "$$tmp"/torch-*.whl; fi
	.venv/bin/pip install --require-hashes --no-deps -r requirements.lock
	.venv/bin/pip check || .venv/bin/pip install --require-hashes --no-deps -r requirements-cuda.lock
	.venv/bin/pip check
	touch $@
