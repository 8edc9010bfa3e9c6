# Everything is installed into .venv in this checkout. PYTHON names the interpreter to make it with.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSIDE := $(BIN)/python
GITLAB_CI_LOCAL := 4.61.1
LAMBDA_RIC := 3.3.0
REPORT_SCHEMAS := $(wildcard src/deployguard/report/*schema.json src/deployguard/executions/*.json)
ARGS ?=
# Most tests wait most of their time, as their runs do between two bursts of probes.
WORKERS ?= $(shell expr 3 '*' "$$(getconf _NPROCESSORS_ONLN)")
RUNS ?= 1000
SEED ?=

export UV_PYTHON_DOWNLOADS = never
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench matrix soak docs tools lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/lab.stamp ## replay an incident in the local cloud and watch the guard catch it
	$(INSIDE) -m deployguard lab demo

test: $(VENV)/dev.stamp ## run all tests; ARGS="..." goes to pytest
	$(INSIDE) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: $(VENV)/dev.stamp ## check style, types, workflows and schemas
	$(INSIDE) -m ruff check .
	$(INSIDE) -m ruff format --check .
	$(INSIDE) -m mypy
	$(INSIDE) -m check_jsonschema --builtin-schema vendor.github-actions action.yml
	$(INSIDE) -m check_jsonschema --builtin-schema vendor.github-workflows \
	  .github/workflows/*.yml examples/github/*.yml
	@# The GitLab template is two documents with placeholders, which the checker cannot read.
	sed -e '1,/^---$$/d' -e 's/: \$$\[\[[^]]*\]\]$$/: 99/' -e 's/\$$\[\[[^]]*\]\]/x/g' \
	  templates/deployguard/template.yml | $(INSIDE) -m check_jsonschema \
	    --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci --default-filetype yaml -
	$(INSIDE) -m check_jsonschema --builtin-schema vendor.gitlab-ci \
	  --data-transform gitlab-ci examples/gitlab/.gitlab-ci.yml \
	  examples/gitlab/fleet.gitlab-ci.yml examples/gitlab/.gitlab/deployguard.yml
	$(INSIDE) -m check_jsonschema --builtin-schema vendor.circle-ci examples/circleci/config.yml
	@# Regular expressions of these two schemas are none but in Python.
	$(INSIDE) -m check_jsonschema --builtin-schema vendor.azure-pipelines --regex-variant python \
	  --data-transform azure-pipelines examples/azure-pipelines/azure-pipelines.yml
	$(INSIDE) -m check_jsonschema --builtin-schema vendor.bitbucket-pipelines \
	  --regex-variant python examples/bitbucket/bitbucket-pipelines.yml
	$(if $(REPORT_SCHEMAS),$(INSIDE) -m check_jsonschema --check-metaschema $(REPORT_SCHEMAS))
	$(BIN)/zizmor --offline --strict-collection --no-progress action.yml .github/workflows \
	  examples/github/*.yml

bench: $(VENV)/dev.stamp ## measure what the design's numbers rest on, into docs too; ARGS="burst check" for some
	@$(INSIDE) -m benchmarks --publish $(ARGS)

matrix: $(VENV)/dev.stamp ## break every call off in every way, and write docs/safety-matrix.md
	$(INSIDE) -m tests.proof

soak: $(VENV)/dev.stamp ## kill RUNS runs at random moments; SEED=... RUNS=1 repeats one
	$(INSIDE) -m tests.proof soak $(RUNS) $(SEED)

docs: $(VENV)/dev.stamp ## write the generated parts of the documentation anew
	$(INSIDE) docs/generate.py

tools: $(VENV)/dev.stamp ## install the programs without which some tests are skipped
	$(call install,--require-hashes -r requirements/tools.txt)
	npm install --silent --no-audit --no-fund --prefix $(VENV)/npm gitlab-ci-local@$(GITLAB_CI_LOCAL)
	@# Not compiled, which would take a compiler and minutes: the lab stands in for that part.
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix $(VENV)/npm \
	  aws-lambda-ric@$(LAMBDA_RIC)
	@# What tests/ci installs again and again.
	if [ -x $(BIN)/pip ]; then rm -rf $(VENV)/wheels && $(INSIDE) -m pip download --quiet \
	  --require-hashes --only-binary :all: --dest $(VENV)/wheels -r requirements/action.txt; fi

lock: ## pin what the action installs, with hashes, to what is newest (needs uv)
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --output-file requirements/action.txt \
	  pyproject.toml requirements/action.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --output-file requirements/tools.txt requirements/tools.in

clean: ## remove .venv and everything else that the targets made
	rm -rf $(VENV) build dist deployguard-report .mypy_cache .ruff_cache .hypothesis .gitlab-ci-local
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# A venv made by uv has no pip, so the two ways do not mix.
install = @if [ -x $(BIN)/pip ]; then $(INSIDE) -m pip install --quiet $(1); \
	else uv pip install --quiet --python $(INSIDE) $(1); fi

# uv would look for a Python of its own choice under a bare name, hence the path.
$(INSIDE):
	@path="$$($(PYTHON) -c \
	  'import sys; sys.exit(1) if sys.version_info < (3, 11) else print(sys.executable)')" || { echo \
	  "deployguard needs Python 3.11 or newer: name one, as in 'make PYTHON=python3.13 test'" >&2; \
	  exit 1; }; \
	if command -v uv >/dev/null; \
	then uv venv --quiet --no-project --allow-existing --python "$$path" $(VENV); \
	else "$$path" -m venv $(VENV); fi

$(VENV)/dev.stamp: pyproject.toml | $(INSIDE)
	$(call install,-e '.[dev]')
	@touch $(VENV)/lab.stamp $@

$(VENV)/lab.stamp: pyproject.toml | $(INSIDE)
	$(call install,-e '.[lab]')
	@touch $@
