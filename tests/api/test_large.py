"""Large requests and answers: they are what small ones are, in pages and pieces, and hold nobody else up for long."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from dodona_server.api.front.read import MAX_DEPTH, MAX_ELEMENTS, MAX_OBJECTS
from dodona_server.domain.metadata import WrittenMetadata
from dodona_server.domain.reasons import MAX_REASON_LENGTH
from dodona_server.storage.engine.paging import PAGE_BYTES
from tests.api.conftest import HERE

ML = "/ml/v1/projects/p/locations/l"
PARAMETERS = 200
# Three trials with so much do not fit on a page, two do.
METADATA = {f"key {number}": '"\\é\n' * 4_000 for number in range(PAGE_BYTES // 70_000)}


@pytest.fixture
def wide(make_study) -> str:
    """A study of many parameters."""
    return make_study(
        parameters=[
            {"parameterId": f"p{number}", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
            for number in range(PARAMETERS)
        ]
    )


def pages(api, path, field):
    """The entries of each page of a list."""
    separator, token, found = "&" if "?" in path else "?", "", []
    while True:
        page = api.get(f"{path}{separator}pageToken={token}")
        found.append(page.get(field, []))
        token = page.get("nextPageToken", "")
        if not token:
            return found


def measurement(step, value=0.5):
    return {"measurement": {"stepCount": step, "metrics": [{"metricId": "loss", "value": value}]}}


def test_a_page_of_trials_with_large_metadata_is_cut_and_nothing_is_lost(api, study):
    api.suggest(count=5)
    for number in range(1, 6):
        api.post(f"{study}/trials/{number}:updateMetadata", {"metadata": METADATA})
    found = pages(api, f"{study}/trials?pageSize=1000", "trials")
    assert [trial["id"] for page in found for trial in page] == ["1", "2", "3", "4", "5"]
    assert len(found) > 1
    assert all(trial["metadata"] == METADATA for page in found for trial in page)
    # Unless pages are asked for, there is one list of all.
    assert api.get(f"{study}/trials")["trials"] == [trial for page in found for trial in page]
    assert api.get(f"{study}/trials/3")["metadata"] == METADATA
    assert api.post(f"{study}/trials/3:heartbeat", {"attempt": 1})["metadata"] == METADATA
    # One more entry, and one less: the others are as they were.
    changed = api.post(f"{study}/trials/3:updateMetadata", {"metadata": {"key 0": "", "new": "x"}})["metadata"]
    assert changed == {name: value for name, value in {**METADATA, "new": "x"}.items() if name != "key 0"}
    assert api.get(f"{study}/trials/3")["metadata"] == changed


def test_the_ranking_and_the_best_of_them_are_whole_too(api, study):
    api.suggest(count=5)
    for number in range(1, 6):
        api.post(f"{study}/trials/{number}:updateMetadata", {"metadata": METADATA})
        api.post(f"{study}/trials/{number}:complete", {"finalMeasurement": measurement(1)["measurement"]})
    ranked = pages(api, f"{study}/trials?orderBy=objective&pageSize=1000", "trials")
    assert [trial["id"] for page in ranked for trial in page] == ["1", "2", "3", "4", "5"]
    assert len(ranked) > 1
    best = api.post(f"{study}/trials:listOptimalTrials")["optimalTrials"]
    assert best == [trial for page in ranked for trial in page]


def test_tables_show_no_metadata(api, study):
    api.suggest(count=3)
    for number in range(1, 4):
        api.post(f"{study}/trials/{number}:updateMetadata", {"metadata": METADATA})
    text = api.client.get(f"{HERE}{study}:export?format=csv").text
    assert [row["number"] for row in csv.DictReader(io.StringIO(text))] == ["1", "2", "3"]
    lines = api.client.get(f"{HERE}{study}:export?format=jsonl").text.splitlines()
    assert [json.loads(line)["metadata"] for line in lines] == [METADATA] * 3
    for page in ("/studies/p/l/s", "/studies/p/l/s/trials/1"):
        assert api.client.get(page).status_code == 200


def test_studies_with_large_metadata_come_in_pages(api, spec):
    names = [f"s{number}" for number in range(5)]
    for name in names:
        api.post("/studies", {"studyId": name, "studySpec": spec, "metadata": METADATA})
    found = pages(api, "/studies?pageSize=1000", "studies")
    assert [study["displayName"] for page in found for study in page] == names
    assert len(found) > 1
    assert all(study["metadata"] == METADATA for page in found for study in page)
    ml = api.client.get(f"{ML}/studies").json()["studies"]
    assert [study["name"].rpartition("/")[2] for study in ml] == names
    assert api.client.get("/").text.count("/studies/p/l/s") >= len(names)


def test_events_with_long_details_come_in_pages(api, study):
    reason = "\U0001f600" * MAX_REASON_LENGTH
    count = PAGE_BYTES // len(reason.encode()) + 2
    for _ in range(count):
        failed = {"parameters": [{"parameterId": "x", "value": 0.5}], "state": "INFEASIBLE", "infeasibleReason": reason}
        api.post(f"{study}/trials", failed)
    seen: list[dict[str, Any]] = []
    calls = 0
    while page := api.get(f"{study}/events?after={seen[-1]['number'] if seen else 0}").get("events"):
        seen += page
        calls += 1
    assert [event["kind"] for event in seen][1:] == ["TRIAL_INFEASIBLE"] * count
    assert calls > 1


def test_many_values_in_one_suggestion_are_those_of_several(api, wide):
    handed = api.suggest(count=50)
    assert [trial["id"] for trial in handed] == [str(number) for number in range(1, 51)]
    assert all(len(trial["parameters"]) == PARAMETERS for trial in handed)
    assert api.get(f"{wide}/trials?pageSize=1000")["trials"] == handed
    (one,) = api.suggest(client="another")
    assert api.get(f"{wide}/trials/51") == one
    (operation, _) = api.get("/operations")["operations"]
    assert operation["response"]["trials"] == handed
    assert api.get(f"/operations/{operation['name'].rpartition('/')[2]}") == operation
    listed = api.client.get(f"{ML}/studies/s/trials").json()["trials"]
    assert [len(trial["parameters"]) for trial in listed] == [PARAMETERS] * 51


def test_a_large_suggestion_is_made_in_parts_between_which_others_write(api, wide):
    """Others wait for a transaction, so that there are several; a call that is sent again gets the same."""
    api.post(f"{wide}:setMaxTrials", {"maxNumTrials": 300})
    api.post(f"{wide}/trials", {"parameters": [{"parameterId": f"p{n}", "value": 0.5} for n in range(PARAMETERS)]})
    asked = {"clientId": "w", "suggestionCount": 400, "requestId": "once"}
    first = api.post(f"{wide}/trials:suggest", asked)
    trials = first["response"]["trials"]
    assert [trial["id"] for trial in trials] == [str(number) for number in range(1, 301)]
    assert {trial["state"] for trial in trials} == {"ACTIVE"}
    assert len({trial["startTime"] for trial in trials}) > 2
    assert len({json.dumps(trial["parameters"]) for trial in trials}) == 300
    assert api.post(f"{wide}/trials:suggest", asked) == first
    assert api.get(first["name"].removeprefix(HERE[len("/v1/") :]))["response"]["trials"] == trials
    # Who comes back without having heard the answer gets what was made for it.
    again = api.suggest(count=400)
    assert [trial["id"] for trial in again] == [trial["id"] for trial in trials]


def test_enums_are_numbers_in_long_answers_too(api, wide):
    api.suggest(count=50)
    for path in (f"{wide}/trials", f"{wide}/trials?pageSize=50", f"{wide}/trials/1"):
        separator = "&" if "?" in path else "?"
        answer = api.get(f"{path}{separator}$alt=json;enum-encoding=int")
        assert {trial["state"] for trial in answer.get("trials", [answer])} == {2}


def test_operations_come_in_pages_of_so_many_trials(api, study):
    for worker in range(3):
        api.suggest(client=f"w{worker}", count=600)
    found = pages(api, "/operations?pageSize=1000", "operations")
    assert [len(page) for page in found] == [1, 1, 1]
    assert [len(page[0]["response"]["trials"]) for page in found] == [600, 600, 600]


def test_a_trial_with_many_measurements_has_them_all(api, study):
    api.suggest()
    for begin in range(0, 3000, 1000):
        reports = [{"trial": "1", **measurement(step)} for step in range(begin + 1, begin + 1001)]
        # The full view has the trial a thousand times, each time with all that was measured so far.
        api.post(f"{study}/trials:report?view=BASIC", {"reports": reports})
    expected = [str(step) for step in range(1, 3001)]
    for trial in (api.get(f"{study}/trials/1"), api.get(f"{study}/trials")["trials"][0]):
        assert [one["stepCount"] for one in trial["measurements"]] == expected
        assert trial["measurements"][0]["metrics"] == [{"metricId": "loss", "value": 0.5}]
    ml = api.client.get(f"{ML}/studies/s/trials/1").json()
    assert [one["stepCount"] for one in ml["measurements"]] == expected


TOO_MANY = f"more than {MAX_ELEMENTS} elements"
TOO_MANY_OBJECTS = f"more than {MAX_OBJECTS} objects"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b'{"x":[' + b"[]," * MAX_ELEMENTS + b"[]]}", TOO_MANY),
        (b'{"x":[' + b"{}," * MAX_ELEMENTS + b"{}]}", TOO_MANY),
        (b'{"x":[' + b"{}," * MAX_OBJECTS + b"{}]}", TOO_MANY_OBJECTS),
        (b'{"x":[' + b'"\\"",' * MAX_ELEMENTS + b"1]}", TOO_MANY),
        (b'{"x":[' + b"1," * MAX_ELEMENTS + b"1]}", TOO_MANY),
        (b'{"x":' + b"[" * (MAX_ELEMENTS + 2), TOO_MANY),
        (b'{"x":' + b"[" * 500 + b"]" * 500 + b"}", f"nested more than {MAX_DEPTH} levels deep"),
        (b'{"x":"' + b"," * MAX_ELEMENTS, "not JSON"),
    ],
    ids=[
        "lists",
        "many objects",
        "objects",
        "texts",
        "numbers",
        "nested beyond all",
        "nested",
        "a text that does not end",
    ],
)
@pytest.mark.parametrize("verb", [":complete", ":stop"])
def test_json_of_too_many_elements_is_refused(api, study, body, problem, verb):
    api.suggest()
    refused = api.client.post(f"{HERE}{study}/trials/1{verb}", content=body)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert problem in error["message"]
    assert api.get(f"{study}/trials/1")["state"] == "ACTIVE"


@pytest.mark.parametrize(
    "text",
    [
        "," * (2 * MAX_ELEMENTS),
        '[{,"' * MAX_ELEMENTS,
        "{" * (2 * MAX_OBJECTS),
        "\\" * MAX_ELEMENTS + '",' * MAX_ELEMENTS,
    ],
)
def test_what_stands_in_a_text_is_no_element(api, study, text):
    api.suggest()
    body = {"trialInfeasible": True, "infeasibleReason": text}
    kept = api.post(f"{study}/trials/1:complete", body)["infeasibleReason"]
    assert kept[:1000] == text[:1000]  # the rest is left out of so long a reason


def test_metadata_that_stay_text_are_not_parsed_to_see_whether_there_are_any():
    assert WrittenMetadata("no JSON")
    assert not WrittenMetadata("{}")


def test_no_list_or_map_is_looked_through_behind_its_first_fault(api, study):
    many = {"parameters": [{"parameterId": 1}] * 49_000}
    assert "parameters[0].parameterId: " in api.refused(f"{study}/trials", many)
    assert "metadata: " in api.refused(f"{study}/trials", {"metadata": {str(n): "x" for n in range(50_000)}})


def test_a_study_of_many_names_is_a_legal_study(api, spec):
    names = [f"name {number}" for number in range(100)]
    parameters = [{"parameterId": f"c{number}", "categoricalValueSpec": {"values": names}} for number in range(1000)]
    api.post("/studies", {"studyId": "s", "studySpec": {**spec, "parameters": parameters}})
    (trial,) = api.suggest()
    assert {one["value"] for one in trial["parameters"]} <= set(names)
    assert api.get("/studies/s")["studySpec"]["parameters"][999]["categoricalValueSpec"]["values"] == names
