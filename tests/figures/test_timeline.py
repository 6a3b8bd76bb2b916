"""Which worker held which trial."""

from __future__ import annotations

import dataclasses

from dodona_figures import Attempt, timeline
from tests.figures.example import study, trial


def test_a_lost_lease_has_a_bar_of_its_own() -> None:
    attempts = [Attempt("a", 0.0, 30.0, "lost"), Attempt("b", 40.0, 50.0, "succeeded")]
    one = dataclasses.replace(trial(1, 1.0, seconds=(40.0, 50.0), worker="b"), attempts=attempts)
    figure = timeline(study(one, trial(2, state="ACTIVE", seconds=(60.0, None), worker="b")), now=100.0)
    assert [(bar.worker, bar.number, bar.attempt, bar.start, bar.end, bar.outcome) for bar in figure.bars] == [
        ("a", 1, 1, 0.0, 30.0, "lost"),
        ("b", 1, 2, 40.0, 50.0, "succeeded"),
        ("b", 2, 1, 60.0, 100.0, "running"),
    ]
    assert [(one.name, one.busy, one.idle, one.trials, one.lost) for one in figure.workers] == [
        ("a", 30.0, 0.0, 1, 1),
        ("b", 50.0, 10.0, 2, 0),
    ]
    assert (figure.start, figure.end) == (0.0, 100.0)


def test_two_trials_at_once_are_busy_time_once() -> None:
    figure = timeline(study(trial(1, 1.0, seconds=(0.0, 10.0)), trial(2, 1.0, seconds=(5.0, 20.0))), now=99.0)
    (worker,) = figure.workers
    assert (worker.busy, worker.idle) == (20.0, 0.0)


def test_queued_trials_have_no_bar() -> None:
    figure = timeline(study(trial(1, state="REQUESTED")), now=1.0)
    assert (figure.bars, figure.workers, figure.start, figure.total) == ([], [], None, 0)
