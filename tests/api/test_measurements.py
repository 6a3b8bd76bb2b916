"""Measurements of trials over HTTP: reported one by one or several at once, and carried by answers."""

from __future__ import annotations

import pytest

from tests.api.conftest import HERE
from tests.api.trial_calls import complete, measurement


@pytest.fixture(params=[True, False], ids=["front", "framework"])
def front(request):
    return request.param


class TestMeasure:
    def test_measurements_are_kept_in_order_and_the_answer_carries_the_trial(self, api, trial):
        for step, value in ((1, 0.5), (2, "NaN"), (3, 0.0)):
            body = {"measurement": measurement(value, step, elapsedDuration=f"{step}.5s")}
            assert api.post(f"{trial}:addTrialMeasurement", body)["state"] == "ACTIVE"
        kept = api.get(trial)["measurements"]
        assert [one["stepCount"] for one in kept] == ["1", "2", "3"]
        assert [one["metrics"][0]["value"] for one in kept] == [0.5, "NaN", 0.0]
        assert [one["elapsedDuration"] for one in kept] == ["1.500s", "2.500s", "3.500s"]

    def test_an_absent_value_is_zero_and_a_repeat_changes_nothing(self, api, trial):
        body = {"measurement": {"metrics": [{"metricId": "loss"}]}}
        for _ in range(2):
            api.post(f"{trial}:addTrialMeasurement", body)
        assert [one["metrics"] for one in api.get(trial)["measurements"]] == [[{"metricId": "loss", "value": 0.0}]]

    def test_the_answer_tells_a_stopped_worker(self, api, trial):
        assert api.post(f"{trial}:stop")["state"] == "STOPPING"
        answer = api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(0.5, 1)})
        assert answer["state"] == "STOPPING"
        assert complete(api, 1, 0.5)["state"] == "SUCCEEDED"

    def test_only_a_repeat_is_taken_after_the_end(self, api, trial):
        body = {"measurement": measurement(0.5, 1)}
        api.post(f"{trial}:addTrialMeasurement", body)
        complete(api, 1, 0.5)
        assert api.post(f"{trial}:addTrialMeasurement", body)["state"] == "SUCCEEDED"
        late = {"measurement": measurement(0.4, 2)}
        message = api.refused(f"{trial}:addTrialMeasurement", late, "FAILED_PRECONDITION")
        assert "cannot addTrialMeasurement projects/p/locations/l/studies/s/trials/1, which is SUCCEEDED" in message

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({}, "measurement.metrics: is empty"),
            ({"measurement": {"metrics": [{"value": 1}]}}, "measurement.metrics.metricId: is empty"),
            ({"measurement": {"metrics": [{"metricId": "a"}, {"metricId": "a"}]}}, "'a' appears twice"),
            ({"measurement": measurement(1, -1)}, "measurement.stepCount: -1 is below 0"),
            ({"measurement": measurement(1, elapsedDuration="-1s")}, "measurement.elapsedDuration: -1.0 is below 0"),
            ({"measurement": measurement(1, elapsedDuration="soon")}, "'soon' is not a duration"),
            ({"measurement": measurement("high")}, "measurement.metrics[0].value: "),
        ],
    )
    def test_bad_measurements_name_the_field(self, api, trial, body, message):
        assert message in api.refused(f"{trial}:addTrialMeasurement", body)


