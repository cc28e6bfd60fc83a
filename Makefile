# Everything here makes its own environment (.venv) from constraints.txt: a machine needs only
# Python 3.11 or newer, make and a network.

BIN := .venv/bin
MADE := .venv/.made
PIP := $(BIN)/python -m pip --disable-pip-version-check
PLUGINS := $(wildcard plugins/*/pyproject.toml)
EDITABLE := -e '.[broker,dev]' $(patsubst %/pyproject.toml,-e %,$(PLUGINS))

# A name on PATH proves little (a version manager's shim may lead nowhere), so each is tried.
FIND_PYTHON = for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	2>/dev/null && echo $$python && break; done

.PHONY: demo test bench lint types format protos broker clean

demo: $(MADE)
	$(BIN)/zbtrio demo --broker

test: $(MADE)
	$(BIN)/pytest

bench: $(MADE)
	$(BIN)/python -m bench

lint: $(MADE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(MADE)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(MADE)
	$(BIN)/pyright

protos: $(MADE)
	$(BIN)/python protos/generate.py zbtrio/_proto

broker: $(MADE)
	$(BIN)/zbtrio broker start

clean:
	rm -rf .venv

$(MADE): pyproject.toml constraints.txt $(PLUGINS)
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then \
		echo "zbtrio needs Python 3.11 or newer with its venv module, and found none on PATH."; \
		echo "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv), then"; \
		echo "run make again."; \
		exit 1; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear .venv
	@# zeebe-grpc asks for an old protobuf, which only its stubs need: out of pip's sight, then in.
	$(PIP) uninstall -qqy zeebe-grpc
	$(PIP) install -q -c constraints.txt $(EDITABLE)
	$(PIP) install -q -c constraints.txt --no-deps zeebe-grpc
	@touch $@
