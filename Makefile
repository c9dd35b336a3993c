# quantgate: quantize, judge on your own task, register what passes. `make help` lists the targets.
MODEL   ?=
SUITE   ?=
CORPUS  ?=
RECIPES ?=
ONLY    ?=
AGAIN   ?=
KV      ?=
POLICY  ?=
BENCH   ?=
BUILD   ?= $(if $(and $(MODEL),$(SUITE)),,examples/support-desk/build.yaml)
PYTHON  ?= python3.11
BIN     := .venv/bin
# A file's tests share what they build, so files stay whole; tests/conftest.py says which start first.
TESTS   := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-evals setup-redaction setup-clusters setup-archived setup-vllm setup-oracles quantize example-smollm2 plan test unit integration slow faults check types contracts unused format schemas pictures demo-data docs bench gpu-check models serve watch up down doctor clean

help:  ## this list
	@echo "quantgate: quantize a checkpoint, run your own tasks on every variant, register only what passes."
	@echo
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "  variables: MODEL=folder|org/name[@revision] SUITE=folder CORPUS=file RECIPES=a,b KV=f16,q8_0 POLICY=file, or BUILD=file.yaml"

setup:  ## everything the main job needs, pinned, into .venv (the other targets do this by themselves); CUDA=1 [CUDA_ARCH=90 TORCH_INDEX=url]: for GPUs
	@PYTHON=$(PYTHON) requirements/setup main

setup-dev:  ## the same plus what checks and tests need
	@PYTHON=$(PYTHON) requirements/setup dev

setup-evals:  ## lm-evaluation-harness and inspect-ai, for suites `lm-eval:TASK` and `quantgate export`
	@PYTHON=$(PYTHON) requirements/setup evals

setup-redaction:  ## presidio (about 250 MB), for corpora that ask for `redaction`
	@PYTHON=$(PYTHON) requirements/setup redaction

setup-clusters:  ## Dask and Ray (about 300 MB), for QUANTGATE_TASK_RUNNER=dask or ray and for `make slow`
	@PYTHON=$(PYTHON) requirements/setup clusters

setup-archived:  ## the environment of autoawq and auto-gptq (about 1.6 GB in the tool cache), for recipes that name them
	@PYTHON=$(PYTHON) requirements/setup archived

setup-vllm:  ## vLLM for CPUs (2.5 GB in the tool cache), for `make slow` and for builds that are judged in it
	@PYTHON=$(PYTHON) requirements/setup vllm

setup-oracles:  ## llama.cpp's own programs (three minutes, in the tool cache), which tests and benchmarks compare with
	@PYTHON=$(PYTHON) requirements/setup oracles

quantize: setup  ## set up, then build, judge and register (default: the bundled example)
	@$(BIN)/quantgate quantize $(MODEL) $(if $(BUILD),--build $(BUILD)) $(if $(SUITE),--suite $(SUITE)) \
	  $(if $(CORPUS),--corpus $(CORPUS)) $(if $(RECIPES),--recipes '$(RECIPES)') $(if $(KV),--kv $(KV)) $(if $(POLICY),--policy $(POLICY))

example-smollm2: setup  ## SmolLM2-135M from its package with our adapter merged in: six variants on its own suite, two on support-desk's
	@$(BIN)/python examples/smollm2/train/prepare.py
	@$(BIN)/quantgate quantize --build examples/smollm2/build.yaml
	@$(BIN)/quantgate quantize --build examples/smollm2/support-desk.yaml || { code=$$?; [ $$code -eq 10 ] || [ $$code -eq 11 ] || exit $$code; }

plan: setup  ## print what `make quantize` would do, and stop
	@$(BIN)/quantgate quantize $(MODEL) $(if $(BUILD),--build $(BUILD)) $(if $(SUITE),--suite $(SUITE)) \
	  $(if $(CORPUS),--corpus $(CORPUS)) $(if $(RECIPES),--recipes '$(RECIPES)') $(if $(KV),--kv $(KV)) $(if $(POLICY),--policy $(POLICY)) --plan

test: setup-oracles setup-archived  ## set up, then all checks, unit tests and integration tests with the real tools
	@$(MAKE) --no-print-directory check
	@$(TESTS) -m 'not slow'