class TestReport:
    def test_several_measurements_of_several_trials_in_one_call(self, api, study):
        api.suggest(count=2)
        api.post(f"{study}/trials/2:stop")
        reports = [
            {"trial": trial, "measurement": measurement(0.5, step)} for trial, step in (("1", 1), ("2", 1), ("1", 2))
        ]
        trials = api.post(f"{study}/trials:report", {"reports": reports})["trials"]
        assert [(trial["id"], trial["state"]) for trial in trials] == [
            ("1", "ACTIVE"),
            ("2", "STOPPING"),
            ("1", "ACTIVE"),
        ]
        assert [one["stepCount"] for one in api.get(f"{study}/trials/1")["measurements"]] == ["1", "2"]

    def test_one_that_is_refused_takes_the_others_with_it(self, api, trial):
        reports = [
            {"trial": "1", "measurement": measurement(0.5, 1)},
            {"trial": "9", "measurement": measurement(0.5, 1)},
        ]
        assert "trials/9 does not exist" in api.refused("/studies/s/trials:report", {"reports": reports}, "NOT_FOUND")
        assert api.get(trial)["measurements"] == []
        assert "0 reports; 1 to 1000 are allowed" in api.refused("/studies/s/trials:report", {})
        reports[1] = {"trial": "1", "measurement": {}}
        message = api.refused("/studies/s/trials:report", {"reports": reports})
        assert "reports[1].measurement.metrics: is empty" in message


