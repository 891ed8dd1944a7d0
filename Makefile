# `make demo` and `make test` need Python 3.11 or later, make and a package index; the rest is installed into $(VENV).
PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
BIN := $(VENV)/bin

.PHONY: demo test quick hardening lint format clean

demo: $(VENV)/installed
	@echo "1/4  rendering the embedded benchmark"
	@$(BIN)/integralaction mime $(DEMO)/data --sheet $(DEMO)/contact-sheet.png
	@echo "2/4  training: appearance stream, pose stream, integration"
	@$(BIN)/integralaction train mime-demo --data $(DEMO)/data --out $(DEMO)/run
	@echo "3/4  testing: ten clips a video"
	@$(BIN)/integralaction evaluate $(DEMO)/run
	@echo "This is one seed: one set of videos, one training. The README has the mean of five."
	@echo "4/4  one video: an archer without a bow, somewhere else"
	@$(BIN)/integralaction predict $(DEMO)/data/out-of-context/archery/00000.mp4 --model $(DEMO)/run --poses $(DEMO)/data
	@echo "pictures: $(DEMO)/contact-sheet.png    videos: $(DEMO)/data/    logs: tensorboard --logdir $(DEMO)/run"

test: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

# under a minute on two cores; no lint
quick: $(VENV)/installed
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile -m 'not slow' --durations=5

hardening: $(VENV)/installed
	$(BIN)/python -m tools.hardening --write

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ty check src tools

format: $(VENV)/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Expected Python 3.11 or later; found %s. Run make PYTHON=python3.11." % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) $(DEMO)
