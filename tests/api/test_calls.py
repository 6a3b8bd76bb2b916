"""The table of calls is what the server answers, whichever way a call takes."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse

from dodona_server.api.calls.call import OCTETS
from dodona_server.api.calls.table import CALLS
from dodona_server.api.front.principal import principal_of
from dodona_server.api.front.route import OfPrincipal
from dodona_server.api.guard.proxies import Proxies
from dodona_server.api.guard.security import Guard
from dodona_server.app import Options, create_app
from dodona_server.domain.access.roles import ANONYMOUS, ANYONE, READ, RULES, TOKEN_HOLDER, Role
from dodona_server.service.access.audit import AuditLog
from dodona_server.service.access.gate import Gate
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient

STUDY = f"{HERE}/studies/s"
TRIAL = f"{STUDY}/trials/1"
TOKEN = "a long random secret"
APP = create_app(None)
ROUTES = {
    # Its name may have any character.
    (method, route.path.replace("{user:path}", "{user}")): route
    for route in reversed(APP.routes)
    for method in route.methods - {"HEAD"}
}
HOT = [call for call in CALLS if call.hot]


class TestTable:
    def test_it_has_a_row_for_each_route_and_a_route_for_each_row(self):
        assert {(call.method, call.served_at) for call in CALLS} == set(ROUTES)
        assert len({(call.method, call.served_at) for call in CALLS}) == len(CALLS)

    @pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.served_at}")
    def test_a_row_describes_its_route(self, call):
        route = ROUTES[call.method, call.served_at]
        assert route.include_in_schema == call.documented
        if not isinstance(route, APIRoute):
            assert call.name == "openapi_document"
            return
        assert route.endpoint.__name__ == call.name
        message = route.body_field and route.body_field.field_info.annotation
        assert message == (None if call.request == OCTETS else call.request)

    def test_each_call_has_a_rule_and_each_rule_a_call(self):
        assert {call.name for call in CALLS} == set(RULES)

    def test_viewers_only_read_and_only_what_says_nothing_is_for_anyone(self):
        reading = {"lookup_study", "list_optimal_trials", "wait_operation", "sign_out", "mcp"}
        for call in CALLS:
            changes = call.method != "GET" and call.name not in reading
            if RULES[call.name] is not ANYONE:
                assert not (changes and Role.VIEWER in RULES[call.name].roles), call
                assert Role.OPERATOR in RULES[call.name].roles
        assert {name for name, rule in RULES.items() if rule is ANYONE} == {
            "healthz",
            "readyz",
            "static_file",
            "sign_in",
            "sign_in_page",
            "oidc_begin",
            "oidc_end",
        }
        assert READ.roles == set(Role)


@pytest.fixture
def both(tmp_path):
    """Two servers with an equal study: one answers hot calls before FastAPI, the other lets FastAPI answer them."""
    with ExitStack() as stack:
        clients = []
        for front in (True, False):
            store = open_store(f"sqlite:///{tmp_path / f'{front}.db'}")
            app = create_app(store, Options(front=front))
            clients.append(stack.enter_context(AppClient(app, base_url="http://localhost")))
        for client in clients:
            client.post(f"{HERE}/studies", json={"studyId": "s", "studySpec": SPEC}).raise_for_status()
        yield clients


SPEC = {
    "algorithm": "RANDOM_SEARCH",
    "seed": "7",
    "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
    "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
}
ONE = {"clientId": "w", "suggestionCount": 1}
LOSS = {"stepCount": "1", "metrics": [{"metricId": "loss", "value": 0.5}]}
GOOD = {
    "suggest_trials": [
        ONE,
        ONE,
        {**ONE, "suggestionCount": 3},
        {"client_id": "v", "suggestion_count": "1", "leaseDuration": "60s", "requestId": "r", "wait": "0s"},
        {"clientId": "v", "suggestionCount": 1, "requestId": "r"},
        {**ONE, "heldTrials": ["1"]},
        {**ONE, "contexts": [{"parameters": [{"parameterId": "x", "value": 0.5}]}], "clientId": "u"},
    ],
    "add_trial_measurement": [
        {"measurement": LOSS},
        {"measurement": {**LOSS, "elapsedDuration": "1.5s"}, "attempt": 1, "requestId": "r"},
        {"measurement": {**LOSS, "stepCount": 2}, "checkpoint": "here"},
        {"measurement": {"metrics": [{"metricId": "loss", "value": "NaN"}]}},
    ],
    "heartbeat_trial": [{}, {"attempt": 1}, {"attempt": 1, "checkpoint": "here", "requestId": "r"}],
    "complete_trial": [
        {"finalMeasurement": LOSS, "parameters": [{"parameterId": "x", "value": 0.25}], "requestId": "r"},
        {"finalMeasurement": LOSS, "parameters": [{"parameterId": "x", "value": 0.25}], "requestId": "r"},
        {"finalMeasurement": LOSS},
        {"trialInfeasible": True, "infeasibleReason": "no"},
    ],
}
# Each is sent to every hot call; a message ignores the fields that it does not have.
BAD: list[Any] = [
    [],
    [1],
    "text",
    None,
    {"attempt": "one"},
    {"attempt": 9},
    {"attempt": 0},
    {"attempt": True},
    {"requestId": "x" * 200},
    {"clientId": 5},
    {"clientId": "w"},
    {"clientId": "", "suggestionCount": 1},
    {"clientId": "w", "suggestionCount": -1},
    {"clientId": "w", "suggestionCount": 10**6},
    {"clientId": "w", "suggestionCount": 1, "leaseDuration": "soon"},
    {"clientId": "w", "suggestionCount": 1, "leaseDuration": "-1s"},
    {"clientId": "w", "suggestionCount": 1, "heldTrials": ["x"]},
    {"clientId": "w", "suggestionCount": 1, "contexts": [{"parameters": [{"parameterId": "?", "value": 1}]}]},
    {"measurement": {"metrics": [{"metricId": "", "value": 1}]}},
    {"measurement": {"metrics": [{"metricId": "a", "value": 1}, {"metricId": "a", "value": 1}]}},
    {"measurement": {"stepCount": "many"}},
    {"measurement": {"stepCount": 10**40}, "finalMeasurement": {"stepCount": 10**40}},
    {"finalMeasurement": {"metrics": [{"metricId": "loss", "value": "high"}]}},
    {"finalMeasurement": {"metrics": [{"metricId": "other", "value": 1}]}},
    {"finalMeasurement": LOSS, "parameters": [{"parameterId": "x", "value": 5}]},
    {"trialInfeasible": "yes"},
    {"checkpoint": 1},
]
CONTENTS = [b"", b"{", b'{"a": 1} 2', b"\xff", b'{"clientId": "\\u0000"}', b"[" * 300, b"\xef\xbb\xbf{}"]
VIEWS = ["view=BASIC", "view=FULL", "view=", "view=basic", "view=LOUD&view=BASIC"]
QUERIES = [*VIEWS, "%24alt=json%3Benum-encoding%3Dint"]
# Each takes the place of one part of a path.
PLACES = [
    ("/studies/s/", "/studies/none/"),
    ("/studies/s/", "/studies/a%20b/"),
    ("/projects/p/", "/projects/%3F/"),
    ("/projects/p/", "/projects//"),
    ("/locations/l/", f"/locations/{'l' * 200}/"),
    ("/trials/1:", "/trials/99:"),
    ("/trials/1:", "/trials/01:"),
    ("/trials/1:", "/trials/one:"),
    ("/trials/1:", "/trials/1%3A"),
    ("/trials/1:", "/trials/1:2:"),
    ("/trials:", "/trials/:"),
    ("/trials", "/trials%0A"),
]
ENDS = ["", "%0A", "/", ":", "x"]
TYPES = ["", "text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded"]


def requests_of(call) -> list[tuple[str, str, dict[str, Any]]]:
    """Return requests, good ones and bad ones: the method, the path, and what httpx makes a request of."""
    path = call.path.format(project="p", location="l", study="s", trial="1")
    good = GOOD[call.name][0]
    made: list[tuple[str, str, dict[str, Any]]] = [("POST", path, {"json": one}) for one in BAD]
    made += [("POST", path, {"content": content}) for content in CONTENTS]
    made += [("POST", path + end, {"json": good}) for end in ENDS[1:]]
    made += [("POST", path.replace(*place), {"json": good}) for place in PLACES if place[0] in path]
    made += [(method, path, {}) for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")]
    # With two faults, both ways name the same one.
    made += [("POST", path.replace("/trials/1:", "/trials/one:") + "?view=LOUD", {"json": one}) for one in (good, [1])]
    made += [("POST", f"{path}?{query}", {"json": good}) for query in QUERIES]
    made += [("POST", path, {"content": json.dumps(good), "headers": {"content-type": kind}}) for kind in TYPES]
    return made + [("POST", path, {"json": one}) for one in GOOD[call.name]]


def answered(client: AppClient, method: str, path: str, **request: Any) -> tuple[int, dict[str, str], str]:
    """Return the status, the headers and the body of an answer, without the times and ids that differ by server."""
    headers = {"x-request-id": "0123456789abcdef", **request.pop("headers", {})}
    answer = client.request(method, path, headers=headers, **request)
    headers = {name: value for name, value in answer.headers.items() if name != "content-length"}
    body = re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME", answer.text)
    return answer.status_code, headers, re.sub(r"operations/[\w.-]+", "operations/ID", body)


class TestBothWays:
    @pytest.mark.parametrize("call", HOT, ids=lambda call: call.name)
    def test_a_hot_call_is_answered_in_the_same_words(self, both, call):
        statuses = set()
        for client in both:
            for trial in range(2):
                client.post(f"{STUDY}/trials:suggest", json={**ONE, "clientId": f"client {trial}"}).raise_for_status()
        for method, path, request in requests_of(call):
            front, framework = (answered(client, method, path, **request) for client in both)
            assert front == framework, (method, path, request)
            statuses.add(front[0])
        assert {200, 400, 404, 405, 415} <= statuses

    def test_they_agree_while_the_study_is_paused(self, both):
        for client in both:
            client.post(f"{STUDY}/trials:suggest", json=ONE).raise_for_status()
            client.post(f"{STUDY}:pause", json={}).raise_for_status()
        for call in HOT:
            path = call.path.format(project="p", location="l", study="s", trial="1")
            for body in GOOD[call.name]:
                front, framework = (answered(client, "POST", path, json=body) for client in both)
                assert front == framework


@pytest.mark.parametrize(("token", "principal"), [(None, ANONYMOUS), (TOKEN, TOKEN_HOLDER)])
class TestPrincipal:
    def test_it_is_known_in_front(self, token, principal):
        async def front(scope, receive, send):
            await PlainTextResponse(principal_of(scope).name)(scope, receive, send)

        client = AppClient(Guard(front, Gate(None, token), Proxies(), AuditLog(None)), base_url="http://localhost")
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert client.post(f"{STUDY}/trials:suggest", headers=bearer).text == principal.name
        assert client.get("/healthz").text == ANONYMOUS.name

    def test_it_is_known_behind(self, tmp_path, token, principal):
        app = create_app(open_store(f"sqlite:///{tmp_path / 'x.db'}"), Options(token=token))

        @app.get("/who")
        async def who(asking: OfPrincipal) -> str:
            return asking.name

        with AppClient(app, base_url="http://localhost", headers={"authorization": f"Bearer {TOKEN}"}) as client:
            assert client.get("/who").json() == principal.name
