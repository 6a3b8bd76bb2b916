"""The stopping rules decide from curves alone."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodona_server.curve_model.curves import Curve, Progress
from dodona_server.curve_model.model import fit as fit_model
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.trials.curve import CurvePoint, first_point
from dodona_server.stopping import registry
from dodona_server.stopping.asha import highest_rung
from dodona_server.stopping.contract import Case, Completed
from dodona_server.stopping.convex import Autoregression, Gains, fit, overestimate

MEDIAN = StoppingRule(StoppingMethod.MEDIAN)
ASHA = StoppingRule(StoppingMethod.ASHA)
PATIENT = StoppingRule(StoppingMethod.NO_PROGRESS, patience=3)
AUTOMATIC = StoppingRule(StoppingMethod.AUTOMATIC)
DECAY = StoppingRule(StoppingMethod.DECAY_CURVE)
numbers = st.floats(-1e308, 1e308)


@dataclasses.dataclass
class Known:
    """Curves that a test knows."""

    others: list[float] = dataclasses.field(default_factory=list)
    earlier: float | None = None
    best: float = math.inf
    ended: Completed | None = None
    asked: list[int] = dataclasses.field(default_factory=list)

    def best_at(self, position: float) -> float | None:
        return self.earlier

    def bests_at(self, position: float) -> list[float]:
        return self.others

    def means_at(self, position: float) -> list[float]:
        return self.others

    def any_better(self, best: float) -> bool:
        return self.best > best

    def completed(self, least: int) -> Completed | None:
        self.asked.append(least)
        return self.ended


def decide(rule, best, known, position=9.0, before=8.0, count=9, *, maximized=True, model=None, number=0):
    earlier = None if before is None else CurvePoint(before, best, best, count - 1)
    point = CurvePoint(position, best, best, count)
    return registry.decide(Case(rule, earlier, point, known, maximized, number, model))


def model_of(curves, length=20, progress=Progress.ENDED):
    """The model of trials that have had the same best value from the start."""
    steps = np.arange(1.0, length + 1)
    return fit_model({number: Curve(steps, np.full(length, best), progress) for number, best in enumerate(curves, 1)})


TWENTY = [number / 20 for number in range(20)]


def test_every_rule_is_there():
    assert set(registry.RULES) == set(StoppingMethod)


class TestConvex:
    RULE = StoppingRule(StoppingMethod.CONVEX)
    ENDED = Completed(0.9, 100.0)

    def stops(self, best, half=0.0, position=20.0, count=9, mean=None, rule=RULE, completed=ENDED):
        known = Known(earlier=half, ended=completed)
        point = CurvePoint(position, best, best / 2 if mean is None else mean, count)
        return registry.decide(Case(rule, None, point, known, maximized=True)), known.asked

    def test_a_curve_that_cannot_reach_the_best_is_stopped_with_the_figures(self):
        # From step 10 to 20 it gained 0.05, so at most 0.4 more by step 100.
        reason, asked = self.stops(0.3, 0.25)
        assert reason == (
            "at most 0.7 is expected at step 100; the best completed trial has 0.9, and this one 0.3 at step 20"
        )
        assert asked == [6], "five measurements, and one trial more"
        assert self.stops(0.3, 0.2)[0] is None, "at most 1.1"

    def test_it_needs_measurements_completed_trials_and_steps(self):
        assert self.stops(0.3, 0.25, count=4) == (None, [])
        assert self.stops(0.3, 0.25, completed=None)[0] is None
        assert self.stops(0.3, 0.3, position=10.0)[0] is None
        assert self.stops(0.3, 0.3, position=10.5)[0] is not None
        assert self.stops(0.3, 0.3, position=100.0)[0] is None, "it has reached the end"
        given = dataclasses.replace(self.RULE, max_steps=40, min_steps=20, min_measurements=2)
        assert self.stops(0.3, 0.25, rule=given)[0] is None
        reason, asked = self.stops(0.3, 0.25, position=21.0, count=2, rule=given)
        assert reason.startswith("at most 0.390476 is expected at step 40; ")
        assert asked == [3]

    def test_nothing_is_said_of_a_flat_curve(self):
        assert self.stops(0.3, 0.3, mean=0.3)[0] is None
        assert self.stops(0.3, 0.3, mean=math.nextafter(0.3, 1))[0] is None
        assert self.stops(0.3, 0.3, mean=0.29)[0] is not None
        assert self.stops(0.3, None)[0] is None, "the first half of the curve is not known"

    def test_by_elapsed_time(self):
        timed = dataclasses.replace(self.RULE, use_elapsed_time=True)
        assert "at 100 s" in self.stops(0.3, 0.25, rule=timed)[0]

    @given(st.floats(0.1, 3.0), st.floats(1.0, 50.0))
    def test_an_overestimate_is_one_for_any_concave_curve(self, power, position):
        def curve(at):
            return -(at ** (-power))

        assert overestimate(position, curve(position), curve(position / 2), 100.0) >= curve(100.0) - 1e-12

    def test_the_autoregression_continues_the_gains_of_the_others(self):
        halving = fit([Gains([0.4, 0.2, 0.1])] * 9)
        assert halving.factor == pytest.approx(0.5)
        # A quarter of the way: the next gains are 0.1 and 0.05.
        assert halving.end(25.0, 0.5, 0.3, 100.0) == pytest.approx(0.65)
        assert halving.end(100.0, 0.5, 0.3, 100.0) == 0.5
        assert halving.end(25.0, 0.5, 0.5, 100.0) == 0.5
        assert fit([]) == Autoregression()
        growing = fit([Gains([0.1, 0.4, 1.6])] * 9)
        assert growing.end(25.0, 0.5, 0.3, 100.0) == pytest.approx(0.9), "the gain of a doubling grows no more"

    def test_the_learning_rate_helps(self):
        slow, fast = Gains([0.1, 0.1, 0.1], 1e-4), Gains([0.4, 0.04, 0.004], 1e-1)
        model = fit([slow, fast] * 9)
        assert model.end(25.0, 0.5, 0.3, 100.0, 1e-4) > 0.8
        assert model.end(25.0, 0.5, 0.3, 100.0, 1e-1) < 0.55
        middle = model.end(25.0, 0.5, 0.3, 100.0, 10**-2.5)
        assert model.end(25.0, 0.5, 0.3, 100.0, None) == pytest.approx(middle)

    @given(st.lists(st.lists(numbers.filter(lambda x: x >= 0), max_size=4), max_size=4), numbers, numbers)
    def test_a_prediction_is_never_worse_than_the_curve(self, gains, best, half):
        predicted = fit([Gains(one) for one in gains]).end(10.0, max(best, half), min(best, half), 100.0)
        assert predicted >= max(best, half) or math.isnan(predicted)


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


class TestRulesThatPredict:
    @pytest.mark.parametrize("rule", [AUTOMATIC, DECAY], ids=lambda rule: rule.method)
    def test_they_stop_a_trial_that_will_not_be_the_best(self, rule):
        model = model_of(TWENTY)
        assert decide(rule, 0.1, Known(earlier=0.1), 10.0, 9.0, model=model) is not None
        assert decide(rule, 0.94, Known(earlier=0.94), 10.0, 9.0, model=model) is None

    def test_the_reason_has_the_figures_in_the_metrics_own_sign(self):
        model = model_of([-value for value in TWENTY])
        found = decide(AUTOMATIC, -0.8, Known(earlier=-0.8), 10.0, 9.0, model=model, maximized=False)
        chance = r"the chance to end as the best of 20 trials that reached step 10 is (below )?0\.\d+; "
        assert re.fullmatch(chance + r"0\.\d+ ± \S+ is expected at step 20; best so far 0\.8", found)
        found = decide(DECAY, -0.8, Known(earlier=-0.8), 10.0, 9.0, model=model, maximized=False)
        chance = r"the chance to exceed the optimum so far, 0, is (below )?0\.\d+; "
        assert re.fullmatch(chance + r"0\.\d+ ± \S+ is expected at step 20; best so far 0\.8", found)

    @pytest.mark.parametrize("rule", [AUTOMATIC, DECAY], ids=lambda rule: rule.method)
    @pytest.mark.parametrize(
        ("position", "before", "count", "trials"),
        [
            (10.0, 9.0, 9, 7),
            (10.0, 9.0, 2, 20),
            (1.0, None, 9, 20),
            (11.0, 10.0, 9, 20),
            (20.0, 14.0, 9, 20),
            (0.5, None, 9, 20),
        ],
        ids=["few trials", "few measurements", "too early", "no new rung", "at the end", "before all others"],
    )
    def test_it_goes_on(self, rule, position, before, count, trials):
        model = model_of(TWENTY[-trials:])
        assert decide(rule, 0.0, Known(earlier=0.0), position, before, count, model=model) is None

    @pytest.mark.parametrize("rule", [AUTOMATIC, DECAY], ids=lambda rule: rule.method)
    def test_without_a_model_it_goes_on(self, rule):
        assert decide(rule, 0.0, Known(earlier=0.0)) is None

    def test_only_the_automatic_rule_compares_with_running_trials_before_any_has_ended(self):
        model = model_of([number / 60 for number in range(60)], 10, Progress.RUNNING)
        assert decide(AUTOMATIC, 0.0, Known(earlier=0.0), 10.0, 9.0, model=model) is not None
        assert decide(AUTOMATIC, 0.8, Known(earlier=0.8), 10.0, 9.0, model=model) is None
        assert decide(DECAY, 0.0, Known(earlier=0.0), 10.0, 9.0, model=model) is None

    def test_decay_curve_waits_for_three_trials_that_have_ended(self):
        steps = np.arange(1.0, 21)
        ended = {number: Curve(steps, np.full(20, 1.0), Progress.ENDED) for number in (1, 2)}
        rest = {number: Curve(steps[:12], np.full(12, number / 30), Progress.STOPPED) for number in range(3, 23)}
        assert decide(DECAY, 0.0, Known(earlier=0.0), 10.0, 9.0, model=fit_model({**ended, **rest})) is None
        ended[23] = ended[1]
        assert decide(DECAY, 0.0, Known(earlier=0.0), 10.0, 9.0, model=fit_model({**ended, **rest})) is not None


@given(
    st.sampled_from([MEDIAN, ASHA, PATIENT, AUTOMATIC, DECAY]),
    st.lists(numbers, min_size=1, max_size=12),
    numbers,
    st.booleans(),
    st.sampled_from(Progress),
)
def test_no_rule_stops_the_best_trial_of_the_study(rule, others, best, maximized, progress):
    known = Known(others, earlier=best, best=best)
    assert decide(rule, best, known, maximized=maximized, model=model_of(others, progress=progress)) is None


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
