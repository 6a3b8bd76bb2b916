"""What algorithms learn from trials that were stopped early: where they ran, and that they were not worth an end."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest

from dodona_server.algorithms.contract.algorithm import NoCurves
from dodona_server.algorithms.contract.results import INFEASIBLE, with_stopped
from dodona_server.algorithms.registry import ALGORITHMS, Problem, Request
from dodona_server.algorithms.shared.predicted_losses import predicted_losses
from dodona_server.curve_model.curves import Curve, Progress, table_of
from dodona_server.domain.space import Categorical, Double, Parameter, SearchSpace
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import Goal, Metric, StudySpec
from dodona_server.domain.trials.continuation import Budget, with_tuner_values
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from tests.algorithms.test_every_algorithm import CHEAP, ONE_METRIC, SLOW

STEPS = 10
LINE = SearchSpace((Parameter("x", Double(0.0, 1.0)),))
LETTERS = SearchSpace((Parameter("c", Categorical(tuple("abcdef"))),))
# Those that learn from values.
LEARNING = pytest.mark.parametrize(
    "name",
    ["CMA_ES", "GP_BANDIT", "NSGA2", "REGULARIZED_EVOLUTION", "SKOPT_FOREST", "SKOPT_GBRT", "SKOPT_GP", "TPE"],
)


def trial(number, values, loss, *, stopped=False, step=9):
    final = None if loss is None else Measurement({"m": loss}, step)
    state = TrialState.INFEASIBLE if loss is None else TrialState.SUCCEEDED
    return Trial(number, state, values, end_time=float(number), final_measurement=final, stopped=stopped)


def ask(name, space, completed, stopped, seed=0, **options):
    spec = StudySpec(ONE_METRIC, space, name, algorithm_options=CHEAP.get(name, {}) | options)
    problem = Problem(spec, len(completed) + len(stopped), (), seed, has_grown=True)
    return ALGORITHMS[name].suggest(Request(problem, completed, (), 1, random.Random(seed), stopped=stopped))


@LEARNING
def test_the_value_of_a_stopped_trial_is_no_final_value(name):
    rng = random.Random(1)
    completed = [trial(2 * i + 1, {"x": x}, (x - 0.8) ** 2) for i, x in enumerate(rng.random() for _ in range(40))]
    # Better values at an early step, where none is good in the end.
    stopped = [trial(2 * i + 2, {"x": rng.uniform(0.1, 0.3)}, -9.0, stopped=True, step=1) for i in range(40)]
    seeds = range(7 if name in SLOW else 101)
    found = [ask(name, LINE, completed, stopped, seed).parameters[0]["x"] for seed in seeds]
    assert statistics.median(found) > 0.5


@LEARNING
def test_its_point_is_not_tried_again(name):
    completed = [trial(1, {"c": "a"}, 0.5), trial(2, {"c": "b"}, 0.6)]
    stopped = [trial(number, {"c": letter}, 0.1, stopped=True) for number, letter in ((3, "c"), (4, "d"), (5, "e"))]
    for seed in range(5):
        assert ask(name, LETTERS, completed, stopped, seed).parameters == [{"c": "f"}]


@pytest.mark.parametrize("name", ["GRID_SEARCH", "SHUFFLED_GRID_SEARCH", "RANDOM_SEARCH"])
def test_it_covers_its_point(name):
    stopped = [trial(number, {"c": letter}, 0.1, stopped=True) for number, letter in enumerate("abcde", 1)]
    assert ask(name, LETTERS, [], stopped).parameters == [{"c": "f"}]
    assert ask(name, LETTERS, [trial(6, {"c": "f"}, 0.1)], stopped).parameters == []


class Read(NoCurves):
    """Curves of up to `STEPS` losses; `was_read` says whether an algorithm has read them."""

    def __init__(self, curves):
        self.curves, self.was_read = curves, False

    def table(self):
        self.was_read = True
        known = {number: curve(losses) for number, losses in self.curves.items() if losses}
        return table_of(known) if known else None


def curve(losses):
    progress = Progress.ENDED if len(losses) == STEPS else Progress.STOPPED
    return Curve(np.arange(1.0, len(losses) + 1), np.maximum.accumulate(-np.array(losses)), progress)


def falling(start, end, steps=STEPS, of=STEPS):
    """A curve of losses from `start` to `end`, and of `steps` steps of these."""
    return [end + (start - end) * (of - step) / (of - 1) for step in range(1, steps + 1)]


RULE = StoppingRule(StoppingMethod.MEDIAN)


def study_of(rule=RULE, name="GP_BANDIT", metrics=ONE_METRIC):
    return Problem(StudySpec(metrics, LINE, name, stopping_rule=rule))


@pytest.fixture
def searched():
    """Twenty trials that ended, two that were stopped after four of ten steps, and a running one; and their curves."""
    curves = {number: falling(2.0 + number / 20, number / 20) for number in range(1, 21)}
    curves |= {21: falling(2.1, 0.1, 4), 22: falling(2.9, 0.9, 4), 23: falling(2.5, 0.5, 6), 24: []}
    completed = [trial(number, {"x": number / 50}, number / 20) for number in range(1, 21)]
    stopped = [trial(number, {"x": 0.5}, curves[number][-1], stopped=True, step=4) for number in (21, 22)]
    pending = [Trial(23, TrialState.ACTIVE, {"x": 0.6}), Trial(24, TrialState.REQUESTED, {"x": 0.7})]

    def request(problem=None, curves=curves, stopped=stopped):
        read = NoCurves() if curves is None else Read(curves)
        return Request(problem or study_of(), completed, pending, 1, random.Random(0), read, stopped)

    return request


class TestPredictedLosses:
    def test_the_end_of_stopped_and_running_trials(self, searched):
        known = predicted_losses(searched())
        assert {number: round(one.loss, 1) for number, one in known.items()} == {21: 0.1, 22: 0.9, 23: 0.5}
        assert all(0 < one.deviation < 0.5 for one in known.values())

    def test_there_are_none_without_a_rule(self, searched):
        request = searched(study_of(None))
        assert predicted_losses(request) == {}
        assert not request.curves.was_read

    def test_there_are_none_without_curves_or_with_several_objectives(self, searched):
        assert predicted_losses(searched(curves=None)) == {}
        assert predicted_losses(searched(curves=dict.fromkeys(range(1, 25), ()))) == {}
        two = (*ONE_METRIC, Metric("n", Goal.MINIMIZE))
        assert predicted_losses(searched(study_of(metrics=two))) == {}

    @pytest.mark.parametrize("name", ["GP_BANDIT", "TPE"])
    def test_it_decides_where_to_search(self, name):
        rng = random.Random(2)
        # What ended says nothing of the place. The curves of stopped trials predict better ends on one side.
        ends = {number: 1.0 + abs(number - 6.5) / 20 + number % 2 / 5 for number in range(1, 13)}
        curves = {number: falling(2.0 + end, end) for number, end in ends.items()}
        completed = [trial(number, {"x": number / 13}, end) for number, end in ends.items()]
        found = []
        for better in (0.2, 0.8):
            stopped = []
            for number in range(13, 43):
                good = number % 2 == 0
                curves[number] = falling(*((2.0, 0.1) if good else (4.0, 2.0)), 5)
                place = rng.uniform(-0.1, 0.1) + (better if good else 1.0 - better)
                stopped.append(trial(number, {"x": place}, curves[number][-1], stopped=True, step=5))
            problem = study_of(name=name)
            requests = [
                Request(problem, completed, (), 1, random.Random(seed), Read(curves), stopped) for seed in range(9)
            ]
            found.append(statistics.median(ALGORITHMS[name].suggest(one).parameters[0]["x"] for one in requests))
        assert found[0] < 0.4
        assert found[1] > 0.6


def test_hyperband_promotes_no_stopped_trial_and_waits_for_none():
    values = [with_tuner_values({"x": x / 9}, Budget(1, 0, 2, 0), None) for x in range(9)]
    completed = [trial(number, values[number - 1], number / 10, step=1) for number in range(2, 10)]
    stopped = [trial(1, values[0], -9.0, stopped=True, step=1)]
    found = ask("HYPERBAND", LINE, completed, stopped, max_epochs=9, factor=3)
    assert [suggestion.parent for suggestion in found.suggestions] == [2]


def test_the_longest_lasting_comes_first_among_the_stopped():
    spec = StudySpec(ONE_METRIC, LINE, "TPE")
    completed = [trial(1, {"x": 0.1}, 5.0), trial(4, {"x": 0.2}, None)]
    stopped = [
        trial(2, {"x": 0.3}, 0.1, stopped=True, step=2),
        trial(3, {"x": 0.4}, 0.3, stopped=True, step=7),
        trial(5, {"x": 0.5}, 0.2, stopped=True, step=7),
        trial(6, {"x": 0.6}, math.nan, stopped=True, step=7),
    ]
    arrived, merits = with_stopped(spec, completed, stopped)
    assert [one.number for one in arrived] == [1, 2, 3, 4, 5, 6]
    assert sorted(range(6), key=merits.__getitem__) == [0, 4, 2, 1, 3, 5]
    assert merits[3] == merits[5] == INFEASIBLE.merit
    assert with_stopped(spec, completed, []) == (completed, merits[:1] + merits[3:4])
