"""The stopping rules decide from curves alone."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.domain.curve import CurvePoint, first_point
from dodona_server.domain.stopping_rule import ACTING, StoppingMethod, StoppingRule
from dodona_server.stopping import registry
from dodona_server.stopping.asha import highest_rung
from dodona_server.stopping.contract import Case

MEDIAN = StoppingRule(StoppingMethod.MEDIAN)
ASHA = StoppingRule(StoppingMethod.ASHA)
PATIENT = StoppingRule(StoppingMethod.NO_PROGRESS, patience=3)
numbers = st.floats(-1e308, 1e308)


@dataclasses.dataclass
class Known:
    """Curves that a test knows."""

    others: list[float] = dataclasses.field(default_factory=list)
    earlier: float | None = None
    best: float = math.inf

    def best_at(self, position: float) -> float | None:
        return self.earlier

    def bests_at(self, position: float) -> list[float]:
        return self.others

    def means_at(self, position: float) -> list[float]:
        return self.others

    def any_better(self, best: float) -> bool:
        return self.best > best


def decide(rule, best, known, position=9.0, before=8.0, count=9, *, maximized=True):
    earlier = None if before is None else CurvePoint(before, best, best, count - 1)
    return registry.decide(Case(rule, earlier, CurvePoint(position, best, best, count), known, maximized))


def test_every_rule_that_acts_is_there():
    assert set(registry.RULES) == ACTING


class TestMedian:
    def test_the_reason_has_the_figures_in_the_metrics_own_sign(self):
        known = Known([-0.412] * 31)
        assert decide(MEDIAN, -0.633, known, 5.0, maximized=False) == (
            "median of 31 trials at step 5 is 0.412; best so far 0.633"
        )
        timed = dataclasses.replace(MEDIAN, use_elapsed_time=True)
        assert decide(timed, 0.3, Known([0.5, 0.5, 0.5, 0.25, 0.75]), 12.5) == (
            "median of 5 trials at 12.5 s is 0.5; best so far 0.3"
        )

    @pytest.mark.parametrize(
        ("best", "others", "count"),
        [
            (0.5, [0.5] * 9, 9),  # not strictly below
            (0.1, [0.5] * 4, 9),
            (0.1, [0.5] * 9, 3),
            (0.1, [0.0, 0.0, 0.0, 1.0, 1.0], 9),
        ],
        ids=["equal", "few trials", "few measurements", "above the median"],
    )
    def test_it_goes_on(self, best, others, count):
        assert decide(MEDIAN, best, Known(others), count=count) is None


class TestAsha:
    @pytest.mark.parametrize(
        ("rule", "position", "rung"),
        [
            (ASHA, 0.5, None),
            (ASHA, 1.0, 1.0),
            (ASHA, 26.0, 9.0),
            (ASHA, 27.0, 27.0),
            (dataclasses.replace(ASHA, max_resource=27.0), 500.0, 9.0),
            (dataclasses.replace(ASHA, max_resource=1.0), 500.0, None),
            (dataclasses.replace(ASHA, min_resource=2.0, reduction_factor=2.5), 13.0, 12.5),
        ],
    )
    def test_rungs(self, rule, position, rung):
        assert highest_rung(rule, position) == rung

    def test_one_in_three_goes_on(self):
        assert decide(ASHA, 0.5, Known([0.4, 0.3])) is None
        assert decide(ASHA, 0.35, Known([0.4, 0.3])) == (
            "rank 2 of 3 trials at the rung of step 9, of which 1 go on; best so far 0.35"
        )
        assert decide(ASHA, 0.35, Known([0.4, 0.3, 0.2, 0.1, 0.0])) is None

    def test_with_fewer_trials_than_the_factor_it_goes_on(self):
        assert decide(ASHA, 0.1, Known([0.5])) is None

    def test_between_rungs_it_goes_on(self):
        assert decide(ASHA, 0.1, Known([0.5] * 9), 10.0, 9.0) is None
        assert decide(ASHA, 0.1, Known([0.5] * 9), 10.0, 8.0) is not None
        assert decide(ASHA, 0.1, Known([0.5] * 9), 1.0, None) is not None

    def test_equal_values_go_on(self):
        assert decide(ASHA, 0.5, Known([0.5] * 9)) is None

    @given(st.floats(1e-300, 1e300), st.floats(2, 1e300), st.floats(0, 1e300))
    def test_a_rung_is_at_most_the_position_whatever_the_figures(self, least, factor, position):
        rung = highest_rung(StoppingRule(StoppingMethod.ASHA, min_resource=least, reduction_factor=factor), position)
        assert (rung is None) == (position < least)
        assert rung is None or least <= rung <= position


class TestNoProgress:
    def test_it_stops_a_trial_that_has_not_improved(self):
        assert decide(PATIENT, 0.5, Known(earlier=0.5)) == "no improvement from step 6 to step 9; best so far 0.5"
        strict = dataclasses.replace(PATIENT, least_improvement=0.125)
        assert decide(strict, -0.5, Known(earlier=-0.625), maximized=False) == (
            "no improvement by more than 0.125 from step 6 to step 9; best so far 0.5"
        )
        assert decide(strict, 0.76, Known(earlier=0.625)) is None

    def test_it_goes_on_until_its_patience_is_over(self):
        assert decide(PATIENT, 0.5, Known(earlier=None)) is None


@given(st.sampled_from([MEDIAN, ASHA, PATIENT]), st.lists(numbers, max_size=9), numbers, st.booleans())
def test_no_rule_stops_the_best_trial_of_the_study(rule, others, best, maximized):
    known = Known(others, earlier=best, best=best)
    assert decide(rule, best, known, maximized=maximized) is None


@given(st.lists(st.tuples(st.floats(1, 9), numbers), min_size=1))
def test_positions_of_a_curve_only_grow_and_its_figures_hold(reports):
    point = None
    for position, value in reports:
        after = first_point(position, value) if point is None else point.after(position, value)
        assert point is None or after.position >= point.position
        point = after
    values = [value for _, value in reports]
    assert (point.position, point.count) == (max(position for position, _ in reports), len(reports))
    assert point.best == max(values)
    scale = max(map(abs, values))
    assert math.isfinite(point.mean)
    assert min(values) - 1e-9 * scale <= point.mean <= max(values) + 1e-9 * scale
