"""Calls that report the curves of trials, and the reason why a rule stopped one."""

from __future__ import annotations

MEDIAN = {"medianAutomatedStoppingSpec": {}}


def measurement(value, step, seconds=None, metric="loss"):
    timed = {} if seconds is None else {"elapsedDuration": f"{seconds}s"}
    return {"stepCount": step, "metrics": [{"metricId": metric, "value": value}], **timed}


def start(api, client="w"):
    """The path of a new ACTIVE trial."""
    return f"/studies/s/trials/{api.suggest(client=client)[0]['id']}"


def report(api, trial, value, step, **more):
    """The state in the answer to a report."""
    return api.post(f"{trial}:addTrialMeasurement", {"measurement": measurement(value, step, **more)})["state"]


def run(api, values, **more):
    """Report a whole curve and complete the trial; return the states in the answers, and the trial's path."""
    trial = start(api)
    states = [report(api, trial, value, step, **more) for step, value in enumerate(values, 1)]
    api.post(f"{trial}:complete")
    return states, trial


def reason(api, trial):
    """The reason in the trial's metadata and in the only event of its stop."""
    events = api.get("/studies/s/events?pageSize=1000")["events"]
    (event,) = [one for one in events if one["kind"] == "TRIAL_STOPPING" and one["trial"] == trial.rpartition("/")[2]]
    assert api.get(trial)["metadata"]["stopping/reason"] == event["detail"]
    return event["detail"]
