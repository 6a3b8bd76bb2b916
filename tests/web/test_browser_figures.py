"""The figures in a real browser: they are drawn, zoomed, selected in and saved, and follow the study."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.web import browser as browsers
from tests.web.browser import PHONE, faults_for_all, watched
from tests.web.filled import RATE, Filled

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(browsers.executable() is None, reason=browsers.MISSING),
]
S = "/studies/p/l"
ALL = ["history", "curves", "parallel", "contour", "slices", "rank", "edf", "timeline"]


def drawn(page: Page, kind: str) -> Locator:
    """A figure, once it is drawn."""
    place = page.locator(f"#{kind}-drawing")
    page.locator(f"#{kind}").scroll_into_view_if_needed()
    expect(place.locator("canvas").first).to_be_visible()
    return place


def state(page: Page) -> dict[str, str]:
    """What is chosen in the figures, as the address says."""
    found = parse_qs(urlsplit(page.url).query)
    return {name.removeprefix("fig."): values[0] for name, values in found.items() if name.startswith("fig.")}


def chosen(page: Page, **expected: str) -> None:
    """Waits until the address has these choices."""
    for name, value in expected.items():
        page.wait_for_function(
            "([name, value]) => new RegExp(value).test(new URLSearchParams(location.search).get(`fig.${name}`) ?? '')",
            arg=[name.replace("_", "."), value],
        )


def drag(page: Page, place: Locator, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """Drags between two places, as shares of the element."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    corners = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()


