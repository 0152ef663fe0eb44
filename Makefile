# One verb per job. `make demo` and `make test` are the whole set-up on a fresh Debian or Ubuntu machine: what is missing is installed.
# PROFILE=release builds as users get it; tests run in the dev profile, with overflow checks and debug assertions on.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PROFILE ?= release
CARGO ?= cargo
FOLDER := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
SDK := handlers/sdk/js
CLIENT := handlers/sdk/client
PROGRAMS := $(wildcard handlers/examples/*.js handlers/examples/*.ts handlers/tests/guests/*.js handlers/tests/guests/*.ts \
	handlers/tests/guests/hostile/*.js)
HANDLERS := $(patsubst %,target/handlers/%.wasm,$(basename $(notdir $(PROGRAMS))))
HANDLERS += $(patsubst $(CLIENT)/examples/%.js,target/handlers/client-%.wasm,$(wildcard $(CLIENT)/examples/*.js))

.PHONY: help build guided demo test test-vault fuzz bench bench-parts bench-policy bench-handlers lint deny setup-deny handlers handlers-all types test-sdk setup setup-handlers setup-languages setup-test setup-bench setup-guided clean

help: ## these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

build: setup ## target/release/proxy-everything
	$(CARGO) build --profile $(PROFILE) -p proxy-everything

guided: setup-guided handlers ## target/guided/proxy-everything, a tenth faster: built twice, the second time guided by a profile; as root
	tools/guided

demo: build ## the main job, shown and checked, with no internet
	$(CARGO) build --profile $(PROFILE) -p tests --bin demo
	PROXY_EVERYTHING_BIN=target/$(FOLDER)/proxy-everything target/$(FOLDER)/demo

test: setup-test handlers-all types test-sdk target/moto target/aws-sigv4 target/token-servers target/python-tools target/verdaccio target/grpc-python target/grpc-node lint ## everything that CI runs
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace
	PROXY_EVERYTHING_BIN=target/debug/proxy-everything target/debug/demo
	FUZZ_SEED=1 tools/fuzz 60

FUZZ_SECONDS ?= 1800
FUZZ_TARGETS ?=

fuzz: setup ## any bytes for whatever reads what workloads send, for FUZZ_SECONDS each (1800), or only for FUZZ_TARGETS
	tools/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

test-vault: setup-test target/rusty-vault ## secrets from another's Vault, which takes minutes to build
	$(CARGO) test --workspace --lib --features proxy-everything/rusty-vault -- rusty_vault

.PHONY: test-h2spec
test-h2spec: setup-test ## another's conformance tests of HTTP/2, whose program must be given: H2SPEC=/path/to/h2spec
	@[ -x "$(H2SPEC)" ] || { echo 'h2spec is in no package registry: build it, and say H2SPEC=/path/to/h2spec' >&2; exit 64; }
	$(CARGO) build --workspace --all-targets
	PROXY_EVERYTHING_BIN=target/debug/proxy-everything target/debug/h2spec "$(H2SPEC)"

WORKERD := target/bench-handlers/node_modules/workerd

bench: guided target/mitmproxy $(WORKERD) ## what it costs beside other proxies, to docs/benchmarks.md; as root
	PROXY_EVERYTHING_BIN=$(CURDIR)/target/guided/proxy-everything /usr/bin/python3 -B tests/bench/compare.py \
	  --json target/bench/result.json --page docs/benchmarks.md

bench-parts: setup ## what the parts of a connection and a request cost, each by itself
	$(CARGO) bench -p proxy-everything --bench parts

bench-policy: setup ## what a decision costs, by the number of rules
	$(CARGO) bench -p policy --bench decide

bench-handlers: guided $(WORKERD) ## what handlers cost, beside none and beside workerd, to docs/benchmarks-handlers.md
	PROXY_EVERYTHING_BIN=$(CURDIR)/target/guided/proxy-everything python3 tests/bench/handlers.py \
	  --json target/bench-handlers/result.json --page docs/benchmarks-handlers.md

# Another JavaScript runtime, to compare with.
$(WORKERD):
	npm install --prefix target/bench-handlers --ignore-scripts --no-audit --no-fund workerd@1.20261117.1
	touch $@

# Another proxy, to compare with.
target/mitmproxy: setup-bench
	[ -x $@/bin/mitmdump ] || { python3 -m venv $@ && $@/bin/pip install -q mitmproxy==11.0.2; }

lint: setup ## format and clippy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

deny: ## licences, bans and sources of every dependency (needs cargo-deny; `make setup-deny` installs it)
	$(CARGO) deny --all-features check bans licenses sources

setup-deny:
	$(CARGO) install --locked --version 0.20.2 cargo-deny

handlers: setup-handlers $(HANDLERS) ## the JavaScript handlers of the examples and tests, to target/handlers

# Not `npm ci`: it insists on optional parts for every platform, which not every registry mirror has.
$(SDK)/node_modules: $(SDK)/package-lock.json
	cd $(SDK) && npm install --ignore-scripts --no-save --no-audit --no-fund
	touch $@

vpath %.js handlers/examples handlers/tests/guests handlers/tests/guests/hostile
vpath %.ts handlers/examples handlers/tests/guests
BUILD_HANDLER = mkdir -p $(@D) && "$$(tools/node)" $(SDK)/build.mjs $< -o $@
SDK_FILES := $(SDK)/node_modules $(wildcard $(SDK)/src/*.js $(SDK)/src/entry/*.js) $(wildcard $(SDK)/*.mjs) \
	$(CLIENT)/src/program.js $(CLIENT)/src/errors.js $(wildcard handlers/wit/*.wit handlers/wit/deps/*/*.wit)

