"""`priorStudies: "auto"`: the server finds earlier studies of the project, and says which ones count for how much."""

from __future__ import annotations

import pytest


def number(name, low=0, high=1):
    return {"parameterId": name, "doubleValueSpec": {"minValue": low, "maxValue": high}}


GP = {"algorithm": "GP_BANDIT", "parameters": [number("x"), number("y")], "priorStudies": "auto"}


@pytest.fixture
def spec(spec):
    return {**spec, **GP}


def earlier(api, spec, name, trials=10, **changes):
    """A finished study, whose loss is least at x = y = 0.3."""
    given = {**spec, "algorithm": "RANDOM_SEARCH", "priorStudies": [], **changes}
    api.post("/studies", {"studyId": name, "studySpec": given})
    for index in range(trials):
        x, y = (index * 0.37) % 0.8, (index * 0.61) % 1
        named = zip(given["parameters"], (x, y), strict=True)
        values = [{"parameterId": one["parameterId"], "value": value} for one, value in named]
        loss = (x - 0.3) ** 2 + (y - 0.3) ** 2
        final = {"metrics": [{"metricId": given["metrics"][0]["metricId"], "value": loss}]}
        body = {"parameters": values, "state": "SUCCEEDED", "finalMeasurement": final}
        api.post(f"/studies/{name}/trials", body)


def found(api, study="s"):
    known = api.get(f"/studies/{study}").get("priorStudies", [])
    return [(one["name"].rpartition("/")[2], one["similarity"], one["trialCount"]) for one in known]


def complete(api, trial, loss):
    final = {"metrics": [{"metricId": "loss", "value": loss}]}
    path = trial["name"].partition("/studies/")[2]
    api.post(f"/studies/{path}:complete", {"finalMeasurement": final})


def test_the_most_similar_studies_of_the_project_are_found(api, spec, make_study):
    earlier(api, spec, "narrow", parameters=[number("x", 0, 0.8), number("y")])
    earlier(api, spec, "same", trials=12)
    earlier(api, spec, "young", trials=9)
    earlier(api, spec, "other-goal", metrics=[{"metricId": "loss", "goal": "MAXIMIZE"}])
    earlier(api, spec, "other-names", parameters=[number("a"), number("b")])
    make_study()
    assert found(api) == [("same", 1.0, 12), ("narrow", pytest.approx(0.9), 10)]
    kept = api.get("/studies/s")["studySpec"]
    assert kept["priorStudies"] == "auto"
    named = [f"projects/p/locations/l/studies/{name}" for name in ("same", "narrow")]
    assert kept["transferLearningConfig"] == {"disableTransferLearning": False, "priorStudyNames": named}
    events = [(one["kind"], one["detail"]) for one in api.get("/studies/s/events")["events"]]
    assert ("PRIOR_STUDIES_FOUND", "same (similarity 1.00), narrow (similarity 0.90)") in events


def test_studies_of_other_projects_are_not_found(api, spec, make_study):
    body = {"studyId": "elsewhere", "studySpec": {**spec, "priorStudies": []}}
    other = "/v1/projects/q/locations/l/studies"
    assert api.client.post(other, json=body).status_code == 200
    values = [{"parameterId": name, "value": 0.5} for name in ("x", "y")]
    final = {"metrics": [{"metricId": "loss", "value": 1.0}]}
    for _ in range(12):
        done = {"parameters": values, "state": "SUCCEEDED", "finalMeasurement": final}
        assert api.client.post(f"{other}/elsewhere/trials", json=done).status_code == 200
    make_study()
    assert found(api) == []
    # Who names it learns from it, but this study says nothing of it.
    whole = "projects/q/locations/l/studies/elsewhere"
    api.post("/studies", {"studyId": "names", "studySpec": {**spec, "priorStudies": [whole]}})
    assert api.get("/studies/names")["priorStudies"] == [{"name": whole}]


