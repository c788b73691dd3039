# `make book` builds the site, `make test` tests everything. Each sets up all that it needs:
# Python >= 3.11, make and a package index are enough.

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: book serve test notebooks report zoo mutants bench lint clean help

# One thread: the networks of the small size run slower on two, and drift more between machines.
export OMP_NUM_THREADS ?= 1
# An activated environment must not leak into ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH

BIN := .venv/bin
READY := .venv/.ready
PORT ?= 8000

# A second call sets nothing up again: the stamp is newer than what it was made from.
$(READY): requirements.txt pyproject.toml
	@if ! $(BIN)/python -c "" 2>/dev/null; then \
	    for python in python3 python3.13 python3.12 python3.11 python; do \
	        if $$python -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; \
	        then found=$$python; break; fi; \
	    done; \
	    if [ -z "$${found:-}" ]; then echo "No Python >= 3.11 on the PATH." >&2; exit 1; fi; \
	    echo "Making .venv with $$($$found --version)"; \
	    $$found -m venv --clear .venv; \
	fi
	@echo "Installing requirements.txt into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# Without the doctrees of a failed build the next one reads, and complains about, every page again.
book: $(READY)  ## build the site from the stored notebooks; a warning is an error
	@$(BIN)/jupyter-book build . -W -n --keep-going || { rm -rf _build/.doctrees; exit 1; }
	@echo; echo "The book: $(CURDIR)/_build/html/index.html"

serve: book  ## build the site and serve it on http://localhost:8000 (or PORT=...)
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

# Two runs of pytest, since nbval and pytest-cov cannot share one: the notebooks, then all the
# rest with the coverage of the package. Both run whatever the other says; the second has the
# last word, and either makes the command fail. `loadfile` keeps a file on one worker.
test: $(READY)  ## every notebook strictly, unit tests, doctests, laws of form, the site, a browser
	@status=0; \
	$(BIN)/python -m pytest book -q -n 2 --dist loadfile \
	    --nbval --nbval-current-env --nbval-cell-timeout 600 \
	    --nbval-sanitize-with tests/nbval_sanitize.cfg $(ARGS) || status=1; \
	$(BIN)/python -m pytest adv_ae tests -q -n 2 --dist loadfile --doctest-modules \
	    --cov --cov-report=term:skip-covered --cov-fail-under=95 $(ARGS) || status=1; \
	exit $$status

NB ?=
notebooks: $(READY)  ## execute all notebooks and store their outputs, or one: NB=book/02_bound.ipynb
	@$(BIN)/python scripts/notebooks.py $(NB)

report: $(READY)  ## write chapter 12 and results/pending.csv from results/
	@$(BIN)/python scripts/report.py

zoo: $(READY)  ## train models of the zoo that are missing, or these: ARGS=aae/mnist-2d (wants MNIST)
	@$(BIN)/python scripts/zoo.py $(ARGS)

mutants: $(READY)  ## break lines on purpose, and see that tests and notebooks notice (15 minutes)
	@$(BIN)/python scripts/mutants.py $(ARGS)

# pythae has an environment of its own, which takes torch and all else from .venv, so that
# every contender runs on the same build. `--quick` asks for neither.
BENCH := .venv-bench/.ready
$(BENCH): benchmarks/requirements.txt $(READY)
	@$(BIN)/python -m venv --clear .venv-bench
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > \
	    "$$(.venv-bench/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/venv.pth"
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	    -r benchmarks/requirements.txt
	@touch $@

bench: $(READY) $(if $(findstring --quick,$(ARGS)),,$(BENCH))  ## time the steps side by side, write the page "Speed" (25 minutes; ARGS=--quick: 2)
	@$(BIN)/python -m benchmarks.run $(ARGS)

lint: $(READY)  ## ruff, ruff format and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

clean:  ## remove what was built; .venv stays
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .coverage .coverage.*
	find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' \
	    | while IFS=$$'\t' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done
