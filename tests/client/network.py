"""A network that fails as it is told, and a clock that waits for nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from dodona import Client, Retry

Answer = Callable[[httpx.Request], httpx.Response]

PREFIX = "/v1/projects/default/locations/local/"


class Network(httpx.BaseTransport):
    """Carries requests to `answer`; each uses up one of `faults`, the later ones meet `always`, which is to pass.

    Args:
        answer: the other end: canned answers, or the way to a real server.
        faults: "pass"; "refuse", nothing reaches the other end; "drop", the answer is lost on its way back;
            "duplicate", the request arrives twice; a number, a proxy answers with that status instead.
    """

    def __init__(self, answer: Answer, faults: Iterable[str | int] = ()) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.faults = list(faults)
        self.always: str | int = "pass"
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            self.requests.append(request)
            fault = self.faults.pop(0) if self.faults else self.always
        if fault == "refuse":
            raise httpx.ConnectError("connection refused", request=request)
        if isinstance(fault, int):
            return httpx.Response(fault, text="<html>bad gateway</html>")
        response = self._answer(request)
        response.read()
        if fault == "drop":
            raise httpx.ReadError("connection reset", request=request)
        return self._answer(request) if fault == "duplicate" else response

    @property
    def calls(self) -> list[str]:
        """The requests so far, as "POST studies/s/trials:suggest"."""
        return [f"{request.method} {request.url.path.removeprefix(PREFIX)}" for request in self.requests]

    def bodies(self, call: str) -> list[Any]:
        """What the requests of that name carried."""
        return [
            json.loads(request.content) for request, name in zip(self.requests, self.calls, strict=True) if name == call
        ]


class Clock:
    """Stands for the module `time`: sleeping moves it on at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        # As in reality, time moves during any sleep; adding less than a float's resolution would not move it.
        self.now += max(seconds, 1e-6)


def connected(network: Network, **arguments: Any) -> Client:
    """A client over `network` whose worker is "w"."""
    return Client("http://oracle:8080", transport=network, **{"retry": Retry(), "worker": "w", **arguments})


def canned(**answers: Any) -> Answer:
    """Answers each request by the last part of its path, verb included: `suggest={...}` for "trials:suggest".

    An answer may be a list, of which each request gets the next, the last one again and again; an integer is the
    status of an error.
    """

    def answer(request: httpx.Request) -> httpx.Response:
        *_, last = request.url.path.replace(":", "/").split("/")
        found = answers[last]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, int):
            error = {"code": found, "message": f"refused with {found}", "status": STATUS[found]}
            return httpx.Response(found, json={"error": error})
        return httpx.Response(200, json=found)

    return answer


STATUS = {400: "FAILED_PRECONDITION", 404: "NOT_FOUND", 409: "ABORTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


def study_json(state: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    """A study over one parameter, `x`, that minimizes `objective`."""
    double = {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
    spec = {"metrics": [{"metricId": "objective", "goal": "MINIMIZE"}], "parameters": [double]}
    name = "projects/default/locations/local/studies/s"
    return {"name": name, "displayName": "s", "state": state, "studySpec": spec, **fields}


def trial_json(number: int = 1, state: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    """A trial of that study."""
    name = f"projects/default/locations/local/studies/s/trials/{number}"
    parameters = [{"parameterId": "x", "value": 0.5}]
    return {"name": name, "id": str(number), "state": state, "parameters": parameters, "clientId": "w", **fields}


def suggestion(*numbers: int, state: str = "ACTIVE") -> dict[str, Any]:
    """What `:suggest` answers when it hands out those trials."""
    response = {"trials": [trial_json(number) for number in numbers], "studyState": state}
    response["@type"] = "type.googleapis.com/google.cloud.aiplatform.v1.SuggestTrialsResponse"
    return {"name": "operations/o", "done": True, "response": response}
