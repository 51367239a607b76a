# `make demo` and `make test` do all of their set-up; `make help` lists the rest.
# What they need: Python 3.11 or newer with venv, and make. They write only into this folder.

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := all,em,afm,lm,docs,dev
JOBS ?= 2
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# a new pyproject.toml or Makefile makes a new stamp, and so a new installation
STAMP := $(VENV)/.installed-$(shell cat pyproject.toml Makefile | cksum | tr ' ' '-')

export LC_ALL ?= C.UTF-8
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint types docs pytest setup system clean

help:
	@echo "make demo   segment a real micrograph, show it in napari or write it to demo-output/"
	@echo "make test   every check: style, types, layers, manifest, documentation, tests"
	@echo "make lint   style, types, layers and manifest alone"
	@echo "make docs   build the documentation into site/"
	@echo "make clean  remove what the other commands wrote, the virtual environment excepted"

demo: setup
	@.ci/system-libraries || echo "No window without them; the demo goes on without one."
	$(BIN)/samstar demo --out demo-output

test: setup system lint docs pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/npe2 validate napari-samstar

docs: setup
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --strict --quiet

# one thread a worker: together they fill the cores without fighting for them
pytest: setup system
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(JOBS) --dist loadgroup --max-worker-restart=0 --cov --cov-report=term

setup: $(STAMP)

system:
	@.ci/system-libraries

$(STAMP):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed; set PYTHON=/path/to/python."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): a few minutes, once."
	$(BIN)/python -m pip install -qq --editable '.[$(EXTRAS)]'
	@.ci/match-torchvision $(BIN)/python
	@rm -f $(VENV)/.installed-*
	@touch $@

clean:
	rm -rf build dist site demo-output htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache \
		.hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
