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
PROGRAMS := $(wildcard handlers/examples/*.js handlers/tests/guests/*.js handlers/tests/guests/*.ts)
HANDLERS := $(patsubst %,target/handlers/%.wasm,$(basename $(notdir $(PROGRAMS))))
HANDLERS += $(patsubst $(CLIENT)/examples/%.js,target/handlers/client-%.wasm,$(wildcard $(CLIENT)/examples/*.js))
# Components of the other languages, and those of toolchains that know nothing of this project.
EXAMPLES := handlers/examples
OTHERS := handlers/tests/guests/others
LANGUAGES := $(patsubst $(EXAMPLES)/rust/%.rs,target/handlers/rust-%.wasm,$(wildcard $(EXAMPLES)/rust/*.rs))
LANGUAGES += $(patsubst $(EXAMPLES)/c/%.c,target/handlers/c-%.wasm,$(wildcard $(EXAMPLES)/c/*.c))
LANGUAGES += $(patsubst $(EXAMPLES)/python/%.py,target/handlers/python-%.wasm,$(wildcard $(EXAMPLES)/python/*.py))
LANGUAGES += $(patsubst %,target/handlers/other-%.wasm,wstd starling preview3)

.PHONY: help build demo test bench-policy lint deny setup-deny handlers handlers-all types setup setup-handlers setup-languages setup-test clean

help: ## these lines
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

build: setup ## target/release/proxy-everything
	$(CARGO) build --profile $(PROFILE) -p proxy-everything

demo: build ## the main job, shown and checked, with no internet
	$(CARGO) build --profile $(PROFILE) -p tests --bin demo
	PROXY_EVERYTHING_BIN=target/$(FOLDER)/proxy-everything target/$(FOLDER)/demo

test: setup-test handlers-all types lint ## everything that CI runs
	$(CARGO) build --workspace --all-targets
	$(CARGO) test --workspace
	PROXY_EVERYTHING_BIN=target/debug/proxy-everything target/debug/demo

bench-policy: setup ## what a decision costs, by the number of rules
	$(CARGO) bench -p policy --bench decide

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

vpath %.js handlers/examples handlers/tests/guests
vpath %.ts handlers/tests/guests
BUILD_HANDLER = mkdir -p $(@D) && "$$(tools/node)" $(SDK)/build.mjs $< -o $@
SDK_FILES := $(SDK)/node_modules $(wildcard $(SDK)/src/*.js) $(SDK)/build.mjs $(SDK)/component.mjs handlers/wit/handler.wit

target/handlers/%.wasm: %.js $(SDK_FILES)
	$(BUILD_HANDLER)

target/handlers/%.wasm: %.ts $(SDK_FILES)
	$(BUILD_HANDLER)

# The classes of programs: what Node and the component have in common is in these files.
target/handlers/client-%.wasm: $(CLIENT)/examples/%.js $(SDK_FILES) $(CLIENT)/build.mjs $(wildcard $(CLIENT)/src/*.js)
	mkdir -p $(@D) && "$$(tools/node)" $(CLIENT)/build.mjs $< -o $@

handlers-all: handlers setup-languages $(LANGUAGES) ## the same in every language

TOOLS := handlers/sdk/tools
$(TOOLS)/node_modules: $(TOOLS)/package-lock.json
	cd $(TOOLS) && npm install --ignore-scripts --no-save --no-audit --no-fund
	touch $@

# The contract as every language's generator reads it.
CONTRACT := $(shell find handlers/wit -name '*.wit')

RUST := handlers/sdk/rust
RUST_FILES := $(CONTRACT) $(wildcard $(RUST)/src/*.rs) $(RUST)/Cargo.toml $(RUST)/Cargo.lock $(RUST)/build $(TOOLS)/node_modules

target/handlers/rust-%.wasm: $(EXAMPLES)/rust/%.rs $(RUST_FILES)
	$(RUST)/build $(RUST) --example $* -o $@

target/handlers/other-wstd.wasm: $(wildcard $(OTHERS)/wstd/*) $(RUST)/build $(TOOLS)/node_modules
	$(RUST)/build $(OTHERS)/wstd -o $@

WIT_BINDGEN := target/tools/bin/wit-bindgen
$(WIT_BINDGEN):
	$(CARGO) install --locked --root target/tools --version 0.61.1 --no-default-features --features c wit-bindgen-cli

C := handlers/sdk/c
# Those that look at heads only are filters.
c_world = $(if $(filter inject only-get,$1),request-filter,handler)

target/handlers/c-%.wasm: $(EXAMPLES)/c/%.c $(CONTRACT) $(wildcard $(C)/*.h) $(C)/build $(WIT_BINDGEN) $(TOOLS)/node_modules
	$(C)/build $< $(call c_world,$*) -o $@

PYTHON := handlers/sdk/python
COMPONENTIZE_PY := target/python/bin/componentize-py
$(COMPONENTIZE_PY): $(PYTHON)/requirements.txt
	python3 -m venv target/python
	target/python/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

target/handlers/python-%.wasm: $(EXAMPLES)/python/%.py $(CONTRACT) $(wildcard $(PYTHON)/proxy_everything/*.py) $(PYTHON)/build.py $(COMPONENTIZE_PY)
	target/python/bin/python $(PYTHON)/build.py $< -o $@

target/handlers/other-preview3.wasm: $(OTHERS)/preview3.py $(OTHERS)/world $(COMPONENTIZE_PY) $(TOOLS)/node_modules
	$(OTHERS)/world 0.3.0 0.3.0 service target/wit/preview3
	$(COMPONENTIZE_PY) -q -d target/wit/preview3 -w other componentize -p $(OTHERS) preview3 -o $@

# StarlingMonkey insists on its own patch of WASI 0.2.
target/handlers/other-starling.wasm: $(OTHERS)/starling.js $(OTHERS)/world $(TOOLS)/node_modules
	$(OTHERS)/world 0.2.12 0.2.10 proxy target/wit/starling
	"$$(tools/node)" $(TOOLS)/node_modules/@bytecodealliance/componentize-js/src/cli.js $< --wit target/wit/starling -n other -o $@

types: setup-handlers $(CLIENT)/node_modules ## the client's types, against its modules and programs
	"$$(tools/node)" $(CLIENT)/node_modules/typescript/bin/tsc -p $(CLIENT)

$(CLIENT)/node_modules: $(CLIENT)/package-lock.json
	cd $(CLIENT) && npm install --ignore-scripts --no-save --no-audit --no-fund
	touch $@

setup: ## installs what building needs: a compiler, libnftnl, libmnl
	@tools/install build

setup-handlers:
	@tools/install build handlers

setup-languages:
	@tools/install build handlers languages

setup-test: ## installs what the tests need besides
	@tools/install build handlers test containers

clean: ## removes what was built
	$(CARGO) clean
	rm -rf $(SDK)/node_modules $(CLIENT)/node_modules $(TOOLS)/node_modules
