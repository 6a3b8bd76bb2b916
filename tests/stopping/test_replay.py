"""What the rule "auto" would have stopped, on curves that ran without a rule."""

from __future__ import annotations

import math

import numpy as np

from dodona_server.stopping.replay import Training, replay


def _trainings(count: int, steps: int = 30, spread: float = 0.3, seed: int = 0) -> list[Training]:
    """Trainings one after another whose curves rise to ends that are plain early."""
    chance = np.random.default_rng(seed)
    ends = chance.uniform(1 - spread, 1, count)
    return [
        Training(
            number,
            100.0 * number,
            100.0 * number + 90,
            range(1, steps + 1),
            [float(end * (1 - math.exp(-step / 5)) + 0.002 * chance.normal()) for step in range(1, steps + 1)],
        )
        for number, end in enumerate(ends, 1)
    ]


def test_it_stops_plainly_bad_trials_and_keeps_the_best() -> None:
    found = replay(_trainings(60))
    assert found is not None
    assert found.trials == 60
    assert found.stopped > 20
    assert 0.2 < found.saved < 0.9
    assert found.lost is None


def test_it_saves_nothing_where_the_end_is_only_chance() -> None:
    chance = np.random.default_rng(1)
    trainings = [
        Training(number, 100.0 * number, 100.0 * number + 90, range(1, 31), [float(x) for x in chance.random(30)])
        for number in range(1, 41)
    ]
    found = replay(trainings)
    assert found is not None
    assert found.saved < 0.5


def test_a_diverged_trial_is_stopped_at_once() -> None:
    trainings = _trainings(12, spread=0.001)
    last = trainings[-1]
    diverged = Training(99, last.end, last.end + 90, range(1, 31), [0.1, *[math.nan] * 29])
    without, found = replay(trainings), replay([*trainings, diverged])
    assert without is not None
    assert found is not None
    assert found.stopped == without.stopped + 1


def test_too_few_or_too_short_curves_say_nothing() -> None:
    assert replay([]) is None
    assert replay(_trainings(8)) is None
    assert replay(_trainings(40, steps=3)) is None


def test_trainings_at_once_are_judged_by_what_was_known_then() -> None:
    one_by_one = _trainings(40)
    at_once = [Training(one.number, 0.0, 90.0, one.steps, one.values) for one in one_by_one]
    found, together = replay(one_by_one), replay(at_once)
    assert found is not None
    assert together is not None
    assert together.saved > 0
    assert together != found
