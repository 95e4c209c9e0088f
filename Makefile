# Two commands: `make run` does the main job, `make test` runs the tests. Each sets up what it needs.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= runs/street

.PHONY: run app test lint clean gpu-reference

run: $(VENV)/.installed
	$(BIN)/python -m evaluation.run --all --preset street --out $(OUT)

app: $(VENV)/.installed
	$(BIN)/python -m reports.app --run $(OUT)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --durations 40

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .

# CAMVID=folder PERCEPTUAL=vgg16.safetensors SQUEEZENET=squeezenet.safetensors; see benchmarks/gpu_reference
gpu-reference: $(VENV)/.installed
	$(BIN)/python -m benchmarks.gpu_reference --data $(CAMVID) --perceptual $(PERCEPTUAL) --squeezenet $(SQUEEZENET) \
		--work $(if $(filter file,$(origin OUT)),runs/gpu-reference,$(OUT))

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build *.egg-info
