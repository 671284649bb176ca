# make demo   install into .venv and run the main job on the seed article
# make test   install into .venv and run the tests
# make test-slow  the tests that take longer
# make test-browser  the tests of the pages, in Chromium
# make check  the checks of .ci/run: ruff, mypy, the wheel
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test test-slow test-browser check clean

demo: .venv/demo.stamp
	$(BIN)/contradict scan seeds/ceasefire.txt --date 2023-12-23
	mkdir -p demo
	$(BIN)/contradict scan seeds/ceasefire.txt seeds/statements.jsonl --date 2023-12-23 -o demo/report.html

test: .venv/test.stamp
	$(BIN)/python -m pytest -m "not slow and not gpu and not browser"

test-slow: .venv/test.stamp
	$(BIN)/python -m pytest -m "slow and not gpu and not browser"

test-browser: .venv/browser.stamp
	$(BIN)/python -m pytest -m browser

check: .venv/check.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	rm -rf dist && $(BIN)/python -m build --wheel --outdir dist . > /dev/null
	$(BIN)/python tests/check_wheel.py dist

clean:
	rm -rf .venv dist build

# One environment serves all; a stamp is renewed when what it installs changes.
.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/demo.stamp: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) install --constraint constraints.txt --editable '.[articles]'
	touch $@

.venv/test.stamp: .venv/demo.stamp
	$(PIP) install --constraint constraints.txt --editable '.[articles,documents,test]'
	touch $@

.venv/browser.stamp: .venv/test.stamp
	$(PIP) install --constraint constraints.txt --editable '.[articles,test,browser]'
	touch $@

.venv/check.stamp: .venv/test.stamp
	$(PIP) install --constraint constraints.txt --editable '.[articles,documents,test,check]'
	touch $@
