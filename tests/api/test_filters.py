"""Trials by any condition and in any order, over HTTP on both databases."""

from __future__ import annotations

import urllib.parse

import pytest

EVIL = """a"b'c\\d$.[0] -- %"""


@pytest.fixture
def study(api, make_study):
    """A study with trials of all states: 1 to 4 succeeded, 5 failed, 6 runs."""
    make_study(
        parameters=[
            {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}},
            {"parameterId": EVIL, "doubleValueSpec": {"minValue": 0, "maxValue": 9}},
            {"parameterId": "kind", "categoricalValueSpec": {"values": ["a", "b", "10"]}},
        ]
    )
    for index, (loss, kind) in enumerate(((0.4, "a"), (0.1, "b"), (0.3, "10"), (0.2, "a")), start=1):
        add(api, index, kind, state="SUCCEEDED", finalMeasurement={"metrics": [{"metricId": "loss", "value": loss}]})
    add(api, 5, "b", state="INFEASIBLE", infeasibleReason="Out of memory: 100%")
    api.suggest(client="gpu-1", leaseDuration="60s", heldTrials=[])


def add(api, index, kind, **more):
    values = {"x": index / 10, EVIL: index, "kind": kind}
    parameters = [{"parameterId": name, "value": value} for name, value in values.items()]
    api.post("/studies/s/trials", {"parameters": parameters, **more})


def found(api, text, **more):
    query = urllib.parse.urlencode({"filter": text, **more})
    return [int(one["id"]) for one in api.get(f"/studies/s/trials?{query}")["trials"]]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("x > 0.15 and loss < 0.3", [2, 4]),
        ("0.1 <= loss <= 0.2 or trial == 1", [1, 2, 4]),
        ("not loss < 0.3", [1, 3]),
        ("state == 'infeasible'", [5]),
        ("state == 'Failed'", [5]),
        ("state in ['ACTIVE', 'infeasible']", [5, 6]),
        ("kind == 'a' and trial < 6", [1, 4]),
        ("kind not in ['a', 'b'] and trial < 6", [3]),
        ("kind == '10' and trial < 6", [3]),
        ("'100%' in reason", [5]),
        ("'OF MEMORY' in reason", [5]),
        ("'10_%' in reason", []),
        ("worker == 'gpu-1'", [6]),
        (f"parameters[{EVIL!r}] >= 3 and trial < 6", [3, 4, 5]),
        ("x * 10 == trial", [1, 2, 3, 4, 5]),
        ("loss / 0 > 1", []),
        ("created > '2020-01-01' and ended > '2020-01-01'", [1, 2, 3, 4, 5]),
        ("stopped", []),
        ("objective < 0.2", [2]),
    ],
)
def test_trials_that_match(api, study, text, numbers):
    assert found(api, text) == numbers


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        ("objective", [2, 4, 3, 1]),
        ("loss desc", [1, 3, 4, 2]),
        ("kind", [3, 1, 4, 2]),
        ("x desc", [4, 3, 2, 1]),
    ],
)
def test_trials_in_order(api, study, order, numbers):
    assert found(api, "state == 'succeeded'", orderBy=order) == numbers


def test_trials_without_a_value_come_last(api, study):
    assert found(api, "trial > 3", orderBy="loss") == [4, 5, 6]
    assert found(api, "trial > 3", orderBy="loss desc") == [4, 5, 6]


def test_pages_follow_each_other(api, study):
    query = urllib.parse.urlencode({"filter": "trial > 1", "orderBy": "x desc", "pageSize": 2})
    first = api.get(f"/studies/s/trials?{query}&view=BASIC")
    token = urllib.parse.quote(first["nextPageToken"])
    second = api.get(f"/studies/s/trials?{query}&pageToken={token}")
    assert len({one["id"] for one in first["trials"] + second["trials"]}) == 4
    other = api.get(f"/studies/s/trials?filter=trial>2&pageToken={token}", 400)["error"]["message"]
    assert "not a token of this list" in other


def test_tags_and_notes_are_columns(api, study):
    api.post(
        "/studies/s/trials/2:updateMetadata", {"metadata": {"dodona/tags": "good,to_do", "dodona/note": "Look here"}}
    )
    assert found(api, "'good' in tags") == [2]
    assert found(api, "'goo' in tags") == []
    assert found(api, "'to%' in tags") == []
    assert found(api, "'look' in note") == [2]
    (trial,) = api.get("/studies/s/trials?filter='good'+in+tags")["trials"]
    assert trial["metadata"]["dodona/note"] == "Look here"


def test_a_wrong_filter_is_named(api, study):
    error = api.get("/studies/s/trials?filter=lr<1", 400)["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert error["message"].startswith("filter: 'lr' at character 1 is not a column; the columns are trial, state")
    assert "orderBy: there is no column 'lr'" in api.get("/studies/s/trials?orderBy=lr", 400)["error"]["message"]
