"""What people do on the pages, in a real browser: filter, rename, archive, note, budgets, workers, and undo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.processes import ServerProcess
from tests.web import browser as browsers
from tests.web.browser import faults_for_all
from tests.web.filled import Filled

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(browsers.executable() is None, reason=browsers.MISSING),
]
S = "/studies/p/l"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = ServerProcess(tmp_path_factory.mktemp("steering")).start()
    yield server.url
    server.stop()


def notice(page: Page, words: str) -> None:
    expect(page.locator("#notice")).to_contain_text(words)


def undo(page: Page) -> None:
    page.locator("#notice").get_by_role("button", name="Undo").click()
    notice(page, "It is undone.")


def edit(page: Page, item: str) -> None:
    page.get_by_text("Edit", exact=True).click()
    page.get_by_role("button", name=item, exact=True).click()


def limits(api: Filled, study: str) -> dict[str, Any]:
    config: dict[str, Any] = api.get(f"/{study}")["studySpec"]["studyStoppingConfig"]
    return config


def test_a_study_is_renamed_noted_archived_and_all_is_undone(page: Page, api: Filled, study: str) -> None:
    page.goto(f"{S}/{study}")
    edit(page, "Rename")
    page.get_by_role("dialog").get_by_label("Name").fill("A better name")
    assert faults_for_all(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("A better name")
    undo(page)
    assert api.get(f"/{study}")["displayName"] == study
    edit(page, "Note and tags")
    page.get_by_label("Note", exact=True).fill("Look at the labels.")
    page.get_by_role("textbox", name="Tags").fill("paper,  draft ,paper")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Look at the labels.")
    assert api.get(f"/{study}")["metadata"]["dodona/tags"] == "paper,draft"
    edit(page, "Archive")
    notice(page, "archived")
    assert "archiveTime" in api.get(f"/{study}")
    undo(page)
    assert "archiveTime" not in api.get(f"/{study}")


def test_budgets_and_the_stopping_rule_are_changed(page: Page, api: Filled, study: str) -> None:
    before = {"maxNumTrials": 9, "minNumTrials": 2, "maxComputeDuration": "3600.000s"}
    api.post(f"/{study}:setBudget", {"studyStoppingConfig": before})
    page.goto(f"{S}/{study}")
    page.get_by_role("button", name="Budget").click()
    page.get_by_label("Maximum trials").fill("20")
    page.get_by_label("Maximum hours after its creation").fill("1.5")
    page.get_by_label("Maximum hours of compute").fill("40")
    page.get_by_label("Price of an hour of compute").fill("2.5")
    page.get_by_label("Maximum cost").fill("60")
    page.get_by_label("Minimum chance of a clear improvement").fill("0.05")
    page.get_by_role("button", name="Change").click()
    notice(page, "The budget is changed.")
    assert limits(api, study) == {
        "maxNumTrials": 20,
        "minNumTrials": 2,
        "maximumRuntimeConstraint": {"maxDuration": "5400.000s"},
        "maxComputeDuration": "144000.000s",
        "pricePerHour": 2.5,
        "maxCost": 60.0,
        "improvementUnlikely": 0.05,
    }
    undo(page)
    assert limits(api, study) == before
    edit(page, "Early stopping")
    page.get_by_label("Rule", exact=True).select_option(label="Median")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#settings")).to_contain_text("Median: a trial is stopped")


def test_the_wanted_workers_are_set_and_undone(page: Page, api: Filled, study: str) -> None:
    page.goto(f"{S}/{study}")
    edit(page, "Workers")
    page.get_by_label("Wanted workers").fill("4")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.locator("#summary")).to_contain_text("4 wanted")
    assert api.get(f"/{study}")["wantedWorkers"] == 4
    undo(page)
    assert "wantedWorkers" not in api.get(f"/{study}")


def test_pausing_and_queueing_are_undone(page: Page, api: Filled, study: str) -> None:
    page.goto(f"{S}/{study}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    notice(page, "The study is paused.")
    undo(page)
    assert api.get(f"/{study}")["state"] == "ACTIVE"
    page.get_by_role("button", name="Queue a trial").click()
    page.get_by_label("dropout").fill("0.5")
    page.get_by_role("button", name="Queue the trial").click()
    notice(page, "Trial 1 is queued.")
    undo(page)
    assert api.get(f"/{study}/trials/1") is None


def test_trials_are_filtered_sorted_and_shown_in_chosen_columns(page: Page, api: Filled, study: str) -> None:
    for _ in range(3):
        api.train(study, "worker-1", 1)
    page.goto(f"{S}/{study}")
    page.get_by_label("Filter of the trials").fill("trial > 1 and state == 'succeeded'")
    page.keyboard.press("Enter")
    expect(page.locator("#trials")).to_contain_text("2 trials match")
    page.locator("#trials").get_by_role("link", name="learning_rate").click()
    expect(page.locator("#trials [aria-sort]")).to_contain_text("learning_rate")
    assert "trial+%3E+1" in page.url
    page.get_by_text("Columns", exact=True).click()
    page.get_by_role("checkbox", name="dropout").uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("#trials th[title=dropout]")).to_have_count(0)
    expect(page.locator("#trials")).to_contain_text("2 trials match")


def test_ten_parameters_fit_on_a_screen(page: Page, api: Filled) -> None:
    api.wide()
    page.goto(f"{S}/wide")
    widths = page.evaluate(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.querySelector('#trials .scroll'))"
    )
    assert widths[0] <= widths[1]
    expect(page.locator("#trials thead th")).to_have_count(16)


def test_a_worker_is_stopped_and_resumed(page: Page, api: Filled, study: str) -> None:
    path, _ = api.start(study, "gpu-7")
    page.goto(f"/workers?study=p/l/{study}")
    page.get_by_role("button", name="Stop gpu-7 after its trial").click()
    notice(page, "gpu-7 finishes its trial")
    expect(page.locator("main")).to_contain_text("Stopping")
    undo(page)
    expect(page.locator("main")).to_contain_text("Running")
    page.get_by_role("button", name="Stop now: gpu-7").click()
    assert faults_for_all(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Stop it now").click()
    notice(page, "are queued again")
    assert api.get(path)["state"] == "REQUESTED"
    page.get_by_role("button", name="Resume gpu-7").click()
    notice(page, "gpu-7 gets trials again.")
    assert api.start(study, "gpu-7")[0] == path


def test_a_study_is_built_in_a_form_that_says_what_is_wrong(page: Page, api: Filled) -> None:
    page.goto("/new")
    page.get_by_label("Name").fill("built-here")
    page.get_by_label("Project").fill("p")
    page.get_by_label("Location").fill("l")
    page.get_by_role("button", name="Add a parameter").click()
    row = page.locator("#parameters .row").last
    row.get_by_role("textbox", name="Parameter").fill("momentum")
    row.get_by_label("Minimum").fill("0.9")
    row.get_by_label("Maximum").fill("0.5")
    most = row.get_by_label("Maximum")
    assert most.evaluate("one => one.validationMessage") == "This is less than the least value."
    most.fill("0.99")
    page.locator("#parameters .row").nth(1).get_by_role("button", name="Remove").click()
    page.get_by_label("Algorithm").select_option("RANDOM_SEARCH")
    page.get_by_label("Learn from").select_option("auto")
    assert faults_for_all(page) == []
    page.get_by_role("button", name="Create the study").click()
    page.wait_for_url(f"**{S}/*")
    made = api.get(f"/{page.url.rpartition('/')[2]}")["studySpec"]
    assert [one["parameterId"] for one in made["parameters"]] == ["learning_rate", "optimizer", "momentum"]
    assert made["parameters"][2]["doubleValueSpec"] == {"minValue": 0.9, "maxValue": 0.99}
    assert made["algorithm"] == "RANDOM_SEARCH"
    assert made["priorStudies"] == "auto"


def test_a_trial_is_noted_and_its_files_are_shown(page: Page, api: Filled, study: str) -> None:
    api.train(study, "worker-1", 2)
    page.goto(f"{S}/{study}/trials/1")
    page.get_by_role("button", name="Note and tags").click()
    page.get_by_label("Note", exact=True).fill("Jumps at the end.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("Jumps at the end.")
    undo(page)
    expect(page.locator("main")).not_to_contain_text("Jumps at the end.")


def test_the_stopping_rule_and_completion_are_undone(page: Page, api: Filled, study: str) -> None:
    api.post(f"/{study}:setStoppingRule", {"noProgressStoppingSpec": {"patience": 7}})
    page.goto(f"{S}/{study}")
    edit(page, "Early stopping")
    page.get_by_label("Rule", exact=True).select_option(label="Median")
    page.get_by_role("button", name="Change").click()
    notice(page, "The rule is changed.")
    assert "medianAutomatedStoppingSpec" in api.get(f"/{study}")["studySpec"]
    undo(page)
    spec = api.get(f"/{study}")["studySpec"]
    assert spec["noProgressStoppingSpec"]["patience"] == 7
    assert "medianAutomatedStoppingSpec" not in spec
    page.get_by_role("button", name="Complete").click()
    page.get_by_role("dialog").get_by_role("button", name="Complete").click()
    notice(page, "The study is completed.")
    assert api.get(f"/{study}")["state"] == "COMPLETED"
    undo(page)
    assert api.get(f"/{study}")["state"] == "ACTIVE"


def test_single_keys_act_are_listed_and_can_be_switched_off(page: Page, study: str) -> None:
    page.goto(f"{S}/{study}")
    page.keyboard.press("p")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Pause the study")
    # In a field and in a dialog they are only characters.
    page.keyboard.type("qb?")
    expect(dialog.get_by_label("Reason")).to_have_value("qb?")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("?")
    expect(dialog).to_contain_text("Queue a trial")
    assert faults_for_all(page) == []
    dialog.get_by_label("Use single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.reload()
    page.keyboard.press("p")
    page.keyboard.press("?")
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Shortcuts").click()
    dialog.get_by_label("Use single-key shortcuts").check()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("w")
    page.wait_for_url("**/workers")


def test_workers_and_the_server_follow_a_stream(page: Page, api: Filled, study: str) -> None:
    page.clock.install()
    for address in ("/workers", f"/workers?study=p/l/{study}", "/server"):
        with page.expect_response(lambda answer: answer.url.endswith("/changes")) as changes:
            page.goto(address)
        assert changes.value.status == 200
    page.goto(f"/workers?study=p/l/{study}")
    expect(page.locator("#workers")).to_contain_text("No worker is active")
    # The clock of the page stands still: only the stream can tell it.
    api.start(study)
    expect(page.locator("#workers")).to_contain_text("Running")


def test_a_webhook_is_made_tested_edited_and_deleted(page: Page) -> None:
    page.goto("/webhooks")
    page.get_by_role("button", name="Create a webhook").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("URL").fill("http://127.0.0.1:9/hook")
    dialog.get_by_label("Events").fill("STUDY_COMPLETED, STUDY_PAUSED")
    assert faults_for_all(page) == []
    dialog.get_by_role("button", name="Create", exact=True).click()
    expect(dialog).to_contain_text("whsec_")
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator("main")).to_contain_text("STUDY_COMPLETED, STUDY_PAUSED")
    # Its address is a private one, which the table says.
    page.get_by_role("button", name="Send a test").click()
    notice(page, "A test event was sent")
    expect(page.locator("main")).to_contain_text("is at the private address")
    page.get_by_role("button", name="Edit").click()
    expect(dialog.get_by_label("URL")).to_have_value("http://127.0.0.1:9/hook")
    expect(dialog.get_by_label("Events")).to_have_value("STUDY_COMPLETED, STUDY_PAUSED")
    dialog.get_by_label("Events").fill("")
    dialog.get_by_label("Format").select_option("SLACK")
    dialog.get_by_role("button", name="Change").click()
    expect(page.locator("main")).to_contain_text("all events")
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete the webhook").click()
    expect(page.locator("main")).to_contain_text("There are no webhooks yet.")


def test_the_form_builds_parameters_that_depend_on_others(page: Page, api: Filled) -> None:
    page.goto("/new")
    page.get_by_label("Name").fill("depends")
    page.get_by_label("Project").fill("p")
    page.get_by_label("Location").fill("l")
    page.get_by_role("button", name="Add a parameter").click()
    rows = page.locator("#parameters .row")
    rows.last.get_by_role("textbox", name="Parameter").fill("momentum")
    rows.last.get_by_label("Minimum").fill("0.5")
    rows.last.get_by_label("Maximum").fill("0.99")
    rows.last.get_by_label("Active").select_option(label="with optimizer")
    rows.last.get_by_label("with the values").fill("sgd")
    rows.first.get_by_label("Probably best near").fill("0.001, 0.003")
    rows.first.get_by_label("How sure").select_option(label="very")
    # A parameter that is renamed keeps those that depend on it.
    rows.nth(2).get_by_role("textbox", name="Parameter").fill("method")
    assert faults_for_all(page) == []
    # The JSON shows the same, and its rows are made from it.
    text = page.get_by_role("textbox", name="The same as JSON")
    spec = json.loads(text.input_value())
    spec["parameters"][0]["doubleValueSpec"]["defaultValue"] = 0.01
    text.fill(json.dumps(spec))
    expect(rows).to_have_count(4)
    expect(rows.last.get_by_label("with the values")).to_have_value("sgd")
    rows.last.get_by_label("Maximum").fill("0.9")
    page.get_by_role("button", name="Create the study").click()
    page.wait_for_url(f"**{S}/*")
    made = api.get(f"/{page.url.rpartition('/')[2]}")["studySpec"]["parameters"]
    assert [one["parameterId"] for one in made] == ["learning_rate", "layers", "method"]
    assert made[0]["doubleValueSpec"]["defaultValue"] == 0.01
    assert made[0]["prior"] == {"values": [0.001, 0.003], "sure": "VERY"}
    assert "prior" not in made[1]
    (child,) = made[2]["conditionalParameterSpecs"]
    assert child["parentCategoricalValues"] == {"values": ["sgd"]}
    assert child["parameterSpec"]["parameterId"] == "momentum"
    assert child["parameterSpec"]["doubleValueSpec"] == {"minValue": 0.5, "maxValue": 0.9}
