# The front door: every target here is a line or two around CMake or a script, which work without it too.
# `make` builds the release into build/bin. Nothing here needs a terminal.
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := build
.PHONY: build demo test check bench install deb up down reset logs migrate makemigration migration-history \
        readyz test-job check-job format lint clean help sweep soak

# Talks to the stack of `make up` where there is one, else to what the environment names.
ENV := if [ -f .heimdex/env ]; then . ./.heimdex/env; fi;

build: ## build the release into build/bin (installs what is missing to build)
	@scripts/deps build
	@scripts/build release

demo: ## from nothing to thousands of jobs run, a killed worker and the proof; leaves the stack up
	@scripts/demo

test: ## every suite, release and sanitizers
	@scripts/run-tests test

check: ## the quick part of the tests
	@scripts/run-tests check

sweep: ## each fault at each failure point, the long outages
	@scripts/run-tests sweep

soak: ## random faults for an hour: make soak SECONDS=300 SEED=7
	@HX_SOAK_SECONDS="$(SECONDS)" HX_SOAK_SEED="$(SEED)" scripts/run-tests soak

bench: build ## measure
	@scripts/deps all
	@bench/run

install: build ## install into $(DESTDIR)/usr
	@DESTDIR="$(DESTDIR)" cmake --install build/release

deb: ## the Debian package, build/deb/heimdex_*.deb
	@scripts/deps deb
	@scripts/deb

up: build ## start PostgreSQL, the embedded broker and the fleet in the background, data in .heimdex/
	@scripts/deps stack
	@scripts/stack up

down: ## stop them, keep the data
	@scripts/stack down

reset: ## stop them, delete the data
	@scripts/stack reset

logs: ## follow their logs
	@scripts/stack logs

migrate: build ## bring the database to the newest revision
	@$(ENV) build/bin/heimdex-migrate upgrade head

makemigration: build ## a new revision file: make makemigration m="what it does"
	@[ -n "$$m" ] || { echo 'makemigration: m: missing: make makemigration m="what it does"' >&2; exit 64; }; \
	$(ENV) build/bin/heimdex-migrate revision -m "$$m"
makemigration: export override m := $(value m)

migration-history: build ## the chain of revisions, newest first
	@$(ENV) build/bin/heimdex-migrate history --verbose

readyz: build ## is everything there and right?
	@$(ENV) build/bin/heimdexctl doctor

test-job: build ## submit one job and wait for it
	@$(ENV) build/bin/heimdex-submit mock_process --payload '{"duration_ms":200}' --requested-by make --wait 60s

check-job: build ## one job and its history: make check-job id=UUID
	@[ -n "$$id" ] || { echo 'check-job: id: missing: make check-job id=UUID' >&2; exit 64; }; \
	$(ENV) build/bin/heimdexctl job "$$id"
check-job: export override id := $(value id)

format: ## lay out our C sources
	@scripts/lint --format

lint: ## layout, banned calls, shell syntax
	@scripts/lint

clean: ## remove what was built (not .heimdex, not .cache)
	@rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' Makefile