slow: setup-dev setup-clusters  ## the tests that take minutes each: simulated verdicts, the base judged against itself twenty times
	@$(TESTS) -m slow

faults: setup-dev  ## kill, signal and fill everything at every stage of a build, and write what happened into docs/faults.md (an hour)
	@rm -f .venv/faults; QUANTGATE_FAULTS_FILE=$(CURDIR)/.venv/faults $(BIN)/pytest -q -m slow tests/integration/flows/faults; code=$$?; \
	  [ $$code -ne 0 ] || $(BIN)/python -m tests.support.faults.table .venv/faults docs/faults.md; exit $$code

unit: setup-dev  ## unit tests only (no tools, about two minutes)
	@$(TESTS) -m 'not slow' tests/unit

integration: setup-oracles setup-archived  ## tests with the real tools only
	@$(TESTS) -m 'not slow' tests/integration

check: setup-dev  ## ruff, mypy --strict, the import contracts and a search for code that nothing uses
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(MAKE) --no-print-directory -j2 --output-sync=target types contracts unused

types:
	@$(BIN)/mypy

# vulture ends with 3 where it names anything, fields included; other codes are trouble of its own.
unused:
	@$(BIN)/vulture >.venv/unused; [ $$? = 3 ] || { cat .venv/unused; exit 1; }
	@! grep -E "unused (class|function|method|property)" .venv/unused

# import-linter follows no links: it reads the package with its houses in place, as hard links.
contracts:
	@rm -rf .venv/whole && mkdir .venv/whole && cp -rlL requirements/package/quantgate .venv/whole/
	@cd .venv/whole && ../bin/lint-imports --config ../../pyproject.toml --cache-dir ../../.import_linter_cache

format: setup-dev  ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

pictures: setup-dev  ## draw the pictures of the documents anew (needs Chromium)
	@$(BIN)/python requirements/site/pictures.py

schemas: setup  ## write the JSON schemas of files that people write, and docs/reference.md, anew
	@$(BIN)/python -m quantgate.flows.schemas
	@$(BIN)/python -m quantgate.flows.cli.reference.writing

demo-data: setup  ## build the example and pack its answers for `quantgate demo` (flows/cli/demo/example.json.xz)
	@QUANTGATE_STORE=.quantgate/demo $(BIN)/quantgate quantize --build examples/support-desk/build.yaml
	@QUANTGATE_STORE=.quantgate/demo $(BIN)/python -m quantgate.flows.cli.demo.packing

docs:  ## the documents as a site, with search, in .site; fails where a link is dead
	@[ "$$(cat .venv-docs/.lock 2>/dev/null)" = "$$(cat requirements/docs.lock)" ] || { rm -rf .venv-docs && $(PYTHON) -m venv .venv-docs \
	  && .venv-docs/bin/python -m pip install -qq --no-deps -r requirements/docs.lock && cp requirements/docs.lock .venv-docs/.lock; }
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict --config-file requirements/site/mkdocs.yml

gpu-check: setup-oracles  ## on a GPU, ten minutes at most: five formats beside the CPU and bare tools, as JSON (docs/gpus.md)
	@$(BIN)/python -m tests.benchmarks.gpu $(if $(DEVICE),--device $(DEVICE)) $(if $(MINUTES),--minutes $(MINUTES))

bench: setup-oracles  ## benchmarks: ratios measured in one run; BENCH='imatrix conversion' runs those (docs/benchmarks.md)
	@$(BIN)/python -m tests.benchmarks $(BENCH)

models: setup-dev  ## build small checkpoints of every architecture both tools know, and write the table of docs/models.md
	@$(BIN)/python -m tests.catalogue $(if $(ONLY),--only $(ONLY)) $(if $(AGAIN),--again)

watch: setup  ## look once for new releases (flows/releases.yaml) and build what is new
	@$(BIN)/quantgate watch --once

serve: setup  ## follow flows/releases.yaml on a schedule, until interrupted
	@$(BIN)/quantgate serve

up: setup  ## start this project's Prefect server and let it stay
	@$(BIN)/quantgate up

down: setup  ## stop it
	@$(BIN)/quantgate down

doctor: setup  ## what is installed, what is missing, how to get it
	@$(BIN)/quantgate doctor

clean:  ## remove the virtual environment and tool caches of this folder (never the store .quantgate)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache *.egg-info
