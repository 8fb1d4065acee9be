# One command each; the first makes the virtual environment. Settings: see .env.example.
#   make run PORT=8001            another port            make test PYTEST_ARGS='-k demo -x'    some of the tests
#   make run PYTHON=python3.13    another Python          make clean                            start again from nothing
PYTHON ?= python3
PYTEST_ARGS ?=
# Most tests wait for other processes most of the time, so that two cores keep three of them busy.
TEST_PROCESSES ?= 3
BENCH_ARGS ?=

BIN := .venv/bin
# Nothing is written outside of this directory.
export XDG_CACHE_HOME = $(CURDIR)/.local/cache
export XDG_STATE_HOME = $(CURDIR)/.local/state
export PIP_CACHE_DIR = $(XDG_CACHE_HOME)/pip
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export SE_CACHE_PATH = $(XDG_CACHE_HOME)/selenium

.DEFAULT_GOAL := help
.PHONY: help run demo test lint bench clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/local.stamp  ## start worker, API, beat, server and local Sentry here, with live traffic; Ctrl-C stops them
	@exec $(BIN)/python -m worker.local.procfile Procfile.dev

demo: .venv/local.stamp  ## the same, bounded: 300 trading tasks, their performance, the story of one failure
	@exec $(BIN)/python -m worker.local.demo

test: lint  ## lint, then run every test (PYTEST_ARGS)
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(PYTEST_ARGS)

lint: .venv/test.stamp  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/bench.stamp  ## what monitoring costs per task, next to its peers; 15 to 30 minutes (BENCH_ARGS=--quick: one)
	$(BIN)/python -m benchmarks.cost $(BENCH_ARGS)

clean:  ## remove everything that these commands made, the virtual environment too
	rm -rf .venv .local .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, and $(PYTHON) is " + sys.version.split()[0] + "; say which to use: make PYTHON=python3.13")'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment (on Debian: apt install python3-venv)"; exit 1; }

# The tests need all of what `make run` needs, so their stamp is newer than, and good for, the other.
.venv/%.stamp: setup.cfg pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --editable '.[$(EXTRAS_$*)]'
	@touch $(STAMPS_$*)

EXTRAS_local := local
EXTRAS_test := test,dev
EXTRAS_bench := bench
STAMPS_local := .venv/local.stamp
STAMPS_test := .venv/local.stamp .venv/test.stamp
STAMPS_bench := .venv/bench.stamp
