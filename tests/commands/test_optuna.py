"""`dodona import optuna` of databases that a real Optuna writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner, Result

import dodona
from dodona.commands._imports.conditions import tree_of
from dodona_cli._dispatch import app


@pytest.fixture
def cli(server_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("DODONA_URL", server_url)
    return lambda *arguments: CliRunner().invoke(app, ["import", "optuna", *map(str, arguments)])


@pytest.fixture
def database(tmp_path: Path) -> str:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return f"sqlite:///{tmp_path}/optuna.db"


def objective(trial: optuna.Trial) -> float:
    rate = trial.suggest_float("rate", 1e-5, 1e-1, log=True)
    units = trial.suggest_int("units", 16, 128, step=16)
    kind = trial.suggest_categorical("kind", ["adam", "sgd", None])
    momentum = trial.suggest_float("momentum", 0.0, 0.9, step=0.1) if kind == "sgd" else 0.0
    trial.suggest_categorical("flip", [True, False])
    trial.suggest_categorical("size", [32, 16, 64.5])
    for step in range(5):
        trial.report(units * rate + momentum + 1 / (step + 1), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    if trial.number == 7:
        raise RuntimeError("out of memory")
    return units * rate + momentum


def test_a_study_has_the_same_best_trial_curves_and_states(
    cli: Callable[..., Result], database: str, server_url: str
) -> None:
    theirs = optuna.create_study(
        storage=database,
        study_name="digits",
        pruner=optuna.pruners.MedianPruner(3),
        sampler=optuna.samplers.TPESampler(seed=1),
    )
    theirs.optimize(objective, n_trials=30, catch=RuntimeError)
    theirs.enqueue_trial({"rate": 1e-3})
    failing = theirs.ask()
    theirs.tell(failing, state=optuna.trial.TrialState.FAIL)
    imported = cli(database)
    why = "they run, wait, or failed before they had all values"
    assert imported.stdout == f"digits: 30 trials added, 0 existed already, 1 left out: {why}\n", imported.output
    ours = dodona.Client(server_url).get_study("digits")
    assert {name: type(parameter).__name__ for name, parameter in ours.space.items()} == {
        "rate": "Float", "units": "Discrete", "kind": "Categorical", "flip": "Boolean", "size": "Discrete",
    }  # fmt: skip
    ((_, children),) = ours.space["kind"].children.items()
    assert children == {"momentum": dodona.Discrete([index / 10 for index in range(10)])}
    assert ours.metrics == {"objective": "minimize"}
    pairs = list(zip(ours.trials(), theirs.trials, strict=False))
    states = {"COMPLETE": ("SUCCEEDED", False), "PRUNED": ("SUCCEEDED", True), "FAIL": ("INFEASIBLE", False)}
    assert {one.state.name for _, one in pairs} == set(states)
    for mine, one in pairs:
        state, stopped = states[one.state.name]
        assert (mine.state, mine.stopping_reason is not None) == (state, stopped)
        assert {one.step - 1: one.metrics["objective"] for one in mine.measurements} == one.intermediate_values
        values = {name: str(value) if name == "kind" else value for name, value in one.params.items()}
        assert mine.parameters == pytest.approx(values)
    assert ours.best_trial is not None
    assert ours.best_trial.metrics["objective"] == theirs.best_value
    assert ours.best_trial.number == theirs.best_trial.number + 1

    again = cli(database.removeprefix("sqlite:///"), "--study", "digits")
    assert again.stdout.startswith("digits: 0 trials added, 30 existed already")
    theirs.optimize(lambda trial: objective(trial), n_trials=2, catch=RuntimeError)
    assert cli(database).stdout.startswith("digits: 2 trials added, 30 existed already")


def test_several_objectives_keep_their_names(cli: Callable[..., Result], database: str, server_url: str) -> None:
    theirs = optuna.create_study(storage=database, study_name="two", directions=["minimize", "maximize"])
    theirs.set_metric_names(["loss", "speed"])
    theirs.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.params["x"]), n_trials=4)
    assert cli(database, "--name", "renamed").exit_code == 0
    ours = dodona.Client(server_url).get_study("renamed")
    assert ours.metrics == {"loss": "minimize", "speed": "maximize"}
    assert len(ours.optimal_trials()) == len(theirs.best_trials)


def test_what_is_not_there_is_named(cli: Callable[..., Result], database: str, tmp_path: Path) -> None:
    missing = cli(database)
    assert (missing.exit_code, missing.stderr) == (2, f"dodona: there is no file {tmp_path}/optuna.db\n")
    for name in ("one", "two"):
        optuna.create_study(storage=database, study_name=name)
    refused = cli(database)
    assert (refused.exit_code, "has the studies one, two; name one with --study" in refused.stderr) == (2, True)
    assert "there is no study 'three'" in cli(database, "--study", "three").stderr
    other = tmp_path / "other.db"
    other.write_text("no database")
    refused = cli(other)
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_a_parameter_that_nothing_explains_is_named() -> None:
    space = {"x": dodona.Float(0, 1), "kind": dodona.Categorical(["a", "b"])}
    trials = [{"x": 0.5, "kind": "a"}, {"kind": "a"}]
    with pytest.raises(ValueError, match="'x' is missing in some trials"):
        tree_of(space, trials)


def test_conditions_below_conditions() -> None:
    space = {
        "depth": dodona.Int(1, 2),
        "kind": dodona.Categorical(["a", "b"]),
        "x": dodona.Float(0, 1),
        "y": dodona.Float(0, 1),
    }
    trials = [{"depth": 1}, {"depth": 2, "kind": "a", "y": 0.5}, {"depth": 2, "kind": "b", "x": 0.5, "y": 0.5}]
    kind = dodona.Categorical(["a", "b"], children={"b": {"x": dodona.Float(0, 1)}})
    expected = {"depth": dodona.Int(1, 2, children={2: {"kind": kind, "y": dodona.Float(0, 1)}})}
    assert tree_of(space, trials) == expected
    assert repr(tree_of(space, trials)) == repr(expected)
