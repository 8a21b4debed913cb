# make demo      a talking video in output/demo.mp4; IMAGE= AUDIO= PROMPT= CAMERA= OUTPUT= take yours
# make demo-film a film of three shots over one soundtrack in output/film.mp4; FILM= takes yours
# make playground  pages in the browser: talk, retalk, film, results; PORT= takes another port
# make serve     a server of jobs at http://127.0.0.1:8080; PORT= and SERVE= (more options) change it
# make test      the tests
# make lint      style
# make bench     how fast and how large
# make bench-live  how a stream keeps time; MINUTES=10 SIZE=384x384 STREAMS=2 PROBE=1 BENCH="--camera swing:30"
# make quality   how good: the tables of the model card; needs IMAGES=folder VOICES=folder
# make bench-studio   the networks of the studio tier: measured on a GPU, counted without one
# make docs      the documentation as a website in site/; make pictures: its pictures, rendered anew
# make install   only what each of these does first: install what is needed into .venv
# PYTHON=python3.12 chooses the Python, TORCH=cpu or TORCH=cuda the build of torch.

SHELL := /bin/bash
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	2>/dev/null && echo $$python && break; done)
PINS := $(shell cat pyproject.toml requirements/* | cksum | tr -d ' ')
READY := .venv/.ready-$(PINS)
BIN := .venv/bin

export IMAGE ?= assets/examples/portrait.png
export AUDIO ?= assets/examples/speech.wav
export PROMPT ?= a woman speaks warmly and smiles
export CAMERA ?= push_in:60
export FILM ?= assets/examples/film.yaml
export FILM_OUTPUT ?= output/film.mp4
export OUTPUT ?= output/demo.mp4
export SIZE ?= 512x512
export PORT ?= 8080
export TORCH
# Threads that wait for work must not burn the other core; torch reads this when it is imported.
export OMP_WAIT_POLICY := PASSIVE

.PHONY: help demo demo-film playground serve test bench bench-live bench-studio quality docs pictures lint install
.DEFAULT_GOAL := demo

help:
	@sed -n '/^$$/q; s/^# //p' Makefile

demo: $(READY)
	@mkdir -p "$$(dirname "$$OUTPUT")"
	@$(BIN)/skyreels-avatar generate --image "$$IMAGE" --audio "$$AUDIO" --prompt "$$PROMPT" \
		--camera "$$CAMERA" --size "$$SIZE" --output "$$OUTPUT" --overwrite

demo-film: $(READY)
	@mkdir -p "$$(dirname "$$FILM_OUTPUT")"
	@$(BIN)/skyreels-avatar plan "$$FILM"
	@$(BIN)/skyreels-avatar render "$$FILM" --output "$$FILM_OUTPUT" --overwrite

playground: $(READY)
	@$(BIN)/skyreels-avatar playground --port "$$PORT"

serve: $(READY)
	$(BIN)/skyreels-avatar serve --port "$$PORT" $(SERVE)

# One thread a worker: two workers of two threads on two cores would wait for each other.
# The frameworks of voice agents are large, and their tests alone need them.
test: $(READY)
	@$(BIN)/python -m pip install -qq --constraint requirements/constraints.txt \
		--editable '.[pipecat,livekit]' \
		|| echo "Pipecat and LiveKit could not be installed: their tests are skipped"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4

bench: $(READY)
	$(BIN)/python tests/bench.py

bench-live: $(READY)
	$(BIN)/python tests/bench_live.py --minutes "$(or $(MINUTES),1)" --streams "$(or $(STREAMS),1)" --size "$$SIZE" $(if $(PROBE),--probe) $(BENCH)

bench-studio: $(READY)
	$(BIN)/python tests/bench_studio.py $(if $(shell command -v nvidia-smi),,--count)

quality: $(READY)
	$(BIN)/python tests/quality.py --images "$(IMAGES)" --voices "$(VOICES)"

# The generator is installed when it is asked for: nothing else needs it, and it needs Python 3.11.
docs: $(READY)
	@$(BIN)/python -m pip install -qq --constraint requirements/constraints.txt --editable '.[docs]'
	$(BIN)/zensical build --clean --strict

pictures: $(READY)
	$(BIN)/python docs/make_pictures.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

install: $(READY)

$(READY): pyproject.toml $(wildcard requirements/*)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.10 or newer was found; name one: make" \
		"PYTHON=/path/to/python3" >&2; exit 1; }
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null || \
		$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install -qq "pip>=23"
	@$(BIN)/python requirements/install.py
	@rm -f .venv/.ready-* && touch $@
