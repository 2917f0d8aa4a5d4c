# Everything a contributor runs. `make help` lists it; `make check` is what CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUST := $(shell find crates \( -name '*.rs' -o -name '*.c' \) -not -path '*/target/*' -not -path '*/fuzz/*') Cargo.toml Cargo.lock $(wildcard crates/*/Cargo.toml)
# One worker more than cores: tests wait for disks, timeouts and other processes. File by file, because the examples of
# one document build on each other; in the order of conftest.py.
PYTEST_ARGS ?= --numprocesses $(shell expr $$(nproc) + 1) --dist loadfile --no-loadscope-reorder

# A run starts hundreds of interpreters: each would compile all that it imports, and each worker every test.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test peers servers docs check format bench wheel clean

help:  ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: $(STAMP)  ## make the environment, build, install

# pip builds through the build backend, which brings a Rust toolchain where there is none.
$(STAMP): pyproject.toml $(RUST)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "recordfs needs Python 3.11 or newer; set PYTHON=... to one")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev --editable '.[all]'
	@touch $@

demo: $(STAMP)  ## pack, verify and read real files, and show what it did
	@$(BIN)/python examples/demo.py

test: $(STAMP)  ## the tests; a loud line says what is left out, and which command brings it
	$(BIN)/python -m pytest $(PYTEST_ARGS)

peers: $(STAMP)  ## environments with TensorFlow and the other peers, for tests and benchmarks
	$(BIN)/python -m tools.make_peers

servers: $(STAMP)  ## object stores, an HDFS and a browser for the tests
	$(BIN)/python -m tools.make_servers

check: $(STAMP)  ## formatting, linting, types, import rules, Rust tests, Python tests
	@command -v cargo >/dev/null || { echo "make check needs cargo on the PATH: install Rust 1.89 or newer with rustup"; exit 1; }
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/python -m pip install --quiet --group types
	$(BIN)/pyright
	$(BIN)/lint-imports
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo test --workspace --locked --quiet
	$(MAKE) test PYTEST_ARGS="$(PYTEST_ARGS) --with-builds"

format: $(STAMP)  ## format Python and Rust
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cargo fmt --all

docs: $(STAMP)  ## the documentation as a site, in site/; a link that leads nowhere fails
	@$(BIN)/python -m pip install --quiet --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

bench: $(STAMP) peers servers  ## benchmarks beside the peers
	$(BIN)/python -m benches $(BENCH_ARGS)

wheel: $(STAMP)  ## one wheel for CPython 3.11 and newer, on any Linux with glibc 2.17
	@command -v cargo >/dev/null || { echo "make wheel needs cargo on the PATH: install Rust 1.89 or newer with rustup"; exit 1; }
	@$(BIN)/python -m pip install --quiet 'maturin[zig]>=1.12,<2'
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/maturin build --release --locked --zig --compatibility manylinux2014 --out dist

clean:  ## remove everything that was built
	rm -rf $(VENV) .peers .servers target dist build site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src -name '*.so' -delete
