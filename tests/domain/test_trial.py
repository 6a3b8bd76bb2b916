"""What a trial is judged by."""

from __future__ import annotations

import dataclasses
import math

import pytest

from dodona_server.domain.errors import FailedPrecondition
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Selection, StudySpec
from dodona_server.domain.trials.trial import Measurement, final_measurement, infeasibility

SPEC = StudySpec((Metric("acc", Goal.MAXIMIZE), Metric("cost", Goal.MINIMIZE)), SearchSpace())
BEST = dataclasses.replace(SPEC, selection=Selection.BEST)
CURVE = [Measurement({"acc": value, "cost": 1.0}, step) for step, value in enumerate([0.5, 0.9, 0.7], start=1)]


def test_the_given_measurement_goes_before_those_reported_and_the_study_orders_its_metrics():
    final = final_measurement(SPEC, Measurement({"extra": 3.0, "cost": 2.0, "acc": 1.0}, 9), CURVE)
    assert list(final.metrics) == ["acc", "cost", "extra"]
    assert final.step == 9


def test_without_one_the_last_or_the_best_reported_is_taken():
    assert final_measurement(SPEC, None, CURVE).step == 3
    assert final_measurement(BEST, None, CURVE).step == 2
    unusable = Measurement({"acc": math.nan}, 4)
    assert final_measurement(BEST, None, [unusable, *CURVE]).step == 2
    for better in ({"acc": math.inf, "cost": 1.0}, {"acc": 0.95}, {"acc": 0.95, "cost": math.nan}):
        assert final_measurement(BEST, None, [*CURVE, Measurement(better, 4)]).step == 2
    with pytest.raises(FailedPrecondition, match="no measurement"):
        final_measurement(SPEC, None, [])


def test_a_result_that_cannot_stand_says_why():
    assert infeasibility(SPEC, CURVE[0]) == ""
    assert "lacks the metric 'cost'" in infeasibility(SPEC, Measurement({"acc": 1.0}))
    assert "'acc' is nan" in infeasibility(SPEC, Measurement({"acc": math.nan, "cost": 0.0}))
    assert "'cost' is inf" in infeasibility(SPEC, Measurement({"acc": 1.0, "cost": math.inf}))
