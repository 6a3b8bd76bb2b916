"""Requests that no sane client sends: each is refused by name, and none is answered with 500."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack

import pytest

from dodona_server.app import Options, create_app
from dodona_server.domain.names import Location
from dodona_server.service.operations import StopCheck
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE, Api
from tests.support.app_client import AppClient
from tests.support.postgres import fresh_database

JSON = {"content-type": "application/json"}
HUGE = 10**400


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "framework"])
def shared(request, tmp_path_factory):
    """One server of each kind for all these tests, which leave nothing behind but studies."""
    with ExitStack() as stack:
        if request.param != "postgresql":
            url = f"sqlite:///{tmp_path_factory.mktemp('hostile') / 'test.db'}"
        else:
            url = stack.enter_context(fresh_database(request.getfixturevalue("_postgres")))
        app = create_app(open_store(url), Options(front=request.param != "framework"))
        client = AppClient(app, base_url="http://localhost")
        yield Api(stack.enter_context(client))


@pytest.fixture
def api(shared):
    yield shared
    for study in shared.get("/studies")["studies"]:
        shared.delete(f"/studies/{study['name'].rpartition('/')[2]}")


def values(*given, **fields):
    return {"parameters": [{"parameterId": "x", "discreteValueSpec": {"values": list(given)}, **fields}]}


def nested(depth):
    parameter = {"parameterId": f"p{depth}", "categoricalValueSpec": {"values": ["a"]}}
    for level in range(depth - 1, 0, -1):
        child = {"parentCategoricalValues": {"values": ["a"]}, "parameterSpec": parameter}
        parameter = {**parameter, "parameterId": f"p{level}", "conditionalParameterSpecs": [child]}
    return {"parameters": [parameter]}


class TestText:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/studies:lookup", rb'{"displayName": "a\u0000"}'),
            ("/studies/s/trials:suggest", rb'{"clientId": "\u0000", "suggestionCount": 1}'),
            ("/studies/s/trials:suggest", rb'{"clientId": "a", "suggestionCount": 1, "requestId": "\\\u0000"}'),
            ("/studies/s:pause", rb'{"reason": "\u0000"}'),
            ("/studies/s/trials/1:complete", rb'{"trialInfeasible": true, "infeasibleReason": "\u0000"}'),
            ("/studies/s:updateMetadata", rb'{"metadata": {"\u0000": "a"}}'),
        ],
    )
    def test_a_nul_is_refused_since_no_database_keeps_it(self, api, study, path, body):
        refused = api.client.post(HERE + path, content=body, headers=JSON)
        assert (refused.status_code, "U+0000" in refused.text) == (400, True)

    def test_a_backslash_before_u0000_is_text(self, api, study):
        body = rb'{"metadata": {"k": "\\u0000 \\\\u0000"}}'
        answer = api.client.post(f"{HERE}{study}:updateMetadata", content=body, headers=JSON)
        assert answer.json()["metadata"] == {"k": r"\u0000 \\u0000"}

    @pytest.mark.parametrize(
        "body",
        [
            rb'{"displayName": "\ud800"}',
            rb'{"displayName": "\udc00 "}',
            rb'{"unknown": {"\ud800": 1}}',
            b'{"displayName": "\xff"}',
            '{"displayName": "a"}'.encode("utf-16"),
            b'{"u": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"u": 1' + b"0" * 5000 + b"}",
        ],
    )
    def test_what_is_no_unicode_or_cannot_be_parsed_is_no_json(self, api, body):
        refused = api.client.post(f"{HERE}/studies:lookup", content=body, headers=JSON)
        assert (refused.status_code, "the body is not JSON" in refused.text) == (400, True)

    @pytest.mark.parametrize("operation", ["%00", "%FF", "%ED%A0%80", "stopcheck.s.1.0.99999999999999999"])
    def test_an_operation_with_an_impossible_id_is_not_found(self, api, study, operation):
        assert api.client.get(f"{HERE}/operations/{operation}").status_code == 404
        assert api.client.delete(f"{HERE}{study}/operations/{operation}").status_code == 404

    def test_what_stands_before_an_operation_must_be_a_name(self, api, study):
        check = api.post(f"{study}/trials/{api.suggest()[0]['id']}:checkTrialEarlyStoppingState")
        operation = check["name"].rpartition("/")[2]
        assert StopCheck.from_id(Location("p", "l"), operation) is not None
        assert api.get(f"{study}/trials/1/operations/{operation}") == check
        assert api.client.get(f"{HERE}/studies/%00/operations/{operation}").status_code == 400
        assert api.client.get(f"{HERE}{study}/trials/x/operations/{operation}").status_code == 404
        assert api.client.get(f"{HERE}/operations?study=%00").status_code == 400

    @pytest.mark.parametrize("last", ["9" * 30, "9" * 5000, "-1", "٣", "²", "\0"])
    @pytest.mark.parametrize("kind", ["studies", "studies/s/trials", "operations"])
    def test_a_forged_token_is_refused(self, api, study, kind, last):
        order = {"studies": "studies", "operations": "operations"}.get(kind, "")
        token = base64.urlsafe_b64encode(f"{order}:{last}".encode()).decode()
        answer = api.client.get(f"{HERE}/{kind}", params={"pageToken": token})
        if kind == "operations" and last in ("9" * 30, "-1"):  # which might be ids
            assert answer.status_code == 200
        else:
            assert (answer.status_code, "not a token of this list" in answer.text) == (400, True)

    def test_an_empty_id_is_none(self, api, study):
        parameters = [{"parameterId": "x", "value": 0.5}]
        for _ in range(2):
            api.suggest(requestId="")
            api.post(f"{study}/trials", {"parameters": parameters, "requestId": ""})
        assert [trial["id"] for trial in api.get(f"{study}/trials")["trials"]] == ["1", "2", "3"]

    def test_a_broken_host_is_no_bug(self, api):
        assert api.client.get("/nowhere", headers={"host": "[::1"}).status_code == 403

    def test_a_long_value_is_not_sent_back_whole(self, api, study):
        body = {"parameters": [{"parameterId": "x", "value": "y" * 100_000}]}
        assert len(api.refused(f"{study}/trials", body)) < 2000


class TestNumbers:
    @pytest.mark.parametrize(
        ("part", "field"),
        [
            (values(0.5, HUGE), "values"),
            (values(True), "values"),
            ({"parameters": [{"parameterId": "x", "doubleValueSpec": {"maxValue": HUGE}}]}, "maxValue"),
            ({"parameters": [{"parameterId": "x", "integerValueSpec": {"maxValue": HUGE}}]}, "maxValue"),
            ({"parameters": [{"parameterId": "x", "integerValueSpec": {"maxValue": str(2**63)}}]}, "maxValue"),
            ({"seed": 2**63}, "seed"),
            ({"seed": -(2**63) - 1}, "seed"),
            ({"algorithm": True}, "algorithm"),
            ({"algorithm": []}, "algorithm"),
            ({"studyStoppingConfig": {"maxNumTrials": True}}, "maxNumTrials"),
            ({"studyStoppingConfig": {"maxNumTrials": HUGE}}, "maxNumTrials"),
            ({"studyStoppingConfig": {"shouldStopAsap": 1}}, "shouldStopAsap"),
            ({"convexAutomatedStoppingSpec": {"maxStepCount": 2**64}}, "maxStepCount"),
        ],
    )
    def test_in_a_spec(self, api, spec, part, field):
        assert field in api.refused("/studies", {"studySpec": {**spec, **part}})

    @pytest.mark.parametrize(
        "duration",
        [HUGE, 1e308, "1e308s", "NaN", "s", True, [1], {"seconds": HUGE}, {"seconds": {}}, {"seconds": "x"}, {"a": 1}],
    )
    def test_a_duration(self, api, spec, study, duration):
        api.suggest()
        body = {"measurement": {"metrics": [{"metricId": "loss"}], "elapsedDuration": duration}}
        assert "not a duration" in api.refused(f"{study}/trials/1:addTrialMeasurement", body)
        spec["studyStoppingConfig"] = {"maxDurationNoProgress": duration}
        assert "not a duration" in api.refused("/studies", {"studySpec": spec})

    @pytest.mark.parametrize(
        "time",
        [
            "9999-12-31T23:59:59.999999Z",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59",
            "10000-01-01T00:00:00Z",
            "2030-01-01",
            "2030-01-01T00:00:00",
            "2030-02-31T00:00:00Z",
            1893456000,
            {"seconds": 1},
        ],
    )
    def test_an_impossible_time(self, api, spec, time):
        spec["studyStoppingConfig"] = {"maximumRuntimeConstraint": {"endTime": time}}
        assert "endTime" in api.refused("/studies", {"studySpec": spec})

    @pytest.mark.parametrize(
        ("time", "written"),
        [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("2030-01-01T00:00:00.123456789+01:00", "2029-12-31T23:00:00.123456Z"),
        ],
    )
    def test_a_possible_time_comes_back_in_utc(self, api, spec, time, written):
        spec["studyStoppingConfig"] = {"maximumRuntimeConstraint": {"endTime": time}}
        study = api.post("/studies", {"studySpec": spec})
        assert study["studySpec"]["studyStoppingConfig"]["maximumRuntimeConstraint"]["endTime"] == written

    @pytest.mark.parametrize("value", [HUGE, -HUGE, float("nan"), float("inf"), True, {"a": 1}, [1], "0.5", None])
    def test_a_value_of_a_trial(self, api, study, value):
        body = json.dumps({"parameters": [{"parameterId": "x", "value": value}]})
        answer = api.client.post(f"{HERE}{study}/trials", content=body, headers=JSON)
        assert (answer.status_code, "parameters" in answer.text) == (400, True)

    @pytest.mark.parametrize("step", [2**63, -(2**63) - 1, HUGE, True, 0.5, "9" * 5000])
    def test_a_step(self, api, study, step):
        api.suggest()
        body = {"measurement": {"metrics": [{"metricId": "loss"}], "stepCount": step}}
        assert "stepCount" in api.refused(f"{study}/trials/1:addTrialMeasurement", body)

    def test_a_finished_trial_needs_a_possible_measurement(self, api, study):
        body = {
            "parameters": [{"parameterId": "x", "value": 0.5}],
            "state": "SUCCEEDED",
            "finalMeasurement": {"stepCount": -1, "metrics": [{"metricId": "loss"}]},
        }
        assert "stepCount: -1 is below 0" in api.refused(f"{study}/trials", body)

    @pytest.mark.parametrize(
        ("parameter", "points"),
        [
            ({"doubleValueSpec": {"minValue": 5e-324, "maxValue": 1.7976931348623157e308}, "scaleType": 2}, 200),
            ({"doubleValueSpec": {"minValue": 5e-324, "maxValue": 1.7976931348623157e308}, "scaleType": 3}, 200),
            (
                {
                    "doubleValueSpec": {"minValue": 1.7976931348623157e308, "maxValue": 1.7976931348623157e308},
                    "scaleType": 2,
                },
                1,
            ),
            ({"doubleValueSpec": {"minValue": -1.7976931348623157e308, "maxValue": 1.7976931348623157e308}}, 200),
            ({"integerValueSpec": {"minValue": -(2**63) + 1, "maxValue": 2**63 - 1}}, 200),
            ({"integerValueSpec": {"minValue": 1, "maxValue": 2**63 - 1}, "scaleType": 2}, 200),
            ({"discreteValueSpec": {"values": [0.5, 10**300]}}, 2),
        ],
    )
    def test_the_widest_spaces_are_searched(self, api, spec, parameter, points):
        spec["parameters"] = [{"parameterId": "x", **parameter}]
        api.post("/studies", {"studyId": "wide", "studySpec": spec})
        assert len(api.suggest("wide", count=200)) == points


class TestLimits:
    def test_parameters(self, api, spec):
        spec["parameters"] = [
            {"parameterId": f"p{number}", "doubleValueSpec": {"maxValue": 1}} for number in range(1000)
        ]
        api.post("/studies", {"studyId": "s", "studySpec": spec})
        one_more = {"parameters": [{"parameterId": "more", "doubleValueSpec": {"maxValue": 1}}]}
        assert "more than 1000" in api.refused("/studies/s:addParameters", one_more)
        spec["parameters"] += one_more["parameters"]
        assert "studySpec.parameters: more than 1000" in api.refused("/studies", {"studySpec": spec})

    def test_depth(self, api, spec):
        api.post("/studies", {"studyId": "s", "studySpec": {**spec, **nested(32)}})
        assert len(api.suggest()[0]["parameters"]) == 32
        for depth in (33, 60):
            message = api.refused("/studies", {"studySpec": {**spec, **nested(depth)}})
            assert message.endswith("nested more than 32 levels deep, the maximum")
            assert "nested" in api.refused("/studies/s:addParameters", nested(depth))

    def test_values(self, api, spec):
        assert "1001 values; 1000 are allowed" in api.refused(
            "/studies", {"studySpec": {**spec, **values(*range(1001))}}
        )
        names = [str(number) for number in range(10_001)]
        spec["parameters"] = [{"parameterId": "x", "categoricalValueSpec": {"values": names}}]
        assert "10001 values; 10000 are allowed" in api.refused("/studies", {"studySpec": spec})

    def test_metrics_of_a_measurement(self, api, study):
        api.suggest()
        many = [{"metricId": f"m{number}", "value": 1} for number in range(1000)]
        path = f"{study}/trials/1:addTrialMeasurement"
        api.post(path, {"measurement": {"metrics": many}})
        more = [*many, {"metricId": "loss"}]
        assert "1001 metrics; 1000 are allowed" in api.refused(path, {"measurement": {"metrics": more}})
        body = {"finalMeasurement": {"metrics": more}}
        assert "1001 metrics; 1000 are allowed" in api.refused(f"{study}/trials/1:complete", body)
        report = {"reports": [{"trial": "1", "measurement": {"metrics": more}}]}
        assert "reports[0].measurement.metrics: 1001 metrics" in api.refused(f"{study}/trials:report", report)

    @pytest.mark.parametrize(
        ("path", "body", "message"),
        [
            ("/studies", {"studyId": "a" * 129}, "1 to 128"),
            ("/studies", {"displayName": "a" * 257}, "displayName: 257 characters; 256 are allowed"),
            ("/studies/s/trials:suggest", {"clientId": "a" * 257, "suggestionCount": 1}, "1 to 256 characters"),
            ("/studies/s/trials:suggest", {"clientId": "a", "suggestionCount": 1, "requestId": "a" * 129}, "requestId"),
            ("/studies/s/trials", {"requestId": "a" * 129}, "requestId"),
            ("/studies/s:updateMetadata", {"metadata": {"a" * 257: "b"}}, "1 to 256 characters"),
            ("/studies/s:updateMetadata", {"metadata": {str(n): "b" for n in range(257)}}, "257 entries; 256"),
            ("/studies/s/trials:report", {"reports": [{"trial": "1"}] * 1001}, "1001 reports; 1 to 1000"),
            (
                "/studies/s/trials:suggest",
                {"clientId": "a", "suggestionCount": 1, "contexts": [{}] * 101},
                "101 contexts; 100 are allowed",
            ),
            (
                "/studies/s/trials/1:addTrialMeasurement",
                {"measurement": {"metrics": [{"metricId": "m" * 257}]}},
                "a name has 257 characters; 256 are allowed",
            ),
        ],
    )
    def test_names_and_lists(self, api, study, spec, path, body, message):
        api.suggest()
        body = {"studySpec": spec, **body} if path == "/studies" else body
        assert message in api.refused(path, body)

    @pytest.mark.parametrize(
        "part", [{"metrics": [{"metricId": "m" * 257}]}, {"metrics": [{"metricId": f"m{n}"} for n in range(17)]}]
    )
    def test_metrics_of_a_study(self, api, spec, part):
        assert "are allowed" in api.refused("/studies", {"studySpec": {**spec, **part}})

    def test_a_name_of_a_parameter(self, api, spec):
        spec["parameters"][0]["parameterId"] = "x" * 257
        assert "257 characters; 256 are allowed" in api.refused("/studies", {"studySpec": spec})


def test_the_allowed_methods_of_a_path_are_told(api, study):
    for path, allowed in (
        ("/studies", "GET, POST"),
        (study, "GET, DELETE"),
        (f"{study}/trials/1", "GET, DELETE"),
        (f"{study}/trials/1:stop", "POST"),
        (f"{study}:pause", "POST"),
    ):
        refused = api.client.put(HERE + path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


def test_a_study_that_ends_with_a_trial_done_elsewhere_is_completed(api, spec):
    spec["studyStoppingConfig"] = {"maxNumTrials": 1}
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    final = {"metrics": [{"metricId": "loss", "value": 1}]}
    parameters = [{"parameterId": "x", "value": 0.5}]
    api.post("/studies/s/trials", {"parameters": parameters, "state": "SUCCEEDED", "finalMeasurement": final})
    assert api.get("/studies/s")["state"] == "COMPLETED"


def test_a_completed_study_is_resumed_for_its_queued_trials(api, spec):
    spec["studyStoppingConfig"] = {"maxNumTrials": 1}
    api.post("/studies", {"studyId": "s", "studySpec": spec})
    api.post("/studies/s/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]})
    api.post("/studies/s:complete")
    assert api.suggest() == []
    api.post("/studies/s:resume")
    assert [trial["id"] for trial in api.suggest()] == ["1"]


def test_an_operation_keeps_the_order_in_which_its_trials_were_handed_out(api, study):
    api.post(f"{study}/trials", {"parameters": [{"parameterId": "x", "value": 0.5}]})
    api.suggest(contexts=[{"parameters": [{"parameterId": "x", "value": 0.25}]}])  # not the queued one
    handed = [[trial["id"] for trial in api.suggest(count=2, requestId="r")] for _ in range(2)]
    assert handed == [["2", "1"], ["2", "1"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("{api}/studies/s/trials/1:complete", {"trialInfeasible": True}),
        ("{ml}/studies/s/trials/1:complete", {"trialInfeasible": True}),
        ("{api}/studies/s/trials", {"state": "INFEASIBLE", "parameters": [{"parameterId": "x", "value": 0.5}]}),
        ("{api}/studies/s:pause", {}),
    ],
    ids=["complete", "complete at AI Platform's", "import", "pause"],
)
def test_a_long_reason_is_cut_and_decides_over_nothing(api, study, path, body):
    api.suggest()
    reason = f"begins {'x' * 2**20} ends"
    field = "reason" if path.endswith(":pause") else "infeasibleReason"
    path = path.format(api=HERE, ml=f"/ml{HERE}")
    for _ in range(2 if "complete" in path or "pause" in path else 1):
        answer = api.client.post(path, json={**body, field: reason})
        assert answer.status_code == 200, answer.text
        kept = answer.json().get("infeasibleReason") or answer.json()["inactiveReason"]
        assert 9_990 <= len(kept) <= 10_000
        assert (kept[:7], kept[-5:]) == ("begins ", " ends")
    (*_, event) = api.get(f"{study}/events")["events"]
    assert event["detail"] == kept
