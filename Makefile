# `make help` lists what there is. Needs python3 with venv, g++, and nvcc where CUDA is wanted.
# Everything else comes from the package index, into .venv.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo minilm softgpu test test-slow test-planted test-all lint format docs
.PHONY: sanitize wheel bench gpu-bundle gpu-check clean distclean

PYTHON ?= python3
VENV ?= .venv
# Taken where VENV has no torch yet: any torch >= 2.10 serves.
TORCH ?= torch==2.13.0
# AUTO builds the CUDA part where nvcc is. Without a GPU there is no use for it.
HALFWORD_CUDA ?= $(shell nvidia-smi >/dev/null 2>&1 && echo AUTO || echo OFF)
# For the program that a target runs: make demo ARGS="--steps 100"; make bench ARGS=adam
ARGS ?=
export HALFWORD_CUDA

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check -qq
# On all cores; a file's tests on one, as they share what is built for them.
PYTEST := $(PY) -m pytest -n auto --dist loadfile
# nvcc: on PATH, or in .venv, where `make softgpu` puts it if there is no other. Empty without.
CUDACXX ?= $(shell $(PY) tools/cuda_toolchain.py 2>/dev/null)
export CUDACXX
SITE = $(shell $(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))")
STAMPS := $(VENV)/stamps
INSTALLED := $(STAMPS)/halfword-$(HALFWORD_CUDA)
SOURCES := $(shell find csrc cmake python -type f -not -name '*.pyc') CMakeLists.txt pyproject.toml
CXX_FILES = $(shell find csrc tests -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')
# Sorted, which leaves each once. Without those that read machine code: it is not the sanitizers'.
OP_TESTS = $(filter-out %_code.py,$(sort $(wildcard \
  $(patsubst csrc/ops/%.h,tests/test_%*.py,$(wildcard csrc/ops/*.h))))) tests/test_optim.py

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

install: $(INSTALLED)  ## .venv with torch and halfword

demo: $(INSTALLED) $(STAMPS)/demo  ## train the byte-level language model of examples/
	$(PY) -m examples.byte_lm $(ARGS)

minilm: $(INSTALLED) $(STAMPS)/minilm  ## a sentence encoder in INT8 and INT4: sizes, embeddings, speed
	$(PY) -m examples.minilm $(ARGS)

softgpu: $(STAMPS)/test  ## nvcc into .venv if there is none, and the software GPU with its kernels
	$(PY) tools/cuda_toolchain.py --install
	$(PY) -m tests.softgpu.build

# Tests build what they need of the software GPU; built before them, no test waits for it.
define build_softgpu
	@if $(PY) tools/cuda_toolchain.py >/dev/null 2>&1; then $(PY) -m tests.softgpu.build; fi
endef

test: $(INSTALLED) $(STAMPS)/test  ## the tests, but for the slow ones
	$(build_softgpu)
	$(PYTEST) $(ARGS)

test-slow: $(INSTALLED) $(STAMPS)/test $(STAMPS)/minilm  ## the slow tests
	$(build_softgpu)
	$(PYTEST) -m slow $(ARGS)

test-planted: $(INSTALLED) $(STAMPS)/test  ## bugs planted in the CUDA kernels: all of them are caught
	$(build_softgpu)
	$(PY) -m pytest -m "slow or planted" tests/softgpu/test_planted_product.py $(ARGS)

test-all: $(INSTALLED) $(STAMPS)/test $(STAMPS)/minilm  ## all tests
	$(build_softgpu)
	$(PYTEST) -m "slow or planted or not slow" $(ARGS)

lint: $(STAMPS)/lint  ## ruff, clang-format, mypy, codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/clang-format --dry-run -Werror $(CXX_FILES)
	$(BIN)/mypy
	$(BIN)/codespell

format: $(STAMPS)/lint  ## write the sources as lint wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_FILES)

docs: $(INSTALLED) $(STAMPS)/docs  ## the pages of docs/, into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# The kernels under AddressSanitizer and UndefinedBehaviorSanitizer, in their own build. -S: so that
# the halfword which .venv may have in editable form stays out. libstdc++ is preloaded because ASan
# looks for its __cxa_throw at the start. --capture=sys lets the sanitizers' reports through. Leaks
# are not looked for: Python itself has many. Neither torch.compile nor the software GPU makes code
# that they are for.
sanitize: build/sanitize/stamp $(STAMPS)/test  ## the tests of the ops, under ASan and UBSan
	echo $(OP_TESTS) | xargs -n 10 -P 2 \
	env ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so.6)" \
	PYTHONPATH=$(CURDIR)/build/sanitize/site:$(SITE) \
	$(PY) -S -m pytest --capture=sys -p no:cacheprovider -k 'not (opcheck or compile or softgpu or cache)' $(ARGS)

build/sanitize/stamp: $(STAMPS)/venv $(SOURCES)
	PATH=$(CURDIR)/$(BIN):$$PATH cmake -S . -B build/sanitize -G Ninja -DHALFWORD_SANITIZE=ON \
	  -DCMAKE_BUILD_TYPE=Sanitize -DCMAKE_CXX_FLAGS_SANITIZE=-O1 -DHALFWORD_CUDA=OFF \
	  -DPython_EXECUTABLE=$(CURDIR)/$(PY) \
	  -Dpybind11_DIR=$$($(PY) -m pybind11 --cmakedir) >/dev/null
	$(BIN)/cmake --build build/sanitize
	rm -rf build/sanitize/site && mkdir build/sanitize/site
	cp -r python/halfword build/sanitize/site/
	$(BIN)/cmake --install build/sanitize --component python --prefix build/sanitize/site/halfword
	touch $@

wheel: $(STAMPS)/venv $(STAMPS)/test  ## wheel and sdist, into dist/, and the checks of their contents
	rm -rf dist
	$(PIP) wheel --no-build-isolation --no-deps --wheel-dir dist .
	$(PY) -c "import scikit_build_core.build as b; print(b.build_sdist('dist'))"
	$(PY) -m pytest tests/test_packaging.py $(ARGS)

bench: $(INSTALLED) $(STAMPS)/bench  ## the benchmarks
	$(PY) -m bench $(if $(ARGS),$(ARGS),all)

# The Python of the machine with the GPU: make gpu-bundle PYTHON_TARGET=3.12
PYTHON_TARGET ?= 3.12

gpu-bundle: $(STAMPS)/test  ## what a machine with a GPU and no network needs, into .gpu-bundle/
	$(PY) tools/gpu_bundle.py --python $(PYTHON_TARGET) $(ARGS)

# There, with the Python that has torch; it takes .gpu-bundle where that was carried along.
gpu-check:  ## on a machine with a GPU: tests, sanitizers, benchmarks; make gpu-check OUT=folder
	$(if $(OUT),,$(error gpu-check: OUT must name a folder for the results))
	$(if $(wildcard $(PY)),$(PY),$(PYTHON)) tools/gpu_check.py --out $(OUT) \
	  $(if $(wildcard .gpu-bundle/bundle.json),--build .gpu-bundle) $(ARGS)

clean:  ## remove what was built, but for .venv
	rm -rf build dist site .gpu-bundle .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f $(STAMPS)/halfword-*

distclean: clean  ## remove .venv too
	rm -rf $(VENV)

$(STAMPS)/venv:
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -c "import torch" 2>/dev/null || $(PIP) install $(TORCH)
	$(PIP) install $$($(PY) tools/requirements.py build | tr -d ' ')
	mkdir -p $(STAMPS) && touch $@

# The extra of that name in pyproject.toml.
$(STAMPS)/test $(STAMPS)/demo $(STAMPS)/minilm $(STAMPS)/bench $(STAMPS)/lint $(STAMPS)/docs: \
    $(STAMPS)/%: $(STAMPS)/venv pyproject.toml
	$(PIP) install $$($(PY) tools/requirements.py $* | tr -d ' ')
	$(if $(filter test,$*),$(PIP) install --no-deps $$($(PY) tools/requirements.py readback | tr -d ' '))
	touch $@

# An editable install rebuilds itself: it is left alone.
$(INSTALLED): $(STAMPS)/venv $(SOURCES)
	test -e $(SITE)/_editable_skbc_halfword.py || \
	  $(PIP) install --no-build-isolation --no-deps --force-reinstall .
	rm -f $(STAMPS)/halfword-* && touch $@
