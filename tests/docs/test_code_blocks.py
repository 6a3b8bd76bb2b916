"""Code in the documentation runs: blocks of Python one after the other, page by page, and commands exist.

The README's scripts and those of docs/clients.md run in tests of their own, with the packages that they need.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

import dodona
from dodona_cli._dispatch import app
from tests.docs.pages import PAGES, ROOT, blocks

Namespace = dict[str, Any]

SPACE = {"learning_rate": dodona.Float(1e-4, 1e-1, scale="log"), "units": dodona.Int(16, 128)}
# Searches are shorter here.
SHORTER = {r"max_trials=\d+": "max_trials=3", r"\bepochs=\d+": "epochs=1", r"population=\d+": "population=2"}
SHORTER |= {r"max_epochs=\d+": "max_epochs=2", r"interval=\d+": "interval=1"}
# Parts of a function that the page does not show.
FRAGMENTS = {("keras.md", 2)}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DODONA_URL", server_url)


def reader() -> Namespace:
    """Return what pages leave to their readers."""
    losses = itertools.count(1000, -1)

    def train_one_epoch(_model: Any, place: object = None) -> float:
        if isinstance(place, str):
            Path(place).write_text("weights")
        return float(next(losses))

    def save(_model: Any, path: str) -> str:
        return path

    model = SimpleNamespace(
        train_one_epoch=lambda: train_one_epoch(None),
        save=lambda path: Path(path).write_text("weights"),
        load=lambda path: Path(path).read_text(),
    )
    return {
        "dodona": dodona,
        "sys": sys,
        "client": dodona.Client(),
        "space": SPACE,
        "model": model,
        "train_one_epoch": train_one_epoch,
        "build": lambda _values: model,
        "load": lambda _place: model,
        "save": save,
        "read_epoch": lambda place: int(Path(place).read_text()),
        "write_epoch": lambda place, epoch: Path(place).write_text(str(epoch)),
    }


def of_keras() -> Namespace:
    """Return a model and data for pages about Keras."""
    import keras
    import keras_tuner
    import numpy as np

    importlib.import_module("dodona.keras")

    def build_model(hp: Any) -> Any:
        model = keras.Sequential([keras.layers.Dense(hp.Int("units", 4, 8)), keras.layers.Dense(10, "softmax")])
        rate, dropout = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"), hp.Float("dropout", 0.0, 0.5)
        del dropout
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    data = {name: np.random.default_rng(0).normal(size=(64, 4)) for name in ("x", "x_val")}
    labels = {name: np.arange(64) % 10 for name in ("y", "y_val")}
    return {**reader(), "keras": keras, "keras_tuner": keras_tuner, "build_model": build_model, **data, **labels}


def with_results() -> Namespace:
    """Return studies with results, for pages about figures."""
    made = {}
    for name in ("digits", "other"):
        study = dodona.Client().create_study(name, SPACE, goal="minimize", metric="val_loss", max_trials=30, seed=1)
        for _ in range(30):
            with study.ask() as trial:
                for step in (1, 2):
                    trial.report(float(trial.parameters["learning_rate"]) / step, step)
        made[name] = study
    return {
        **reader(),
        "tuner": SimpleNamespace(study=made["digits"]),
        "other": made["other"],
        "records": made["other"].trials(),
    }


def run(page: Path, namespace: Namespace) -> None:
    """Run the blocks of a page, one after the other."""
    for number, block in enumerate(blocks(page, "python")):
        if (page.name, number) in FRAGMENTS:
            continue
        for pattern, shorter in SHORTER.items():
            block = re.sub(pattern, shorter, block)
        reopen(namespace.get("study"))
        exec(compile(block, f"{page.name}, block {number + 1}", "exec"), namespace)


def reopen(study: object) -> None:
    """Give a study of an earlier block trials for the next one."""
    if isinstance(study, dodona.Study) and not study.name.endswith("digits"):
        study.set_budget(max_trials=len(study.trials()) + 5)


@pytest.mark.parametrize("name", ["client.md", "early-stopping.md", "algorithms.md", "faq.md"])
def test_blocks_of_the_client_run(name: str) -> None:
    run(ROOT / "docs" / name, reader())


@pytest.mark.parametrize("name", ["figures.md", "running.md"])
def test_blocks_about_figures_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(ROOT / "docs" / name, with_results())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["how-to.md", "keras.md", "tutorial.md", "coming-from-keras-tuner.md"])
def test_blocks_of_keras_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    run(ROOT / "docs" / name, of_keras())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_all_blocks_can_be_read(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)
    for block in blocks(page, "json"):
        json.loads(block)


def commands(page: Path) -> list[str]:
    """Return the lines of a page that begin with `dodona`."""
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("dodona ")]


@pytest.mark.parametrize("line", sorted({line for page in PAGES for line in commands(page)}))
def test_a_command_exists_with_its_options(line: str) -> None:
    _, *words = shlex.split(line, comments=True)
    command: Any = typer.main.get_command(app)
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        command = command.get_command(typer.Context(command), words.pop(0))
        assert command is not None, line
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in itertools.takewhile(lambda word: word != "|", words):
        if word.endswith(".py"):
            # What follows is the script's.
            break
        if word.startswith("-"):
            assert word.partition("=")[0] in {*known, "--help"}, line


def test_the_tables_of_pages_are_found() -> None:
    assert len(blocks(ROOT / "docs" / "client.md", "python")) >= 5
    assert len([line for page in PAGES for line in commands(page)]) > 20
