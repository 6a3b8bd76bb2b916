"""Workers in simulated time: they ask an algorithm for trials, run them, and some of them die."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dodona_server.algorithms.registry import Problem, Request, algorithm_for
from dodona_server.domain.studies.study import StudySpec
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState

DONE = (TrialState.SUCCEEDED, TrialState.INFEASIBLE)


@dataclass
class Simulated:
    """A search: its trials in order, how long it took, and how long its workers waited for a trial, in all."""

    trials: list[Trial] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0


def simulate(
    spec: StudySpec,
    workers: int,
    value_of: Callable[[Trial], float | None],
    seconds_of: Callable[[Trial], float],
    *,
    dies: Callable[[int], bool] = lambda number: False,
    lease: float = math.inf,
    seed: int = 0,
    before: Sequence[Trial] = (),
) -> Simulated:
    """Search until nothing is left to suggest.

    Args:
        spec: the study's; its `max_num_trials` holds.
        workers: how many ask.
        value_of: the result of a trial; None if it is infeasible.
        seconds_of: how long it takes.
        dies: whether the worker dies that gets the trial of a number first; its trial is queued after the lease.
        lease: in seconds.
        seed: of the algorithm.
        before: the trials of an earlier part of the search, all finished.
    """
    search, now = Simulated(list(before)), 0.0
    idle, events, turn, dead = [0.0] * workers, list[tuple[float, int, int, bool]](), 0, set[int]()
    queued: list[int] = []
    metric = spec.objective.id
    while True:
        while idle:
            number = queued.pop() if queued else _next(spec, search.trials, seed)
            if number is None:
                break
            search.waited += now - idle.pop()
            trial = search.trials[number - 1]
            lost = dies(number) and number not in dead
            dead |= {number} if lost else set()
            turn += 1
            heapq.heappush(events, (now + (lease if lost else seconds_of(trial)), turn, number, lost))
        if not events or events[0][0] == math.inf:
            search.seconds = now
            return search
        now, _, number, lost = heapq.heappop(events)
        if lost:
            queued.append(number)
            continue
        trial = search.trials[number - 1]
        value = value_of(trial)
        state = TrialState.INFEASIBLE if value is None else TrialState.SUCCEEDED
        measured = None if value is None else Measurement({metric: value})
        search.trials[number - 1] = Trial(
            number, state, trial.parameters, start_time=0.0, end_time=now, final_measurement=measured
        )
        idle.append(now)


def _next(spec: StudySpec, trials: list[Trial], seed: int) -> int | None:
    """Append the algorithm's next trial and return its number; None if there is none now."""
    number = len(trials) + 1
    limit = spec.stopping.max_num_trials
    if limit is not None and number > limit:
        return None
    finished = [trial for trial in trials if trial.state in DONE]
    pending = [trial for trial in trials if trial.state not in DONE]
    rng = random.Random(f"{seed}/{number}")
    problem = Problem(spec, len(trials), seed=seed)
    found = algorithm_for(spec.algorithm).suggest(Request(problem, finished, pending, 1, rng)).parameters
    if not found:
        return None
    trials.append(Trial(number, TrialState.ACTIVE, found[0]))
    return number
