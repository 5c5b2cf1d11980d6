# `make demo` and `make test` are all a newcomer needs; each sets up its own environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src csrc include cmake recipes -type f ! -name '*.pyc' ! -name '*.so') \
           CMakeLists.txt pyproject.toml

# On Linux the default build of PyTorch brings 15 CUDA packages; `make TORCH_INDEX= …` takes it.
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname)),https://download.pytorch.org/whl/cpu)

.PHONY: demo test lint wheel docs bench sanitize sanitize-quick lock check-lock clean

demo: $(VENV)/.package
	$(BIN)/python -m salanet.cli.main demo

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
	build/wheel-check/bin/pip install --quiet -c requirements.lock dist/*.whl
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
KERNEL_TESTS := tests/ops tests/operators tests/test_edge.py tests/test_pyramid.py \
                tests/engine/test_executor.py

sanitize: $(VENV)/.dependencies
	OMP_NUM_THREADS=2 $(SANITIZE) address $(KERNEL_TESTS) tests/test_edge_clouds.py \
	  tests/test_edge_files.py tests/training/test_engine.py tests/inference tests/io
	OMP_NUM_THREADS=4 $(SANITIZE) thread $(KERNEL_TESTS)

# What a change of the kernels must pass.
sanitize-quick: $(VENV)/.dependencies
	OMP_NUM_THREADS=2 $(SANITIZE) address tests/ops tests/operators/test_weighted.py \
	  tests/engine/test_executor.py
	OMP_NUM_THREADS=4 $(SANITIZE) thread tests/ops/test_bindings.py \
	  tests/ops/test_position_moments.py tests/ops/test_neighbour_max.py \
	  tests/ops/test_radius_search.py tests/ops/test_grid_subsample.py

# Pins what is installed now; run it in an environment where `make test` passes.
lock: $(VENV)/.package
	$(BIN)/pip freeze --exclude salanet | sed -E -f .ci/lock.sed > requirements.lock

# The lock must install from the public index, on other machines than the one that wrote it.
check-lock: $(VENV)/.dependencies
	.ci/check-lock $(BIN)

$(VENV)/.dependencies: requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -z "$(TORCH_INDEX)" || \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --retries 1 --timeout 10 \
	    --index-url "$(TORCH_INDEX)" "$$(grep ^torch== requirements.lock)" || \
	  echo "PyTorch's CPU build is out of reach; its default build will do"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	touch $@

$(VENV)/.package: $(VENV)/.dependencies $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation .
	touch $@

clean:
	rm -rf $(VENV) build dist
