# Components of the other languages, and of toolchains that know nothing of this project: `make handlers-all`.
# Included by the Makefile; everything that is downloaded goes below target/ and node_modules/.

EXAMPLES := handlers/examples
OTHERS := handlers/tests/guests/others
LANGUAGES := $(patsubst $(EXAMPLES)/rust/%.rs,target/handlers/rust-%.wasm,$(wildcard $(EXAMPLES)/rust/*.rs))
LANGUAGES += $(patsubst $(EXAMPLES)/c/%.c,target/handlers/c-%.wasm,$(wildcard $(EXAMPLES)/c/*.c))
LANGUAGES += $(patsubst $(EXAMPLES)/python/%.py,target/handlers/python-%.wasm,$(wildcard $(EXAMPLES)/python/*.py))
LANGUAGES += $(patsubst %,target/handlers/other-%.wasm,wstd starling preview3)

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
