# `make help` lists what there is. Only Python 3.11 or 3.12, make and git are needed; the rest goes into .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help

JOBS ?= 2
WANTED := 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))'
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	"$$p" -c $(WANTED) >/dev/null 2>&1 && { echo "$$p"; break; }; done)
RUN := .venv/bin/python -m experiments
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help book test site chapter record status train bench doctor cluster clean clean-cache clean-venv environment

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | \
		while IFS=$$'\t' read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done

book: environment ## execute what is stale and build the book: _build/html/index.html
	@$(RUN) build --jobs $(JOBS)

test: environment ## run the tests
	@.venv/bin/python -m pytest $(ARGS)

site: environment ## build the site from recorded results, executing nothing: _build/site/index.html
	@$(RUN) site

chapter: environment ## execute one chapter: make chapter NAME=01-conditioning PARAMS="scale=smoke seed=3"
	@test -n "$(NAME)" || { echo 'error: say which: make chapter NAME=01-conditioning PARAMS="scale=smoke"' >&2; exit 2; }
	@$(RUN) chapter $(NAME) $(PARAMS)

record: environment ## copy this machine's results to book/results, which make site shows
	@$(RUN) record

status: environment ## what is recorded, stale, under-trained or missing
	@$(RUN) status

train: environment ## train miniatures: make train NAME=mini-sd3, or all that lack training
	@$(RUN) train $(if $(NAME),$(NAME),--all) $(ARGS)

bench: environment ## time this project against the plain ways, as ratios
	@$(RUN) bench $(ARGS)

cluster: .cluster/installed ## install Snakemake beside .venv, for a laptop, SLURM or Kubernetes: see workflow/Snakefile

.cluster/installed: workflow/requirements.txt
	@"$(PYTHON)" -m venv --clear .cluster && .cluster/bin/python -m pip install -qq -r $< && touch $@

doctor: environment ## look at this machine and say what to do
	@$(RUN) doctor $(ARGS)

clean: ## remove what was built; keeps the cache of renders and of training in progress
	@test ! -d _build || find _build -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +

clean-cache: ## remove the cache of renders and of training in progress
	rm -rf _build/cache

clean-venv: ## remove .venv
	rm -rf .venv

# .venv/installed holds the lists that .venv was made from, so that a changed list, and not a changed date, renews it.
environment:
	@cat constraints.txt pyproject.toml | cmp -s - .venv/installed || $(MAKE) --no-print-directory install

.PHONY: install
install:
	@test -n "$(PYTHON)" || { echo 'error: no Python 3.11 or 3.12 found; install one, or name it: make book PYTHON=/path/to/python3.12' >&2; exit 1; }
	@"$(PYTHON)" -c $(WANTED) || { echo 'error: $(PYTHON) is not Python 3.11 or 3.12; name one that is: make book PYTHON=/path/to/python3.12' >&2; exit 1; }
	@test -w . || { echo 'error: no permission to write in this folder; copy the project to a folder of your own' >&2; exit 1; }
	@.venv/bin/python -m pip --version >/dev/null 2>&1 || { echo '[1/2] making .venv'; \
		"$(PYTHON)" -m venv --clear .venv >/dev/null 2>&1; } || { rm -rf .venv; \
		echo 'error: $(PYTHON) cannot make a virtual environment; install its venv module (Debian: python3-venv) or free some disk space' >&2; exit 1; }
	@echo '[2/2] installing the packages of constraints.txt into .venv (minutes the first time)'
	@.venv/bin/python -m pip install -qq -c constraints.txt setuptools && \
		.venv/bin/python -m pip install -qq -c constraints.txt --no-build-isolation -e '.[test]' || { \
		echo 'error: installing failed, pip says why above (no network, or a full disk); the same command goes on from there' >&2; exit 1; }
	@cat constraints.txt pyproject.toml > .venv/installed
