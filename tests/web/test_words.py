"""What a study is set to, in words."""

from __future__ import annotations

import dataclasses
import json

import pytest

from dodona_schemas import vertex as wire
from dodona_server.api.vertex.spec import read_budget
from dodona_server.domain.space import Categorical, Double, Integer, Parameter, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig, TimeConstraint, Usage
from dodona_server.domain.studies.hint import Hint
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec
from dodona_server.web import words

SPACE = SearchSpace((Parameter("x", Double(0.0, 1.0)),))
METRIC = Metric("loss", Goal.MINIMIZE)


@pytest.mark.parametrize("method", StoppingMethod)
def test_every_rule_has_a_sentence(method: StoppingMethod) -> None:
    sentence = words.stopping_rule(StudySpec((METRIC,), SPACE, stopping_rule=StoppingRule(method)))
    name = method.replace("_", " ").lower()
    assert sentence.lower().startswith(name)
    assert "is stopped" in sentence
    two = (METRIC, Metric("latency", Goal.MINIMIZE))
    unused = words.stopping_rule(StudySpec(two, SPACE, stopping_rule=StoppingRule(method)))
    assert unused == f"The rule is {name}; this server cannot apply it to this study, so no trial is stopped."


def test_a_rule_says_its_figures() -> None:
    rule = StoppingRule(StoppingMethod.NO_PROGRESS, use_elapsed_time=True, patience=60.0, least_improvement=0.01)
    sentence = words.stopping_rule(StudySpec((METRIC,), SPACE, stopping_rule=rule))
    assert sentence.endswith("has not improved by more than 0.01 for 60 seconds.")


def test_the_limits_of_a_study() -> None:
    assert words.budget(StoppingConfig()) == ["The study has no limit: it runs until you complete it."]
    stopping = StoppingConfig(
        should_stop_asap=True,
        minimum_runtime=TimeConstraint(60.0),
        maximum_runtime=TimeConstraint(end_time=1785587696.0),
        min_num_trials=5,
        max_num_trials=1,
        max_num_trials_no_progress=9,
        max_duration_no_progress=7200.0,
        max_failed_trials=0,
    )
    assert words.budget(stopping) == [
        "The study ends after 1 trial.",
        "It ends at 2026-08-01 12:34:56 UTC.",
        "It ends after 9 trials without a better result.",
        "It ends after 2 h 00 min without a better result.",
        "It ends after 1 failed trial.",
        "At least 5 trials are run before another limit ends it.",
        "It ends by a limit other than the number of trials only 1 min 00 s after its creation.",
        "Running trials are then stopped.",
    ]


EVERY_LIMIT = StoppingConfig(
    should_stop_asap=True,
    minimum_runtime=TimeConstraint(60.0),
    maximum_runtime=TimeConstraint(end_time=1785587696.0),
    min_num_trials=5,
    max_num_trials=20,
    max_num_trials_no_progress=9,
    max_duration_no_progress=7200.0,
    max_failed_trials=3,
    max_compute_duration=36000.0,
    max_cost=25.5,
    price_per_hour=2.5,
    improvement_unlikely=0.05,
)


def test_the_compute_that_is_used_and_left() -> None:
    assert words.compute(StoppingConfig(max_num_trials=5), Usage(3, 959.0)) == "15 min of compute"
    assert words.compute(EVERY_LIMIT, Usage(3, 59.0)) == ""
    some = "30 min of compute, which cost 1.25; left: 9.5 h of compute and 24.25 to spend"
    assert words.compute(EVERY_LIMIT, Usage(3, 1800.0)) == some
    all_used = "25.0 h of compute, which cost 62.50; left: 0 min of compute and 0.00 to spend"
    assert words.compute(EVERY_LIMIT, Usage(3, 90000.0)) == all_used


def test_the_message_of_a_budget_has_every_limit() -> None:
    assert None not in dataclasses.astuple(EVERY_LIMIT)
    message = words.budget_message(EVERY_LIMIT)
    assert read_budget(wire.StudyStoppingConfig.model_validate_json(json.dumps(message))) == EVERY_LIMIT
    assert words.budget_message(StoppingConfig()) == {}


@pytest.mark.parametrize(
    ("name", "metrics", "text"),
    [
        ("ALGORITHM_UNSPECIFIED", 1, "Gaussian process bandit (default)"),
        ("ALGORITHM_UNSPECIFIED", 9, "NSGA-II (default)"),
        ("GP_BANDIT", 1, "Gaussian process bandit"),
        ("RANDOM_SEARCH", 1, "Random search"),
    ],
)
def test_algorithms_are_named(name: str, metrics: int, text: str) -> None:
    several = tuple(Metric(f"m{number}", Goal.MINIMIZE) for number in range(metrics))
    assert words.algorithm(StudySpec(several, SPACE, algorithm=name)) == text


def test_goals_and_constraints() -> None:
    assert words.goal(METRIC) == "minimized"
    assert words.goal(Metric("accuracy", Goal.MAXIMIZE, Safety(0.9))) == "must be at least 0.9"


def test_many_values_are_cut() -> None:
    kinds = (Categorical(tuple(map(str, range(20)))), Integer(1, 8))
    space = SearchSpace(tuple(Parameter(f"p{index}", kind) for index, kind in enumerate(kinds)))
    names, numbers = words.space_rows(StudySpec((METRIC,), space, hints={"p1": Hint((3, 4))}))
    assert (names.hint, str(numbers.hint)) == (None, "near 3 or 4 (fairly)")
    assert names.values == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"
    assert (names.scale, numbers.values, numbers.scale) == ("", "1 to 8", "linear")
