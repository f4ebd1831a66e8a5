# Samara. Two commands for a new user: `make demo` and `make test`. The build itself is CMake's (CMakePresets.json).
.DEFAULT_GOAL := build
.PHONY: build demo test test-quick test-faults format lint fuzz test-api model-check bench bench-learn clean help \
	dependencies

BUILD  ?= build/release
JOBS   ?= $(shell nproc)
OUT    ?= out/demo
# How long the demo trains; run it again, with more, and it goes on from where it was.
MINUTES ?= 8

help:        ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dependencies: ## install the Debian or Ubuntu packages that are missing
	@scripts/dependencies

build: dependencies ## build the four programs into build/release/bin (make test builds the rest)
	@test -f $(BUILD)/build.ninja || cmake --preset release
	@cmake --build $(BUILD) -j $(JOBS) --target programs

demo: build  ## fine-tune SmolLM2-135M on film reviews (MINUTES=8); run it again to go on
	@scripts/demo $(BUILD)/bin $(OUT) $(MINUTES)

test: dependencies ## build and run every test, plain and under address and undefined-behaviour sanitizers
	@scripts/test release asan

test-quick: dependencies ## the plain build's tests alone
	@scripts/test release

# How many schedules of faults, from which seed on, and how many at a time.
SCHEDULES ?= 200
SEED      ?= 1

test-faults: build ## kill, pause, cut, fill: SCHEDULES=200 from SEED=1; interrupted, it goes on where it was
	@SAMARA_BIN=$(BUILD)/bin python3 tests/faults/run.py --schedules $(SCHEDULES) --seed $(SEED) --jobs $(JOBS) \
		--out $(BUILD)/faults

format: dependencies ## rewrite the sources with clang-format
	@git ls-files '*.c' '*.h' | xargs clang-format-19 -i

lint: build  ## formatting, layers, clang-tidy
	@scripts/lint

# How long each fuzz target runs, and which (all where none is named).
FUZZ_SECONDS ?= 600
TARGETS      ?=

fuzz:        ## run every fuzz target with libFuzzer: FUZZ_SECONDS=600 each, or TARGETS="wire samlog" alone
	@scripts/fuzz $(FUZZ_SECONDS) $(TARGETS)

test-api: build ## hold both services against their OpenAPI pages, with schemathesis
	@scripts/test-api $(BUILD)

model-check: ## check the lease and commit protocol with TLC (docs/protocol)
	@scripts/model-check

bench: build ## measure this machine, and our step against PyTorch's in turns (docs/perf-log.md)
	@cmake --build $(BUILD) -j $(JOBS) --target bench_kernels
	@scripts/bench $(BUILD)

# What `make bench-learn` measures, as in LEARN="--seeds 1 --log docs/results.md"; scripts/bench-learn says what there is.
LEARN ?=
bench-learn: build ## seconds until the demo has learnt, ours and MeZO in PyTorch (hours; LEARN="--seeds 1" for one)
	@scripts/bench-learn $(BUILD) $(LEARN)

clean:       ## remove what was built (not out/)
	@rm -rf build
