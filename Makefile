# demo: the whole pipeline on a drawn world. test, check: what a change must pass. ui: Dagster's pages.
# bench: what reruns and statistics cost, some minutes.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
BIN := .venv/bin
READY := .venv/.installed

.PHONY: demo test ui check bench clean

demo: $(READY)
	$(BIN)/recap demo

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

ui: $(READY)
	$(BIN)/recap sync
	DAGSTER_HOME="$$($(BIN)/recap home)" $(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p 3000

bench: $(READY)
	$(BIN)/python -m benchmarks.incremental --shards 20 --spread
	$(BIN)/python -m benchmarks.caption_sql

clean:
	rm -rf build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name .venv -prune -o -name __pycache__ -type d -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@
