# Every way to build, run and check Bowline. `make` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
# nextest where it is installed: a process per test, and slow tests are named.
TEST := $(CARGO) $(if $(shell command -v cargo-nextest 2>/dev/null),nextest run,test)
# Crates without I/O: their tests need nothing and take seconds.
PURE := -p model -p wire -p expression -p stages -p triggers -p definitions -p engine

# `AWS=sdk`: the demo goes through the AWS SDK and the wire; `run` uses real AWS. Without it nothing
# of AWS is compiled, which saves many minutes.
AWS ?=
KEEP ?=
ARGS ?=
ifeq ($(AWS),sdk)
FEATURES := --features aws
DEMO_FLAGS := --sdk
RUN_FLAGS :=
else ifeq ($(AWS),)
FEATURES :=
DEMO_FLAGS :=
RUN_FLAGS := --fake-aws
else
$(error AWS is `$(AWS)`; it can be `sdk`, or absent)
endif
DEMO_FLAGS += $(if $(KEEP),--keep)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## A Jenkins build becomes a server group, here and now [KEEP=1 leaves it running, AWS=sdk goes through the AWS SDK, ARGS=…]
	$(CARGO) run -p cli --bin bowline $(FEATURES) -- demo $(DEMO_FLAGS) $(ARGS)

.PHONY: run
run: ## The standalone server, with a pretend AWS [AWS=sdk: the real one, ARGS="--config FILE"]
	$(CARGO) run -p cli --bin bowline $(FEATURES) -- standalone $(RUN_FLAGS) $(ARGS)

.PHONY: check
check: lint ## Format, lints, documentation and the pure tests: what to run before each commit
	$(TEST) $(PURE)

.PHONY: lint
lint: ## Format, lints, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --all-features --no-deps --document-private-items --quiet

.PHONY: test
test: install lint ## Everything: installs RabbitMQ, Redis and moto where missing, starts private ones, runs all checks
	$(CARGO) build --workspace --all-features --bins
	$(CARGO) test --workspace --all-features --doc --quiet
	BOWLINE_TEST_MOTO="$$(deploy/dev/moto.sh)" deploy/dev/with-services.sh $(TEST) --workspace --all-features $(ARGS)
	$(SIMULATOR) --seeds 10000

# The simulator in its own profile: ten thousand seeds pay for an optimised build.
SIMULATOR := $(CARGO) run --quiet --profile sim -p simulation --bin bowline-sim --

.PHONY: simulate
simulate: ## The whole system on a virtual clock, under random faults [ARGS="--seeds 100000", "--seed 7 --trace", "--planted", "--help"]
	$(SIMULATOR) $(ARGS)

.PHONY: e2e
e2e: install ## Only the whole-system stories, with private services
	$(CARGO) build --workspace --all-features --bins
	BOWLINE_TEST_MOTO="$$(deploy/dev/moto.sh)" deploy/dev/with-services.sh $(TEST) -p e2e --all-features $(ARGS)

# How the figures of passing tests are shown.
SHOWN := $(if $(shell command -v cargo-nextest 2>/dev/null),--no-fail-fast --success-output final,--no-fail-fast -- --nocapture)

.PHONY: lab
lab: install ## Only the fault lab: real services and processes, broken in many ways
	$(CARGO) build --workspace --all-features --bins
	$(TEST) -p lab -p fault-proxy $(ARGS) $(SHOWN)

.PHONY: soak
soak: install ## Many hours: every pair of crashes, 100,000 seeds, the fault lab at length with 1,000 executions under chaos, mutation testing
	$(SIMULATOR) --pairs all
	$(SIMULATOR) --seeds 100000
	$(CARGO) build --workspace --all-features --bins
	BOWLINE_SOAK=1 $(TEST) -p lab $(ARGS) $(SHOWN)
	$(MAKE) mutants

.PHONY: fuzz
fuzz: ## Hunts for inputs that break a reader [ARGS="expression --seconds 600"]
	$(CARGO) run -p fuzz --bin bowline-fuzz -- $(ARGS)

.PHONY: mutants
mutants: ## Changes the code that decides, one place after the other, and sees whether a test notices; hours [ARGS="--shard 1/20"]
	@command -v cargo-mutants > /dev/null || { echo 'cargo-mutants is not installed; installing it'; $(CARGO) install cargo-mutants --locked; }
	@command -v cargo-nextest > /dev/null || { echo 'cargo-nextest is not installed; installing it'; $(CARGO) install cargo-nextest --locked; }
	PROPTEST_MAX_SHRINK_ITERS=0 CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) mutants $(ARGS)

.PHONY: bench
bench: ## Benchmarks: ratios measured in one run
	$(CARGO) build --release --workspace --all-features --bins
	deploy/dev/with-services.sh "$${CARGO_TARGET_DIR:-target}/release/bowline-bench" $(ARGS)

.PHONY: docs
docs: ## Writes docs/stages again, from the declarations of the stage types
	$(CARGO) run --quiet -p stages --example docs -- docs/stages

.PHONY: install
install: ## RabbitMQ and Redis from Debian's packages, where missing; says so first
	deploy/dev/services.sh install

.PHONY: moto-install
moto-install: ## moto in a cached virtual environment, for the smoke test against a second AWS
	deploy/dev/moto.sh

.PHONY: services
services: install ## A private RabbitMQ and Redis in .run/services, until `make services-stop`
	deploy/dev/services.sh start
	@echo 'tests find them with:  set -a; . .run/services/services.env; set +a'

.PHONY: services-stop
services-stop: ## Ends them
	deploy/dev/services.sh stop
