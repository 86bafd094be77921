# Each target sets up what it needs. Nothing outside this folder and the cache folder is touched.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
ORION := $(VENV)/bin/orion
INSTALLED := $(VENV)/installed
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check
# Installs what pip would, in seconds instead of minutes, and keeps nothing elsewhere. Of pip's settings it is told the index.
UV := UV_DEFAULT_INDEX="$${PIP_INDEX_URL:-$$($(RUN) -m pip config get global.index-url 2>/dev/null)}" \
	$(VENV)/bin/uv pip install --quiet --no-cache --python $(RUN)

# Where it is set, every process compiles what it imports anew: pulumi_aws alone takes some 15 s of the tests' each time.
unexport PYTHONDONTWRITEBYTECODE

ATTACKED := $(addprefix tests/unit/test_,chat_attacks.py chat_blocks.py chat_ingress.py lambda_decisions.py lambda_messages.py)
# Examples of a process: Hypothesis remembers all, so that each further one takes longer, and more memory.
ROUND := 10000
HOSTILE := whatever or hostile or mentions or signature or could_not_have

.DEFAULT_GOAL := help
.PHONY: help setup tools sandbox site test simulate attacks matrix mutants check bench lock clean

help: ## Say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(INSTALLED): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with PYTHON=...")'
	@echo "python: installing the locked packages into $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt >$(VENV)/uv.txt
	@$(PIP) --require-hashes --requirement $(VENV)/uv.txt
	@$(UV) --require-hashes --requirement requirements.txt || { \
		echo "python: uv could not; pip does it (some minutes)"; \
		$(PIP) --require-hashes --no-compile --requirement requirements.txt; }
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(INSTALLED) ## Install the locked Python packages into .venv

tools: setup ## Find or build the external programs (Pulumi, Prometheus, Alertmanager, Kubernetes, ...), once for all checkouts
	@$(RUN) -m tools

sandbox: setup ## Run everything on this machine and watch the drills. ONCE=1: stop after them; REALTIME=1: unscaled
	@$(RUN) -m tools sandbox
	@$(ORION) sandbox $(if $(filter-out 0 no false,$(ONCE)),--once) $(if $(filter-out 0 no false,$(REALTIME)),--realtime)

site: setup ## Build the runbooks as a site, into build/site. STACK=prod: whose dashboards they link to
	@$(ORION) site --stack $(or $(STACK),prod)

check: setup ## Format, lint, types, import rules, workflows, spelling and prose
	@$(RUN) -m tools actionlint
	@$(RUN) -m tests.checks

test: tools ## Run every check: format, types, unit, rules, routing, infrastructure and the drills, in real time too
	@$(RUN) -m tests

simulate: setup ## Simulate incidents with faults. SEEDS=1000000: how many runs; SEED=7: print that run
	@PYTHONPATH=lambda $(RUN) -m tests.simulation $(if $(SEED),seed $(SEED),seeds $(or $(SEEDS),10000))

attacks: setup ## Attack chat and repairs with hostile alerts and signatures. EXAMPLES=100000: how many of each
	@left=$(or $(EXAMPLES),100000); while [ $$left -gt 0 ]; do \
		round=$$(( left < $(ROUND) ? left : $(ROUND) )); \
		echo "$$left examples of each are left"; \
		EXAMPLES=$$round $(RUN) -m pytest --timeout 0 --hypothesis-seed=$$(date +%s) -k "$(HOSTILE)" $(ATTACKED) || exit; \
		left=$$(( left - round )); \
	done

matrix: tools ## Run every scenario of rules/scenarios/: who is notified, how soon; a table and build/matrix.json
	@$(ORION) matrix

mutants: tools ## Mutate rules, routes and their generator: do tests catch it? SAMPLE=50: of so many; ONLY="errors ": what is called so
	@$(RUN) -m tests.mutants $(SAMPLE) "$(ONLY)"

bench: tools ## Measure, beside peers: a table and build/bench.json. ONLY=preview: what begins so
	@$(RUN) -m tests.bench $(ONLY)

lock: setup ## Write requirements.txt anew from pyproject.toml
	@$(RUN) -m uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --extra dev pyproject.toml --output-file requirements.txt

clean: ## Remove what was made in this folder; the cache folder stays
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis
