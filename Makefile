# Everything a newcomer needs: `make serve` runs Keyturn, `make test` tests it. Both make the virtual environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: serve tours test check soak bench mutants docs film wheel sbom lock audit clean

serve: $(VENV)/ready
	@$(BIN)/keyturn serve $(ARGS)

# The example: tours and bookings, with Keyturn within, and access tokens that live for half a minute.
tours: $(VENV)/ready
	@$(BIN)/python -m examples.tours $(ARGS)

test: check
	@$(BIN)/python -m tests.run -m "not soak" $(ARGS)

check: $(VENV)/ready
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

soak: $(VENV)/ready
	@$(BIN)/python -m tests.run -m soak $(ARGS)

# Changes the core in a thousand ways and sees whether a test notices: half an hour.
mutants: $(VENV)/ready
	@$(BIN)/python -m tests.mutation

bench: $(VENV)/ready
	@$(BIN)/python -m benchmarks $(ARGS)

# The drawings in docs/, made from the code that they show.
docs: $(VENV)/ready
	@$(BIN)/python -m docs.draw

# The pictures of the README, taken from the pages with Chromium.
film: $(VENV)/ready
	@$(BIN)/python -m docs.film

# What is given to others, in dist/.
wheel: $(VENV)/ready
	@$(BIN)/hatchling build -d dist

sbom: $(VENV)/ready
	@.ci/sbom $(BIN)

audit: $(VENV)/ready
	@$(BIN)/pip-audit --require-hashes --disable-pip -r requirements.lock

# Newest releases of everything: needs uv on the PATH. Then: make sbom.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links
lock:
	$(COMPILE) --upgrade --all-extras --group dev --output-file requirements.lock
	$(COMPILE) --extra server --extra postgresql --extra redis --constraint requirements.lock --output-file deploy/requirements.lock

$(VENV)/ready: requirements.lock pyproject.toml .ci/venv
	@PYTHON=$(PYTHON) VENV=$(VENV) sh .ci/venv

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
