# One command per job. `demo`, `test`, `check`, `docs` and `bench` set up `.venv` when it is needed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: setup demo test test-slow fuzz check format docs bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml src/medts/version.py
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev,offline-text]'
	touch $@

demo: $(STAMP)
	$(BIN)/medts demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

fuzz: $(STAMP)
	PYTHONPATH=tests OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz_formats.py 100000

check: $(STAMP)
	$(BIN)/ruff format --check src tests research docs
	$(BIN)/ruff check src tests research docs
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format src tests research docs
	$(BIN)/ruff check --fix src tests research docs

docs: $(STAMP)
	$(BIN)/mkdocs build --strict

bench: $(STAMP)
	for script in $(filter-out common,$(basename $(notdir $(wildcard research/bench/*.py)))); do \
		echo "== $$script"; $(BIN)/python -m research.bench.$$script || exit 1; done

clean:
	rm -rf .venv site runs
