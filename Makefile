# Greffier: `make demo` shows a recording being made, `make test` checks everything. Both install what they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

TOOLS := $(CURDIR)/target/tools
# Unless the caller says otherwise, everything is built below target/.
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
LIVEKIT_SERVER_VERSION := v1.13.5
MINIO_VERSION := v0.0.0-20260212201848-7aac2a2c5b7c
CARGO_DENY_VERSION := 0.20.2

# What the program links to and runs with; what the tests and the demo need besides.
DEBIAN_BUILD := $(shell sed -n 's/^build *//p' docker/packages.txt)
DEBIAN_RUN := gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
	gstreamer1.0-libav fonts-dejavu-core fonts-noto-core fonts-noto-color-emoji fonts-droid-fallback ca-certificates
DEBIAN_TEST := gstreamer1.0-tools ffmpeg chromium python3-venv curl procps redis-server nginx-light

# These tests do little but wait: they run side by side, and the others do not run beside them.
WAITING := network
TESTS := $(filter-out $(WAITING),$(basename $(notdir $(wildcard tests/*.rs))) $(notdir $(patsubst %/main.rs,%,$(wildcard tests/*/main.rs))))
ATTEMPTS := $(TARGET)/tmp/attempts.log

.PHONY: help demo demo-build test test-build unit live chaos check bench bless media tools debian fmt image image-test
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: debian ## record a sample room for 20 s on a real LiveKit server and check the file
	$(MAKE) -j2 --no-print-directory demo-build $(TOOLS)/livekit-server
	GREFFIER_TOOLS="$(TOOLS)" TARGET="$(TARGET)" bash examples/demo.sh

demo-build:
	cargo build --locked --bin greffier --example sample_room

test: debian ## everything: unit, golden, law, pipeline and live tests
	$(MAKE) -j2 --no-print-directory test-build tools
	rm -f "$(ATTEMPTS)"
	code=0; \
	cargo test --locked --no-fail-fast --lib --bins --examples $(addprefix --test ,$(TESTS)) \
		|| code=$$?; \
	cargo test --locked --no-fail-fast $(addprefix --test ,$(WAITING)) -- --test-threads 16 || code=$$?; \
	cargo test --locked --doc || code=$$?; \
	awk -f tests/attempts.awk "$(ATTEMPTS)" || code=$$?; \
	exit $$code

# Cargo shares out the cores itself: what make says of jobs is not for it.
demo-build test-build chaos: export MAKEFLAGS :=
demo-build test-build chaos: export MFLAGS :=
test-build:
	cargo build --locked --bins --examples
	cargo test --locked --no-run --lib --bins --examples --tests

unit: debian ## decisions, goldens and the law: an answer in a minute
	cargo test --locked --lib --test architecture --test lifecycle --test scenes --test compositor

live: tools ## only the tests against the real server
	cargo build --locked --bins --examples
	rm -f "$(ATTEMPTS)"
	cargo test --locked --test live
	awk -f tests/attempts.awk "$(ATTEMPTS)"

chaos: tools ## seeded runs of everything that goes wrong (SEED=7 RUNS=20 ABREAST=2)
	cargo build --locked --bins --examples
	SEED="$(or $(SEED),1)" RUNS="$(RUNS)" ABREAST="$(ABREAST)" cargo test --locked --test chaos whatever_goes_wrong -- --nocapture

check: debian $(TOOLS)/bin/cargo-deny ## format, lints, docs, dependencies
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --lib
	cargo fetch --locked --quiet
	$(TOOLS)/bin/cargo-deny --locked --offline check bans licenses sources

bench: debian $(TOOLS)/livekit-server ## cost of a recording, side by side with its limit (ARGS="--rounds 1 ours")
	cargo build --locked --release --bin greffier --example sample_room
	GREFFIER_TOOLS="$(TOOLS)" cargo bench --locked --bench cost -- $(ARGS)

image: ## the container image, by Docker
	docker build -f docker/Dockerfile -t greffier:0.1.0 .

image-test: debian ## the Dockerfile performed and started without Docker (root; 15 min the first time, then seconds)
	cargo build --locked --bin greffier
	sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	for tool in debootstrap:debootstrap ip:iproute2 npx:npm; do command -v $${tool%:*} >/dev/null \
		|| $$sudo apt-get install -yq --no-install-recommends $${tool#*:}; done; \
	$$sudo bash docker/clean-room.sh "$(TARGET)/debug/greffier"

bless: ## write the golden files anew; git shows what changed
	UPDATE_GOLDENS=1 cargo test --locked --test scenes --test compositor --test lifecycle
	UPDATE_GOLDENS=1 cargo test --locked --lib config::
	UPDATE_GOLDENS=1 cargo test --locked --test notify emails_are_as_kept

media: ## make the sample tracks anew (ffmpeg, espeak-ng)
	bash testdata/make-media.sh

fmt: ## format the code
	cargo fmt

tools: debian $(TOOLS)/livekit-server $(TOOLS)/minio $(TOOLS)/venv/ready

# Installs only what is missing, so that a second call neither asks for rights nor for the network.
debian:
	@missing=""; for package in $(DEBIAN_BUILD) $(DEBIAN_RUN) $(DEBIAN_TEST); do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
		echo "installing Debian packages:$$missing"; \
		sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -q && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends $$missing \
			|| { echo "this needs Debian 12's package archive and root rights: apt-get install$$missing"; exit 1; }; \
	fi

$(TOOLS)/livekit-server:
	mkdir -p $(TOOLS)
	@if command -v livekit-server >/dev/null; then ln -sf "$$(command -v livekit-server)" $@; \
	elif command -v go >/dev/null; then \
		echo "building livekit-server $(LIVEKIT_SERVER_VERSION) (some minutes)"; \
		GOBIN=$(TOOLS) go install github.com/livekit/livekit-server/cmd/server@$(LIVEKIT_SERVER_VERSION) && mv $(TOOLS)/server $@; \
	else echo "Go is missing: install it from your distribution or https://go.dev/dl, then run make again"; exit 1; fi

# The object store of the storage tests.
$(TOOLS)/minio:
	mkdir -p $(TOOLS)
	@if command -v go >/dev/null; then \
		echo "building MinIO $(MINIO_VERSION) (some minutes)"; \
		GOBIN=$(TOOLS) go install github.com/minio/minio@$(MINIO_VERSION); \
	else echo "Go is missing: install it from your distribution or https://go.dev/dl, then run make again"; exit 1; fi

# The tests' Python programs: an independent publisher (LiveKit's SDK, which is libwebrtc), a backend, a mail server.
$(TOOLS)/venv/ready: tests/python/requirements.txt
	python3 -m venv $(TOOLS)/venv
	$(TOOLS)/venv/bin/pip install -q -r $<
	touch $@

# Built without optimisation: it reads one lock file, once.
$(TOOLS)/bin/cargo-deny: export CARGO_PROFILE_RELEASE_OPT_LEVEL := 0
$(TOOLS)/bin/cargo-deny: export CARGO_PROFILE_RELEASE_LTO := off
$(TOOLS)/bin/cargo-deny: export CARGO_PROFILE_RELEASE_CODEGEN_UNITS := 16
$(TOOLS)/bin/cargo-deny:
	mkdir -p $(TOOLS)/bin
	@if command -v cargo-deny >/dev/null; then ln -sf "$$(command -v cargo-deny)" $@; \
	else echo "building cargo-deny $(CARGO_DENY_VERSION) (some minutes)"; \
		cargo install -q --locked --root $(TOOLS) cargo-deny@$(CARGO_DENY_VERSION); fi
