"""What the stored databases hold, as a server of that time wrote it; never changed once it is released."""

from __future__ import annotations

from typing import Any

_SPEC_0001 = (
    '{"metrics":[{"id":"loss","goal":"MINIMIZE","safety":null}],"space":{"parameters":[{"id":"x","kind":'
    '{"min_value":0.0,"max_value":1.0,"scale":"LINEAR","default_value":null,"type":"double"},"branches":[]}]},'
    '"algorithm":"RANDOM_SEARCH","noise":"UNSPECIFIED","selection":"LAST","stopping":{"max_num_trials":20}}'
)
_STUDY_0001 = {
    "project": "p",
    "location": "l",
    "study_id": "s",
    "display_name": "the s",
    "spec": _SPEC_0001,
    "seed": 7,
    "state": "ACTIVE",
    "inactive_reason": "",
    "create_time": 1000.5,
    # Seven were made, the last of them was deleted.
    "next_trial_number": 8,
    "trial_count": 6,
    "revision": 2,
    "metadata": '{"owner":"ada"}',
}
_TRIAL_0001 = {
    "study_key": 1,
    "parameters": '{"x":0.25}',
    "client_id": "",
    "attempt": 1,
    "request_id": None,
    "create_time": 1001.0,
    "start_time": 1001.0,
    "end_time": None,
    "objective": None,
    "final_measurement": None,
    "infeasible_reason": "",
    "metadata": "{}",
}
_SUCCEEDED_0001 = {"state": "SUCCEEDED", "client_id": "w1", "end_time": 1002.0}

