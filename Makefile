# One verb per job. `make demo` and `make test` are the whole set-up on a fresh Debian or Ubuntu machine: what is missing is installed.
# PROFILE=release builds as users get it; tests run in the dev profile, with overflow checks and debug assertions on.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PROFILE ?= release
CARGO ?= cargo
FOLDER := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
HANDLERS := $(patsubst handlers/examples/%.js,target/handlers/%.wasm,$(wildcard handlers/examples/*.js))
SDK := handlers/sdk/js

.PHONY: help build demo test lint deny setup-deny handlers setup setup-test clean

help: ## these lines
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

build: setup ## target/release/proxy-everything
	$(CARGO) build --profile $(PROFILE) -p proxy-everything

demo: build ## the main job, shown and checked, with no internet
	$(CARGO) build --profile $(PROFILE) -p tests --bin demo
	PROXY_EVERYTHING_BIN=target/$(FOLDER)/proxy-everything target/$(FOLDER)/demo

test: setup-test handlers lint ## everything that CI runs
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace
	PROXY_EVERYTHING_BIN=target/debug/proxy-everything target/debug/demo

lint: setup ## format and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of every dependency (needs cargo-deny; `make setup-deny` installs it)
	$(CARGO) deny --all-features check bans licenses sources

setup-deny:
	$(CARGO) install --locked --version 0.20.2 cargo-deny

handlers: setup $(HANDLERS) ## the JavaScript example handlers, to target/handlers

$(SDK)/node_modules: $(SDK)/package-lock.json
	cd $(SDK) && npm ci --no-audit --no-fund
	touch $@

target/handlers/%.wasm: handlers/examples/%.js $(SDK)/node_modules $(wildcard $(SDK)/src/*.js) $(SDK)/build.mjs handlers/wit/handler.wit
	mkdir -p $(@D)
	node $(SDK)/build.mjs $< -o $@

setup: ## what building needs: a compiler, libnftnl, libmnl, node
	@tools/install build

setup-test: ## what the tests need besides
	@tools/install test

clean: ## removes what was built
	$(CARGO) clean
	rm -rf $(SDK)/node_modules
