"""hypothesis strategies for the histories of studies, good and bad ones."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from dodona_server.algorithms.simple.sampling import sample
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Safety, StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

# Shapes of results; the argument is the trial's number.
RESULTS: dict[str, Callable[[int, random.Random], float]] = {
    "ordinary": lambda number, rng: rng.gauss(0.0, 1.0),
    "constant": lambda number, rng: 1.5,
    "duplicated": lambda number, rng: float(number % 3),
    "huge": lambda number, rng: rng.choice((-1.0, 1.0)) * 10.0 ** rng.uniform(300, 308),
    "tiny": lambda number, rng: rng.random() * 1e-308,
    "infinite now and then": lambda number, rng: rng.choice((math.inf, -math.inf, rng.random())),
    "not a number now and then": lambda number, rng: rng.choice((math.nan, rng.random())),
    "not a number": lambda number, rng: math.nan,
    "one outlier": lambda number, rng: 1e300 if number == 1 else rng.random(),
}


@dataclass(frozen=True)
class History:
    """A study's spec with its trials: finished, unfinished, and stopped early."""

    spec: StudySpec
    completed: list[Trial]
    pending: list[Trial]
    stopped: list[Trial]


@st.composite
def histories(draw: st.DrawFn, spaces: st.SearchStrategy[SearchSpace], algorithm: str, most: int = 40) -> History:
    """Draw a history of up to `most` trials; earlier ones may lack a parameter that was added to the space later."""
    space = draw(spaces)
    rng = random.Random(draw(st.integers(0, 2**32)))
    spec = StudySpec(draw(metrics()), space, algorithm)
    grown_at = draw(st.integers(0, 10))
    before = SearchSpace(space.parameters[:-1]) if len(space.parameters) > 1 else space
    result = RESULTS[draw(st.sampled_from(sorted(RESULTS)))]
    infeasible = draw(st.sampled_from((0.0, 0.2, 1.0)))
    stopping = draw(st.sampled_from((0.0, 0.6, 1.0)))
    trials = []
    for number in range(1, draw(st.integers(0, most)) + 1):
        values = sample(before if number < grown_at else space, rng)
        state = TrialState.INFEASIBLE if rng.random() < infeasible else TrialState.SUCCEEDED
        measured = Measurement({metric.id: result(number, rng) for metric in spec.metrics})
        if state is TrialState.INFEASIBLE and rng.random() < 0.5:
            measured = None
        early = state is TrialState.SUCCEEDED and rng.random() < stopping
        end = rng.uniform(0, 100)
        trials.append(Trial(number, state, values, end_time=end, final_measurement=measured, stopped=early))
    last = len(trials) + draw(st.integers(0, 4))
    under_way = [Trial(n, TrialState.ACTIVE, sample(space, rng)) for n in range(len(trials) + 1, last + 1)]
    ended, stopped = ([trial for trial in trials if trial.stopped is early] for early in (False, True))
    return History(spec, ended, under_way, stopped)


def metrics() -> st.SearchStrategy[tuple[Metric, ...]]:
    """Return a strategy for one to three metrics, of which the second may be a constraint."""
    goals = st.sampled_from(Goal)
    first = goals.map(lambda goal: Metric("m", goal))
    second = st.builds(Metric, st.just("n"), goals, st.none() | st.just(Safety(0.5)))
    third = goals.map(lambda goal: Metric("o", goal))
    return st.tuples(first) | st.tuples(first, second) | st.tuples(first, second, third)
