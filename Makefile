# `make` or `make help` shows what there is.
PYTHON := .venv/bin/python

# The models are small: one thread each is fastest, and two jobs at a time use two cores.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

TEST := $(PYTHON) -m pytest -n 2 --dist loadgroup --durations 15

.PHONY: help env run status plan estimate archive findings test test-long golden parity lint format clean FORCE

help: ## show this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

env: .venv/.installed ## set up the environment in .venv, or bring it up to date

# Again where the requirements have changed since, or where the Python that .venv was made with is gone.
.venv/.installed: envs/create.sh envs/requirements.txt envs/requirements-dev.txt envs/constraints.txt \
		$(if $(shell test -x $(PYTHON) && echo there),,FORCE)
	@sh envs/create.sh
	@touch $@

# PRESET=paper, or any file, says of which configuration; without it, config.yaml's.
CONFIGURED := $(if $(PRESET),--preset $(PRESET))
INDOUBT := $(PYTHON) -m indoubt

run: env ## run an experiment end to end: the default one of config.yaml; PRESET=NAME
	@$(INDOUBT) run $(CONFIGURED)

status: env ## say where a run stands: trainings done, running, failed, missing; PRESET=NAME
	@$(INDOUBT) status $(CONFIGURED)

plan: env ## say which trainings a run would do, and why; PRESET=NAME
	@$(INDOUBT) plan $(CONFIGURED)

estimate: env ## say what a run costs before it is run; PRESET=NAME
	@$(INDOUBT) estimate $(CONFIGURED)

archive: env ## pack what was measured into one file, to rebuild from it elsewhere; PRESET=NAME
	@$(INDOUBT) archive pack $(CONFIGURED)

FINDINGS := docs/findings
findings: env ## rebuild the texts and tables of docs/findings from their archives
	@$(INDOUBT) archive rebuild --tables $(FINDINGS)/atlas.tar.gz --results results/findings/atlas
	@$(INDOUBT) archive rebuild --tables $(FINDINGS)/readme.tar.gz --results results/findings/readme
	@$(PYTHON) scripts/quote.py $(FINDINGS)/findings.md.j2 --tables results/findings/atlas/tables --output docs/findings.md
	@$(PYTHON) scripts/quote.py $(FINDINGS)/readme.md.j2 --tables results/findings/readme/tables --output $(FINDINGS)/readme.md
	@for page in in-context starts; do \
		$(INDOUBT) archive rebuild --tables $(FINDINGS)/$$page.tar.gz --results results/findings/$$page && \
		$(PYTHON) scripts/quote.py $(FINDINGS)/$$page.md.j2 --tables results/findings/$$page/tables \
			--output $(FINDINGS)/$$page.md || exit 1; done
	@for table in $(FINDINGS)/tables/*.csv; do cp results/findings/atlas/tables/$$(basename $$table) $$table; done

test: env ## run the tests
	@$(TEST) -m "not long"

test-long: env ## run all tests, also those that take longer
	@$(TEST)

parity: env ## compare engine fused with fairseq in distribution; takes hours, goes on where it was stopped
	@$(PYTHON) benchmarks/parity.py --folder results/parity

golden: env ## compare engines with their golden trainings, and record sources that give the same numbers
	@$(PYTHON) -W ignore -m tests.shared.golden

lint: env ## check style, types and rules (part of the tests)
	@$(PYTHON) -m pytest -q tests/project/test_code_quality.py

format: env ## format the code and the rules
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format
	@$(PYTHON) -m snakefmt Snakefile rules

clean: ## remove .venv and the caches of the tools; results stay
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
