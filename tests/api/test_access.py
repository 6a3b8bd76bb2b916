"""Who may do what: every call and every page with every role, and with tokens that are worth nothing."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dodona_server.api.calls.call import EVENT_STREAM, OCTETS, Call
from dodona_server.api.calls.examples import EXAMPLES
from dodona_server.api.calls.table import CALLS
from dodona_server.app import Options, create_app
from dodona_server.domain.access.roles import ANYONE, RULES, Role
from dodona_server.storage.schema.opening import open_store
from tests.api.conftest import HERE
from tests.support.app_client import AppClient

OPERATOR = "the token of the settings"
SPEC = {
    "algorithm": "RANDOM_SEARCH",
    "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
    "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
}
# What it answers depends on a password.
SIGN_IN = "sign_in"
# Calls of no project with an answer that never ends.
ENDLESS = {call.name for call in CALLS if call.answer == EVENT_STREAM and "{study}" not in call.path}
ALL_CALLS = [call for call in CALLS if call.name != SIGN_IN]
IN_PROJECT = [call for call in CALLS if "{project}" in call.path]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


class Guarded:
    """A server with projects p and q, each with a study, and a token of each role in p."""

    def __init__(self, client: AppClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.tokens = {role: self.token(role, "" if role is Role.OPERATOR else "p") for role in Role}
        for project in ("p", "q"):
            study = f"/v1/projects/{project}/locations/l/studies"
            self.send("POST", study, OPERATOR, {"studyId": "s", "studySpec": SPEC})
            self.send("POST", f"{study}/s/trials:suggest", OPERATOR, {"clientId": "w", "suggestionCount": 1})

    def token(self, role: str, project: str = "", by: str = OPERATOR, **more: Any) -> str:
        body = {"displayName": f"a {role}", "role": role, "project": project, **more}
        secret: str = self.send("POST", "/v1/tokens", by, body).json()["secret"]
        return secret

    def send(self, method: str, path: str, token: str | None, body: Any = None) -> Any:
        headers = bearer(token) if token else {}
        return self.client.request(method, path, json=body, headers=headers)

    def walk(self, call: Call, token: str | None, project: str = "p", study: str = "none") -> Any:
        """Make a call that has nothing to work on."""
        known = {"project": project, "location": "l", "study": study, "trial": "1", "token": "0" * 12}
        path = re.sub(r"{(\w+)(?::path)?}", lambda part: known.get(part[1], "none"), call.served_at)
        body = None if call.request in (None, OCTETS) else EXAMPLES[call.request]
        if body and "project" in body:
            body = {**body, "project": project}
        return self.send(call.method, path, token, body)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("access")
    app = create_app(open_store(f"sqlite:///{folder / 'x.db'}"), Options(token=OPERATOR))
    with AppClient(app, base_url="http://localhost") as client:
        yield Guarded(client, folder)


@pytest.mark.parametrize("role", list(Role))
def test_every_call_and_page_is_allowed_to_the_roles_of_the_table_alone(guarded, role):
    for call in ALL_CALLS:
        allowed = RULES[call.name] is ANYONE or role in RULES[call.name].roles
        allowed &= not RULES[call.name].of_server or role is Role.OPERATOR
        if allowed and call.name in ENDLESS:
            continue
        answer = guarded.walk(call, guarded.tokens[role])
        assert (answer.status_code not in (401, 403)) == allowed, (call.name, answer.text)
        assert "not for it" not in answer.text


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_another_project_looks_as_if_it_had_nothing(guarded, role):
    for call in IN_PROJECT:
        answers = [
            guarded.walk(call, guarded.tokens[role], project, study)
            for project, study in (("q", "s"), ("q", "none"), ("x", "none"))
        ]
        assert {answer.status_code for answer in answers} == {404}, call
        texts = {answer.json()["error"]["message"].replace("projects/x", "projects/q") for answer in answers}
        assert len(texts) == 1, call
        assert len({frozenset(dict(answer.headers)) for answer in answers}) == 1


class TestWorthless:
    @pytest.fixture(scope="class")
    def tokens(self, guarded):
        """Tokens that nobody accepts: none, a wrong one, an expired one, a revoked one, one with a wrong secret."""
        expired = guarded.token("operator", lifetime="0.001s")
        revoked = guarded.token("operator")
        guarded.send("DELETE", f"/v1/tokens/{revoked.split('_')[1]}", OPERATOR).raise_for_status()
        good = guarded.tokens[Role.OPERATOR]
        wrong = good[:-1] + ("0" if good[-1] != "0" else "1")
        time.sleep(0.01)
        return {"none": None, "wrong": wrong, "expired": expired, "revoked": revoked}

    @pytest.mark.parametrize("kind", ["none", "wrong", "expired", "revoked"])
    def test_no_call_answers(self, guarded, tokens, kind, monkeypatch):
        # Otherwise each would wait longer than the one before it.
        monkeypatch.setattr("dodona_server.api.guard.refused_tokens.FREE_TRIES", 10_000)
        for call in ALL_CALLS:
            answer = guarded.walk(call, tokens[kind], study="s")
            assert (answer.status_code == 401) == (RULES[call.name] is not ANYONE), (call.name, answer.text)


def test_every_way_to_send_a_token_works_for_all(guarded):
    path = f"{HERE}/studies/s"
    for role, token in guarded.tokens.items():
        basic = base64.b64encode(f"anyone:{token}".encode()).decode()
        for headers in (bearer(token), {"x-goog-api-key": token}, {"authorization": f"Basic {basic}"}):
            assert guarded.client.get(path, headers=headers).status_code == 200, role
        assert guarded.client.get(f"{path}?alt=json&key={token}").status_code == 200


class TestOtherProjects:
    def test_the_page_of_all_studies_shows_and_counts_only_its_own(self, guarded):
        page = guarded.send("GET", "/", guarded.tokens[Role.VIEWER]).text
        assert "p/l/s" in page
        assert "q/l/s" not in page
        everything = guarded.send("GET", "/", guarded.token("viewer")).text
        assert "p/l/s" in everything
        assert "q/l/s" in everything

    def test_a_token_of_all_projects_sees_all(self, guarded):
        token = guarded.token("worker")
        for project in ("p", "q"):
            assert guarded.send("GET", f"/v1/projects/{project}/locations/l/studies/s", token).status_code == 200

    def test_no_study_learns_from_another_projects(self, guarded):
        worker = guarded.tokens[Role.WORKER]
        for prior in ("projects/q/locations/l/studies/s", "projects/q/locations/l/studies/none"):
            body = {"studyId": "learns", "studySpec": {**SPEC, "priorStudies": [prior]}}
            answer = guarded.send("POST", f"{HERE}/studies", worker, body)
            assert answer.status_code == 404
            assert answer.json()["error"]["message"] == "projects/q does not exist, or this token is not for it"
        own = {"studyId": "learns", "studySpec": {**SPEC, "priorStudies": ["s", "projects/p/locations/l/studies/s"]}}
        assert guarded.send("POST", f"{HERE}/studies", worker, own).status_code == 200

    def test_operations_and_lookups_stay_in_their_project(self, guarded):
        asked = guarded.send(
            "POST",
            "/v1/projects/q/locations/l/studies/s/trials:suggest",
            OPERATOR,
            {"clientId": "w", "suggestionCount": 1},
        )
        operation = asked.json()["name"].rpartition("/")[2]
        for path in (f"{HERE}/operations/{operation}", f"{HERE}/studies/s/operations/{operation}"):
            assert guarded.send("GET", path, guarded.tokens[Role.VIEWER]).status_code == 404


class TestTokens:
    def test_a_worker_runs_trials_and_nothing_else(self, guarded):
        worker, trials = guarded.token("worker", "p"), f"{HERE}/studies/s/trials"
        asked = guarded.send("POST", f"{trials}:suggest", worker, {"clientId": "v", "suggestionCount": 1}).json()
        trial = f"{trials}/{asked['response']['trials'][0]['id']}"
        measured = {"measurement": {"stepCount": 1, "metrics": [{"metricId": "loss", "value": 1.0}]}}
        assert guarded.send("POST", f"{trial}:addTrialMeasurement", worker, measured).status_code == 200
        assert guarded.client.put(f"{trial}/artifacts/a", content=b"x", headers=bearer(worker)).status_code == 200
        assert guarded.send("POST", f"{trial}:complete", worker, {}).status_code == 200
        for path in (f"{HERE}/studies", f"{HERE}/studies/s:export", f"{HERE}/studies/s/events", "/", "/v1/tokens"):
            refused = guarded.send("GET", path, worker)
            assert (refused.status_code, refused.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
            assert "these roles may: " in refused.json()["error"]["message"]

    def test_a_secret_is_shown_once_and_stored_nowhere(self, guarded):
        made = guarded.send("POST", "/v1/tokens", OPERATOR, {"displayName": "once", "role": "viewer"}).json()
        assert made["secret"].startswith("dod_")
        listed = guarded.send("GET", "/v1/tokens", OPERATOR)
        assert made["name"] in listed.text
        assert made["secret"].rpartition("_")[2] not in listed.text
        contents = [file.read_bytes() for file in guarded.folder.glob("x.db*") if file.is_file()]
        assert any(made["name"].removeprefix("tokens/").encode() in content for content in contents)
        assert not any(made["secret"].rpartition("_")[2].encode() in content for content in contents)

    def test_only_the_servers_user_reads_its_secret(self, guarded):
        file = guarded.folder / "x.db.secret"
        assert file.stat().st_mode & 0o777 == 0o600
        assert len(file.read_text()) == 64

    def test_a_rotated_token_is_valid_beside_the_new_one_for_a_while(self, guarded):
        path = f"{HERE}/studies/s"
        old = guarded.token("viewer", "p", lifetime="3600s")
        rotate = f"/v1/tokens/{old.split('_')[1]}:rotate"
        new = guarded.send("POST", rotate, OPERATOR, {}).json()
        assert (new["project"], new["role"]) == ("p", "viewer")
        assert [guarded.send("GET", path, token).status_code for token in (old, new["secret"])] == [200, 200]
        newest = guarded.send("POST", rotate, OPERATOR, {"overlap": "0s"}).json()["secret"]
        assert [guarded.send("GET", path, token).status_code for token in (old, newest)] == [401, 200]
        assert guarded.send("POST", rotate, OPERATOR, {}).status_code == 400

    def test_an_administrator_stays_inside_the_project(self, guarded):
        admin = guarded.tokens[Role.ADMIN]
        own = guarded.token("editor", "p", by=admin)
        foreign = guarded.token("viewer", "q").split("_")[1]
        above = guarded.token("operator").split("_")[1]
        listed = [token["project"] for token in guarded.send("GET", "/v1/tokens", admin).json()["tokens"]]
        assert set(listed) == {"p"}
        for body in ({"role": "viewer", "project": "q"}, {"role": "viewer"}, {"role": "operator"}):
            assert guarded.send("POST", "/v1/tokens", admin, {"displayName": "x", **body}).status_code == 403
        missing = guarded.send("DELETE", f"/v1/tokens/{'0' * 12}", admin).json()["error"]["message"]
        for other in (foreign, above):
            refused = guarded.send("DELETE", f"/v1/tokens/{other}", admin)
            assert refused.status_code == 404
            assert refused.json()["error"]["message"].replace(other, "0" * 12) == missing
        assert guarded.send("DELETE", f"/v1/tokens/{own.split('_')[1]}", admin).status_code == 200

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({"displayName": "", "role": "viewer"}, "displayName: '' is not a name"),
            ({"displayName": "a\nb", "role": "viewer"}, "displayName: "),
            ({"displayName": "x", "role": "king"}, "role: 'king' is not a role; use one of viewer, worker, editor"),
            ({"displayName": "x", "role": "viewer", "project": "a b"}, "project: 'a b' is not a valid id"),
            ({"displayName": "x", "role": "operator", "project": "p"}, "role: operator is a role on the whole server"),
            ({"displayName": "x", "role": "viewer", "lifetime": "-1s"}, "lifetime: -1.0 seconds"),
        ],
    )
    def test_what_cannot_be_made_is_refused_by_field(self, guarded, body, problem):
        refused = guarded.send("POST", "/v1/tokens", OPERATOR, body)
        assert refused.status_code == 400
        assert refused.json()["error"]["message"].startswith(problem)


class TestSeveralServers:
    @pytest.fixture
    def both(self, database_url):
        """Two servers of one database; SQLite has one."""
        url = database_url
        with AppClient(create_app(open_store(url), Options(token=OPERATOR)), base_url="http://localhost") as one:
            if url.startswith("sqlite"):
                yield one, one
                return
            with AppClient(create_app(open_store(url), Options(token=OPERATOR)), base_url="http://localhost") as two:
                yield one, two

    def test_what_one_makes_the_other_accepts_and_what_one_revokes_ends_on_both(self, both):
        one, two = both
        made = one.post("/v1/tokens", json={"displayName": "x", "role": "viewer"}, headers=bearer(OPERATOR)).json()
        headers = bearer(made["secret"])
        assert two.get(f"{HERE}/studies", headers=headers).status_code == 200
        assert one.delete(f"/v1/{made['name']}", headers=bearer(OPERATOR)).status_code == 200
        assert one.get(f"{HERE}/studies", headers=headers).status_code == 401
        until = time.monotonic() + 60
        while two.get(f"{HERE}/studies", headers=headers).status_code == 200:
            assert time.monotonic() < until
            time.sleep(0.1)

    def test_the_last_use_is_kept(self, both):
        one, two = both
        made = one.post("/v1/tokens", json={"displayName": "x", "role": "viewer"}, headers=bearer(OPERATOR)).json()
        assert "useTime" not in made
        two.get(f"{HERE}/studies", headers=bearer(made["secret"])).raise_for_status()
        until = time.monotonic() + 60
        while "useTime" not in one.get("/v1/tokens", headers=bearer(OPERATOR)).json()["tokens"][0]:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_an_open_server_closes_for_good_with_its_first_operator(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    with AppClient(create_app(open_store(url)), base_url="http://localhost") as client:
        client.post("/v1/tokens", json={"displayName": "w", "role": "worker", "project": "p"}).raise_for_status()
        assert client.get(f"{HERE}/studies").status_code == 200
        made = client.post("/v1/tokens", json={"displayName": "me", "role": "operator"}).json()
        assert client.get(f"{HERE}/studies").status_code == 401
        assert client.delete(f"/v1/{made['name']}", headers=bearer(made["secret"])).status_code == 200
        assert client.get(f"{HERE}/studies").status_code == 401
    with AppClient(create_app(open_store(url)), base_url="http://localhost") as client:
        assert client.get(f"{HERE}/studies").status_code == 401
    with AppClient(create_app(open_store(url), Options(insecure=True))) as client:
        assert client.get(f"{HERE}/studies", headers={"host": "anywhere"}).status_code == 200


def test_another_secret_makes_tokens_worthless(tmp_path, caplog):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    with AppClient(create_app(open_store(url), Options(token=OPERATOR)), base_url="http://localhost") as client:
        body = {"displayName": "x", "role": "viewer", "project": ""}
        secret = client.post("/v1/tokens", json=body, headers=bearer(OPERATOR)).json()["secret"]
    other = Options(token=OPERATOR, secret="another secret of the server")
    with AppClient(create_app(open_store(url), other), base_url="http://localhost") as client:
        assert client.get(f"{HERE}/studies", headers=bearer(secret)).status_code == 401
        assert "1 tokens were created with another secret" in caplog.text