@pytest.mark.processes
def test_the_search_begins_with_what_was_found_and_says_how_much_it_counts(api, spec, make_study):
    earlier(api, spec, "same", trials=40)
    make_study()
    assert "weight" not in api.get("/studies/s")["priorStudies"][0]
    for _ in range(8):
        (trial,) = api.suggest()
        at = {one["parameterId"]: one["value"] for one in trial["parameters"]}
        complete(api, trial, (at["x"] - 0.3) ** 2 + (at["y"] - 0.3) ** 2)
    assert 0 < api.get("/studies/s")["priorStudies"][0]["weight"] <= 1
    assert 0 < api.post("/studies:lookup", {"displayName": "s"})["priorStudies"][0]["weight"] <= 1


def test_a_script_that_creates_the_study_again_finds_it_whatever_was_found(api, spec, make_study):
    make_study()
    assert found(api) == []
    earlier(api, spec, "late")
    make_study()
    assert found(api) == []
    refused = api.refused("/studies", {"studyId": "s", "studySpec": {**spec, "priorStudies": []}}, "ALREADY_EXISTS")
    assert "autoPriorStudies" in refused


def test_a_study_whose_space_grows_looks_again(api, spec, make_study):
    earlier(api, spec, "same")
    make_study(parameters=[])
    assert found(api) == []
    api.post("/studies/s:addParameters", {"parameters": spec["parameters"]})
    assert found(api) == [("same", 1.0, 10)]
    assert "PRIOR_STUDIES_FOUND" in [one["kind"] for one in api.get("/studies/s/events")["events"]]


def test_an_algorithm_that_learns_from_no_other_study_finds_none(api, spec, make_study):
    earlier(api, spec, "same")
    make_study(algorithm="TPE")
    assert found(api) == []


def test_a_deleted_study_is_left_out(api, spec, make_study):
    earlier(api, spec, "same")
    make_study()
    api.delete("/studies/same")
    assert found(api) == []
    (trial,) = api.suggest()
    assert trial["state"] == "ACTIVE"


@pytest.mark.parametrize(
    ("fields", "auto"),
    [
        ({"transferLearningConfig": {}}, True),
        ({"transferLearningConfig": {"disableTransferLearning": False}, "priorStudies": "auto"}, True),
        ({"transferLearningConfig": {"disableTransferLearning": True}}, False),
        ({"transferLearningConfig": {"disableTransferLearning": True}, "priorStudies": "off"}, False),
        ({"priorStudies": "off"}, False),
        ({}, False),
    ],
)
def test_v1beta1_says_the_same_by_its_own_field(api, spec, fields, auto):
    rest = {key: value for key, value in spec.items() if key != "priorStudies"}
    made = api.post("/studies", {"studyId": "s", "studySpec": {**rest, **fields}})["studySpec"]
    assert made["priorStudies"] == ("auto" if auto else [])
    assert ("transferLearningConfig" in made) is auto
    # What the server answers is a request for the same.
    again = api.post("/studies", {"studyId": "s", "studySpec": made})["studySpec"]
    assert again == made


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"priorStudies": "always"}, "priorStudies"),
        ({"priorStudies": 7}, "priorStudies"),
        ({"priorStudies": ["a", 7]}, "priorStudies"),
        (
            {"priorStudies": "auto", "transferLearningConfig": {"disableTransferLearning": True}},
            "studySpec.priorStudies: is 'auto', but transferLearningConfig.disableTransferLearning is true",
        ),
        ({"priorStudies": ["a"], "transferLearningConfig": {}}, "studySpec.priorStudies: is ['a'], but"),
        ({"priorStudies": "off", "transferLearningConfig": {}}, "studySpec.priorStudies: is 'off', but"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(api, spec, fields, problem):
    assert problem in api.refused("/studies", {"studyId": "s", "studySpec": {**spec, **fields}})


def test_the_page_names_them(api, spec, make_study):
    earlier(api, spec, "same")
    make_study()
    page = api.client.get("/studies/p/l/s").text
    assert "similarity 1.00, 10 results, no model yet" in page
