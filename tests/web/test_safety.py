"""Pages show text from strangers and run nothing of it."""

from __future__ import annotations

import pytest

from tests.web.conftest import Page, Site
from tests.web.filled import EVIL


@pytest.fixture
def paths(site: Site) -> list[str]:
    """The paths of pages that show `EVIL` wherever a client can put it."""
    parameter = {"parameterId": EVIL, "categoricalValueSpec": {"values": [EVIL, EVIL * 2]}}
    site.create("evil", display_name=EVIL, metrics=[{"metricId": EVIL, "goal": "MINIMIZE"}], parameters=[parameter])
    first = site.start("evil", EVIL)
    metric = {"metrics": [{"metricId": EVIL, "value": 1.5}]}
    site.post(f"{first}:addTrialMeasurement", {"measurement": metric})
    site.post(f"{first}:complete", {"finalMeasurement": metric})
    second = site.start("evil", EVIL)
    site.post(f"{second}:complete", {"trialInfeasible": True, "infeasibleReason": EVIL})
    return ["/", "/studies/p/l/evil", f"/studies/p/l{first}", f"/studies/p/l{second}", "/studies/p/l/%3Cscript%3E"]


def get(site: Site, path: str) -> Page:
    return Page(site.client.get(path))


def test_what_strangers_write_is_shown_as_text(site: Site, paths: list[str]) -> None:
    for path in paths:
        page = get(site, path)
        assert "<script>" not in page.response.text
        assert "<img src=x" not in page.response.text
        assert "1492554063" not in page.text
        assert all("src" in found for found in page.all("script"))
        if path != paths[-1]:
            assert EVIL in page.text
    assert get(site, paths[1]).text.count(EVIL) > 8


def test_marks_that_turn_text_around_are_seen(site: Site) -> None:
    name = "a\u202egnp.exe\u2066\u200f\u061c\u200b\u2028\ufeff\u0085"
    kept = "\u05d0\u05d1 \u0645\u06cc\u200c\u062e \U0001f468\u200d\U0001f469"  # letters, and what joins them
    parameter = {"parameterId": name, "categoricalValueSpec": {"values": [name]}}
    site.create("evil", display_name=name + kept, metrics=[{"metricId": name}], parameters=[parameter])
    trial = site.start("evil", name)
    site.post(f"{trial}:complete", {"trialInfeasible": True, "infeasibleReason": name})
    for path in ("/", "/studies/p/l/evil", f"/studies/p/l{trial}"):
        page = get(site, path)
        assert not set(name[1:]) - set("gnp.exe") & set(page.response.text)
        assert kept in page.response.text
        assert "a[U+202E]gnp.exe[U+2066][U+200F][U+061C][U+200B][U+2028][U+FEFF][U+0085]" in page.text
    assert get(site, f"/studies/p/l{trial}").text.count("[U+202E]") >= 4


def test_pages_run_and_load_only_what_the_server_has(site: Site, paths: list[str]) -> None:
    for path in paths:
        page = get(site, path)
        for _, attributes in page.elements:
            assert not [name for name in attributes if name.startswith("on") or name == "style"]
            assert all(attributes.get(name, "/").startswith(("/", "#")) for name in ("src", "href", "action"))


def test_every_page_forbids_the_rest(site: Site, paths: list[str]) -> None:
    for path in paths:
        headers = site.client.get(path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["img-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["form-action"] == "'self'"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "private, no-cache"


def test_every_element_that_is_named_is_there_once(site: Site, paths: list[str]) -> None:
    for path in paths:
        page = get(site, path)
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert all(found in ids for _, found in _references(page))


def _references(page: Page) -> list[tuple[str, str]]:
    return [
        (name, attributes[key])
        for name, attributes in page.elements
        for key in ("aria-labelledby", "for", "data-opens", "data-shows")
        if key in attributes
    ]


def test_without_a_token_pages_are_shown_under_local_names_alone(site: Site) -> None:
    assert site.client.get("/", headers={"Host": "evil.example"}).status_code == 403
