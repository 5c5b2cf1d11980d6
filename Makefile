# `make demo` and `make test` are all a newcomer needs; each sets up its own environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What users install: no PyTorch, no tools; about 145 MB.
DEMO := .venv-demo
QUIET := --quiet --disable-pip-version-check
SOURCES := $(shell find src csrc include cmake recipes -type f ! -name '*.pyc' ! -name '*.so') \
           CMakeLists.txt pyproject.toml

# On Linux the default build of PyTorch brings 15 CUDA packages; `make TORCH_INDEX= …` takes it.
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname)),https://download.pytorch.org/whl/cpu)

.PHONY: demo test lint wheel docs bench sanitize sanitize-quick lock check-lock clean

demo: $(DEMO)/.package
	$(DEMO)/bin/python -m salanet.cli.main demo

test: $(VENV)/.package
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.package
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The wheel, installed into an empty environment, must work without this checkout.
wheel: $(VENV)/.package
	rm -rf build/wheel-check dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	$(PYTHON) -m venv build/wheel-check
	build/wheel-check/bin/pip install $(QUIET) -r requirements-runtime.lock
	build/wheel-check/bin/pip install $(QUIET) --no-index dist/*.whl
	cd build && wheel-check/bin/salanet --version
	cd build && wheel-check/bin/salanet demo --folder wheel-check/demo --points 50000 --no-browser

docs: $(VENV)/.package
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.package
	$(BIN)/python benchmarks/geometry.py
	$(BIN)/python benchmarks/aggregation.py
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/end_to_end.py
	$(BIN)/python benchmarks/readme.py

# The kernels under sanitizers, with the tests that call them; see docs/kernels.md.
SANITIZE := PYTHON=$(CURDIR)/$(BIN)/python csrc/sanitize.sh
KERNEL_TESTS := tests/ops tests/operators tests/engine/test_runners.py tests/test_pyramid.py \
                tests/engine/test_executor.py tests/engine/test_precision.py

sanitize: $(VENV)/.dependencies
	OMP_NUM_THREADS=2 $(SANITIZE) address $(KERNEL_TESTS) tests/engine \
	  tests/training/test_engine.py tests/labelling tests/io
	OMP_NUM_THREADS=4 $(SANITIZE) thread $(KERNEL_TESTS)
	csrc/sanitize_library.sh address
	csrc/sanitize_library.sh thread

# What a change of the kernels must pass.
sanitize-quick: $(VENV)/.dependencies
	OMP_NUM_THREADS=2 $(SANITIZE) address tests/ops tests/operators/test_weighted.py \
	  tests/engine/test_executor.py tests/engine/test_precision.py
	OMP_NUM_THREADS=4 $(SANITIZE) thread tests/ops/test_bindings.py \
	  tests/ops/test_position_moments.py tests/ops/test_pair_moments.py \
	  tests/ops/test_neighbour_max.py tests/ops/test_radius_search.py tests/ops/test_grid_subsample.py

# Pins what is installed now; run it in an environment where `make test` passes.
lock: $(VENV)/.package
	$(BIN)/pip freeze --exclude salanet | sed -E -f .ci/lock.sed > requirements.lock
	$(BIN)/uv pip compile --no-config --quiet --universal --python-version 3.11 --no-header \
	  --no-annotate -c requirements.lock pyproject.toml -o requirements-runtime.lock
	$(BIN)/uv lock --no-config --default-index https://pypi.org/simple --upgrade

# The locks must install from the public index, on other machines than the one that wrote them.
check-lock: $(VENV)/.dependencies
	.ci/check-lock $(BIN)

$(VENV)/.dependencies: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -z "$(TORCH_INDEX)" || \
	  $(BIN)/pip install $(QUIET) --no-deps --retries 1 --timeout 10 \
	    --index-url "$(TORCH_INDEX)" "$$(grep ^torch== requirements.lock)" || \
	  echo "PyTorch's CPU build is out of reach; its default build will do"
	$(BIN)/pip install $(QUIET) -r requirements.lock
	touch $@

$(DEMO)/.dependencies: requirements-runtime.lock
	test -x $(DEMO)/bin/python || $(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install $(QUIET) -r requirements-runtime.lock
	touch $@

# Compiled with tools that go again, of the versions that the tests run with.
$(DEMO)/.package: $(DEMO)/.dependencies $(SOURCES)
	PIP_CONSTRAINT=requirements.lock PIP_BUILD_CONSTRAINT=requirements.lock \
	  $(DEMO)/bin/pip install $(QUIET) --no-deps .
	touch $@

$(VENV)/.package: $(VENV)/.dependencies $(SOURCES)
	$(BIN)/pip install $(QUIET) --no-deps --no-build-isolation .
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) build dist
