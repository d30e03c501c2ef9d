# Everything a newcomer needs: `make serve` runs Keyturn, `make test` tests it. Both make the virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: serve test check soak bench docs lock audit clean

serve: $(VENV)/ready
	@$(BIN)/keyturn serve $(ARGS)

test: check
	@$(BIN)/python -m tests.run -m "not soak" $(ARGS)

check: $(VENV)/ready
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

soak: $(VENV)/ready
	@$(BIN)/python -m tests.run -m soak $(ARGS)

bench: $(VENV)/ready
	@$(BIN)/python -m benchmarks $(ARGS)

# The drawings in docs/, made from the code that they show.
docs: $(VENV)/ready
	@$(BIN)/python -m docs.draw

audit: $(VENV)/ready
	@$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock

# Newest releases of everything: needs uv on the PATH.
lock:
	uv pip compile pyproject.toml --upgrade --all-extras --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-index-url --no-emit-find-links --output-file requirements.lock

$(VENV)/ready: requirements.lock pyproject.toml .ci/venv
	@PYTHON=$(PYTHON) VENV=$(VENV) sh .ci/venv

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
