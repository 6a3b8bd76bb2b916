# Needs Python 3.11 or later and nothing else; uses uv where it is installed.
# The first of these that is recent enough creates the environment. To choose another: make test PYTHON=/path/to/python3
PYTHON ?= python3 python3.13 python3.12 python3.11
# Arguments for pytest: make test ARGS="tests/api -x"
ARGS ?=
# By default, packages have the tested versions of constraints.txt. For the newest ones: make test LATEST=1
LATEST ?=
# The tag of a release: make release TAG=v0.1.0
TAG ?=
# How often make chaos runs each fault, and the seed of all faults; by default a random one.
RUNS ?= 10
SEED ?=

# The tests start many processes; without cached bytecode, each would compile all its imports.
export PYTHONDONTWRITEBYTECODE =

# Folders of tests/ without Keras; `--unit` excludes tests that start a process, and forbids it.
UNIT := $(addprefix tests/,algorithms api client curve_model docs domain figures schemas service stopping storage web)

BIN := .venv/bin
INSTALL = $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install)

VERSIONS := $(if $(LATEST),--upgrade,--constraint constraints.txt)
# Marks which versions are installed; another choice of versions installs again.
INSTALLED := .venv/.installed-$(if $(LATEST),latest,tested)

.DELETE_ON_ERROR:
.PHONY: help demo check test chaos chromium lint docs docs-version release format constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(INSTALLED)-demo ## watch two workers tune a Keras model on real data
	$(BIN)/python examples/demo.py

# More processes than two cores: many tests wait for a lease or a pause to end.
check: lint ## lint, and run the tests that need no Keras and no second process: under two minutes
	$(BIN)/python -m pytest --unit --numprocesses 3 --dist worksteal $(UNIT) $(ARGS)

test: $(INSTALLED)-dev chromium ## run all tests
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: $(INSTALLED)-dev ## kill servers, workers and databases for an hour or so: make chaos RUNS=10 SEED=7
	$(BIN)/python -m tests.chaos $(RUNS) $(SEED)

lint: $(INSTALLED)-dev ## check style, types, layers, unsafe code, the container's files, the chart and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --severity-level medium client migrations proto_schemas server
	$(BIN)/yamllint --strict .
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/python -m tests.packaging.chart
	$(BIN)/actionlint

docs: $(INSTALLED)-dev ## build the documentation as a site, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-version: $(INSTALLED)-dev ## publish the documentation of this version on the branch gh-pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mike deploy --update-aliases $$($(BIN)/python -c 'from importlib.metadata import version; print(version("dodona"))') latest
	$(BIN)/mike set-default latest

release: $(INSTALLED)-dev ## build the packages of a release into dist/, and try them in an empty environment
	$(BIN)/python .ci/release.py $(if $(TAG),--tag $(TAG))

format: $(INSTALLED)-dev ## format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

constraints: $(INSTALLED)-dev ## write the installed versions into constraints.txt
	{ grep '^#' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | grep == | grep -vE '^(keras-hub|tensorflow-cloud|tokenizers)=='; } > constraints.new
	mv constraints.new constraints.txt

clean: ## remove the environment and everything that was built or run
	rm -rf .venv demo dist build site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@for python in $(PYTHON); do \
	    path=$$($$python -c 'import sys; print(sys.version_info >= (3, 11) and sys.executable or "")' 2>/dev/null); \
	    test -n "$$path" || continue; \
	    if command -v uv >/dev/null; then exec uv venv --seed --python "$$path" .venv; fi; \
	    echo "Creating .venv with $$path"; exec "$$path" -m venv .venv; \
	done; \
	echo "Dodona needs Python 3.11 or later; none of these is: $(PYTHON)" >&2; \
	echo "Choose one: make PYTHON=/path/to/python3" >&2; exit 1

$(INSTALLED)-demo: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	rm -f .venv/.installed-*
	$(INSTALL) $(VERSIONS) --editable '.[server,keras-cpu,examples]'
	touch $@

# The tests of the pages need a browser. Debian has Chromium without windows, too, which takes half of the CPU. Where none
# is installed, these tests say so.
chromium:
	@for name in chromium-headless-shell chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	    test "$$(id -u)" = 0 && command -v apt-get >/dev/null || exit 0; \
	    export DEBIAN_FRONTEND=noninteractive; apt-get update --quiet; \
	    for name in chromium-headless-shell chromium; do apt-get install --yes --no-install-recommends $$name && exit; done; \
	    echo "Chromium cannot be installed: the tests of the pages are skipped" >&2

# tensorflow-cloud requires packages that its tuner, which the tests use, never imports; keras-hub requires TensorFlow's
# build for GPUs and tools for downloads, and imports only tokenizers besides Keras.
$(INSTALLED)-dev: pyproject.toml constraints.txt | .venv/pyvenv.cfg
	rm -f .venv/.installed-*
	$(INSTALL) $(VERSIONS) --editable '.[dev]'
	$(INSTALL) --no-deps tensorflow-cloud==0.1.16 keras-hub==0.32.0 tokenizers==0.23.3
	touch $@ $(INSTALLED)-demo
