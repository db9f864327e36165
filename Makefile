# Weir. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := bin/weir
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help run build players tools test lint fmt unit race system browser engines stack fuzz fuzz-long bench full clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Install what is missing, build, start everything on ./data, ingest a demo (or MASTER=movie.mkv)
	@scripts/run "$(MASTER)"

build: players ## Build bin/weir with the players embedded
	go build -trimpath -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/weir

players: ## Build the pages and the player element
	@scripts/players

tools: ## Install ffmpeg, Chromium and what else the tests need (Debian packages)
	@scripts/tools all

test: ## Everything: lint, Go, TypeScript, system, kill, film, browser and fuzz tests, each stage timed
	@scripts/test all

lint: ## gofmt, go vet, staticcheck, tsc
	@scripts/test lint

fmt: ## Format the Go code
	gofmt -w $$(git ls-files '*.go')

unit: ## Go package tests without the race detector (quick)
	go test $$(scripts/test packages)

race: ## Go package tests with the race detector
	@scripts/test race

system: ## The plain binary as a whole: scripts, kill -9, real film, foreign tools
	@scripts/test system

browser: ## The player in Chromium against the plain binary
	@scripts/test browser

engines: ## Each adapter's suite on its real server: those that are up, or with WEIR_TEST_REQUIRE=all on all of them
	@scripts/test engines

stack: ## A whole installation on real engines, played in Chromium while its parts are killed (needs scripts/engines up)
	@scripts/test stack

fuzz: ## Every fuzz target: its seeds, then 10 s
	@scripts/test fuzz

fuzz-long: ## The edge's parsers, 10 minutes each; the result goes to bench/results
	@scripts/bench.d/fuzz

bench: ## Measure and write dated results to bench/results
	@scripts/bench

full: export WEIR_TEST_REQUIRE = all
full: test bench ## Every test, real engines too, and every measurement at full size

clean: ## Remove what was built (not ./data)
	rm -rf bin players/web/dist/* players/web/node_modules
