"""The contract between the service and the algorithms, and the registry."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

import dodona
import dodona_server
from dodona_server.algorithms.registry import ALGORITHMS, Problem, Request, Suggestion, algorithm_for
from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import Budget, budget_of, resumed_from, without_tuner_values

SPEC = StudySpec((Metric("m", Goal.MINIMIZE),), SearchSpace((Parameter("x", Double(0, 1)),)))


def request(count=2):
    return Request(Problem(SPEC), (), (), count, random.Random(1))


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_suggestion_says_why(name):
    found = ALGORITHMS[name].suggest(request())
    assert len(found.suggestions) == 2
    assert all(suggestion.reason for suggestion in found.suggestions)


def test_a_suggestion_is_stored_with_keras_tuners_values_and_read_back():
    budget = Budget(9, 3, bracket=2, round=1)
    stored = Suggestion({"x": 0.5}, "promoted", parent=4, resume_from=4, budget=budget).stored
    assert stored == {
        "x": 0.5,
        "tuner/epochs": 9,
        "tuner/initial_epoch": 3,
        "tuner/bracket": 2,
        "tuner/round": 1,
        "tuner/trial_id": "4",
    }
    assert (budget_of(stored), resumed_from(stored), without_tuner_values(stored)) == (budget, 4, {"x": 0.5})
    assert (budget_of({"x": 0.5}), resumed_from({"x": 0.5})) == (None, None)


def test_an_algorithm_without_the_trait_has_no_curves():
    with pytest.raises(RuntimeError, match="needs_curves=True"):
        request().curves.of([1])


def test_an_installed_package_registers_an_algorithm():
    assert algorithm_for("BEST_CURVE").traits.needs_curves
    assert algorithm_for("BEST_CURVE") is algorithm_for("BEST_CURVE")
    with pytest.raises(InvalidArgument, match=r"available are .*BEST_CURVE.*TPE"):
        algorithm_for("WORST_CURVE")
    with pytest.raises(InvalidArgument, match=r"NOT_IMPORTED \(no_such_package:Anything\) cannot be loaded"):
        algorithm_for("NOT_IMPORTED")


def test_only_the_registry_and_the_tuners_name_algorithms():
    """Other parts ask for traits, so that a new algorithm needs no change there."""
    server, keras = Path(dodona_server.__file__).parent, Path(dodona.__file__).parent / "keras"
    for folder in (server / "service", server / "storage", server / "web", keras / "_checkpoints", keras / "_training"):
        # Names for people; one that is missing there is readable too.
        for path in set(folder.rglob("*.py")) - {server / "web" / "words.py"}:
            names = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            names |= {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
            assert not names & (ALGORITHMS.keys() - {"ALGORITHM_UNSPECIFIED"}), path
