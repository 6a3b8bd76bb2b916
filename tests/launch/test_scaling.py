"""How many workers a `dodona run` should have, and which ones it stops."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona.launch.scaling import Bounds, Demand, Target, surplus, target

STUDY = Demand("ACTIVE", left=10, running=0, queued=0, wanted=None, workers=(), busy=frozenset())
UP_TO_4 = Bounds(0, 4, follows=True)
EXACTLY_4 = Bounds(4, 4, follows=False)
COUNTS = st.integers(0, 9)
NAMES = [f"w-{number}" for number in range(9)]


@pytest.mark.parametrize(
    ("demand", "bounds", "count"),
    [
        (STUDY, UP_TO_4, 4),
        (replace(STUDY, left=None), UP_TO_4, 4),
        (replace(STUDY, left=3), UP_TO_4, 3),
        (replace(STUDY, left=0, running=1, queued=1), UP_TO_4, 2),
        (replace(STUDY, left=0), UP_TO_4, 0),
        (replace(STUDY, left=1), Bounds(2, 4, follows=True), 1),
        (replace(STUDY, state="INACTIVE", running=1, queued=5), UP_TO_4, 1),
        (replace(STUDY, left=0), EXACTLY_4, 4),
        (replace(STUDY, wanted=2), EXACTLY_4, 2),
        (replace(STUDY, wanted=9), EXACTLY_4, 4),
        (replace(STUDY, wanted=0), Bounds(2, 4, follows=True), 0),
        (replace(STUDY, left=None, wanted=3), UP_TO_4, 3),
    ],
)
def test_the_number_follows_people_and_what_is_left(demand: Demand, bounds: Bounds, count: int) -> None:
    assert target(demand, [], bounds).count == count


def test_machines_share_the_wanted_number() -> None:
    ours, theirs = NAMES[:4], ["v-1", "v-2"]
    study = replace(STUDY, left=None, wanted=4, workers=["w-0", "v-1", "v-2", "w-1", "w-2", "w-3"])
    assert target(study, ours, Bounds(0, 8, follows=True)) == Target(2, 2)
    assert target(study, theirs, Bounds(0, 8, follows=True)) == Target(2, 2)
    # With fewer than wanted, each one fills the free places.
    assert target(replace(study, wanted=7), ours, Bounds(0, 8, follows=True)).count == 5


@st.composite
def demands(draw: st.DrawFn) -> tuple[Demand, list[str]]:
    """A study, and the workers of this machine among its own."""
    known = draw(st.lists(st.sampled_from(NAMES), unique=True))
    busy = draw(st.integers(0, len(known)))
    mine = draw(st.lists(st.sampled_from(NAMES), unique=True))
    demand = Demand(
        draw(st.sampled_from(["ACTIVE", "INACTIVE"])),
        draw(st.none() | COUNTS),
        busy,
        draw(COUNTS),
        draw(st.none() | COUNTS),
        known,
        frozenset(known[:busy]),
    )
    return demand, mine


@given(demands(), COUNTS, st.integers(1, 9), st.booleans(), st.booleans())
def test_bounds_hold_and_only_people_take_a_trial_from_a_worker(
    drawn: tuple[Demand, list[str]], least: int, most: int, follows: bool, last_first: bool
) -> None:
    demand, mine = drawn
    bounds = Bounds(min(least, most), most, follows)
    wanted = target(demand, mine, bounds)
    assert 0 <= wanted.count <= wanted.limit <= most
    chosen = surplus(mine, demand.busy, wanted, last_first=last_first)
    assert set(chosen) <= set(mine)
    assert len(set(chosen)) == len(chosen)
    assert len(mine) - len(chosen) <= wanted.limit
    if len(mine) <= most and demand.wanted is None:
        assert not set(chosen) & set(demand.busy)
    if last_first:
        assert chosen == mine[::-1][: len(chosen)]
    elif len(chosen) < len(mine) - wanted.count:
        assert set(mine) - set(chosen) <= set(demand.busy), "only workers with a trial are left"


@given(st.integers(0, 9), st.integers(0, 5), st.integers(0, 5))
def test_what_two_machines_have_becomes_the_wanted_number(wanted: int, one: int, other: int) -> None:
    """Each looks in turn; the server knows all workers."""
    bounds = Bounds(0, 20, follows=True)
    crews = {"a": [f"a-{number}" for number in range(one)], "b": [f"b-{number}" for number in range(other)]}
    for _ in range(2):
        for name, crew in crews.items():
            workers = crews["a"] + crews["b"]
            study = replace(STUDY, left=None, wanted=wanted, workers=workers)
            goal = target(study, crew, bounds)
            stopped = surplus(crew, study.busy, goal, last_first=False)
            kept = [worker for worker in crew if worker not in stopped]
            crews[name] = kept + [f"{name}-new{number}" for number in range(goal.count - len(kept))]
    assert len(crews["a"]) + len(crews["b"]) == wanted
