# Everything runs in virtual environments made here with pip and venv alone:
#   make demo    .venv       the core dependencies
#   make test    .venv-test  those and the test extra

PYTHON  ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
INSTALL := -m pip install --disable-pip-version-check --quiet --quiet --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt $(shell find divergence -type f -not -name '*.pyc')

TEST   := .venv-test/bin
PYTEST := $(TEST)/python -m pytest

.PHONY: demo test test-slow test-real notebooks benchmark lint format types \
	zoo zoo-matching zoo-faults zoo-preparation clean

# The planted fault makes the command end with 1, "divergent": here that is success.
demo: .venv/.stamp
	.venv/bin/divergence demo || test $$? -eq 1

test: .venv-test/.stamp
	$(PYTEST)

test-slow: .venv-test/.stamp
	$(PYTEST) -m slow

test-real: .venv-test/.stamp
	$(PYTEST) -m real -s tests

notebooks: .venv-test/.stamp
	$(PYTEST) -m "" tests/test_notebooks.py

# Measured suites; each prints its table.
zoo: zoo-matching zoo-faults zoo-preparation

zoo-matching: .venv-test/.stamp
	$(TEST)/python -m tests.matching.suite

zoo-faults: .venv-test/.stamp
	$(TEST)/python -m tests.zoo.suite

zoo-preparation: .venv-test/.stamp
	$(PYTEST) -m zoo -s tests/preparation tests/postprocess

# `make benchmark PEERS=1` runs the other tools as well, for about half an hour.
benchmark: .venv-test/.stamp
	$(if $(PEERS),$(TEST)/python $(INSTALL) -e '.[benchmark]')
	$(TEST)/python -m tests.benchmarks $(if $(PEERS),--peers)

lint: .venv-test/.stamp
	$(TEST)/ruff check .
	$(TEST)/ruff format --check .

format: .venv-test/.stamp
	$(TEST)/ruff format .
	$(TEST)/ruff check --fix .

types: .venv-test/.stamp
	$(TEST)/mypy

# A stamp is made last, so that an interrupted installation is done again.
.venv/.stamp: $(SOURCES)
	@echo "Installing into .venv: torch is large, this takes some minutes the first time."
	$(PYTHON) -m venv .venv
	.venv/bin/python $(INSTALL) .
	@touch $@

.venv-test/.stamp: pyproject.toml constraints.txt requirements-bare.txt
	@echo "Installing into .venv-test: torch is large, this takes some minutes the first time."
	$(PYTHON) -m venv .venv-test
	$(TEST)/python $(INSTALL) -e '.[test]'
	$(TEST)/python $(INSTALL) --no-deps -r requirements-bare.txt
	@touch $@

clean:
	rm -rf .venv .venv-test build *.egg-info .mypy_cache .pytest_cache .ruff_cache divergence-report
