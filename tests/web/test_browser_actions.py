"""What the buttons of studies and of trials do in a real browser, and how somebody signs in with a token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.processes import ServerProcess
from tests.web import browser as browsers
from tests.web.browser import says, send, watched
from tests.web.filled import BIG, RATE, Filled

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(browsers.executable() is None, reason=browsers.MISSING),
]
TOKEN = "a long random secret"
S = "/studies/p/l"


class TestStudies:
    def test_a_study_is_paused_resumed_and_completed(self, page: Page, api: Filled, study: str) -> None:
        page.goto(f"{S}/{study}")
        send(page, "Pause", "Pause", Reason="the cluster is down")
        says(page, "Paused: the cluster is down")
        assert api.get(f"/{study}")["inactiveReason"] == "the cluster is down"
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
        assert api.get(f"/{study}")["state"] == "ACTIVE"
        send(page, "Complete", "Complete")
        expect(page.get_by_role("button", name="Complete", exact=True)).to_have_count(0)
        assert api.get(f"/{study}")["state"] == "COMPLETED"

    def test_a_refusal_is_said_beside_the_button(self, browser: Browser, url: str, api: Filled, study: str) -> None:
        api.post(f"/{study}:setMaxTrials", {"maxNumTrials": 1})
        api.finish(api.start(study)[0], val_accuracy=0.5)
        with watched(browser, url, expected=("400",)) as page:
            page.goto(f"{S}/{study}")
            page.get_by_role("button", name="Resume").click()
            expect(page.get_by_role("alert")).to_contain_text("its budget is used up")
            send(page, "Budget", "Change", **{"Maximum trials": "0"})
            assert page.locator("#max-trials:invalid").count() == 1
            page.get_by_label("Maximum trials").fill("5")
            page.get_by_role("button", name="Change").click()
            says(page, "1 of 5 trials finished")
            expect(page.locator("#max-trials")).to_have_attribute("value", "5")
            expect(page.locator("h1")).to_contain_text("Active")
            expect(page.locator("#status")).to_have_text("Live")

    def test_a_study_is_deleted_by_its_name(self, page: Page, api: Filled, study: str) -> None:
        page.goto(f"{S}/{study}")
        typed = "Type the id of the study"
        send(page, "Delete", "Delete the study", **{typed: "digits"})
        assert page.locator("#typed:invalid").count() == 1
        page.get_by_label(typed).fill(study)
        page.get_by_role("button", name="Delete the study").click()
        page.wait_for_url("**/")
        assert api.get(f"/{study}") is None
        page.get_by_role("link", name="Deleted studies").click()
        page.get_by_role("button", name="Restore").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Restore").click()
        page.wait_for_url(f"**{S}/{study}")
        assert api.get(f"/{study}") is not None

    def test_a_study_is_created_and_wrong_json_is_told_as_one_types(
        self, browser: Browser, url: str, api: Filled
    ) -> None:
        with watched(browser, url, expected=("400",)) as page:
            page.goto("/new")
            state, spec = page.locator("#spec-state"), page.locator("#spec")
            expect(state).to_have_text("1 metric, 3 parameters.")
            spec.fill('{"metrics": [}')
            expect(state).to_contain_text("This is not JSON")
            spec.fill('{"metrics": [{"metricId": "loss"}], "parameters": [{"parameterId": "x"}]}')
            expect(state).to_contain_text("parameters: x needs a doubleValueSpec")
            spec.fill('{"metrics": [{"metricId": "loss"}], "algorithm": "MAGIC"}')
            page.get_by_label("Name").fill("Made here")
            page.get_by_label("Project").fill("p")
            page.get_by_label("Location").fill("l")
            page.get_by_label("Maximum trials").fill("7")
            page.get_by_role("button", name="Create the study").click()
            expect(page.get_by_role("alert")).to_contain_text("MAGIC")
            spec.fill('{"metrics": [{"metricId": "loss"}], "algorithm": "TPE"}')
            page.get_by_role("button", name="Create the study").click()
            page.wait_for_url(f"**{S}/*")
            says(page, "0 of 7 trials finished")
            says(page, "TPE")

    def test_exports_are_on_the_page(self, page: Page) -> None:
        page.goto(f"{S}/digits")
        page.get_by_text("Export").click()
        for name, ending in (("CSV", "csv"), ("Parquet", "parquet"), ("JSON lines", "jsonl")):
            with page.expect_download() as download:
                page.get_by_role("link", name=name, exact=True).click()
            assert download.value.suggested_filename == f"digits.{ending}"
            assert download.value.path().stat().st_size > 500

    def test_studies_are_searched(self, page: Page) -> None:
        page.goto("/")
        page.get_by_label("Name or path").fill("RANK")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=RANK**")
        expect(page.locator(".studies tbody th")).to_have_count(1)
        expect(page.locator(".studies tbody th")).to_contain_text("Ranker: quality and latency")


class TestTrials:
    def test_a_trial_is_queued_with_the_fields_that_are_active(self, page: Page, api: Filled, study: str) -> None:
        page.goto(f"{S}/{study}")
        page.get_by_role("button", name="Queue a trial").first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("momentum")).to_be_hidden()
        dialog.get_by_label("learning_rate").fill("0.5")
        dialog.get_by_role("button", name="Queue the trial").click()
        assert dialog.locator("input:invalid").count() == 1
        dialog.get_by_label("learning_rate").fill("0.02")
        dialog.get_by_label("units").select_option("64")
        dialog.get_by_label("optimizer").select_option("sgd")
        dialog.get_by_label("momentum").fill("0.75")
        dialog.get_by_role("button", name="Queue the trial").click()
        expect(page.locator("#notice")).to_contain_text("Trial 1 is queued.")
        says(page, "1 queued")
        wanted = {"learning_rate": 0.02, "layers": 2, "units": 64, "optimizer": "sgd", "momentum": 0.75}
        assert values(api.get(f"/{study}/trials/1")) == wanted
        page.get_by_role("button", name="Queue a trial").first.click()
        dialog.get_by_label("Copy the values of trial").fill("1")
        page.keyboard.press("Enter")
        expect(dialog.get_by_label("momentum")).to_have_value("0.75")
        dialog.get_by_label("optimizer").select_option("adam")
        expect(dialog.get_by_label("momentum")).to_be_hidden()
        dialog.get_by_role("button", name="Queue the trial").click()
        expect(page.locator("#notice")).to_contain_text("Trial 2 is queued.")
        del wanted["momentum"]
        assert values(api.get(f"/{study}/trials/2")) == wanted | {"optimizer": "adam"}

    def test_a_trial_that_was_run_elsewhere_is_added_with_its_result(self, page: Page, api: Filled) -> None:
        api.create("elsewhere", parameters=[RATE])
        page.goto(f"{S}/elsewhere")
        page.get_by_role("button", name="Queue a trial").first.click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("learning_rate").fill("0.01")
        dialog.get_by_label("It has already run").check()
        dialog.get_by_label("val_accuracy").fill("0.875")
        dialog.get_by_role("button", name="Queue the trial").click()
        says(page, "1 succeeded")
        assert api.get("/elsewhere/trials/1")["finalMeasurement"]["metrics"] == [
            {"metricId": "val_accuracy", "value": 0.875}
        ]

    def test_a_running_trial_is_stopped_from_its_row(self, page: Page, api: Filled, study: str) -> None:
        api.start(study, "one")
        api.start(study, "two")
        page.goto(f"{S}/{study}")
        page.get_by_role("button", name="Stop trial 2").click()
        expect(page.get_by_role("dialog")).to_contain_text("The worker of trial 2 is asked")
        page.get_by_role("dialog").get_by_role("button", name="Stop the trial").click()
        expect(page.locator("#running-2")).to_contain_text("Stopping")
        assert [api.get(f"/{study}/trials/{number}")["state"] for number in (1, 2)] == ["ACTIVE", "STOPPING"]

    def test_a_trial_is_stopped_and_gets_its_result_on_its_page(self, page: Page, api: Filled, study: str) -> None:
        path, _ = api.start(study)
        page.goto("/studies/p/l" + path)
        send(page, "Stop", "Stop the trial")
        expect(page.locator("h1")).to_contain_text("Stopping")
        send(page, "Add its result", "Add the result", val_accuracy="0.625")
        expect(page.locator("h1")).to_contain_text("Stopped early")
        says(page, "0.625")
        send(page, "Delete", "Delete the trial")
        page.wait_for_url(f"**{S}/{study}")
        assert api.get(path) is None

    def test_an_infeasible_trial_is_retried_and_cloned(self, page: Page, api: Filled, study: str) -> None:
        path, given = api.start(study)
        api.post(f"{path}:complete", {"trialInfeasible": True, "infeasibleReason": "out of memory"})
        page.goto("/studies/p/l" + path)
        page.get_by_role("button", name="Retry").click()
        expect(page.locator("#notice")).to_contain_text("Trial 2 is queued with the same values.")
        assert values(api.get(f"/{study}/trials/2")) == given
        send(page, "Clone", "Queue the trial", learning_rate="0.05")
        expect(page.locator("#notice")).to_contain_text("Trial 3 is queued.")
        assert values(api.get(f"/{study}/trials/3")) == given | {"learning_rate": 0.05}
        page.locator("#notice").get_by_role("link").click()
        expect(page.locator("h1")).to_contain_text("Trial 3")

    def test_any_of_100_000_trials_is_reached(self, page: Page) -> None:
        page.goto(f"{S}/big")
        first = page.locator(".trials tbody tr").first
        expect(first).to_contain_text(str(BIG))
        page.get_by_role("link", name="Next page").click()
        expect(first).to_contain_text(str(BIG - 25))
        page.get_by_label("from trial").fill("4711")
        page.keyboard.press("Enter")
        expect(first).to_contain_text("4711")
        page.get_by_role("link", name="failed").click()
        expect(first).to_contain_text(str(BIG - 5000 + 7))
        page.get_by_role("link", name="Worst").click()
        expect(first).to_contain_text("0.99999")


@pytest.fixture
def guarded(tmp_path: Any) -> Iterator[str]:
    """The address of a server with a token."""
    server = ServerProcess(tmp_path, DODONA_TOKEN=TOKEN).start()
    api = Filled(server.url, TOKEN)
    api.create("secret")
    api.close()
    yield server.url
    server.stop()


def test_whoever_signed_in_with_a_token_can_act_until_they_sign_out(browser: Browser, guarded: str) -> None:
    with watched(browser, guarded, expected=("401",)) as page:
        page.goto(f"{S}/secret")
        for token in ("a wrong one of no use", TOKEN):
            page.get_by_label("Password or token").fill(token)
            page.get_by_role("button", name="Sign in").click()
            if token != TOKEN:
                expect(page.get_by_role("alert")).to_contain_text("the token is not this server's")
        send(page, "Pause", "Pause")
        expect(page.get_by_role("button", name="Resume")).to_be_visible()
        expect(page.locator("h1")).to_contain_text("Paused")
        page.goto("/access")
        page.get_by_role("button", name="Create a token").click()
        page.get_by_label("Name", exact=False).first.fill("for a worker")
        page.get_by_label("Role").first.select_option("worker")
        page.get_by_role("button", name="Create", exact=True).click()
        expect(page.locator("[data-secret]")).to_contain_text("dod_")
        page.get_by_role("button", name="Done").click()
        expect(page.get_by_role("row").filter(has_text="for a worker")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def values(trial: dict[str, Any]) -> dict[str, Any]:
    return {one["parameterId"]: one["value"] for one in trial["parameters"]}
