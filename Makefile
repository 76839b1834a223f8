# `make help` lists all targets.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DUMP ?=
PROFILE ?=
CONF ?= {}
WORKERS ?= 3

export TF_CPP_MIN_LOG_LEVEL ?= 2
# Images and CI set it to save space; here every process would compile TensorFlow, Airflow and the tests again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  make run DUMP=Reviews.csv            your reviews: a file, a folder, an http(s):// or s3:// URL; commas between several"
	@echo "  make run DUMP=kaggle                 Amazon Fine Food Reviews from Kaggle"
	@echo "  make run PROFILE=article DUMP=…      the article's experiment; CONF='{\"epochs\": 3}' sets any parameter"

.PHONY: run
run: $(VENV)/.run ## Run the DAG on a generated demo dump (or DUMP=…) and print scores, decision and report
	@$(BIN)/python scripts/run_dag.py --dump '$(subst ','\'',$(DUMP))' --profile '$(subst ','\'',$(PROFILE))' --conf '$(subst ','\'',$(CONF))'

.PHONY: up
up: $(VENV)/.run ## Start Airflow with its UI on this machine, and print address and login (PORT=8080)
	@$(BIN)/python scripts/airflow_server.py up

.PHONY: down
down: ## Stop what `make up` started
	@[ ! -x $(BIN)/python ] || $(BIN)/python scripts/airflow_server.py down

.PHONY: mlflow
mlflow: $(VENV)/.run ## Start MLflow's UI for the store (PORT=5000); Ctrl-C stops it
	@$(BIN)/python scripts/mlflow_server.py

.PHONY: env
env: ## Write .env with new secrets for docker compose, once (GPU=1: for a GPU worker)
	@mkdir -p inbox
	@$(PYTHON) scripts/write_env.py $(if $(filter 1 yes true,$(GPU)),--gpu)

.PHONY: backup
backup: ## Back up the databases and the store of docker compose: make backup TO=folder
	@$(PYTHON) scripts/compose_backup.py backup '$(subst ','\'',$(or $(TO),$(error TO is missing: make backup TO=folder)))'

.PHONY: restore
restore: ## Replace the data of docker compose with a backup: make restore FROM=folder
	@$(PYTHON) scripts/compose_backup.py restore '$(subst ','\'',$(or $(FROM),$(error FROM is missing: make restore FROM=folder)))'

.PHONY: compose-test
compose-test: $(VENV)/.dev ## Build the images, start the Compose file, train, kill a worker, restore a backup (minutes)
	@$(BIN)/python scripts/compose_test.py

.PHONY: pictures
pictures: $(VENV)/.dev ## Renew the pictures of the example reports (minutes; needs Chromium)
	$(BIN)/python scripts/take_report_pictures.py

.PHONY: test
test: $(VENV)/.dev ## Run the unit, property, DAG and plugin tests and one whole run of the DAG (minutes; COVERAGE=1 measures)
	$(PYTEST) -m "not slow" $(if $(COVERAGE),$(MEASURE)) $(TESTS)

.PHONY: test-all
test-all: test ## Also the slow tests: trainings, servers, browser, kills, deployment, a season of retraining
	$(PYTEST) -m slow $(TESTS)

# Tests of servers wait more than they compute: one process more than a small machine has cores.
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
MEASURE = --cov=pipeline --cov-report=term:skip-covered --cov-report=xml:build/coverage.xml

.PHONY: browser
browser: ## Find Chromium, or install Debian's as root, for the browser tests
	@sh scripts/browser.sh

.PHONY: servers
servers: ## Find Postgres, Redis and Compose, or install Debian's as root, for the tests
	@sh scripts/servers.sh

.PHONY: lint
lint: $(VENV)/.dev ## ruff, its format check, mypy --strict on pipeline/, the layers, the prose
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_prose.py

.PHONY: audit
audit: $(VENV)/.dev ## Check every locked package for known vulnerabilities
	$(BIN)/python scripts/audit.py

.PHONY: bench
bench: $(VENV)/.dev ## Measure speed and memory against named alternatives (minutes)
	@for script in bench/[a-z]*.py; do echo "== $$script"; $(BIN)/python $$script $(BENCH) || exit 1; done

.PHONY: lock
lock: $(VENV)/.dev ## Compile pyproject.toml and requirements/*.in to locked, hashed requirements
	@sh scripts/lock.sh $(BIN)/uv

.PHONY: lock-check
lock-check: $(VENV)/.dev ## Check that the locks are current
	@sh scripts/lock.sh $(BIN)/uv --check

.PHONY: sbom
sbom: $(VENV)/.dev ## Write the software bill of materials of requirements.txt (CycloneDX) to build/sbom.json
	@mkdir -p build
	$(BIN)/uv run --quiet --isolated --no-project --with-requirements requirements/sbom.txt \
	  cyclonedx-py requirements requirements.txt --pyproject pyproject.toml --output-reproducible -o build/sbom.json

.PHONY: docs
docs: $(VENV)/.dev ## Regenerate the generated pages of docs/
	$(BIN)/python -m scripts.write_reference

.PHONY: docs-site
docs-site: $(VENV)/.dev ## Build the documentation's site in build/site, without network
	$(BIN)/zensical build --strict

.PHONY: clean
clean: ## Remove the virtual environment, the embedded Airflow and caches; the store (.store) stays
	rm -rf $(VENV) .airflow .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# Set-up: a virtual environment in the checkout.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf "$(VENV)"; echo "The virtual environment cannot be created; on Debian, apt-get install python3-venv may help."; exit 1; }

INSTALL = sh scripts/install.sh $(BIN)/python

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@$(INSTALL) requirements.txt && touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	@$(INSTALL) requirements/dev.txt && touch $(VENV)/.run $@
