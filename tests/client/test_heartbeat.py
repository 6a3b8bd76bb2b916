"""The thread that beats: when it is there, and what it leaves alone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dodona import Client, Study
from dodona._trials.heartbeat import THREAD_NAME
from tests.client.network import Network, canned, connected, study_json, suggestion, trial_json
from tests.client.waiting import wait_for
from tests.support.patience import patience

BEAT = "POST studies/s/trials/1:heartbeat"


def beating(**answers: Any) -> tuple[Network, Client, Study]:
    defaults = {
        "s": study_json(),
        "suggest": [suggestion(1), suggestion(2)],
        "heartbeat": trial_json(1),
        "addTrialMeasurement": trial_json(1),
        "complete": trial_json(1, "SUCCEEDED"),
        "release": trial_json(1, "REQUESTED"),
    }
    network = Network(canned(**{**defaults, **answers}))
    client = connected(network, lease_seconds=0.1)
    return network, client, client.get_study("s")


def threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == THREAD_NAME and one not in _OTHERS]


# Those of clients that earlier tests of this process left behind.
_OTHERS: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _only_those_of_the_test() -> None:
    _OTHERS.clear()
    _OTHERS.update(threads())


def beats_on(network: Network, number: int = 1) -> None:
    """Waits for a few more beats."""
    name = f"POST studies/s/trials/{number}:heartbeat"
    seen = network.calls.count(name)
    wait_for(lambda: network.calls.count(name) >= seen + 3)


def test_one_thread_beats_for_all_trials() -> None:
    network, client, study = beating()
    assert threads() == []
    study.ask()
    study.ask()
    beats_on(network, 1)
    beats_on(network, 2)
    (thread,) = threads()
    assert thread.daemon
    assert all(body == {"attempt": 1, "clientId": "w"} for body in network.bodies(BEAT))
    client.close()
    assert threads() == []


@pytest.mark.parametrize(
    "end", [lambda trial: trial.complete(1.0), lambda trial: trial.fail("f"), lambda t: t.release()]
)
def test_no_beat_follows_the_end_of_a_trial_and_the_thread_ends(end: Callable[[Any], None]) -> None:
    network, _, study = beating()
    trial = study.ask()
    beats_on(network)
    end(trial)
    wait_for(lambda: threads() == [])
    ended = max(index for index, call in enumerate(network.calls) if not call.endswith(":heartbeat"))
    # One may have been on its way.
    assert len(network.calls[ended + 1 :]) <= 1
    study.ask()
    beats_on(network, 2)


@pytest.mark.parametrize("fault", [404, 409, 400])
def test_a_trial_that_is_lost_is_told_once(fault: int, caplog: pytest.LogCaptureFixture) -> None:
    network, _, study = beating(heartbeat=fault)
    trial = study.ask()
    wait_for(lambda: trial.lost)
    wait_for(lambda: threads() == [])
    assert network.calls.count(BEAT) == 1
    assert [record.getMessage() for record in caplog.records] == [
        f"trial 1 is no longer this worker's: refused with {fault}"
    ]


@pytest.mark.parametrize("fault", ["refuse", "drop", 503])
def test_the_heart_beats_on_after_an_outage(fault: str | int) -> None:
    network, _, study = beating()
    trial = study.ask()
    network.faults = [fault] * 12
    wait_for(lambda: network.faults == [])
    beats_on(network)
    assert not trial.should_stop


def test_the_heart_survives_anything(caplog: pytest.LogCaptureFixture) -> None:
    network, _, study = beating(heartbeat=[500, 500, trial_json(1)])
    study.ask()
    beats_on(network)
    assert caplog.text.count("a heartbeat of trial 1 was refused") == 1
    answer, network._answer = network._answer, lambda _: 1 / 0  # type: ignore[assignment, return-value]
    beats_on(network)
    assert "a round of heartbeats failed" in caplog.text
    network._answer = answer
    beats_on(network)
    network._answer = lambda _: httpx.Response(200, content=b"<html>")
    beats_on(network)


def test_a_client_that_is_forgotten_is_not_kept() -> None:
    _, client, study = beating()
    study.ask().complete(1.0)
    wait_for(lambda: threads() == [])
    session = weakref.ref(study._session)
    del client, study
    gc.collect()
    assert session() is None


def test_the_heart_does_not_keep_the_process_alive(server_url: str) -> None:
    code = """
import sys, dodona
study = dodona.Client(sys.argv[1], lease_seconds=0.3).create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
study.ask()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, server_url], capture_output=True, text=True, timeout=patience(60), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


FORKED = """
import os, sys, threading, dodona
named = sys.argv[2] == "named"
client = dodona.Client(sys.argv[1], worker="gpu-1" if named else None, lease_seconds=0.6)
study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
trial = study.ask()
child = os.fork()
if child == 0:
    try:
        assert threading.active_count() == 1
        trial.report(0.5, step=1)  # over a connection of its own
        assert threading.active_count() == 1, "the parent beats"
        if named:
            try:
                study.ask()
            except RuntimeError as error:
                assert "forked from the worker 'gpu-1'" in str(error), error
                assert study.ask("gpu-2").number == 2
            else:
                raise AssertionError("two processes are one worker")
        else:
            other = study.ask()
            assert (other.number, other.attempt) == (2, 1)
            assert threading.active_count() == 2
            other.complete(1.0)
        with trial:
            pass  # the parent's to end
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert not trial.lost
trial.report(0.4, step=2)
trial.complete()
record = study.trial(1)
assert (record.state, record.attempt, len(record.measurements)) == ("SUCCEEDED", 1, 2), record
client.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("kind", ["named", "nameless"])
def test_a_fork(server_url: str, kind: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED, server_url, kind],
        capture_output=True,
        text=True,
        timeout=patience(60),
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
