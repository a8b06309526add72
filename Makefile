# Every target sets up what it needs: a .venv with the locked packages, and a mongod for FiftyOne.

PROFILE ?= quick
MODELS ?=
COCO_DIR ?=
MODEL_DIR ?=
RUNTIMES ?=
PYTHON ?=
JUPYTERLAB := jupyterlab==4.6.6

# They reach the command by the environment, which keeps blanks and quotes as they are. A COCO_DIR given to make
# is an option of this run; one that was in the environment before may be meant for others.
export PROFILE MODELS COCO_DIR MODEL_DIR
COCO_OPTION := $(if $(findstring command line,$(origin COCO_DIR)),--coco-dir "$$COCO_DIR")
# As they were typed: make itself would read a dollar sign in a path as its own.
override MODELS := $(value MODELS)
override COCO_DIR := $(value COCO_DIR)
override MODEL_DIR := $(value MODEL_DIR)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# The tests need every runtime. What is there stays; what is asked for and is not is a reason to install again.
ifneq ($(filter test,$(MAKECMDGOALS)),)
override RUNTIMES := all
endif
COMMA := ,
THERE := $(shell cat $(VENV)/.extras 2>/dev/null)
KNOWN := $(shell sed -n 's/^\# \([a-z]*\):$$/\1/p' requirements-runtimes.in)
LACKING := $(filter-out $(THERE),$(patsubst all,$(KNOWN),$(subst $(COMMA), ,$(RUNTIMES))))
CANDIDATES := $(or $(PYTHON),python3.11 python3.12 python3.13 python3 python)

# Packages of other Pythons on the path would hide the locked ones.
unexport PYTHONPATH PYTHONHOME RUNTIMES
export PYTHONNOUSERSITE = 1

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup report train test bench colab lint format lab clean again

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile
	@echo "  PROFILE=smoke|quick|full sizes the report, coco|coco-500|coco-smoke one of COCO_DIR=...;"
	@echo "   MODELS=a,b (names, paths, addresses) and MODEL_DIR=... choose its subject;"
	@echo "   RUNTIMES=openvino,onnxruntime,dask|all installs more of what runs models, which stays;"
	@echo "   PYTHON=... picks the Python of a new .venv."

setup: $(INSTALLED) ## install everything but further runtimes: RUNTIMES=openvino,onnxruntime|all adds them

report: $(INSTALLED) ## run the notebooks; PROFILE=smoke|quick|full, coco|coco-500|coco-smoke
	@set -f; IFS=,; set --; for model in $$MODELS; do set -- "$$@" --model "$$model"; done; \
	$(BIN)/python -m helpers run --profile "$$PROFILE" $(COCO_OPTION) "$$@"

train: $(INSTALLED) ## train the embedded detector again (an hour on two cores; resumable)
	@$(BIN)/python -m helpers train

test: $(INSTALLED) ## run the tests, two at a time
	@$(BIN)/python -m pytest -n 2

bench: $(INSTALLED) ## measure the suite's own speed, into data/bench/bench.json
	@$(BIN)/python -m pytest tests/bench -o python_files='bench_*.py' -p no:xdist -s

colab: $(INSTALLED) ## run the notebooks of the last commit with Colab's packages (needs the network)
	@$(BIN)/python -m tests.colab.session

lint: $(INSTALLED) ## check style and formatting, notebooks included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(INSTALLED) ## put style and formatting right
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lab: $(INSTALLED) ## open the notebooks in JupyterLab
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.txt $(JUPYTERLAB)
	@$(BIN)/jupyter lab notebooks

clean: ## remove what runs produced
	@if [ -f $(INSTALLED) ]; then $(BIN)/python -m helpers clean; else echo "Nothing to clean."; fi

# Written last, so that a set-up that was interrupted is done again.
$(INSTALLED): requirements.txt requirements-runtimes.txt $(if $(LACKING),again)
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then $(MAKE_VENV); fi
	@RUNTIMES="$(RUNTIMES)" $(BIN)/python -m helpers.suite.install
	@$(BIN)/python -m helpers setup-mongod
	@touch $@

# The interpreters are tried, not only looked up: a version manager's stand-in may exist and not run.
# Debian's Python makes a .venv with pip only if python3-venv is installed; its own pip can do it too.
define MAKE_VENV
chosen=; met=; \
for candidate in $(CANDIDATES); do \
  version=$$("$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue; \
  case $$version in 3.11|3.12|3.13) chosen=$$candidate; break;; esac; \
  met="$$met $$candidate is Python $$version;"; \
done; \
if [ -z "$$chosen" ]; then \
  echo "Found:$${met:- no Python} (looked for: $(CANDIDATES))" >&2; \
  echo "Expected: Python 3.11, 3.12 or 3.13" >&2; \
  echo "Cure: install one of them, or name it: make setup PYTHON=/path/to/python3.11" >&2; \
  exit 1; \
fi; \
echo "Making $(VENV) with $$chosen (Python $$version)."; \
"$$chosen" -m venv --clear $(VENV) >/dev/null 2>&1 || { \
  "$$chosen" -m venv --clear --without-pip $(VENV) && \
  "$$chosen" -m pip --python $(BIN)/python install --quiet --disable-pip-version-check pip; \
} || { \
  echo "Found: $$chosen cannot make a virtual environment with pip." >&2; \
  echo "Cure: install its venv module (Debian, Ubuntu: apt-get install python3-venv), then run make again." >&2; \
  exit 1; \
}
endef
