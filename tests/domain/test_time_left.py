"""What is left of a budget of time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.studies.budget import Progress, StoppingConfig, TimeConstraint
from dodona_server.domain.studies.time_left import TimeLeft, seconds_left, time_left

HOUR = 3600.0
START = 1e9


def left(stopping, now, finished=0):
    return time_left(stopping, Progress(finished), START, now)


def test_without_a_budget_of_time_there_is_nothing_to_tell():
    assert left(StoppingConfig(max_num_trials=5, price_per_hour=2.0), START + 5) is None


@pytest.mark.parametrize("end", [TimeConstraint(4 * HOUR), TimeConstraint(end_time=START + 4 * HOUR)])
def test_a_time_that_ends(end):
    assert left(StoppingConfig(maximum_runtime=end), START + HOUR) == TimeLeft(3 * HOUR)
    assert left(StoppingConfig(maximum_runtime=end), START + 5 * HOUR) == TimeLeft(0.0)


def test_compute_and_cost_have_no_end_that_is_known():
    assert left(StoppingConfig(max_compute_duration=10 * HOUR), START) == TimeLeft(None)
    assert left(StoppingConfig(max_cost=8.0, price_per_hour=2.0), START) == TimeLeft(None)


def test_with_both_there_is_an_end():
    both = StoppingConfig(maximum_runtime=TimeConstraint(4 * HOUR), max_compute_duration=10 * HOUR)
    assert left(both, START + HOUR) == TimeLeft(3 * HOUR)


def test_minimums_delay_the_end():
    some = StoppingConfig(maximum_runtime=TimeConstraint(HOUR), min_num_trials=3)
    assert seconds_left(some, Progress(2), START, START) is None
    assert seconds_left(some, Progress(3), START, START) == HOUR
    long = StoppingConfig(maximum_runtime=TimeConstraint(HOUR), minimum_runtime=TimeConstraint(2 * HOUR))
    assert seconds_left(long, Progress(), START, START) == 2 * HOUR


@given(
    duration=st.none() | st.floats(0, 1e9),
    compute=st.none() | st.floats(1e-3, 1e9),
    age=st.floats(0, 1e9),
    finished=st.integers(0, 9),
)
def test_the_end_agrees_with_the_budget(duration, compute, age, finished):
    runtime = None if duration is None else TimeConstraint(duration)
    stopping = StoppingConfig(maximum_runtime=runtime, max_compute_duration=compute, min_num_trials=5)
    known = left(stopping, START + age, finished)
    assert (known is None) == (duration is None and compute is None)
    if known is not None:
        assert (known.seconds is not None) == (duration is not None and finished >= 5)
        assert known.seconds is None or known.seconds >= 0
