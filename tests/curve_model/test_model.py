"""The curve model predicts the end of trainings from their own curves and from those of others."""

from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from dodona_server.curve_model.curves import UNSEEN, Curve, Progress, table_of
from dodona_server.curve_model.model import fit, fit_table

STEPS = np.arange(1, 51, dtype=float)
ENDED, RUNNING = Progress.ENDED, Progress.RUNNING


def normal_scores(values):
    """Where values stand among each other, as quantiles of the standard normal distribution."""
    return ndtri((np.argsort(np.argsort(values)) + 0.5) / len(values))


def curve(values, progress=Progress.ENDED, positions=STEPS):
    bests = np.maximum.accumulate(np.asarray(values, dtype=float))
    return Curve(np.asarray(positions[: len(bests)], dtype=float), bests, progress)


def trainings(count, seed=0, noise=0.01, length=50):
    """Curves that approach their ends at different speeds."""
    rng = np.random.default_rng(seed)
    ends, speeds = rng.normal(size=count), rng.uniform(0.5, 1.0, count)
    values = ends[:, None] - 2.0 * STEPS**-0.7 * speeds[:, None] + noise * rng.normal(size=(count, 50))
    return values[:, :length]


def known(values, progress=Progress.ENDED):
    return {number: curve(row, progress) for number, row in enumerate(values, 1)}


def forecast_of(model, values):
    """The forecast of a trial that has these values."""
    rung = model.rung(len(values))
    earlier = max(values[: int(model.rungs[rung - 1])]) if rung else None
    return model.predict(rung, max(values[: int(model.rungs[rung])]), earlier)


def stopped_by_the_chance_of_winning(model, number, row):
    """A curve that ends where a trial has almost no chance of winning."""
    for rung, position in enumerate(model.rungs[2:-1], 2):
        length = int(position)
        if model.trials[rung] >= 8 and max(row[:length]) < model.best:
            forecast = model.predict(rung, max(row[:length]), max(row[: int(model.rungs[rung - 1])]))
            if model.chance_of_winning(forecast, number) < 0.01:
                return curve(row[:length], Progress.STOPPED)
    return curve(row)


class TestForecasts:
    def test_ends_are_predicted_with_their_uncertainty(self):
        model = fit(known(trainings(60)))
        others = trainings(200, seed=1)
        for length, least in ((3, 0.9), (20, 0.97)):
            forecasts = [forecast_of(model, row[:length]) for row in others]
            means = np.array([one.mean for one in forecasts])
            errors = np.array([row.max() for row in others]) - means
            inner = np.abs(others[:, -1]) < 1.5
            assert np.corrcoef(means, others.max(axis=1))[0, 1] > least
            within = np.abs(errors[inner]) < 2 * np.array([one.deviation for one in forecasts])[inner] + 0.02
            assert within.mean() > 0.85

    def test_it_becomes_surer_while_a_trial_trains(self):
        model = fit(known(trainings(60)))
        deviations = [forecast_of(model, trainings(61)[-1][:length]).score_deviation for length in (1, 5, 20, 50)]
        assert deviations == sorted(deviations, reverse=True)
        assert deviations[-1] == 0

    def test_ranks_are_all_that_counts(self):
        values = trainings(30)
        plain, stretched = fit(known(values[:-1])), fit(known(np.exp(3 * values[:-1])))
        one, other = forecast_of(plain, values[-1][:9]), forecast_of(stretched, np.exp(3 * values[-1][:9]))
        assert one.score == pytest.approx(other.score, abs=0.05)

    def test_stopped_trials_do_not_make_the_others_look_worse(self):
        values = trainings(80)
        order = np.argsort(values[:, 4])
        # The worse half was stopped at step 5.
        cut = {
            number: curve(row[:5], Progress.STOPPED) if number in order[:40] else curve(row)
            for number, row in enumerate(values)
        }
        whole, partial = fit(known(values)), fit(cut)
        scores = [
            (forecast_of(whole, row[:5]).score, forecast_of(partial, row[:5]).score) for row in trainings(20, seed=3)
        ]
        for expected, score in scores:
            # The model of the partial curves has seen no end of a bad trial.
            assert score == pytest.approx(expected, abs=0.5) or (expected < -1.5 and score < -1.5)

    def test_survivors_of_a_rule_stand_above_those_that_it_stopped(self):
        rng = np.random.default_rng(0)
        bests, rates = rng.random((2, 60, 1))
        values = -((bests - 0.3) ** 2) - abs(rates - 0.5) / 2 - 1.5 * (1 + STEPS) ** (-0.4 - rates)
        found = {1: curve(values[0])}
        for number, row in enumerate(values[1:] + 0.01 * rng.normal(size=(59, 50)), 2):
            found[number] = stopped_by_the_chance_of_winning(fit(found), number, row)
        model = fit(found)
        assert model.trials[-1] < 30
        assert np.median(model.scales[-1].scores) > 0

    def test_hyperparameters_tell_who_starts_late(self):
        rng = np.random.default_rng(3)
        late = rng.choice([-1.0, 1.0], 60)
        # Half of the trials begin far behind, and end as well as the others.
        values = rng.normal(size=60)[:, None] - 4.0 * (late[:, None] > 0) * np.exp(-STEPS / 10)
        # Ten of each half have ended, the others have reported three steps.
        rows = {n: curve(row if n <= 20 else row[:3], ENDED if n <= 20 else RUNNING) for n, row in enumerate(values, 1)}
        table = table_of(rows)
        known = fit_table(dataclasses.replace(table, features=late[:, None]))
        errors = [
            np.abs(model.scores[20:] - normal_scores(values[:, -1])[20:]).mean() for model in (fit_table(table), known)
        ]
        assert errors[1] < 0.8 * errors[0]

    def test_it_is_less_sure_of_the_end_if_ranks_have_changed_much_at_the_start(self):
        deviations = []
        for noise in (0.02, 1.0):
            rows = trainings(60, noise=noise)
            table = table_of(known([*rows[:1]]) | {n: curve(row[:10], RUNNING) for n, row in enumerate(rows[1:], 2)})
            usual, learned = (fit_table(table, learns_volatility=learns) for learns in (False, True))
            deviations.append(np.median(learned.deviations[1:] / usual.deviations[1:]))
        assert deviations[0] < 1 < deviations[1]

    def test_before_a_training_has_ended_it_predicts_with_less_certainty(self):
        values = trainings(40)
        running = fit(known(values[:, :10], Progress.RUNNING))
        assert running.rungs[-1] == 10 * UNSEEN
        best, worst = np.argsort(values[:, 9])[[-1, 0]]
        assert running.chance_of_winning(forecast_of(running, values[worst][:10]), worst + 1) < 0.01
        assert running.chance_of_winning(forecast_of(running, values[best][:10]), best + 1) > 0.4
        assert running.chance_of_exceeding(forecast_of(running, values[0][:10]), 0.0) is None

    def test_the_chance_of_exceeding_a_value(self):
        model = fit(known(trainings(60)))
        good, bad = 2.0 - 2.0 * STEPS[:9] ** -0.7, -2.0 - 2.0 * STEPS[:9] ** -0.7
        assert model.chance_of_exceeding(forecast_of(model, good), 0.0) > 0.95
        assert model.chance_of_exceeding(forecast_of(model, bad), 0.0) < 0.01