class TestMeasurementsInAnswers:
    """Answers that are a Trial carry its measurements, as Vertex's do."""

    STEPS = [1, 2]  # noqa: RUF012

    @pytest.fixture
    def measured(self, api, trial):
        for step in self.STEPS:
            api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(step / 2, step)})
        return trial

    @staticmethod
    def steps(trial):
        return [int(one["stepCount"]) for one in trial.get("measurements", ())]

    def test_the_calls_of_a_trials_life(self, api, study, trial):
        for step in self.STEPS:
            answer = api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(step / 2, step)})
            assert self.steps(answer) == list(range(1, step + 1))
        (again,) = api.suggest()
        assert (again["id"], self.steps(again)) == ("1", self.STEPS)
        for verb in ("heartbeat", "release"):
            assert self.steps(api.post(f"{trial}:{verb}")) == self.STEPS
        (again,) = api.suggest()
        assert self.steps(again) == self.STEPS
        assert self.steps(api.post(f"{trial}:updateMetadata", {"metadata": {"a": "b"}})) == self.STEPS
        for verb in ("stop", "complete"):
            assert self.steps(api.post(f"{trial}:{verb}")) == self.STEPS

    def test_the_calls_that_find_trials(self, api, study, measured):
        api.post(f"{measured}:complete", {})
        listed = api.get(f"{study}/trials")["trials"]
        ranked = api.get(f"{study}/trials?orderBy=objective")["trials"]
        optimal = api.post(f"{study}/trials:listOptimalTrials")["optimalTrials"]
        assert [self.steps(one) for one in (api.get(measured), *listed, *ranked, *optimal)] == [self.STEPS] * 4

    def test_an_operation_that_is_read_again(self, api, study):
        operation = api.post(f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1})
        trial = operation["response"]["trials"][0]
        assert trial["measurements"] == []
        api.post(f"{study}/trials/{trial['id']}:addTrialMeasurement", {"measurement": measurement(1.0, 1)})
        found = api.get("/operations/" + operation["name"].rpartition("/")[2])
        assert self.steps(found["response"]["trials"][0]) == [1]

    def test_the_basic_view_has_none(self, api, study, measured):
        basic = "?view=BASIC"
        asked = api.post(f"{study}/trials:suggest{basic}", {"clientId": "w", "suggestionCount": 1})
        answers = asked["response"]["trials"]
        report = {"trial": "1", "measurement": measurement(0.5, 3)}
        answers += api.post(f"{study}/trials:report{basic}", {"reports": [report]})["trials"]
        answers.append(api.post(f"{measured}:addTrialMeasurement{basic}", {"measurement": measurement(0.5, 4)}))
        answers += [api.post(f"{measured}:{verb}{basic}") for verb in ("heartbeat", "stop", "complete")]
        answers += api.get(f"{study}/trials{basic}&orderBy=objective")["trials"]
        assert len(answers) == 7
        assert all("measurements" not in one for one in answers)

    def test_the_basic_view_of_what_is_read_has_none(self, api, study, measured):
        (operation,) = api.get("/operations")["operations"]
        path = "/operations/" + operation["name"].rpartition("/")[2]
        ml = f"/ml{HERE}"

        def trials_of(path, method="GET"):
            answer = api.client.request(method, path + "?view=BASIC").json()
            found = answer.get("response", answer)
            return found.get("trials") or found.get("optimalTrials") or [found]

        api.post(f"{measured}:complete", {})
        found = [trials_of(HERE + one)[0] for one in (measured, f"{study}/trials", path)]
        found.append(trials_of(f"{HERE}{path}:wait", "POST")[0])
        found += [trials_of(ml + one)[0] for one in (measured, f"{study}/trials", path)]
        found += [trials_of(f"{ml}{study}/trials:listOptimalTrials", "POST")[0]]
        assert len(found) == 8
        assert all("measurements" not in one and ("id" in one or "name" in one) for one in found)
        (listed,) = api.get("/operations?view=BASIC")["operations"]
        assert "measurements" not in listed["response"]["trials"][0]

    def test_the_basic_view_of_the_older_dialect_has_none(self, api, study, measured):
        ml = f"/ml{HERE}"
        calls = [
            (f"{study}/trials:suggest", {"clientId": "w", "suggestionCount": 1}),
            (
                f"{measured}:addMeasurement",
                {"measurement": {"stepCount": 9, "metrics": [{"metric": "loss", "value": 1}]}},
            ),
            (f"{measured}:stop", {}),
            (f"{measured}:complete", {}),
        ]
        for path, body in calls:
            for view, has in (("FULL", True), ("BASIC", False)):
                answer = api.client.post(f"{ml}{path}?view={view}", json=body)
                assert answer.status_code == 200, answer.text
                assert ('"measurements"' in answer.text) == has, path

    def test_an_operation_has_no_more_than_a_page_of_them(self, api, study):
        handed = api.suggest(client="many", count=3)
        metrics = [{"metricId": f"{number} {'m' * 250}", "value": 1} for number in range(1000)]
        for trial in handed:
            for first in (1, 7):
                reports = [
                    {"trial": trial["id"], "measurement": {"stepCount": first + step, "metrics": metrics}}
                    for step in range(6)
                ]
                api.post(f"{study}/trials:report?view=BASIC", {"reports": reports})
        (operation,) = api.get("/operations")["operations"]
        again = api.suggest(client="many", count=3)
        for trials in (operation["response"]["trials"], again):
            assert [len(trial.get("measurements", ())) for trial in trials] == [12, 0, 0]
        assert len(api.get(f"{study}/trials/3")["measurements"]) == 12

    def test_a_view_that_there_is_not_is_refused_by_all_calls(self, api, study, measured):
        for path in (f"{study}/trials:suggest", f"{measured}:complete", f"{measured}:stop"):
            assert "view: 'SOME' is not one of FULL, BASIC" in api.refused(f"{path}?view=SOME", {})

    def test_a_queued_trial_keeps_what_was_measured_of_it(self, api, study):
        body = {"parameters": api.suggest(client="v")[0]["parameters"]}
        body["measurements"] = [measurement(step / 2, step) for step in self.STEPS]
        queued = api.post(f"{study}/trials", body)
        assert (queued["state"], self.steps(queued)) == ("REQUESTED", self.STEPS)
        (handed,) = api.suggest()
        assert (handed["id"], self.steps(handed)) == (queued["id"], self.STEPS)
        path = f"{study}/trials/{queued['id']}"
        added = api.post(f"{path}:addTrialMeasurement", {"measurement": measurement(0.25, 3)})
        assert self.steps(added) == [1, 2, 3]
        assert api.post(f"{path}:complete", {})["finalMeasurement"]["stepCount"] == "3"

    def test_a_queued_trial_with_a_wrong_measurement_is_refused(self, api, study):
        body = {"parameters": api.suggest(client="v")[0]["parameters"], "measurements": [measurement(1.0, -1)]}
        assert "measurements[0].measurement.stepCount: -1 is below 0" in api.refused(f"{study}/trials", body)
