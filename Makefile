# Everything a person does here, by name. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := schemas producers workers gateway stack
LOCK := requirements/lock.txt
INSTALLED := $(VENV)/.installed

.PHONY: help
help: ## list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/uv: requirements/uv.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt

$(INSTALLED): $(VENV)/bin/uv $(LOCK) $(DISTRIBUTIONS:%=%/pyproject.toml)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r $(LOCK)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps $(DISTRIBUTIONS:%=-e ./%)
	@touch $@

.PHONY: install
install: $(INSTALLED) ## build the environment in .venv

.PHONY: run
run: install ## the whole system with a local model: eight real answers and their rows, until Ctrl-C
	@$(BIN)/fanzgpt demo --stay

.PHONY: demo
demo: install ## the same, and ends by itself: exit 0 only if every answer has its rows
	@$(BIN)/fanzgpt demo

.PHONY: check
check: install ## format, lint, types, import direction
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy examples tests/typing
	$(BIN)/lint-imports --no-cache

.PHONY: format
format: install ## rewrite to the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: reference
reference: install ## write docs/reference anew, from the code
	$(BIN)/python -m tests.architecture.reference
	$(BIN)/python -m fanzgpt_gateway.openapi > clients/typescript/openapi.json

.PHONY: test
test: install ## everything, on real Kafka, PostgreSQL and Valkey, file by file in two processes
	$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

API_EXAMPLES ?= 100

.PHONY: api
api: install ## the HTTP API against its own document: every check, a hundred examples an endpoint, sequences of calls
	SCHEMATHESIS_EXAMPLES=$(API_EXAMPLES) $(BIN)/pytest --timeout 3600 tests/e2e/test_gateway_schema.py

CHAOS ?= chaos-verdict
CHAOS_SEED ?= 1
CHAOS_SCALE ?= 1
CHAOS_BEFORE ?=

.PHONY: chaos
chaos: install ## twenty thousand schedules of the simulation, then every fault at full size; the page is in chaos-verdict
	SIMULATION_SEEDS=20000 $(BIN)/pytest --timeout 1800 tests/simulation
	$(BIN)/python -m tests.chaos --into $(CHAOS) --seed $(CHAOS_SEED) --scale $(CHAOS_SCALE) \
	  $(if $(CHAOS_BEFORE),--before $(CHAOS_BEFORE))

.PHONY: bench
bench: install ## what a generation, a row and a stage cost, beside the peers: figures in benchmarks/results
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.peers --requests 1500
	$(BIN)/python -m benchmarks.sinks --rows 10000
	$(BIN)/python -m benchmarks.latency

.PHONY: lock
lock: $(VENV)/bin/uv ## resolve again: hashes, no addresses
	$(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	  --python-version 3.11 --override requirements/overrides.txt $(DISTRIBUTIONS:%=--no-emit-package fanzgpt-%) \
	  $(DISTRIBUTIONS:%=%/pyproject.toml) requirements/dev.in -o $(LOCK)

.PHONY: clean
clean: ## stop the embedded stack and remove what was built
	-@[ -x $(BIN)/fanzgpt ] && $(BIN)/fanzgpt stack down
	rm -rf $(VENV) .fanzgpt .mypy_cache .ruff_cache .pytest_cache .hypothesis
