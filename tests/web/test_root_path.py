"""The pages and addresses of a server below a path, behind a proxy that removes the path, or passes it on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodona_server.app import Options, create_app
from dodona_server.storage.schema.opening import open_store
from tests.support.app_client import AppClient
from tests.web.conftest import Site

ROOT = "/team/tuning"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The server below `ROOT`, with a study of two trials."""
    store = open_store(f"sqlite:///{tmp_path / 'site.db'}")
    app = create_app(store, Options(root_path=ROOT))
    with AppClient(app, base_url="http://localhost", headers={"Host": "localhost"}) as client:
        site = Site(client)
        site.create("s")
        site.add("s", 0.5)
        site.add("s", 0.7)
        yield site


# The report replays the stopping rule, in a process.
@pytest.mark.processes
def test_all_addresses_are_below_it(site):
    seen, left = set(), [ROOT + "/", ROOT + "/studies/p/l/s/trials/1", ROOT + "/docs"]
    while left:
        path = left.pop()
        seen.add(path)
        answer = site.client.get(path)
        assert answer.status_code == 200, path
        if answer.headers["content-type"].startswith("text/html"):
            found = re.findall(r"""(?:href|src|action)="([^"#]+)[^"]*\"""", answer.text)
            addresses = {one.replace("&amp;", "&").removeprefix("http://localhost") for one in found}
            addresses -= {one for one in addresses if one.startswith("data:")}
            assert all(one.startswith((ROOT + "/", "?")) for one in addresses), path
            left += [one for one in addresses if one.startswith(ROOT) and one not in {*seen, *left}]
    assert {ROOT + "/new", ROOT + "/studies/p/l/s", ROOT + "/studies/p/l/s/trials/2"} < seen


def test_the_path_may_be_removed_by_the_proxy(site):
    assert site.client.get("/studies/p/l/s").text == site.client.get(ROOT + "/studies/p/l/s").text
    assert site.client.get(ROOT).text == site.client.get("/").text
    # A path that only begins with the same letters is another one.
    assert site.client.get(ROOT + "s/").status_code == 404


def test_an_error_leads_back(site):
    answer = site.client.get("/nowhere", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert f'href="{ROOT}/"' in answer.text


def test_documents_name_it(site):
    discovery = site.client.get(f"{ROOT}/ml/discovery.json").json()
    assert discovery["rootUrl"] == f"http://localhost{ROOT}/ml/"
    assert f'"{ROOT}/openapi.json"' in site.client.get(ROOT + "/docs").text.replace("'", '"')


def test_calls_are_answered_below_it(site):
    path = f"{ROOT}/v1/projects/p/locations/l/studies"
    assert len(site.client.get(path).json()["studies"]) == 1
    (trial,) = site.client.post(f"{path}/s/trials:suggest", json={"clientId": "w", "suggestionCount": 1}).json()[
        "response"
    ]["trials"]
    assert site.client.get(f"{ROOT}/v1/{trial['name']}").json()["id"] == trial["id"]