class TestRivals:
    def test_a_trial_is_no_rival_of_itself(self):
        model = fit(known(trainings(1)))
        assert model.chance_of_winning(forecast_of(model, trainings(1)[0][:9]), 1) == 1.0

    def test_stopped_trials_are_no_rivals(self):
        model = fit({1: curve([0.5] * 50), 2: curve([0.9] * 5, Progress.STOPPED)})
        assert model.rivals.tolist() == [1]

    def test_what_has_ended_early_keeps_its_best(self):
        model = fit({1: curve([0.5] * 50), 2: curve([0.9] * 5), 3: curve([0.1] * 50)})
        assert model.scores.argmax() == 1
        assert model.deviations.tolist() == [0.0] * 3


class TestRungs:
    def test_they_are_positions_of_the_longest_curve(self):
        assert rungs([curve([0.0] * 50), curve([0.0] * 9)]) == [1, 2, 3, 5, 7, 10, 14, 19, 26, 36, 50]

    def test_many_positions_have_few_rungs(self):
        positions = np.arange(1, 1_000_001, dtype=float)
        assert len(rungs([curve(np.zeros(1_000_000), positions=positions)])) <= 26

    def test_seconds(self):
        positions = np.array([0.013, 7.1, 9.9, 30.0])
        assert set(rungs([curve([0.0] * 4, positions=positions)])) <= set(positions)

    def test_while_no_training_has_ended_they_go_far(self):
        assert rungs([curve([0.0] * 5, Progress.RUNNING)]) == [1, 2, 3, 5, 50]


def rungs(curves):
    return table_of(dict(enumerate(curves, 1))).rungs.tolist()


values = st.lists(st.floats(-1e308, 1e308), min_size=1, max_size=12)
positions = st.lists(st.floats(1e-9, 1e9), min_size=12, max_size=12, unique=True).map(sorted)
curves = st.builds(
    lambda values, positions, progress: curve(values, progress, np.array(positions)),
    values,
    positions | st.just(list(STEPS[:12])),
    st.sampled_from(Progress),
)


@given(st.lists(curves, min_size=1, max_size=8), values, st.floats(1e-9, 1e10))
def test_any_curves_can_be_fitted_and_predicted(found, bests, position):
    numbered = dict(enumerate(found, 1))
    model = fit(numbered)
    assert np.all(np.diff(model.rungs) > 0)
    assert pickle.dumps(fit(numbered)) == pickle.dumps(model)
    rung = model.rung(position)
    if rung is not None:
        forecast = model.predict(rung, max(bests), min(bests))
        assert math.isfinite(forecast.score)
        assert forecast.score_deviation >= 0
        assert 0 <= model.chance_of_winning(forecast, 1) <= 1
        chance = model.chance_of_exceeding(forecast, 0.0)
        assert chance is None or 0 <= chance <= 1
        assert not math.isnan(forecast.mean)
        assert not math.isnan(forecast.deviation)
