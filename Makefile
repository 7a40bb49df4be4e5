# Every habit of the project. `make demo` and `make test` do all their own set-up.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
STRATA := $(BIN)/strata
DAYS ?= 14
export DAYS
export DBT_PROFILES_DIR := profiles
export DBT_SEND_ANONYMOUS_USAGE_STATS := false

# The first Python on this machine that is supported.
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)

.PHONY: help setup demo numbers test privileges rehearse checkov test-all test-account mutants golden lint format docs slim up down \
	reset build conformance bench lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' Makefile

setup: .venv/.installed ## Install the locked dependencies into .venv

.venv/.installed: requirements.lock requirements-bootstrap.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 found"; \
		echo "do: install one, or make PYTHON=/path/to/python3.12 …"; exit 1; }
	@echo "installing into .venv with $(PYTHON) (once, about 1 GB)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --require-hashes -r requirements-bootstrap.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Run the whole example on the laptop (DAYS=365 for the year)
	@$(STRATA) demo

numbers: setup ## Check Gold against the published numbers (after DAYS=365 make demo)
	@$(STRATA) numbers

up: setup ## Start the local AWS and deploy what has changed
	@$(STRATA) local up
	@$(STRATA) deploy

down: setup ## Stop the local AWS; its state stays
	@$(STRATA) local down

reset: setup ## Stop the local AWS and delete its state
	@$(STRATA) local reset --yes

build: setup ## dbt build on the local AWS
	@$(STRATA) build

slim: setup ## Build what differs from BASE, a checkout of main with its demo up
	@test -f "$(BASE)/target/manifest.json" || { echo "error: no dbt manifest in '$(BASE)/target'"; \
		echo "do: run make demo in a checkout of main, then make slim BASE=/path/to/it"; exit 1; }
	@export STRATA_STATE="$(abspath $(BASE))/.local" && $(STRATA) deploy && \
		STRATA_SCHEMA_PREFIX=ci_ $(STRATA) build --select state:modified+ --defer \
			--state "$(abspath $(BASE))/target"

docs: setup ## Make the lineage docs in site/
	@$(STRATA) docs

test: setup ## All tests that a change must pass
	@rm -rf .privileges
	@STRATA_PRIVILEGES="$(CURDIR)/.privileges" $(BIN)/pytest -n 2 -m "not slow"

privileges: setup ## Compare the roles' policies with what they asked for (after make test, make demo)
	@STRATA_PRIVILEGES="$(CURDIR)/.privileges" $(BIN)/python -m tests.privileges

test-all: setup checkov ## Also the slow tests, and checkov
	@$(BIN)/pytest -n 2

checkov: .venv-checkov/.installed ## Look for bad practice in the templates; each exception has its reason there
	@.venv-checkov/bin/checkov --directory infra --framework cloudformation --skip-download --quiet --compact

.venv-checkov/.installed: requirements-checkov.lock .venv/.installed
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-checkov
	@$(BIN)/uv pip install --quiet --python .venv-checkov/bin/python --require-hashes -r requirements-checkov.lock
	@touch $@

test-account: setup ## Make, try and destroy a scratch environment in your account (ENV=scratch)
	@test -n "$(ENV)" || { echo "error: no environment is named"; \
		echo "do: make test-account ENV=scratch, with AWS_PROFILE and AWS_REGION set"; exit 1; }
	@STRATA_ACCOUNT_TESTS=1 STRATA_ENV="$(ENV)" $(BIN)/pytest -v tests/account

rehearse: setup ## Break the lakehouse in each way of docs/disaster_recovery.md and bring it back (after make demo)
	@$(BIN)/python -m tests.recovery

mutants: setup ## Plant faults in the models' outputs: their tests must catch 95 % (after make demo)
	@$(BIN)/python -m tests.mutants

lint: setup ## SQL, Python, YAML, CloudFormation and the project's own rules
	@$(BIN)/ruff check scripts tests
	@$(BIN)/ruff format --check scripts tests
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .
	@$(BIN)/cfn-lint infra/*.yaml
	@bash scripts/sql_lint.sh
	@$(BIN)/pytest -q tests/unit/test_project_rules.py

format: setup ## Format Python and SQL
	@$(BIN)/ruff check --fix --quiet scripts tests || true
	@$(BIN)/ruff format --quiet scripts tests
	@FIX=1 bash scripts/sql_lint.sh

golden: setup ## Ask Trino for the embedded Athena's golden answers (needs a JDK and Maven)
	@$(BIN)/python -m tests.golden.record
	@$(BIN)/python -m tests.golden.table

conformance: setup ## dbt-athena's own functional tests against the local Athena
	@$(BIN)/python -m tests.conformance

bench: setup ## Time the catalog over 1,000 sources, and Athena beside DuckDB and dbt-duckdb
	@$(BIN)/python -m tests.bench

lock: setup ## Resolve the dependencies anew
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --quiet --group dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --quiet requirements-checkov.in -o requirements-checkov.lock
