"""The whole server in process, and what is read off its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page as BrowserPage

from dodona_server.app import create_app
from dodona_server.storage.schema.opening import open_store
from tests.support.app_client import AppClient
from tests.support.processes import ServerProcess
from tests.web import browser as browsers
from tests.web.filled import Filled, add_big_study

VOID = {"meta", "link", "img", "br", "input", "wbr"}
INLINE = {"a", "b", "code", "small", "span", "strong", "time"}
# Their text is no part of what a page shows at first.
APART = {"dialog", "noscript", "script"}
# The pages have this path in their addresses; requests may have it or not.
ROOT = "/tuning"
ACCURACY = {"metricId": "val_accuracy", "goal": "MAXIMIZE"}
RATE = {"parameterId": "learning_rate", "doubleValueSpec": {"minValue": 0.00001, "maxValue": 0.1}}


class Page(HTMLParser):
    """A page's elements with their attributes and its text; fails where elements do not nest."""

    def __init__(self, response: httpx.Response, site: Site | None = None) -> None:
        super().__init__()
        self.site = site
        self.response = response
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(response.text)
        assert not self._open
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.text += "" if tag in INLINE else " "

    def handle_data(self, data: str) -> None:
        self.text += "" if APART.intersection(self._open) else data

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of all such elements; `attributes` must be among them."""
        return [found for name, found in self.elements if name == tag and attributes.items() <= found.items()]

    @property
    def listed(self) -> list[int]:
        """The numbers of the trials in the table of trials, in order."""
        rows = [found["id"] for found in self.all("tr") if "id" in found]
        return [int(row.removeprefix("trial-")) for row in rows if row.startswith("trial-")]

    @property
    def next_page(self) -> Any:
        """The next page of trials; None if this is the last one."""
        links = self.all("a", rel="next")
        return self.site.page(links[0]["href"]) if links and self.site else None

    @property
    def live(self) -> bool:
        """Whether the page refreshes itself."""
        return "hidden" not in self.all("span", id="status")[0]


class Site:
    """The server: its API to fill it and its pages to look at."""

    def __init__(self, client: AppClient) -> None:
        self.client = client

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """What the API answers at a path below the location."""
        response = self.client.post(f"/v1/projects/p/locations/l/studies{path}", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def create(self, study_id: str, max_trials: int | None = None, **more: Any) -> None:
        """Creates a study of one metric and one parameter, but for what `more` says of its spec and name."""
        name = more.pop("display_name", study_id)
        spec = {"metrics": [ACCURACY], "parameters": [RATE], "algorithm": "RANDOM_SEARCH", **more}
        if max_trials:
            spec["studyStoppingConfig"] = {"maxNumTrials": max_trials}
        self.post("", {"studyId": study_id, "displayName": name, "studySpec": spec})

    def start(self, study_id: str, client_id: str = "worker-1") -> str:
        """Hands out a trial; the answer is its path below the studies."""
        body = {"clientId": client_id, "suggestionCount": 1}
        (trial,) = self.post(f"/{study_id}/trials:suggest", body)["response"]["trials"]
        return f"/{study_id}/trials/{trial['id']}"

    def finish(self, trial: str, **metrics: float) -> None:
        """Completes a trial with that result."""
        final = {"metrics": [{"metricId": name, "value": value} for name, value in metrics.items()]}
        self.post(f"{trial}:complete", {"finalMeasurement": final})

    def add(self, study_id: str, value: float, rate: float = 0.01) -> None:
        """Adds a trial that was run elsewhere."""
        parameters = [{"parameterId": "learning_rate", "value": rate}]
        final = {"metrics": [{"metricId": "val_accuracy", "value": value}]}
        body = {"state": "SUCCEEDED", "parameters": parameters, "finalMeasurement": final}
        self.post(f"/{study_id}/trials", body)

    def page(self, path: str, code: int = 200) -> Page:
        """The page at a path."""
        response = self.client.get(path)
        assert response.status_code == code, response.text
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        return Page(response, self)

    def study(self, study_id: str) -> Page:
        """A study's page."""
        return self.page(f"/studies/p/l/{study_id}")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The server on an empty database."""
    store = open_store(f"sqlite:///{tmp_path / 'site.db'}")
    with AppClient(create_app(store), base_url="http://localhost", headers={"Host": "localhost"}) as client:
        yield Site(client)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with studies of all kinds."""
    folder = tmp_path_factory.mktemp("browser")
    add_big_study(folder / "dodona.db")
    server = ServerProcess(folder, DODONA_ROOT_PATH=ROOT).start()
    filled = Filled(server.url)
    filled.fill()
    filled.close()
    yield server.url
    server.stop()


@pytest.fixture
def api(url: str) -> Iterator[Filled]:
    filled = Filled(url)
    yield filled
    filled.close()


@pytest.fixture
def study(api: Filled, request: pytest.FixtureRequest) -> str:
    """The id of a new study of this test."""
    study_id = re.sub("[^a-z]+", "-", request.node.name.lower()).strip("-")[:60]
    api.create(study_id)
    return study_id


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[BrowserPage]:
    with browsers.watched(browser, url) as page:
        yield page
