"""The one curve of a trial that several workers ran, against what it says of each measurement."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.trials.trial import Measurement, joined

# What a worker measured, in the order in which the database gives it: by step, and without steps by time.
places = st.tuples(st.integers(0, 8), st.integers(0, 3))
attempts = st.lists(st.lists(places, max_size=6, unique=True).map(sorted), max_size=5)


def measured(all_places):
    """Measurements that tell in which attempt they were made."""
    return [
        [Measurement({"attempt": float(attempt)}, step, float(seconds)) for step, seconds in some]
        for attempt, some in enumerate(all_places)
    ]


@given(attempts)
def test_a_measurement_counts_unless_a_later_attempt_began_at_its_step_or_before(all_places):
    made = measured(all_places)
    expected = [
        one
        for attempt, some in enumerate(made)
        for one in some
        if all(one.step < later[0].step for later in made[attempt + 1 :] if later)
    ]
    assert joined(made) == expected


@given(attempts)
def test_the_curve_goes_by_step_and_keeps_all_of_the_last_attempt(all_places):
    made = measured(all_places)
    curve = joined(made)
    assert [one.step for one in curve] == sorted(one.step for one in curve)
    last = next((some for some in reversed(made) if some), [])
    assert curve[len(curve) - len(last) :] == last
    # What was joined once is one attempt.
    assert joined([curve]) == curve


@given(attempts, attempts)
def test_to_join_in_two_parts_is_to_join_at_once(first, second):
    made = measured(first + second)
    earlier, later = made[: len(first)], made[len(first) :]
    assert joined([joined(earlier), *later]) == joined(made)