class TestFigures:
    def test_each_is_drawn_and_read_by_everyone(self, browser: Browser, url: str) -> None:
        with watched(browser, url, color_scheme="dark") as page:
            page.goto(f"{S}/digits")
            for kind in ALL:
                drawn(page, kind)
            expect(page.locator(".fallback:visible")).to_have_count(0)
            # The forest needs more trials, and says how many.
            page.locator("#importance").scroll_into_view_if_needed()
            expect(page.locator("#importance-note")).to_contain_text("more are needed")
            assert faults_for_all(page) == []
            label = page.locator("#history-drawing").get_attribute("aria-label")
            assert label is not None
            assert label.startswith("History")

    def test_several_objectives_have_a_front_and_its_hypervolume(self, page: Page) -> None:
        page.goto(f"{S}/ranker?metric=latency_ms")
        for kind in ("history", "pareto", "hypervolume"):
            drawn(page, kind)
        expect(page.locator("#pareto-note")).to_contain_text("on the Pareto front")
        page.get_by_label("x, Pareto front").select_option("latency_ms")
        assert state(page) == {"pareto.first": "latency_ms"}

    def test_a_study_of_100_000_trials_is_drawn(self, page: Page) -> None:
        page.goto(f"{S}/big")
        drawn(page, "history")
        expect(page.locator("#history-note")).to_contain_text("of 100,000 trials are drawn")

    def test_they_fit_on_a_phone(self, browser: Browser, url: str) -> None:
        with watched(browser, url, viewport=PHONE, is_mobile=True, has_touch=True) as page:
            page.goto(f"{S}/digits")
            for kind in ("history", "parallel", "slices", "timeline"):
                drawn(page, kind)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    def test_what_is_chosen_is_in_the_address_and_restored_by_it(self, page: Page) -> None:
        page.goto(f"{S}/digits")
        place = drawn(page, "history")
        page.get_by_label("By, History").select_option("compute time")
        page.get_by_label("Values, History").select_option("distance from the best")
        place.focus()
        page.keyboard.press("+")
        chosen(page, history_zoom=r"^15\.00-85\.00,15\.00-85\.00$")
        page.keyboard.press("ArrowRight")
        chosen(page, history_zoom=r"^25\.50-95\.50")
        expect(page.get_by_label("Reset zoom, History")).to_be_visible()
        page.get_by_role("link", name="Oldest").click()
        page.wait_for_url("**order=oldest**")
        drawn(page, "history")
        assert state(page)["history.by"] == "compute"
        expect(page.get_by_label("Values, History")).to_have_value("gap")
        page.get_by_label("Reset zoom, History").click()
        chosen(page, history_zoom="^$")
        assert state(page) == {"history.by": "compute", "history.scale": "gap"}

    def test_a_rectangle_is_zoomed_into(self, page: Page) -> None:
        page.goto(f"{S}/digits")
        place = drawn(page, "history")
        page.get_by_label("Zoom into a rectangle, History").click()
        drag(page, place, (0.3, 0.3), (0.7, 0.6))
        chosen(page, history_zoom=r"\d+-\d")
        (across, up) = state(page)["history.zoom"].split(",")
        for axis in (across, up):
            start, end = map(float, axis.split("-"))
            assert 10 < end - start < 80

    def test_brushed_trials_are_selected_everywhere(self, page: Page) -> None:
        page.goto(f"{S}/digits")
        place = drawn(page, "parallel")
        box = place.bounding_box()
        assert box is not None
        # The upper part of the last axis: the best trials.
        right = (box["width"] - 70) / box["width"]
        drag(page, place, (right, 0.13), (right, 0.3))
        selected = page.locator("#selected")
        expect(selected).to_be_visible()
        # The selection follows the pointer; its last move may be drawn after the drag.
        seen = None
        while seen != (seen := state(page)["trials"]):
            page.wait_for_timeout(1000)
        numbers = seen.split(",")
        assert 1 <= len(numbers) < 24
        # The table has the selected trials alone; its filter is that of the axis.
        expect(page.get_by_label("Filter of the trials")).to_have_value(
            re.compile(r"<= metrics\[\"val_accuracy\"\] <=")
        )
        rows, marked = page.locator(".trials tbody tr[id^=trial-]"), page.locator(".trials tr[data-kept-selected]")
        expect(rows).to_have_count(len(numbers))
        expect(marked).to_have_count(len(numbers))
        page.reload()
        expect(selected).to_contain_text(f"{len(numbers)} selected")
        selected.get_by_role("button", name="Clear").click()
        expect(selected).to_be_hidden()
        expect(marked).to_have_count(0)
        expect(rows).to_have_count(25)

    def test_a_figure_is_saved(self, page: Page) -> None:
        page.goto(f"{S}/digits")
        drawn(page, "history")
        for kind, begins in (("PNG picture", b"\x89PNG"), ("SVG drawing", b"<svg"), ("CSV table", b"trial,")):
            page.get_by_label("Save, History").click()
            with page.expect_download() as download:
                page.locator("#history").get_by_role("button", name=kind).click()
            content = download.value.path().read_bytes()
            assert content.startswith(begins)
            assert len(content) > 500
            assert download.value.suggested_filename == f"digits-history.{kind[:3].lower()}"

    def test_they_follow_the_study_and_keep_the_zoom(self, page: Page, api: Filled) -> None:
        api.create("followed", parameters=[RATE])
        page.goto(f"{S}/followed")
        api.finish(api.start("followed")[0], val_accuracy=0.5)
        # The first result brings the figures.
        place = drawn(page, "history")
        place.focus()
        page.keyboard.press("+")
        chosen(page, history_zoom="15")
        canvas = place.locator("canvas").first.element_handle()
        with page.expect_response(re.compile("figures/history")):
            api.finish(api.start("followed")[0], val_accuracy=0.75)
        expect(page.locator("#best")).to_contain_text("0.75")
        assert canvas.evaluate("one => one.isConnected")
        expect(place).to_be_focused()
        assert state(page)["history.zoom"].startswith("15")

    def test_a_refused_stream_is_replaced_by_looking_now_and_then(
        self, browser: Browser, url: str, api: Filled
    ) -> None:
        api.create("unfollowed", parameters=[RATE])
        with watched(browser, url, expected=("503",)) as page:
            page.clock.install()
            page.route("**/changes", lambda route: route.fulfill(status=503))
            with page.expect_response("**/changes"):
                page.goto(f"{S}/unfollowed")
            api.start("unfollowed")
            page.clock.run_for(6000)
            expect(page.locator("#running-1")).to_be_visible()


def test_studies_are_ticked_and_compared(page: Page, api: Filled) -> None:
    for name in ("ticked-one", "ticked-two"):
        api.create(name, parameters=[RATE])
        api.finish(api.start(name)[0], val_accuracy=0.5)
    page.goto("/?q=ticked")
    for name in ("ticked-one", "ticked-two"):
        page.get_by_label(f"Compare {name}").check()
    api.create("ticked-three", parameters=[RATE])
    # The list is fetched again, and what is ticked stays ticked.
    expect(page.get_by_label("Compare ticked-three")).to_be_visible()
    page.get_by_role("button", name="Compare the selected studies").click()
    page.wait_for_url("**/compare?study=**")
    drawn(page, "compare")
    expect(page.locator("#compared thead a")).to_have_text(["ticked-two", "ticked-one"])
    page.get_by_label("By, Best so far").select_option("compute time")
    assert state(page) == {"compare.by": "compute"}
    assert faults_for_all(page) == []
