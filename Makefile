# Every verb of daily work. Variables come from the environment or the command line: `make up PORT=9000`.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

PORT ?= 8000
SPLIT ?= test
OUT ?= report
CASES ?= 2000
BENCH_OUT ?= .bench/results
PYTHON ?=
export PYTHON

python := .venv/bin/python
on = $(filter-out 0 no false,$(1))
data_needed = $(if $(DATA),,$(error DATA is not set. Name a folder with a manifest.csv: make $(firstword $(MAKECMDGOALS)) DATA=<bundle>))
local = $(python) -m deploy.local
# The Python of .venv, or before it is made any of 3.11 or newer.
any_python = $(firstword $(wildcard $(python)) $(PYTHON) $(shell command -v python3.11 || command -v python3))
check_bundle = $(any_python) -m training.data.check_bundle --data "$(DATA)"
# Without a folder, --weights looks beside the data.
named_weights = --weights $(if $(WEIGHTS),"$(WEIGHTS)")
weights_needed = $(if $(call on,$(RANDOM_WEIGHTS)),,$(named_weights))
without_baselines = $(filter 0 no false,$(BASELINES))
train = $(python) -m training --data "$(DATA)" $(if $(WEIGHTS),--weights "$(WEIGHTS)") \
	$(if $(call on,$(RANDOM_WEIGHTS)),--random-weights)
modalities = $(shell sed -n 's/^name = "\(.*\)"/\1/p' shared/modalities/registry.toml)

bench = $(python) -m benchmarks $(if $(call on,$(QUICK)),--quick) $(if $(DATA),--data "$(DATA)") --out "$(BENCH_OUT)"

.PHONY: help install demo up down status test coverage mutants schemathesis test-containers check format check-bundle train train-all train-graphics evaluate-marked \
        trainable all-trainable evaluable \
        evaluate bench bench-callers bench-overload bench-soak bench-memory bench-stages bench-readiness bench-sizing bench-images \
        bench-guard bench-page bench-gallery samples docs reference-pages secrets lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile
	@printf '\nVariables: PORT (8000), FRESH=1 (empty gallery), DEMO_EXIT=1 (stop after the table), DATA=<bundle>,\n'
	@printf '           MODALITY=compa or a modality, SPLIT (test), OUT (report), PYTHON=/path/to/python3.11\n'

##@ Run it on this machine

demo: .venv/local.stamp ## Start the system, enrol sample patients, identify others; DATA=<bundle>: real patients
	@$(local) demo --port $(PORT) $(if $(call on,$(FRESH)),--fresh) $(if $(call on,$(DEMO_EXIT)),--exit) \
		$(if $(DATA),--data "$(DATA)")

up: .venv/local.stamp ## Start the system in the background; state, logs and the admin key under .run/
	@$(local) up --port $(PORT) $(if $(call on,$(FRESH)),--fresh)

down: .venv/local.stamp ## Stop the system; the gallery stays
	@$(local) down

status: .venv/local.stamp ## Show the state and the memory of every process
	@$(local) status

##@ Change it

test: .venv/dev.stamp ## Run all tests with branch coverage, in two processes
	@OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 $(python) -m pytest --numprocesses 2 --dist loadfile --cov --cov-report=term:skip-covered

check: .venv/dev.stamp ## Formatter, linter, types, import rules, documents, identifiers out of logs
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(python) -m deploy.checks
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet

format: .venv/dev.stamp ## Format and sort imports
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

coverage: test ## Run the tests and write their coverage as pages to htmlcov/
	@.venv/bin/coverage html

mutants: .venv/dev.stamp ## Count code changes that no test notices; a quarter of an hour, resumes: [MUTANTS='shared.keypoints.*']
	@$(python) -m tests.mutants $(if $(MUTANTS),'$(MUTANTS)')

schemathesis: .venv/dev.stamp ## The long run against the services' own OpenAPI: CASES=2000
	@SCHEMATHESIS_CASES=$(CASES) $(python) -m pytest tests/deploy/test_contract.py

test-containers: .venv/local.stamp ## Build the images and test the compose system (needs a Docker engine)
	@tests/containers/test.sh

##@ Train and measure

check-bundle: ## Check manifest and images; nothing is installed: DATA=<bundle> [MODALITY=ct]
	@:$(data_needed)
	@$(check_bundle) $(if $(MODALITY),--modality $(MODALITY))

train: trainable .venv/train.stamp ## Train and describe one model: MODALITY=ct DATA=<bundle> [WEIGHTS=<folder>]
	@$(train) --modality $(MODALITY)

