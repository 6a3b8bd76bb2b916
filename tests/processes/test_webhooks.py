"""Webhooks with a real receiver that fails sometimes, and a server that is killed."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

import dodona
from dodona_server.service.webhooks.deliveries import STUDIES_AT_ONCE
from tests.support.patience import patience
from tests.support.processes import ServerProcess

pytestmark = pytest.mark.processes
HOOKS = "/v1/projects/default/webhooks"
STUDIES = "/v1/projects/default/locations/local/studies"


class Receiver(ThreadingHTTPServer):
    """Keeps what it accepts, and refuses a part of the requests."""

    def __init__(self, failures, pause=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.accepted, self.refused = [], 0
        self.failures = failures
        self.pause = pause
        self.random = random.Random(7)
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.pause)
        if self.server.random.random() < self.server.failures:
            self.server.refused += 1
            self.send_response(500)
        else:
            self.server.accepted.append((dict(self.headers), body))
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receive():
    started = []

    def start(failures=0.0, pause=0.0):
        server = Receiver(failures, pause)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture
def serve(tmp_path, database_url):
    server = ServerProcess(tmp_path, database_url, DODONA_WEBHOOKS_TO_PRIVATE="true").start()
    yield server
    server.stop()


def create(server, receiver, **more):
    answer = httpx.post(f"{server.url}{HOOKS}", json={"url": receiver.url, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def search(server, name, trials):
    with dodona.Client(server.url) as client:
        space = {"x": dodona.Float(0, 1)}
        study = client.create_study(name, space, goal="minimize", algorithm="RANDOM_SEARCH", max_trials=trials)
        study.optimize(lambda trial: trial.parameters["x"])
        return study.id


def log_of(server, study):
    events = httpx.get(f"{server.url}{STUDIES}/{study}/events?pageSize=1000").json()["events"]
    return [(event["number"], event["kind"]) for event in events]


def received(receiver):
    """The events by study, each once, in the order in which they were accepted first."""
    found = defaultdict(dict)
    for _, body in list(receiver.accepted):
        content = json.loads(body)
        event = content["event"]
        found[content["study"].rpartition("/")[2]].setdefault((event["number"], event["kind"]))
    return {study: list(events) for study, events in found.items()}


def wait_for(condition):
    deadline = time.monotonic() + patience(60)
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_event_arrives_in_order_whatever_fails(serve, receive):
    receiver = receive(failures=0.2)
    search(serve, "before", 1)
    secret = create(serve, receiver)["secret"]
    first = search(serve, "s", 4)
    wait_for(lambda: len(receiver.accepted) >= 3)
    serve.kill()
    serve.start()
    second = search(serve, "t", 3)
    expected = {first: log_of(serve, first), second: log_of(serve, second)}
    assert expected[first][-1][1] == "STUDY_COMPLETED"
    wait_for(lambda: received(receiver) == expected)
    for headers, body in receiver.accepted:
        stamp, signature = (part.partition("=")[2] for part in headers["Dodona-Signature"].split(","))
        good = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signature, good)
        assert headers["Dodona-Delivery"] == json.loads(body)["id"]
    wait_for(lambda: receiver.refused or search(serve, f"u{len(receiver.accepted)}", 5))
    (listed,) = httpx.get(f"{serve.url}{HOOKS}").json()["webhooks"]
    assert "secret" not in listed or not listed["secret"]
    assert {one["code"] for one in listed["deliveries"]} <= {204, 500}
    page = httpx.get(f"{serve.url}/webhooks").text
    assert receiver.url in page
    assert secret not in page
    assert ">204<" in page


def test_one_that_answers_slowly_delays_no_other(serve, receive):
    slow, fast = receive(pause=2.0), receive()
    create(serve, slow)
    create(serve, fast)
    study = search(serve, "s", 6)
    wait_for(lambda: received(fast).get(study) == log_of(serve, study))
    assert len(slow.accepted) < len(fast.accepted)


def test_slack_gets_text_and_only_the_chosen_kinds(serve, receive):
    receiver = receive()
    made = create(serve, receiver, form="SLACK", kinds=["STUDY_COMPLETED"])
    search(serve, "a <b> & c", 2)
    wait_for(lambda: receiver.accepted)
    ((_, body),) = receiver.accepted
    text = json.loads(body)["text"]
    assert text.startswith("a &lt;b&gt; &amp; c: Study completed")
    name = made["name"].rpartition("/")[2]
    assert httpx.delete(f"{serve.url}/v1/projects/other/webhooks/{name}").status_code == 404
    assert httpx.delete(f"{serve.url}{HOOKS}/{name}").status_code == 200
    assert httpx.get(f"{serve.url}{HOOKS}").json()["webhooks"] == []


def test_one_is_changed_and_tested(serve, receive):
    first, second = receive(), receive()
    made = create(serve, first)
    path = f"{serve.url}/v1/{made['name']}"
    tried = httpx.post(f"{path}:test", json={}, timeout=patience(30)).json()
    assert (tried["kind"], tried["code"]) == ("TEST", 204)
    ((headers, body),) = first.accepted
    time, _, signed = headers["Dodona-Signature"].partition(",")
    expected = hmac.new(made["secret"].encode(), f"{time.removeprefix('t=')}.".encode() + body, hashlib.sha256)
    assert signed == f"v1={expected.hexdigest()}"
    assert json.loads(body)["event"]["kind"] == "TEST"
    changed = httpx.post(f"{path}:update", json={"url": second.url, "form": "SLACK", "kinds": ["STUDY_COMPLETED"]})
    assert changed.json()["url"] == second.url
    assert not changed.json().get("secret")
    httpx.post(f"{path}:test", json={}, timeout=patience(30)).raise_for_status()
    assert json.loads(second.accepted[0][1]) == {"text": "A test of the webhook of default"}
    (listed,) = httpx.get(serve.url + HOOKS).json()["webhooks"]
    assert [one["kind"] for one in listed["deliveries"]] == ["TEST", "TEST"]
    assert (listed["form"], listed["kinds"]) == ("SLACK", ["STUDY_COMPLETED"])
    wrong = httpx.post(f"{path}:update", json={"url": "ftp://x"})
    assert (wrong.status_code, wrong.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    gone = httpx.post(f"{serve.url}{HOOKS}/none:test", json={})
    assert gone.status_code == 404


def test_what_happens_after_a_change_goes_by_the_change(serve, receive):
    # A round of all studies takes seconds: most of them are still to be sent when the webhook is changed.
    first, second = receive(pause=0.5), receive()
    made = create(serve, first, kinds=["STUDY_CREATED"])
    names = [f"s{number}" for number in range(3 * STUDIES_AT_ONCE)]
    with dodona.Client(serve.url) as client:
        made_studies = [client.create_study(name, {"x": dodona.Float(0, 1)}, goal="minimize") for name in names]
        wait_for(lambda: first.accepted)
        changed = {"url": second.url, "kinds": ["STUDY_PAUSED"]}
        httpx.post(f"{serve.url}/v1/{made['name']}:update", json=changed).raise_for_status()
        for study in made_studies:
            study.pause()
    wait_for(lambda: len(received(second)) == len(names))
    assert {kind for events in received(second).values() for _, kind in events} == {"STUDY_PAUSED"}
    assert {kind for events in received(first).values() for _, kind in events} == {"STUDY_CREATED"}
