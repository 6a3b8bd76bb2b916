"""The pages in a real browser: what they look like to everyone, and how they follow the server."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from tests.web import browser as browsers
from tests.web.browser import PHONE, faults_for_all, refresh, says, send, watched
from tests.web.conftest import ROOT
from tests.web.filled import EVIL, SCRIPTS, Filled

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(browsers.executable() is None, reason=browsers.MISSING),
]
S = "/studies/p/l"
PAGES = [
    "/",
    "/workers",
    "/workers?all=yes&study=p/l/digits",
    "/server",
    f"{S}/wide?filter=val_accuracy+%3E+0.5&sort=parameters.momentum+desc",
    f"{S}/wide?filter=lr+%3C+1",
    f"{S}/wide/trials/3",
    f"{S}/wide/trials/3/files/table.csv",
    f"{S}/wide/trials/3/files/log.txt",
    f"{S}/wide/trials/3/files/plot.png",
    "/?q=nothing",
    "/new",
    f"{S}/empty",
    f"{S}/digits",
    f"{S}/digits/trials/5",
    f"{S}/digits/trials/25",
    f"{S}/ranker?metric=latency_ms&y=best",
    f"{S}/evil",
    f"{S}/evil/trials/3",
    f"{S}/scripts",
    f"{S}/scripts/trials/4",
    f"{S}/big",
    f"{S}/none",
]


def gone(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_have_count(0)


class TestBelowAPath:
    def test_everything_is_asked_for_below_it(self, page: Page, study: str) -> None:
        paths = []
        page.on("request", lambda request: paths.append(urlsplit(request.url).path))
        page.goto(f"{ROOT}/")
        page.get_by_role("link", name="Create a study").click()
        page.go_back()
        page.goto(f"{ROOT}{S}/{study}")
        send(page, "Pause", "Pause", Reason="a test")
        says(page, "Paused: a test")
        assert f"{ROOT}{S}/{study}/changes" in paths
        assert [path for path in paths if not path.startswith(f"{ROOT}/")] == []


class TestEveryPage:
    def test_is_for_everyone(self, browser: Browser, url: str) -> None:
        with watched(browser, url, expected=("404",)) as page:
            for path in PAGES:
                page.goto(path)
                expect(page.locator("h1")).to_be_visible()
                assert faults_for_all(page) == [], path

    def test_is_read_in_the_dark(self, browser: Browser, url: str) -> None:
        with watched(browser, url, color_scheme="dark") as page:
            for path in (
                "/",
                "/new",
                "/workers",
                "/server",
                f"{S}/digits",
                f"{S}/digits/trials/5",
                f"{S}/wide/trials/3",
            ):
                page.goto(path)
                assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 20)"
                assert faults_for_all(page, rules=["color-contrast"]) == [], path

    def test_fits_on_a_phone(self, browser: Browser, url: str) -> None:
        with watched(browser, url, expected=("404",), viewport=PHONE, is_mobile=True, has_touch=True) as page:
            for path in PAGES:
                page.goto(path)
                assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
                assert page.evaluate("innerWidth") == PHONE["width"], path

    def test_shows_all_columns_of_the_studies(self, browser: Browser, url: str) -> None:
        with watched(browser, url, viewport={"width": 1280, "height": 800}) as page:
            page.goto("/")
            page.locator("table.studies").wait_for()
            table = page.locator("#studies .scroll")
            assert table.evaluate("one => one.scrollWidth") == table.evaluate("one => one.clientWidth")

    def test_shows_names_as_they_are(self, page: Page) -> None:
        for path in (f"{S}/evil", f"{S}/evil/trials/1"):
            page.goto(path)
            says(page, EVIL)
        page.goto(f"{S}/scripts")
        says(page, SCRIPTS)
        page.goto(f"{S}/evil/trials/1")
        page.get_by_role("button", name="Clone").click()
        expect(page.get_by_role("dialog").get_by_label(EVIL).first).to_be_visible()
        assert faults_for_all(page) == []

    def test_has_dialogs_for_everyone(self, page: Page) -> None:
        page.goto(f"{S}/digits")
        for opener in ("Queue a trial", "Pause", "Complete", "Budget", "Delete"):
            page.get_by_role("button", name=opener, exact=True).click()
            assert faults_for_all(page) == [], opener
            page.keyboard.press("Escape")
            gone(page)

    def test_reads_well_without_a_script(self, browser: Browser, url: str) -> None:
        with watched(browser, url, java_script_enabled=False) as page:
            page.goto(f"{S}/digits")
            expect(page.get_by_role("heading", name="Digits")).to_be_visible()
            expect(page.get_by_role("button", name="Pause")).to_have_count(0)
            expect(page.locator("time").first).to_contain_text("UTC")
            page.get_by_role("link", name="Oldest").click()
            expect(page.locator(".trials tbody th").first).to_have_text("1")


class TestLive:
    def test_what_happens_is_shown_and_what_the_reader_opened_stays(self, page: Page, api: Filled, study: str) -> None:
        path, _ = api.start(study)
        page.goto(f"{S}/{study}")
        page.get_by_text("Connect a worker").click()
        row = page.locator("#running-1").element_handle()
        measurement = {"stepCount": 3, "metrics": [{"metricId": "val_accuracy", "value": 0.4375}]}
        api.post(f"{path}:addTrialMeasurement", {"measurement": measurement})
        refresh(page)
        expect(page.locator("#running-1")).to_contain_text("0.4375")
        assert row.evaluate("one => one.isConnected")  # changed in its place
        expect(page.get_by_text("client.get_study")).to_be_visible()
        api.finish(path, val_accuracy=0.8125)
        refresh(page)
        expect(page.locator("#best")).to_contain_text("0.8125")
        expect(page.locator("#running-1")).to_have_count(0)

    def test_a_page_follows_by_itself(self, page: Page, api: Filled, study: str) -> None:
        page.goto(f"{S}/{study}")
        api.start(study)
        expect(page.locator("#running-1")).to_be_visible()

    def test_an_answer_that_comes_after_a_later_one_is_not_shown(
        self, browser: Browser, url: str, api: Filled, study: str
    ) -> None:
        held: list[tuple[Route, APIResponse]] = []

        def hold_the_first(route: Route) -> None:
            if held:
                route.continue_()
            else:
                held.append((route, route.fetch()))

        with watched(browser, url, expected=("503",)) as page:
            # Nothing but the test has the page look at the server.
            page.route("**/changes", lambda route: route.fulfill(status=503))
            with page.expect_response("**/changes"):
                page.goto(f"{S}/{study}")
            page.route(f"**{S}/{study}", hold_the_first)
            refresh(page)
            while not held:
                page.wait_for_timeout(10)
            api.start(study)
            refresh(page)
            expect(page.locator("#running-1")).to_be_visible()
            (route, old), *_ = held
            with page.expect_response(f"**{S}/{study}"):
                route.fulfill(response=old)
            page.wait_for_timeout(300)
            assert page.locator("#running-1").is_visible()

    def test_a_server_that_does_not_answer_is_told_and_found_again(
        self, browser: Browser, url: str, study: str
    ) -> None:
        with watched(browser, url, expected=("ERR_FAILED",)) as page:
            page.goto(f"{S}/{study}")
            page.route("**/*", lambda route: route.abort())
            refresh(page)
            expect(page.locator("#status")).to_have_text("The server does not answer; trying again")
            send(page, "Pause", "Pause")
            expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Try again")
            page.unroute("**/*")
            page.get_by_role("dialog").get_by_role("button", name="Pause").click()
            gone(page)
            expect(page.locator("#status")).to_have_text("Live")

    def test_everything_is_reached_by_keyboard(self, page: Page, api: Filled, study: str) -> None:
        page.goto(f"{S}/{study}")
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to content")).to_be_focused()
        for _ in range(7):
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Pause", exact=True)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Reason")).to_be_focused()
        page.keyboard.type("by hand")
        page.keyboard.press("Enter")
        says(page, "Paused: by hand")
