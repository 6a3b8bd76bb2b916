"""The pages show the buttons that the role of the signed-in person allows, by the table of calls and roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dodona_server.app import Options, create_app
from dodona_server.domain.access.roles import RULES, Role
from dodona_server.storage.schema.opening import open_store
from tests.support.app_client import AppClient
from tests.web.conftest import Page, Site

OPERATOR = "the token of the settings"
# The call behind each button, by the page and the id of the dialog that the button opens.
BUTTONS = {
    "/studies/p/l/s": {
        "queue": "create_trial",
        "pause": "pause_study",
        "complete": "complete_study",
        "budget": "set_budget",
        "rename": "rename_study",
        "rule": "set_stopping_rule",
        "delete": "delete_study",
        "stop": "stop_trial",
    },
    "/studies/p/l/s/trials/1": {
        "stop": "stop_trial",
        "complete": "complete_trial",
        "queue": "create_trial",
        "notes": "update_trial_metadata",
        "delete": "delete_trial",
    },
    "/workers": {"stop-now": "stop_worker"},
    "/deleted": {"undelete": "undelete_study", "purge": "purge_study"},
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppClient]:
    folder: Path = tmp_path_factory.mktemp("allowed")
    app = create_app(open_store(f"sqlite:///{folder / 'site.db'}"), Options(token=OPERATOR))
    headers = {"Host": "localhost", "Authorization": f"Bearer {OPERATOR}"}
    with AppClient(app, base_url="http://localhost", headers=headers) as client:
        site = Site(client)
        site.create("s")
        site.start("s")
        site.create("gone")
        client.delete("/v1/projects/p/locations/l/studies/gone").raise_for_status()
        yield client


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.ADMIN])
def test_a_page_has_the_buttons_of_the_role_alone(guarded: AppClient, role: Role) -> None:
    body = {"displayName": role.value, "role": role.value, "project": "p"}
    headers = {"Authorization": f"Bearer {guarded.post('/v1/tokens', json=body).json()['secret']}"}
    for path, calls in BUTTONS.items():
        answer = guarded.get(path, headers=headers)
        assert answer.status_code == 200
        shown = {one["data-opens"] for one in Page(answer).all("button") if "data-opens" in one}
        assert shown & calls.keys() == {opens for opens, call in calls.items() if role in RULES[call].roles}
    links = {one.get("href") for one in Page(guarded.get("/", headers=headers)).all("a")}
    assert ("/new" in links) == (role in RULES["new_study"].roles)
    assert ("/access" in links) == (role in RULES["access_page"].roles)
    assert "/server" not in links