train-all: all-trainable .venv/train.stamp ## The same for COMPA and every modality: DATA=<bundle> [WEIGHTS=<folder>]
	@for modality in compa $(modalities); do $(train) --modality $$modality || exit; done

train-graphics: .venv/train.stamp ## Train the network that finds text, rulers and other marks: DATA=<bundle>; about 35 minutes, resumes
	@:$(data_needed)
	@$(python) -m training.train_graphics --data "$(DATA)"

# Before gigabytes are installed.
trainable:
	@:$(data_needed)
	@:$(if $(MODALITY),,$(error MODALITY is not set: make train MODALITY=ct DATA=<bundle>))
	@$(check_bundle) --modality $(MODALITY) $(weights_needed)

all-trainable:
	@:$(data_needed)
	@for modality in compa $(modalities); do $(check_bundle) --modality $$modality $(weights_needed) || exit; done

evaluable:
	@:$(data_needed)
	@$(check_bundle) --evaluate $(SPLIT) $(if $(without_baselines),,$(named_weights))

evaluate: evaluable .venv/train.stamp ## Measure all models: DATA=<bundle> [WEIGHTS=<folder>] [BASELINES=0] [SPLIT=test] OUT=<dir>
	@$(python) -m training.evaluation --data "$(DATA)" --split $(SPLIT) --out "$(OUT)" \
		$(if $(WEIGHTS),--weights "$(WEIGHTS)") $(if $(without_baselines),--without-baselines)

evaluate-marked: .venv/train.stamp ## Ask every track again with text, rulers and other marks on all pictures: DATA=<bundle> [SPLIT=test]
	@:$(data_needed)
	@$(python) -m training.evaluation.marked --data "$(DATA)" --split $(SPLIT)

bench-gallery: .venv/dev.stamp ## Grow a gallery to a million templates and search it: [DATA=<bundle>] [MODALITY=fundus] [SIZES="1000 10000"]
	@$(python) -m benchmarks.gallery $(if $(DATA),--data "$(DATA)") $(if $(MODALITY),--modality $(MODALITY)) $(if $(SIZES),--sizes $(SIZES))

##@ Measure the speed (results under .bench/results)

bench: .venv/bench.stamp ## Side by side with Flask, FastAPI, LitServe, BentoML and the floor; QUICK=1: short and rough
	@$(bench) compare memory readiness stages

bench-callers: .venv/bench.stamp ## One caller with 4 to 32 requests at once, and a second caller beside it
	@$(bench) callers

bench-overload: .venv/bench.stamp ## Three times the capacity for a minute, and one modality under attack
	@$(bench) overload

bench-soak: .venv/bench.stamp ## Ten minutes at 70 % of the capacity
	@$(bench) soak

bench-memory: .venv/bench.stamp ## Memory of ours and of the peers, each alone on the machine
	@$(bench) memory

bench-stages: .venv/bench.stamp ## Where each millisecond of one request goes
	@$(bench) stages

bench-readiness: .venv/bench.stamp ## From the start of each process until it is ready
	@$(bench) readiness

bench-sizing: .venv/bench.stamp ## Processor time of one identification, by process
	@$(bench) sizing

bench-images: .venv/bench.stamp ## Build the images and tell their sizes (needs a Docker engine)
	@$(bench) images

bench-guard: .venv/bench.stamp ## Fail where a request has become 30 % dearer beside the floor; part of CI
	@$(python) -m benchmarks.guard

bench-page: .venv/bench.stamp ## Write what was measured last into docs/notebook/performance.md
	@$(python) -m benchmarks.report.performance_page "$(BENCH_OUT)" --into docs/notebook/performance.md

##@ Keep house

install: .venv/dev.stamp ## Install everything for development into .venv

docs: .venv/dev.stamp ## Build the documents as a site under .site/
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict --quiet
	@echo ".site/index.html"

reference-pages: .venv/dev.stamp ## Write the pages of docs/reference that are made from the code
	@$(python) -m deploy.checks.reference_pages

secrets: ## Make the secrets of compose.yaml under .secrets/, once
	@deploy/secrets.sh

samples: .venv/dev.stamp ## Draw the phantoms under samples/ again
	@$(python) -m samples

lock: .venv/dev.stamp ## Pin and hash the newest versions of everything: requirements/*.lock
	@deploy/lock.sh --upgrade

clean: ## Remove .venv, .run and what tests and tools left
	@[ ! -x $(python) ] || $(local) down
	@rm -rf .venv .run .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov

.venv/%.stamp: requirements/%.lock
	@deploy/install.sh $*