ROWS: dict[str, dict[str, list[dict[str, Any]]]] = {
    "0001": {
        "studies": [
            _STUDY_0001,
            {**_STUDY_0001, "study_id": "paused", "display_name": "paused", "state": "INACTIVE", "trial_count": 0}
            | {"inactive_reason": "lunch", "next_trial_number": 1},
        ],
        "trials": [
            {**_TRIAL_0001, **_SUCCEEDED_0001, "number": 1, "objective": 0.5}
            | {"final_measurement": '[2,20.0,{"loss":0.5,"acc":"NaN"}]', "metadata": '{"tag":"first"}'},
            {**_TRIAL_0001, "number": 2, "state": "INFEASIBLE", "client_id": "w1", "end_time": 1003.0}
            | {"infeasible_reason": "out of memory"},
            {**_TRIAL_0001, "number": 3, "state": "ACTIVE", "client_id": "w1"},
            {**_TRIAL_0001, "number": 4, "state": "STOPPING", "client_id": "w2"},
            {**_TRIAL_0001, "number": 5, "state": "REQUESTED", "start_time": None, "request_id": "r5"}
            | {"parameters": '{"x":1.0}'},
            {
                **_TRIAL_0001,
                **_SUCCEEDED_0001,
                "number": 6,
                "objective": 0.25,
                "final_measurement": '[0,3.5,{"loss":0.25}]',
            },
        ],
        "measurements": [
            {"study_key": 1, "number": number, "attempt": 1, "step": step, "tick": tick}
            | {"elapsed_seconds": seconds, "metrics": metrics}
            for number, step, tick, seconds, metrics in (
                (1, 1, 0, 10.0, '{"loss":"Infinity"}'),
                (1, 2, 0, 20.0, '{"loss":0.5,"acc":"NaN"}'),
                (3, 1, 0, 10.0, '{"loss":0.75}'),
                (4, 0, 1500, 1.5, '{"loss":0.875}'),
            )
        ],
        "operations": [
            {"operation_id": operation_id, "study_key": 1, "client_id": client_id, "request_id": request_id}
            | {"trial_numbers": numbers, "study_state": "ACTIVE", "create_time": 1001.0}
            for operation_id, client_id, request_id, numbers in (
                ("0000000f46280000000000000000000a", "w1", "q1", "[1,2,3]"),
                ("0000000f46280000000000000000000b", "w2", None, "[4]"),
            )
        ],
        "events": [
            {"study_key": 1, "number": number, "time": 1001.0, "kind": kind, "trial_number": trial, "detail": detail}
            for number, kind, trial, detail in (
                (1, "STUDY_CREATED", None, ""),
                (2, "TRIAL_ACTIVE", 1, "w1"),
                (None, "TRIAL_INFEASIBLE", 2, "out of memory"),
                (None, "TRIAL_STOPPING", 4, ""),
            )
        ],
    },
}
# The same again, but that an attempt is counted when a trial is handed out.
ROWS["0002"] = {
    **ROWS["0001"],
    "trials": [{**row, "attempt": 0} if row["state"] == "REQUESTED" else row for row in ROWS["0001"]["trials"]],
    "requests": [
        {"project": "p", "location": "l", "request_id": "q9", "call": "delete a study", "create_time": 1001.0}
    ],
}
# With an artifact and its blob, and one whose blob may go.
ROWS["0003"] = {
    **ROWS["0002"],
    "artifacts": [
        {"study_key": 1, "number": 1, "name": "model.h5", "blob": blob, "attempt": 1, "size": 9, "sha256": "00"}
        | {"create_time": 1001.0, "discard_time": discarded}
        for blob, discarded in (("b1", None), ("b0", 1001.0))
    ],
}
_CALL_0004 = {"project": "p", "location": "l", "create_time": 1001.0}
_S = "projects/p/locations/l/studies/s"
# With requests of all kinds: to the study, to a part of it, to a study that is deleted, and one whose id is another's.
ROWS["0004"] = {
    **ROWS["0003"],
    "requests": [
        {**_CALL_0004, "request_id": request_id, "call": call}
        for request_id, call in (
            ("q9", "create a study in projects/p/locations/l"),
            ("p", f"pause {_S}"),
            ("c", f"complete {_S}/trials/1"),
            ("d", f"delete {_S}"),
            ("t", f"delete {_S}/trials/7"),
            ("g", "pause projects/p/locations/l/studies/gone"),
            ("o", "delete projects/p/locations/l/operations/0000000f4628000000000000000000ff"),
            ("q1", f"report {_S}"),
        )
    ],
}
_RULE_0005 = (
    '"stopping_rule":{"method":"MEDIAN","use_elapsed_time":false,"max_steps":null,"min_steps":null,'
    '"min_measurements":null,"learning_rate_parameter":null,"update_stopped_trials":null}'
)
# With requests in their later form, events that say who caused them, and a stopping rule, which stopped nothing then.
ROWS["0005"] = {
    **ROWS["0004"],
    "studies": [
        row | ({"spec": f"{_SPEC_0001[:-1]},{_RULE_0005}}}"} if row["study_id"] == "paused" else {})
        for row in ROWS["0004"]["studies"]
    ],
    "trials": [{name: value for name, value in row.items() if name != "request_id"} for row in ROWS["0004"]["trials"]],
    "operations": [
        {name: value for name, value in row.items() if name != "request_id"} for row in ROWS["0004"]["operations"]
    ],
    "events": [{**row, "actor": "client:w1"} for row in ROWS["0004"]["events"]],
    "requests": [
        {"study_key": key, "location": location, "request_id": request_id, "call": call, "result": result}
        | {"forget_time": forgotten}
        for key, location, request_id, call, result, forgotten in (
            (0, "p/l", "q9", "create a study in projects/p/locations/l", "", 87401.0),
            (1, "", "p", f"pause {_S}", "", 87401.0),
            (1, "", "q1", f"suggest {_S}", "operations/0000000f46280000000000000000000a", 87401.0),
            (1, "", "r5", f"create a trial in {_S}", "trials/5", None),
        )
    ],
}
_OTHER_0006 = {"project": "p", "location": "m", "study_id": "m", "display_name": "the m"}
# With a study in which a rule has stopped a trial that was the best so far.
ROWS["0006"] = {
    **ROWS["0005"],
    "studies": [
        *ROWS["0005"]["studies"],
        {**ROWS["0005"]["studies"][0], **_OTHER_0006, "next_trial_number": 3, "trial_count": 2, "stops_trials": True},
    ],
    "trials": [
        *ROWS["0005"]["trials"],
        *(
            {**ROWS["0005"]["trials"][0], "study_key": 3, "number": number, "objective": value}
            | {"final_measurement": f'[{step},1.0,{{"loss":{value}}}]', "metadata": metadata}
            for number, step, value, metadata in (
                (1, 2, 0.5, "{}"),
                (2, 1, 0.25, '{"stopping/reason":"rank 2 of 2"}'),
            )
        ),
    ],
    "curves": [
        {"study_key": 3, "number": number, "position": step, "best": best, "mean": best, "count": step}
        | {"is_first": step == 1}
        for number, step, best in ((1, 1, -0.75), (1, 2, -0.5), (2, 1, -0.25))
    ],
    "events": [
        *ROWS["0005"]["events"],
        {**ROWS["0005"]["events"][-1], "study_key": 3, "trial_number": 2, "detail": "rank 2 of 2", "actor": "server"},
    ],
}
# The same: the schema gained only an index.
ROWS["0007"] = ROWS["0006"]
# The same: the schema gained only a column.
ROWS["0008"] = ROWS["0007"]
# The same: the schema gained only tables.
ROWS["0009"] = ROWS["0008"]
# With a token, a person and a deleted study, and a stopped trial in a ranking of its own.
ROWS["0010"] = {
    **ROWS["0009"],
    "trials": [
        row | ({"objective": None, "partial_objective": 0.25} if row["study_key"] == 3 and row["number"] == 2 else {})
        for row in ROWS["0009"]["trials"]
    ],
    "access": [{"key": 1, "version": 2, "secret": None}],
    "tokens": [
        {"token_id": "t1", "name": "ci", "project": "p", "role": "worker", "digest": "00", "key_id": "k"}
        | {"create_time": 1000.0, "creator": "operator", "expire_time": None, "use_time": None}
    ],
    "people": [{"name": "ada", "password": "scrypt$00", "create_time": 1000.0, "creator": "operator"}],
}
# The same: the schema gained only tables and columns.
ROWS["0011"] = ROWS["0010"]
# The same: the schema gained only tables.
ROWS["0012"] = ROWS["0011"]
# The same: the schema gained only a column.
ROWS["0013"] = ROWS["0012"]
# With a session in a browser.
ROWS["0014"] = {
    **ROWS["0013"],
    "sessions": [
        {"session_id": "s1", "digest": "00", "key_id": "k", "owner": "person:ada"}
        | {"create_time": 1000.0, "expire_time": 2000.0, "use_time": 1000.0}
    ],
}
