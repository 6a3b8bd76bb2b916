"""benchmarks/quality/paired.py: only equal problems, seeds and pending trials are compared."""

from __future__ import annotations

import pytest

from quality.paired import compare


def run(peer, problem, seed, value, pending=1):
    return {
        "peer": peer,
        "problem": problem,
        "pending": pending,
        "seed": seed,
        "best": 0.0,
        "baseline": {"50": 1.0},
        "trace": {"50": value},
    }


def test_the_difference_is_that_of_log_regret():
    records = [run(peer, "f", seed, value) for peer, value in (("a", 0.1), ("b", 0.01)) for seed in range(3)]
    (found,) = compare(records, "a", 50)
    assert (found.peer, found.pending, found.problems, found.seeds) == ("b", 1, 1, 3)
    assert (found.mean, found.low, found.high) == pytest.approx((-1.0, -1.0, -1.0))


def test_a_run_without_its_pair_does_not_count():
    records = [run("a", "f", 0, 0.1), run("b", "f", 0, 0.1), run("b", "f", 1, 0.9), run("b", "f", 0, 0.9, pending=8)]
    (found,) = compare(records, "a", 50)
    assert (found.pending, found.seeds, found.mean) == (1, 1, 0.0)


def test_each_problem_counts_once():
    records = [run(peer, "f", seed, value) for peer, value in (("a", 0.1), ("b", 0.01)) for seed in range(9)]
    records += [run("a", "g", 0, 0.1), run("b", "g", 0, 0.1)]
    (found,) = compare(records, "a", 50)
    assert (found.problems, found.seeds) == (2, 1)
    assert found.mean == pytest.approx(-0.5)
    assert (found.low, found.high) == pytest.approx((-1.0, 0.0))


def test_a_mark_that_no_run_reached():
    assert compare([run("a", "f", 0, 0.1), run("b", "f", 0, 0.1)], "a", 100) == []
