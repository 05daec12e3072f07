# `make demo` and `make test` need nothing but python3 (3.11 or newer) and make. Another Python: make test PYTHON=python3.12
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check format-check lint types docs-check docs format schema public-api smoke strangers clean

demo: $(VENV)/.installed  ## Plan in a maze: collect, train, evaluate, report.
	$(BIN)/ttf run recipes/pointmaze_beam_search.yaml

test: $(VENV)/.installed-dev  ## Every test, on all cores.
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

check: format-check lint types test docs-check  ## What a change must pass.

format-check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

docs-check: docs  ## The generated pages are up to date, and the documentation builds without warnings.
	$(BIN)/python docs/generate.py --check

docs: $(VENV)/.installed-docs  ## docs/_build/html/index.html
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html

format: $(VENV)/.installed-dev  ## Format, and fix what can be fixed.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: $(VENV)/.installed  ## The generated pages, docs/recipe.schema.json among them.
	$(BIN)/python docs/generate.py

public-api: $(VENV)/.installed-dev  ## Write down what plugins may rely on, after a change that is meant.
	$(BIN)/python tools/public_api.py

smoke: $(VENV)/.installed  ## Every smoke recipe, into a folder that is removed afterwards.
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export MINARI_DATASETS_PATH="$$folder/minari" && \
	mkdir "$$folder/minari" && $(BIN)/python tools/record_random.py Hopper-v5 smoke/hopper-v0 && \
	for recipe in recipes/smoke/*.yaml; do \
	  echo "$$recipe" && $(BIN)/ttf run "$$recipe" --runs-dir "$$folder/runs" || exit; \
	done

strangers: $(VENV)/.installed-dev  ## The plugins in examples/, and one of every slot that ttf new writes: installed, tested, run.
	OMP_NUM_THREADS=1 $(BIN)/python tools/try_strangers.py

clean:  ## Everything but runs and data sets.
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras, so that nothing is installed twice.
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[mujoco]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet -c constraints.txt -e '.[mujoco,dev]'
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) install --quiet -c constraints.txt -e '.[mujoco,docs]'
	touch $@
