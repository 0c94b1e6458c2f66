# What a fresh clone can do: make demo | test | bench | fuzz | lint | clean. Needs python3 (3.11 or newer) with venv, nothing else.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 3
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_ARGS ?=

# pip reads these two: the pinned versions hold for what builds the package as well
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_BUILD_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

BIN := $(VENV)/bin
GROUND := pyproject.toml constraints.txt

.PHONY: help demo demo-imap test bench fuzz docs lint format clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    install into $(VENV), run the gateway on sample customers, show what happened and why"
	@echo "make demo-imap  the same in a mailbox that is watched over IMAP (needs dovecot-imapd)"
	@echo "make test    install into $(VENV), check style, types and imports, run all tests"
	@echo "make bench   measure against Postfix and Postfix with rspamd (BENCH_ARGS=--help for its options)"
	@echo "make fuzz    screen what a fuzzer guided by coverage makes of sample mails, for ten minutes (FUZZ_ARGS=-help=1)"
	@echo "make docs    the schemas and the page of facts under docs/, the Japanese phrases of an English shop"
	@echo "make lint    style, types and imports only"
	@echo "make clean   remove what these made"

demo: $(VENV)/.installed
	$(BIN)/sekisho demo

demo-imap: $(VENV)/.installed
	$(BIN)/sekisho demo --imap

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-test
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

fuzz: $(VENV)/.installed-test
	$(BIN)/python -m pip install --quiet --use-pep517 -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz.screen $(FUZZ_ARGS)

docs: $(VENV)/.installed-test
	$(BIN)/python -m tests.published

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(GROUND) | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --use-pep517 -c constraints.txt -e '.[fast]'
	@$(BIN)/python -m compileall -q gateway filters migrations
	@touch $@

$(VENV)/.installed-test: $(GROUND) | $(VENV)/.made
	$(BIN)/python -m pip install --quiet --use-pep517 -c constraints.txt -e '.[fast,test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found. Install Python 3.11 or newer: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$$($(PYTHON) --version 2>&1) is too old: Python 3.11 or newer is needed. Name another by: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv is missing. Install it: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@touch $@
