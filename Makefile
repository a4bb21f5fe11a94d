# All commands for development and CI. `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test gate test-servers test-all coverage lint fmt screenshots docs findings bench lock hooks clean

# Each Python version has its own environment: make test VENV=.venv-3.13 PYTHON3=python3.13
PYTHON3 ?= python3
VENV ?= .venv
PYTHON := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Tests, lint and benchmarks use neither the real key of `.env` nor the files of a running `make run`.
# Cached bytecode halves the startup time of the tests' many processes.
ISOLATED := PYTHONDONTWRITEBYTECODE= SECRET_KEY=only-for-tests-0123456789-0123456789-0123456789-0123456789 ELEVENLABS_API_KEY=sk_sandbox \
	ELEVENLABS_BASE_URL= ALLOWED_HOSTS=localhost,127.0.0.1 DEBUG=false HTTPS=false VAR_DIR=$(CURDIR)/var/test

# One resolution for every platform and every Python from 3.11 on, with the hashes of all files of each release on PyPI.
COMPILE := $(PYTHON) -m uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--annotation-style line --no-strip-extras --custom-compile-command "make lock"

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/runtime .env ## install missing packages, then run everything on this machine
	@test -n "$$HTTPS" || grep -Eqs '^ *(export +)?HTTPS(_FILE)? *=' .env || export HTTPS=false; \
		DEBUG=false exec $(PYTHON) manage.py up

# Which tests each target runs, and where: docs/testing.md. With ARGS, pytest gets only those arguments, and reuses the
# database of the last such run, migrated further if necessary.
# Tests that start processes mostly wait for them, so a third process of pytest pays off there.
IN_PARALLEL = -n $(or $(PROCESSES),2) --dist loadgroup --no-loadscope-reorder
IN_GATE := not slow and (smoke or not (process or browser))
ON_SERVERS := not slow and (servers or process or browser)
BUDGET := --budget 700
COVER := $(if $(COVERAGE),--cov --cov-report=term:skip-covered)
PYTEST = mkdir -p var/test; $(ISOLATED) $(PYTHON) -m pytest

ifdef ARGS
test: $(VENV)/dev
	@$(PYTEST) --reuse-db $(ARGS)
else
test: lint gate ## lint, types, migrations, then every behaviour once (ARGS=tests/health runs only these tests)
endif

gate: $(VENV)/dev
	@$(PYTEST) $(IN_PARALLEL) -m "$(IN_GATE)" -p tests.budget $(BUDGET) $(COVER)

test-servers: PROCESSES := 3
test-servers: $(VENV)/dev ## tests of databases, brokers and processes (.ci/with-servers starts PostgreSQL and Redis)
	@$(PYTEST) $(IN_PARALLEL) -m "$(ON_SERVERS)" $(COVER)

test-all: lint ## all tests: also the full cross products, the long fuzzing and the storm
	@$(PYTEST) $(IN_PARALLEL) $(COVER)

coverage: $(VENV)/dev ## the gate, and the lines it does not cover
	@$(PYTEST) $(IN_PARALLEL) -m "$(IN_GATE)" --cov --cov-report=term-missing:skip-covered

lint: $(VENV)/dev ## ruff, djlint, whitespace, mypy, imports, missing migrations, system checks
	@mkdir -p var/test
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m djlint --lint --quiet templates
	SKIP=ruff,ruff-format,djlint VENV=$(VENV) PRE_COMMIT_HOME=$(VENV)/pre-commit $(PYTHON) -m pre_commit run --all-files
	$(ISOLATED) $(PYTHON) -m mypy .
	$(PYTHON) .ci/lint_imports.py
	$(ISOLATED) $(PYTHON) manage.py makemigrations --check --dry-run
	$(ISOLATED) $(PYTHON) manage.py check --fail-level WARNING

fmt: $(VENV)/dev ## fix and format the code with ruff
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

screenshots: $(VENV)/dev ## update the screenshots in docs/screenshots
	$(ISOLATED) SCREENSHOTS=docs/screenshots $(PYTHON) -m pytest tests/browser/test_lifecycle.py tests/browser/test_busy_workspace.py tests/browser/test_sync.py tests/browser/test_outside_changes.py tests/browser/test_needs_attention.py tests/browser/test_an_auditor.py tests/browser/test_findings.py tests/browser/test_tokens.py

docs: $(VENV)/dev ## update the table of modules in docs/architecture.md
	$(PYTHON) docs/module_table.py

findings: $(VENV)/dev ## update docs/findings.md from a run on the sandbox
	@mkdir -p var/test
	$(ISOLATED) FINDINGS=docs $(PYTHON) -m pytest -q tests/lifecycle/test_the_document.py
	@rm docs/findings.json

bench: $(VENV)/dev ## run each of benchmarks/*.py
	@mkdir -p var/test
	@set -e; for file in $(filter-out benchmarks/harness.py benchmarks/history_rows.py benchmarks/suite.py,$(wildcard benchmarks/[!_]*.py)); do echo "== $$file"; $(ISOLATED) $(PYTHON) "$$file"; done

lock: $(VENV)/dev ## write both lock files after a change of requirements*.txt (ARGS=--upgrade also for transitive dependencies)
	$(COMPILE) requirements.txt --output-file requirements.lock $(ARGS)
	$(COMPILE) requirements-dev.txt --constraints requirements.lock --output-file requirements-dev.lock $(ARGS)

hooks: $(VENV)/dev ## install a git hook that runs .pre-commit-config.yaml before each commit
	$(PYTHON) -m pre_commit install

clean: ## remove generated files; .env and the database stay
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov test-results var/static var/test
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# uv installs in seconds what takes pip a minute and a half. If the index is only configured for pip, so that uv cannot
# reach it, pip is used.
INSTALL = $(PYTHON) -m uv pip install --quiet --system-certs --require-hashes -r $(1) || \
	$(PYTHON) -m pip install --quiet --require-hashes -r $(1)

$(VENV)/runtime: requirements.lock
	@$(PYTHON3) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON3=python3.11 ...")'
	@test -x $(VENV)/bin/pip || $(PYTHON3) -m venv $(VENV)
	@echo "Installing requirements.lock into $(VENV) ..."
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock > $(VENV)/uv.lock
	@$(PYTHON) -m pip install --quiet --require-hashes -r $(VENV)/uv.lock
	@$(call INSTALL,requirements.lock)
	@touch $@

$(VENV)/dev: $(VENV)/runtime requirements-dev.lock
	@echo "Installing requirements-dev.lock into $(VENV) ..."
	@$(call INSTALL,requirements-dev.lock)
	@touch $@

.env: | $(VENV)/runtime
	@umask 077 && $(PYTHON) -c 'import secrets; \
		print("# Written once by make run; .env.example lists all settings."); \
		print("SECRET_KEY=" + secrets.token_urlsafe(50))' > $@
