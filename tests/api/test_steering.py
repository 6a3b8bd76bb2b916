"""What people change of a study: its name, its budget, its stopping rule, the archive."""

from __future__ import annotations

import pytest


def create(api, spec, name, study_id=None):
    body = {"displayName": name, "studySpec": spec, **({"studyId": study_id} if study_id else {})}
    return api.post("/studies", body)


def kinds(api):
    return [one["kind"] for one in api.get("/studies/s/events")["events"]]


def test_a_renamed_study_is_found_by_both_names(api, spec):
    made = create(api, spec, "first name", "s")
    assert api.post("/studies/s:rename", {"displayName": "second"})["displayName"] == "second"
    for name in ("second", "first name"):
        assert api.post("/studies:lookup", {"displayName": name})["name"] == made["name"]
    assert create(api, spec, "first name")["name"] == made["name"]
    assert kinds(api) == ["STUDY_CREATED", "STUDY_RENAMED"]


def test_a_name_that_another_study_has_is_refused(api, spec, study):
    create(api, spec, "other", "other")
    assert "'other' already" in api.refused("/studies/s:rename", {"displayName": "other"}, "ALREADY_EXISTS")
    assert "displayName" in api.refused("/studies/s:rename", {"displayName": ""})


def test_scripts_that_create_a_changed_study_again_find_it(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 3})
    api.post("/studies/s:setBudget", {"studyStoppingConfig": {"maxNumTrials": 9, "maxFailedTrials": 2}})
    api.post("/studies/s:setStoppingRule", {"medianAutomatedStoppingSpec": {}})
    make_study(studyStoppingConfig={"maxNumTrials": 3})
    spec = api.get("/studies/s")["studySpec"]
    assert spec["studyStoppingConfig"] == {"maxNumTrials": 9, "maxFailedTrials": 2}
    assert "medianAutomatedStoppingSpec" in spec


def test_a_budget_is_replaced_as_a_whole(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 3, "maxFailedTrials": 1})
    changed = api.post(
        "/studies/s:setBudget", {"studyStoppingConfig": {"maximumRuntimeConstraint": {"maxDuration": "3600s"}}}
    )
    assert changed["studySpec"]["studyStoppingConfig"] == {"maximumRuntimeConstraint": {"maxDuration": "3600.000s"}}
    assert "studyStoppingConfig" not in api.post("/studies/s:setBudget", {})["studySpec"]
    wrong = {"studyStoppingConfig": {"maxNumTrials": -1}}
    assert "studyStoppingConfig.maxNumTrials" in api.refused("/studies/s:setBudget", wrong)


def test_a_time_budget_of_a_running_study_holds(api, make_study):
    make_study()
    api.post("/studies/s:setBudget", {"studyStoppingConfig": {"maximumRuntimeConstraint": {"maxDuration": "0s"}}})
    assert api.get("/studies/s")["state"] == "COMPLETED"


def test_a_completed_study_goes_on_when_the_limit_that_ended_it_is_gone(api, make_study):
    make_study(studyStoppingConfig={"maxFailedTrials": 1})
    api.suggest()
    api.post("/studies/s/trials/1:complete", {"trialInfeasible": True})
    assert api.get("/studies/s")["state"] == "COMPLETED"
    assert api.post("/studies/s:setBudget", {"studyStoppingConfig": {"maxFailedTrials": 5}})["state"] == "ACTIVE"


def test_a_study_that_was_completed_by_hand_stays_so(api, make_study):
    make_study(studyStoppingConfig={"maxNumTrials": 9})
    api.post("/studies/s:complete")
    less = {"studyStoppingConfig": {"maxNumTrials": 9, "maxFailedTrials": 5}}
    assert api.post("/studies/s:setBudget", less)["state"] == "COMPLETED"


def report(api, trial, step, value):
    measurement = {"stepCount": step, "metrics": [{"metricId": "loss", "value": value}]}
    return api.post(f"/studies/s/trials/{trial}:addTrialMeasurement", {"measurement": measurement})["state"]


def test_a_rule_that_comes_later_knows_the_curves_before(api, study):
    for trial in range(1, 6):
        api.suggest(client=f"w{trial}")
        for step in (1, 2, 3, 4):
            report(api, trial, step, 0.5)
        api.post(f"/studies/s/trials/{trial}:complete")
    api.suggest(client="bad")
    assert [report(api, 6, step, 9.0) for step in (1, 2, 3)] == ["ACTIVE"] * 3
    api.post("/studies/s:setStoppingRule", {"medianAutomatedStoppingSpec": {}})
    assert report(api, 6, 4, 9.0) == "STOPPING"


def test_without_a_rule_no_trial_is_stopped_any_more(api, make_study):
    make_study(noProgressStoppingSpec={"patience": 1})
    spec = api.post("/studies/s:setStoppingRule", {})["studySpec"]
    assert "noProgressStoppingSpec" not in spec
    api.suggest()
    assert [report(api, 1, step, 0.5) for step in range(1, 6)] == ["ACTIVE"] * 5


def test_two_rules_are_refused(api, study):
    two = {"medianAutomatedStoppingSpec": {}, "automaticStoppingSpec": {}}
    assert "only one" in api.refused("/studies/s:setStoppingRule", two)


def test_the_wanted_workers_are_set_and_removed(api, study):
    assert "wantedWorkers" not in api.get("/studies/s")
    for count in (3, 0):
        assert api.post("/studies/s:setWantedWorkers", {"wantedWorkers": count})["wantedWorkers"] == count
        assert api.get("/studies/s")["wantedWorkers"] == count
    assert "wantedWorkers" not in api.post("/studies/s:setWantedWorkers", {})
    assert kinds(api) == ["STUDY_CREATED"] + ["WANTED_WORKERS_CHANGED"] * 3


@pytest.mark.parametrize("count", [-1, 100_001])
def test_a_number_of_workers_out_of_range_is_refused(api, study, count):
    assert f"wantedWorkers: {count} is not from 0 to 100000" in api.refused(
        "/studies/s:setWantedWorkers", {"wantedWorkers": count}
    )


def test_a_study_counts_its_trials(api, study):
    assert api.get("/studies/s")["trialCount"] == "0"
    api.suggest()
    assert api.get("/studies/s")["trialCount"] == "1"
    api.delete("/studies/s/trials/1")
    assert api.get("/studies/s")["trialCount"] == "0"


@pytest.mark.parametrize("times", [1, 2])
def test_a_study_is_archived_and_taken_out_again(api, study, times):
    for _ in range(times):
        assert "archiveTime" in api.post("/studies/s:archive")
    assert "archiveTime" in api.get("/studies/s")
    for _ in range(times):
        assert "archiveTime" not in api.post("/studies/s:unarchive")
    assert kinds(api) == ["STUDY_CREATED", "STUDY_ARCHIVED", "STUDY_UNARCHIVED"]
