"""The curves that the model gets from the database are those that were reported."""

from __future__ import annotations

import numpy as np
import pytest

from dodona_server.curve_model.curves import Curve, Progress, table_of
from dodona_server.domain.names import TrialName
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.trials.trial import Measurement
from dodona_server.service.computing.curve_table import read_table
from dodona_server.service.trials.reports import Report
from tests.service.conftest import NAME

RULE = StoppingRule(StoppingMethod.DECAY_CURVE)
CURVES = {
    1: ([0.9, 0.7, 0.8, 0.4, 0.3, 0.2], Progress.ENDED),
    2: ([0.8, 0.6], Progress.ENDED),
    3: ([0.7, 0.9, 0.5], Progress.STOPPED),
    4: ([0.5, 0.6, 0.4, 0.4], Progress.STOPPED),
    5: ([0.6, 0.5, 0.2], Progress.RUNNING),
}


@pytest.fixture
def study(services):
    made = services.study(stopping_rule=RULE)
    for number, (values, progress) in CURVES.items():
        (trial,) = services.suggest(f"w{number}")
        name = TrialName(NAME, trial.number)
        for step, value in enumerate(values, 1):
            services.run(services.trials.measure(name, Report(Measurement({"loss": value}, step))))
        if progress is Progress.ENDED:
            services.run(services.trials.complete(name, None))
        elif number == 3:
            services.run(services.trials.stop(name))
            services.run(services.trials.complete(name, None))
        elif progress is Progress.STOPPED:
            services.run(services.trials.fail(name, "out of memory"))
    # Without a measurement it has no curve.
    services.suggest("another")
    return made


def test_the_table_is_that_of_the_reported_curves(services, study):
    steps = np.arange(1.0, 7)
    expected = table_of(
        {
            number: Curve(steps[: len(values)], np.maximum.accumulate(-np.array(values)), progress)
            for number, (values, progress) in CURVES.items()
        }
    )
    table = services.run(services.store.run(lambda transaction: read_table(transaction, study.key), study.name))
    assert (table.numbers, table.progress) == (expected.numbers, expected.progress)
    assert table.rungs.tolist() == expected.rungs.tolist()
    np.testing.assert_array_equal(table.bests, expected.bests)


def test_a_study_without_curves_has_none(services):
    study = services.study(stopping_rule=RULE)
    assert services.run(services.store.run(lambda transaction: read_table(transaction, study.key), study.name)) is None
