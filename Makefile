# Bare `make` lists the targets. Everything stays in this folder: the environment in .venv, data in .gridhub.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_INSTALL := $(UV) pip install --quiet --python $(BIN)/python
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
PACKAGES := config connectors schemas streams
# `make demo EVENTS=5000 WORKERS=3` becomes `gridhub demo --events 5000 --workers 3`.
DEMO := $(if $(EVENTS),--events $(EVENTS)) $(if $(WORKERS),--workers $(WORKERS)) $(if $(KILLS),--kills $(KILLS)) \
	$(if $(BROKER_RESTARTS),--broker-restarts $(BROKER_RESTARTS)) $(if $(SEED),--seed $(SEED)) \
	$(if $(RATE),--rate $(RATE)) $(if $(SCENARIO),--scenario $(SCENARIO)) \
	$(if $(CHURN),$(if $(filter 0 no false,$(CHURN)),--no-churn,--churn)) $(if $(CHAOS),--chaos)

# `make crash FAULT=kill SEEDS=3` becomes `python bench/crash/matrix.py kill --seeds 3`.
CRASH := $(FAULT) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SEED),--seed $(SEED)) $(if $(EVENTS),--events $(EVENTS)) \
	$(if $(SPAN),--span $(SPAN)) $(if $(SABOTAGE),--sabotage $(SABOTAGE))

# `make bench ONLY=gridhub,kafka-streams MINUTES=2` becomes `python bench/engine/run.py --only gridhub,kafka-streams --minutes 2`.
BENCH := $(if $(ONLY),--only $(ONLY)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(REPEATS),--repeats $(REPEATS)) \
	$(if $(MODES),--modes $(MODES)) $(if $(RATES),--rates $(RATES)) $(if $(EVENTS),--events $(EVENTS)) \
	$(if $(filter-out 0 no false,$(QUICK)),--quick) $(if $(filter-out 0 no false,$(ANEW)),--anew) \
	$(foreach pair,$(SET),--set $(pair))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install dev demo bench bench-parts bench-timers bench-report crash soak quality test test-fast lint types format docs lock wheel clean tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(VENV)/.installed ## make .venv with the locked dependencies and the command .venv/bin/gridhub

dev: $(VENV)/.dev ## the same with the tools that tests, linters and types need

demo: install ## run the whole hub here: EVENTS= WORKERS= KILLS= BROKER_RESTARTS= CHURN=0|1 SEED= RATE= SCENARIO= CHAOS=
	@$(BIN)/gridhub demo $(strip $(DEMO))

crash: install ## break the hub in every way and count what is lost: FAULT=all SEEDS=3 SEED= EVENTS=3000 SPAN=40 SABOTAGE=
	@$(BIN)/python bench/crash/matrix.py $(strip $(CRASH))

quality: install ## measure places, warnings and merges, one JSON line a measure: DATA= folder with further real files
	@$(BIN)/gridhub quality $(if $(DATA),--data $(DATA))

bench: install ## the engine and its peers at one job: ONLY= MINUTES=2 REPEATS=3 MODES= RATES= EVENTS= SET= QUICK=1 ANEW=1
	@$(BIN)/python bench/engine/run.py $(strip $(BENCH))

bench-parts: install ## cost per room, of locating, of remembering and restoring; take-over after kill -9
	@mkdir -p .gridhub/bench
	@{ for part in bench/rooms.py bench/engine/grids.py bench/engine/state_scale.py bench/engine/restore.py \
	bench/crash/takeover.py; do $(BIN)/python $$part || exit 1; done; } | tee .gridhub/bench/parts.jsonl

bench-timers: install ## 100,000 open tasks with timers in one worker: memory and processor time of each, how late: TIMERS= SPREAD=
	@$(BIN)/python bench/engine/timers.py $(if $(TIMERS),--timers $(TIMERS)) $(if $(SPREAD),--spread $(SPREAD))

bench-report: install ## table and plot in docs/performance.md from what `make bench` has measured
	@$(BIN)/python bench/engine/report.py

soak: install ## run the hub for an hour at half of its maximum and watch memory, lag and warnings: MINUTES=60 EVENTS_PER_S=
	@$(BIN)/python bench/soak/soak.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(EVENTS_PER_S),--rate $(EVENTS_PER_S))

test: dev tools lint types ## run every test, a real Kafka included, fast ones first
	$(BIN)/pytest -n 2 --dist loadgroup --durations=12

test-fast: dev ## run the tests that need no broker: seconds
	$(BIN)/pytest -m "not broker and not registry and not crash" \
		$(wildcard tests/rooms tests/golden tests/road tests/contract)

lint: dev ## ruff's rules and format, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: dev ## mypy, strict, on all four packages
	@mkdir -p .types/gridhub
	@for name in $(PACKAGES); do ln -sfn ../../$$name .types/gridhub/$$name; done
	$(BIN)/mypy $(PACKAGES:%=-p gridhub.%)

format: dev ## let ruff put imports and layout right
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

docs: dev ## write the tables in docs/ anew from the code
	$(BIN)/python docs/make_tables.py
	$(BIN)/python grafana/make_metrics_table.py

lock: $(UV) ## resolve the dependencies anew into the lock files
	$(LOCK) --upgrade --output-file requirements.lock pyproject.toml
	$(LOCK) --upgrade --extra dev --constraints requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --upgrade --output-file .ci/build.lock .ci/build.in

wheel: dev ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

clean: ## remove what was built and cached; keeps .venv and the data in .gridhub
	rm -rf build dist gridhub.egg-info .types .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +

tools: # programs that tests need beside Python
	@.ci/debian-packages

$(UV): .ci/build.lock
	@command -v $(PYTHON) >/dev/null || { echo "gridhub needs Python 3.11 or newer; there is no $(PYTHON) here." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "gridhub needs Python 3.11 or newer, but \
	$(PYTHON) is older. Name another: make install PYTHON=python3.11" >&2; exit 1; }
	@echo "Making $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV) >&2 || { echo "$(PYTHON) cannot make virtual environments; on Debian: \
	apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .ci/build.lock >&2
	@touch $(UV)

$(VENV)/.installed: requirements.lock pyproject.toml $(UV)
	@echo "Installing the locked dependencies …" >&2
	@$(UV_INSTALL) --require-hashes --requirement requirements.lock >&2
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable . >&2
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing the tools of development …" >&2
	@$(UV_INSTALL) --require-hashes --requirement requirements-dev.lock >&2
	@touch $@
