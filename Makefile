# Samara. Two commands for a new user: `make demo` and `make test`. The build itself is CMake's (CMakePresets.json).
.DEFAULT_GOAL := build
.PHONY: build demo test test-quick format lint bench clean help dependencies

BUILD  ?= build/release
JOBS   ?= $(shell nproc)
OUT    ?= out/demo
# How long the demo trains; run it again, with more, and it goes on from where it was.
MINUTES ?= 8

help:        ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dependencies: ## install the Debian or Ubuntu packages that are missing
	@scripts/dependencies

build: dependencies ## build the programs into build/release/bin
	@test -f $(BUILD)/build.ninja || cmake --preset release
	@cmake --build $(BUILD) -j $(JOBS)

demo: build  ## fine-tune SmolLM2-135M on film reviews (MINUTES=8); run it again to go on
	@scripts/demo $(BUILD)/bin $(OUT) $(MINUTES)

test: dependencies ## build and run every test, plain and under address and undefined-behaviour sanitizers
	@scripts/test release asan

test-quick: dependencies ## the plain build's tests alone
	@scripts/test release

format: dependencies ## rewrite the sources with clang-format
	@git ls-files '*.c' '*.h' | xargs clang-format-19 -i

lint: build  ## formatting, layers, clang-tidy
	@scripts/lint

bench: build ## measure this machine, and our step against PyTorch's in turns (docs/perf-log.md)
	@scripts/bench $(BUILD)

clean:       ## remove what was built (not out/)
	@rm -rf build
