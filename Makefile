# Needs Python 3.11 or later and nothing else; uses uv where it is installed.
# The first of these that is recent enough makes the environment. To choose: make test PYTHON=/path/to/python3
PYTHON ?= python3 python3.13 python3.12 python3.11
# What to pass on to pytest: make test ARGS="tests/api -x"
ARGS ?=
# How often make chaos runs each fault, and the seed of them all; none draws one.
RUNS ?= 10
SEED ?=

# The processes that the tests start are many: each would compile all that it imports.
export PYTHONDONTWRITEBYTECODE =

BIN := .venv/bin
INSTALL = $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install)

.DELETE_ON_ERROR:
.PHONY: help demo test chaos lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.demo ## watch two workers tune a Keras model on real data
	$(BIN)/python examples/demo.py

test: .venv/.dev ## run all tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(ARGS)

chaos: .venv/.dev ## kill servers, workers and databases for an hour or so: make chaos RUNS=10 SEED=7
	$(BIN)/python -m tests.chaos $(RUNS) $(SEED)

lint: .venv/.dev ## check style, types, layers and the container's files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

format: .venv/.dev ## put the code into the house's format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

clean: ## remove the environment and all that was built or run
	rm -rf .venv demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@for python in $(PYTHON); do \
	    path=$$($$python -c 'import sys; print(sys.version_info >= (3, 11) and sys.executable or "")' 2>/dev/null); \
	    test -n "$$path" || continue; \
	    if command -v uv >/dev/null; then exec uv venv --seed --python "$$path" .venv; fi; \
	    echo "Creating .venv with $$path"; exec "$$path" -m venv .venv; \
	done; \
	echo "Dodona needs Python 3.11 or later, which none of these is: $(PYTHON)" >&2; \
	echo "Name one that is: make PYTHON=/path/to/python3" >&2; exit 1

.venv/.demo: pyproject.toml | .venv/pyvenv.cfg
	$(INSTALL) --editable '.[server,keras-cpu,examples]'
	touch $@

# tensorflow-cloud asks for packages that its tuner, which the tests drive, never uses.
.venv/.dev: pyproject.toml | .venv/pyvenv.cfg
	$(INSTALL) --editable '.[dev]'
	$(INSTALL) --no-deps tensorflow-cloud==0.1.16
	touch $@ .venv/.demo