target/handlers/%.wasm: %.js $(SDK_FILES)
	$(BUILD_HANDLER)

target/handlers/%.wasm: %.ts $(SDK_FILES)
	$(BUILD_HANDLER)

# The classes of programs: what Node and the component have in common is in these files.
target/handlers/client-%.wasm: $(CLIENT)/examples/%.js $(SDK_FILES) $(CLIENT)/build.mjs $(wildcard $(CLIENT)/src/*.js)
	mkdir -p $(@D) && "$$(tools/node)" $(CLIENT)/build.mjs $< -o $@

types: setup-handlers $(CLIENT)/node_modules ## the types of the client and of handlers, against modules and programs
	"$$(tools/node)" $(CLIENT)/node_modules/typescript/bin/tsc -p $(CLIENT)
	"$$(tools/node)" $(CLIENT)/node_modules/typescript/bin/tsc -p $(SDK)

test-sdk: setup-handlers $(SDK)/node_modules ## what handlers in JavaScript stand on, in Node
	"$$(tools/node)" --import ./$(SDK)/test/hooks.mjs --test $(wildcard $(SDK)/test/*.test.mjs)

$(CLIENT)/node_modules: $(CLIENT)/package-lock.json
	cd $(CLIENT) && npm install --ignore-scripts --no-save --no-audit --no-fund
	touch $@

# An S3 server that checks signatures, and with it others' ways of making signatures and checking tokens.
target/moto: setup-test
	[ -x $@/bin/moto_server ] || { python3 -m venv $@ && $@/bin/pip install -q 'moto[server]==5.2.5'; }

# AWS's own examples of signatures: they come with its library for Rust, of which nothing is built.
target/aws-sigv4:
	rm -rf $@.part && mkdir -p $@.part/src && touch $@.part/src/lib.rs
	printf '%s\n' '[workspace]' '[package]' 'name = "examples"' 'version = "0.0.0"' 'edition = "2024"' '[dependencies]' \
	  'aws-sigv4 = { version = "=1.6.4", default-features = false }' > $@.part/Cargo.toml
	$(CARGO) vendor --quiet --manifest-path $@.part/Cargo.toml $@.part/vendor > /dev/null
	mv $@.part/vendor/aws-sigv4/aws-signing-test-suite $@
	rm -rf $@.part

# Servers that hand out secrets: an OAuth server's and a GitHub app's parts.
target/token-servers: setup-test
	[ -x $@/bin/python ] || { python3 -m venv $@ && $@/bin/pip install -q authlib==1.9.9 flask==3.1.3 pyjwt==2.15.1; }

# A private index of Python packages, and what people have installed from the public one.
target/python-tools: setup-test
	[ -x $@/bin/pypi-server ] || { python3 -m venv $@ && $@/bin/pip install -q pypiserver==2.4.2 requests==2.34.2 openai==3.54.0 anthropic==2.12.0; }

# A private registry of npm packages. One of its parts names another by a tag that mirrors may not have.
target/verdaccio: setup-test
	mkdir -p $@.part && echo '{ "dependencies": { "verdaccio": "6.10.4" }, "overrides": { "node-fetch": "2.7.0" } }' > $@.part/package.json
	[ -d $@ ] || { npm install --prefix $@.part --ignore-scripts --no-audit --no-fund && mv $@.part $@; }
	rm -rf $@.part

# Two of gRPC's own libraries; that for Python has the server, too.
target/grpc-python: setup-test
	$@/bin/python -c 'import grpc' 2>/dev/null || { python3 -m venv $@ && $@/bin/pip install -q grpcio==1.85.1; }

target/grpc-node: setup-test
	[ -d $@ ] || { npm install --prefix $@.part --ignore-scripts --no-audit --no-fund @grpc/grpc-js@1.14.7 && mv $@.part $@; }
	rm -rf $@.part

# Another's Vault. It is no part of the product, and its TLS is none of ours.
target/rusty-vault:
	@tools/install build vault
	[ -x $@/bin/rvault ] || $(CARGO) install --locked --version 0.2.1 --root $@ --target-dir target/rusty-vault-build rusty_vault

include handlers/languages.mk
include tests/compatibility/clients.mk

setup: ## installs what building needs: a compiler, libnftnl, libmnl
	@tools/install build

setup-handlers:
	@tools/install build handlers

setup-languages:
	@tools/install build handlers languages

setup-test: ## installs what the tests need besides
	@tools/install build handlers test containers

setup-bench: ## installs what the benchmarks need besides
	@tools/install build handlers bench

setup-guided: ## the same, and what reads a profile
	@tools/install build handlers bench guided

clean: ## removes what was built
	$(CARGO) clean
	rm -rf $(SDK)/node_modules $(CLIENT)/node_modules $(TOOLS)/node_modules
