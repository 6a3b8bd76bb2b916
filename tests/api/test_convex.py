"""The convex rule over HTTP: Vertex's fields, and the measurement that it predicts for a stopped trial."""

from __future__ import annotations

import pytest

from tests.api.stopping_calls import reason, report, start

RATES = {"parameterId": "rate", "doubleValueSpec": {"minValue": 1e-5, "maxValue": 1.0}, "scaleType": "UNIT_LOG_SCALE"}


def curve(end, steps=20, of=20):
    """A convex curve of losses that ends there: each doubling of the step halves the way left."""
    return [end + 1.0 / step for step in range(1, steps + 1)]


def run(api, end, steps=20, **more):
    """Report a whole curve and complete the trial; its path."""
    trial = start(api)
    for step, value in enumerate(curve(end, steps), 1):
        report(api, trial, value, step, **more)
    api.post(f"{trial}:complete")
    return trial


def stop(api, end, seconds=None):
    """Report a curve until the rule stops it; its path and the step."""
    trial = start(api)
    for step, value in enumerate(curve(end), 1):
        if report(api, trial, value, step, **({} if seconds is None else {"seconds": seconds * step})) == "STOPPING":
            return trial, step
    raise AssertionError("it was not stopped")


def expect_more(api):
    """Run trials whose gains stay as large as they were at first, so that more is to be expected of all."""
    for _ in range(12):
        trial = start(api)
        for step in range(1, 41):
            report(api, trial, 0.09 - step / 1000, step)
        api.post(f"{trial}:complete")


@pytest.fixture
def convex(api, make_study):
    """Makes a study with the rule, and six completed trials that end at 0.1 to 0.15 after 20 steps."""

    def make(completed=6, **fields):
        make_study(convexAutomatedStoppingSpec=fields)
        for index in range(completed):
            run(api, 0.05 + index / 100)

    return make


def value(measured):
    return measured["metrics"][0]["value"]


class TestRule:
    def test_it_stops_a_curve_whose_overestimate_is_too_bad(self, api, convex):
        convex()
        trial, step = stop(api, 0.5)
        assert step == 8, "at step 7 the line still goes below the best"
        assert reason(api, trial) == (
            "at most 0.25 is expected at step 20; the best completed trial has 0.1, and this one 0.625 at step 8"
        )

    def test_five_completed_trials_are_too_few(self, api, convex):
        convex(completed=5)
        run(api, 5.0)
        assert api.get("/studies/s/trials/6").get("stopped") is None

    def test_with_fields_of_its_own(self, api, convex):
        convex(minMeasurementCount="2", minStepCount="10", maxStepCount="40", completed=3)
        trial, step = stop(api, 3.0)
        assert step == 11
        assert "at step 40; " in reason(api, trial)
        assert api.post(f"{trial}:complete")["finalMeasurement"]["stepCount"] == "40"

    def test_by_elapsed_time(self, api, make_study):
        make_study(convexAutomatedStoppingSpec={"useElapsedDuration": True, "maxStepCount": "200"})
        for index in range(6):
            trial = start(api)
            for step, one in enumerate(curve(index / 100), 1):
                report(api, trial, one, step, seconds=10 * step)
            api.post(f"{trial}:complete")
        trial, _ = stop(api, 3.0, seconds=10)
        assert "at 200 s; " in reason(api, trial)
        final = api.post(f"{trial}:complete")["finalMeasurement"]
        assert (final["elapsedDuration"], final["predicted"]) == ("200.000s", True)

    def test_the_old_form_is_read_as_it(self, api, make_study):
        old = {"maxNumSteps": "40", "minNumSteps": "4", "autoregressiveOrder": "2", "useSeconds": True}
        spec = api.get(make_study(convexStopConfig={**old, "learningRateParameterName": "x"}))["studySpec"]
        assert spec["convexAutomatedStoppingSpec"] == {
            "maxStepCount": "40",
            "minStepCount": "4",
            "learningRateParameterName": "x",
            "useElapsedDuration": True,
        }
        assert "convexStopConfig" not in spec


