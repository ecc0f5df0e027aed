# One front door. `make` alone lists what there is.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs golden budgets bench bench-full soak lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# Stamps: an environment is installed again only when its lock or the project file changes.
# Every install also fetches the embedded Kafka's jars, so that nothing is left to download later.
.venv/installed: requirements.lock pyproject.toml
	@test -d .venv || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m processor.embedded prepare
	@touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m processor.embedded archive
	@touch $@

.venv/installed-browser: tests/browser/chromium.py .venv/installed-dev
	@$(BIN)/python -m tests.browser.chromium prepare
	@touch $@

.venv/installed-alertmanager: tests/notifying/alertmanager.py .venv/installed-dev
	@$(BIN)/python -m tests.notifying.alertmanager prepare
	@touch $@

demo: .venv/installed ## live metrics on this machine: real Kafka, real Redis, nothing to install by hand
	@$(BIN)/cxpulse demo $(ARGS)

test: lint .venv/installed-browser .venv/installed-alertmanager ## everything: lint, types, unit, property, integration on a real Kafka and Redis
	$(BIN)/pytest -m "not soak" -n 3 --dist worksteal $(ARGS)

lint: .venv/installed-dev ## ruff, mypy strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed-dev ## apply ruff's fixes and formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed-dev ## write the generated pages again: the metrics and rules in README.md and docs/
	$(BIN)/python -m processor.metrics.table README.md
	$(BIN)/cxpulse metrics --markdown > docs/metrics.md
	$(BIN)/python -m processor.alerting.table docs/alerts.md
	$(BIN)/python -m processor.monitor.grafana > deploy/grafana/dashboards/cxpulse.json
	$(BIN)/python -m processor.monitor.prometheus_table docs/monitoring.md

golden: .venv/installed-dev ## write the golden readings again: shows what differs and asks; YES=1 does not ask
	@$(BIN)/python -m tests.golden

budgets: .venv/installed-dev ## write the budgets of the counting path again: shows what differs and asks; YES=1 does not ask
	@$(BIN)/python -m tests.performance

bench: .venv/installed-dev ## events per CPU-second beside the transport consuming only: some minutes
	$(BIN)/python -m benchmarks $(ARGS)

bench-full: .venv/installed-dev ## all of docs/performance.md, beside other tools: 40 minutes
	$(BIN)/python -m benchmarks.peers prepare
	$(BIN)/python -m benchmarks.peers check
	failed=0; \
	$(BIN)/python -m benchmarks --full $(ARGS) || failed=1; \
	$(BIN)/python -m benchmarks.latency --settings 1 --rounds 5 --seconds 10 || failed=1; \
	$(BIN)/python -m benchmarks.scaling || failed=1; \
	$(BIN)/python -m benchmarks.page --take || failed=1; \
	$(BIN)/python -m benchmarks.scaling_page --take || failed=1; \
	exit $$failed

soak: .venv/installed-dev .venv/installed-browser ## long runs with random kills; prints the seed of each
	$(BIN)/pytest -m soak $(ARGS)

lock: .venv/installed-dev ## write the lock files again from pyproject.toml, also those of the image
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --extra embedded pyproject.toml build-requirements.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --extra embedded --extra parquet --extra apprise --group dev pyproject.toml build-requirements.in -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --extra apprise --constraints requirements-dev.lock pyproject.toml -o deploy/requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --constraints requirements-dev.lock deploy/build-requirements.in -o deploy/build-requirements.lock

clean: ## remove the environment and what tools left behind
	rm -rf .venv .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