class TestPrediction:
    def test_it_is_the_last_measurement_and_no_final_value(self, api, convex):
        convex()
        trial, step = stop(api, 0.5)
        ended = api.post(f"{trial}:complete")
        final = ended["finalMeasurement"]
        assert (ended["state"], ended["stopped"], final["stepCount"], final["predicted"]) == (
            "SUCCEEDED",
            True,
            "20",
            True,
        )
        # Its own curve would have come to 0.55.
        assert value(final) == pytest.approx(0.55, abs=0.03)
        *measured, last = api.get(trial)["measurements"]
        assert (len(measured), last) == (step, final)
        assert "predicted" not in measured[-1]
        assert [one["id"] for one in api.post("/studies/s/trials:listOptimalTrials")["optimalTrials"]] == ["1"]

    def test_the_measured_result_stays_without_the_rule_or_at_the_end(self, api, convex):
        convex(maxStepCount="20")
        trial = start(api)
        for step, one in enumerate(curve(0.0), 1):
            report(api, trial, one, step)
        api.post(f"{trial}:stop")
        assert "predicted" not in api.post(f"{trial}:complete")["finalMeasurement"]

    def test_one_that_a_person_stops_is_predicted_too(self, api, convex):
        convex()
        trial = start(api)
        for step, one in enumerate(curve(0.0, 10), 1):
            assert report(api, trial, one, step) == "ACTIVE"
        api.post(f"{trial}:stop")
        assert api.post(f"{trial}:complete", {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": 0.3}]}})
        assert value(api.get(trial)["finalMeasurement"]) == pytest.approx(0.05, abs=0.03)

    def test_a_training_that_had_reached_its_end_keeps_its_result(self, api, convex):
        convex()
        trial, _ = stop(api, 0.5)
        assert "predicted" not in api.post(f"{trial}:complete", {"whole": True})["finalMeasurement"]

    def test_a_trial_that_fails_is_not_predicted(self, api, convex):
        convex()
        trial, _ = stop(api, 0.5)
        final = {"metrics": [{"metricId": "loss", "value": "NaN"}]}
        assert api.post(f"{trial}:complete", {"finalMeasurement": final})["state"] == "INFEASIBLE"

    def test_a_completion_may_be_sent_again(self, api, convex):
        convex(updateAllStoppedTrials=True)
        trial, _ = stop(api, 0.5)
        body = {"finalMeasurement": {"stepCount": 8, "metrics": [{"metricId": "loss", "value": 0.625}]}}
        first = api.post(f"{trial}:complete", body)
        assert api.post(f"{trial}:complete", body) == first
        run(api, 0.01)
        assert api.post(f"{trial}:complete", body)["state"] == "SUCCEEDED"

    @pytest.mark.parametrize("update", [True, False])
    def test_the_results_of_all_stopped_trials_are_renewed(self, api, convex, update):
        convex(updateAllStoppedTrials=update)
        trial, _ = stop(api, 0.5)
        before = api.post(f"{trial}:complete")["finalMeasurement"]
        expect_more(api)
        after = api.get(trial)["finalMeasurement"]
        assert (after != before) is update
        if update:
            assert (after["stepCount"], after["predicted"]) == ("40", True)
            assert value(after) < value(before)

    def test_the_algorithm_is_told_the_renewed_results(self, api, make_study):
        rule = {"convexAutomatedStoppingSpec": {"updateAllStoppedTrials": True}}
        make_study(algorithm="MISBEHAVING", algorithmOptions={"fault": "stopped"}, **rule)
        for index in range(6):
            run(api, 0.05 + index / 100)
        trial, _ = stop(api, 0.5)
        api.post(f"{trial}:complete")

        def known():
            (suggested,) = api.suggest()
            api.post(f"/studies/s/trials/{suggested['id']}:complete", {"trialInfeasible": True})
            return suggested["parameters"][0]["value"]

        def stored():
            return value(api.get(trial)["finalMeasurement"])

        before = stored()
        assert known() == before
        expect_more(api)
        assert known() == stored() < before

    def test_the_learning_rate_helps(self, api, make_study):
        make_study(
            convexAutomatedStoppingSpec={"learningRateParameterName": "rate"},
            parameters=[RATES],
            algorithm="GRID_SEARCH",
        )
        for index in range(6):
            values = [{"parameterId": "rate", "value": [1e-4, 1e-1][index % 2]}]
            trial = f"/studies/s/trials/{api.post('/studies/s/trials', {'parameters': values})['id']}"
            start(api)
            for step in range(1, 17):
                # The losses of slow ones fall on and on, those of fast ones at the start only.
                one = 1.0 - step / 32 if index % 2 == 0 else 0.5 + 0.1 / step**3
                report(api, trial, one, step)
            api.post(f"{trial}:complete")
        ends = []
        for rate in (1e-4, 1e-1):
            values = [{"parameterId": "rate", "value": rate}]
            trial = f"/studies/s/trials/{api.post('/studies/s/trials', {'parameters': values})['id']}"
            start(api)
            for step in range(1, 9):
                report(api, trial, 0.9 - step / 64, step)
            api.post(f"{trial}:stop")
            ends.append(value(api.post(f"{trial}:complete")["finalMeasurement"]))
        assert ends[0] < ends[1] - 0.03


class TestBadInput:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            (
                {"learningRateParameterName": "lr"},
                "studySpec.convexAutomatedStoppingSpec.learningRateParameterName: 'lr' is not a numeric parameter of "
                "the study; it has 'x'",
            ),
            ({"maxStepCount": "0"}, "studySpec.convexAutomatedStoppingSpec.maxStepCount: 0 is below 1"),
            ({"minStepCount": "-1"}, "studySpec.convexAutomatedStoppingSpec.minStepCount: -1 is below 0"),
            (
                {"minStepCount": "9", "maxStepCount": "9"},
                "studySpec.convexAutomatedStoppingSpec.minStepCount: 9 is not below the maximum, 9",
            ),
            (
                {"minMeasurementCount": "0"},
                "studySpec.convexAutomatedStoppingSpec.minMeasurementCount: 0 is not from 1 to 1000",
            ),
        ],
    )
    def test_fields_that_cannot_be(self, api, spec, fields, message):
        body = {"studyId": "s", "studySpec": {**spec, "convexAutomatedStoppingSpec": fields}}
        assert api.refused("/studies", body) == message

    @pytest.mark.parametrize(
        ("rules", "names"),
        [
            (("medianAutomatedStoppingSpec", "ashaStoppingSpec"), None),
            (("convexAutomatedStoppingSpec", "convexStopConfig"), ("convexStopConfig", "convexAutomatedStoppingSpec")),
            (("medianAutomatedStoppingSpec", "convexStopConfig"), None),
        ],
    )
    def test_two_rules(self, api, spec, rules, names):
        message = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, **{rule: {} for rule in rules}}})
        assert "only one early stopping rule is possible" in message
        for name in names or rules[:1]:
            assert name in message

    @pytest.mark.parametrize("rule", ["medianAutomatedStoppingSpec", "convexAutomatedStoppingSpec", "ashaStoppingSpec"])
    def test_several_objectives(self, api, spec, rule):
        metrics = [{"metricId": "loss", "goal": "MINIMIZE"}, {"metricId": "size", "goal": "MINIMIZE"}]
        body = {"studyId": "s", "studySpec": {**spec, "metrics": metrics, rule: {}}}
        message = f"studySpec.{rule}: stops trials by one objective; the study has 2"
        assert api.refused("/studies", body) == message

    @pytest.mark.parametrize("fields", [{"minResource": 9, "maxResource": 3}, {"reductionFactor": 1.5}])
    def test_rungs_that_cannot_be(self, api, spec, fields):
        message = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, "ashaStoppingSpec": fields}})
        assert message.startswith(f"studySpec.ashaStoppingSpec.{next(iter(fields))}: ")
