"""A state machine that makes random calls over HTTP, and compares each answer with the model's."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fuzz.model import FINISHED, INVALID, NOT_FOUND, Error, Measured, ModelStudy, ModelTrial
from tests.fuzz.strategies import clients, measurements, places, rarely, read, requests, results, wire, words
from tests.support.app_client import AppClient

# After how many calls the whole study is compared; each call's answer is in any case.
LOOK_EVERY = 4
LOCATION = "/v1/projects/p/locations/l"
# What no state of a study allows.
NONSENSE: list[tuple[str, Any]] = [
    ("suggest", {"suggestionCount": 1}),
    ("suggest", {"clientId": "a" * 257, "suggestionCount": 1}),
    ("suggest", {"clientId": "a", "suggestionCount": 0}),
    ("suggest", {"clientId": "a", "suggestionCount": 1001}),
    ("report", {"reports": []}),
    ("report", {"reports": [{"trial": "1", "measurement": {"metrics": []}}]}),
]
CODES = {None: 200, "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "NOT_FOUND": 404, "ALREADY_EXISTS": 409}


class StudyMachine(RuleBasedStateMachine):
    """One study on a server that many machines share, and its model."""

    numbers = itertools.count(1)

    def __init__(self, client: AppClient) -> None:
        super().__init__()
        self.client = client
        self.path = f"/studies/s{next(self.numbers)}"
        self.model = ModelStudy((), None, best_measurement=False, names=frozenset())
        self.spec: dict[str, Any] = {}
        self.exists = False
        # Finished trials as they were when they were first seen so, and the parameters of all.
        self.finished: dict[int, dict[str, Any]] = {}
        self.parameters: dict[tuple[int, frozenset[str]], Any] = {}
        self.deleted: set[int] = set()
        self.steps = 0

    # --- how calls are made and compared

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        answer = self.client.request(method, LOCATION + path, json=body)
        content: dict[str, Any] = answer.json()
        return answer.status_code, content

    def both(self, method: str, path: str, body: Any, expected: Callable[[], Any]) -> tuple[dict[str, Any], Any] | None:
        """The server's answer and the model's; None if both refuse for the same reason."""
        code, content = self.call(method, self.path + path, body)
        status = None
        try:
            if not self.exists:
                raise Error(NOT_FOUND)
            model = expected()
        except Error as error:
            status = error.status
        assert content.get("error", {}).get("status") == status, content
        assert code == CODES[status], content
        return None if status else (content, model)

    def number(self, place: int) -> int:
        running = [trial.number for trial in self.model.in_state("ACTIVE", "STOPPING")]
        known = running if running and place % 3 else list(self.model.trials)
        return known[place % len(known)] if known and place < 18 else self.model.next_number + place

    def compare(self, answer: dict[str, Any], trial: ModelTrial, *, history: bool = False) -> None:
        assert answer["name"] == f"projects/p/locations/l{self.path}/trials/{trial.number}"
        assert (answer["id"], answer["state"], answer["clientId"]) == (str(trial.number), trial.state, trial.client)
        assert answer["metadata"] == trial.metadata
        assert answer.get("stopped", False) == (trial.stopped and trial.state != "INFEASIBLE")
        assert {one["parameterId"] for one in answer["parameters"]} == trial.names
        known = self.parameters.setdefault((trial.number, trial.names), answer["parameters"])
        assert known == answer["parameters"]
        final = answer.get("finalMeasurement")
        assert (final is None) == (trial.final is None)
        if trial.final is not None:
            assert trial.final.same_as(read(final))
        assert ("infeasibleReason" in answer) == (trial.state == "INFEASIBLE")
        assert trial.reason in (None, answer.get("infeasibleReason"))
        assert ("startTime" in answer) == (trial.state != "REQUESTED")
        assert ("endTime" in answer) == (trial.state in FINISHED)
        if history:
            assert list(map(repr, map(read, answer["measurements"]))) == list(map(repr, trial.history()))
            if trial.state in FINISHED:
                before = self.finished.setdefault(trial.number, answer)
                assert {**before, "metadata": None} == {**answer, "metadata": None}

    # --- the study

    @initialize(
        budget=st.sampled_from([None, 1, 2, 3, 5]), two=st.booleans(), maximize=st.booleans(), best=st.booleans()
    )
    def begin(self, budget: int | None, two: bool, maximize: bool, best: bool) -> None:
        goals = [("loss", maximize), ("ms", False)][: 1 + two]
        self.spec = {
            "algorithm": "RANDOM_SEARCH",
            "metrics": [{"metricId": name, "goal": "MAXIMIZE" if more else "MINIMIZE"} for name, more in goals],
            "parameters": [
                {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}},
                {"parameterId": "c", "categoricalValueSpec": {"values": ["u", "v"], "defaultValue": "v"}},
            ],
            "measurementSelectionType": 2 if best else 1,
        }
        if budget is not None:
            self.spec["studyStoppingConfig"] = {"maxNumTrials": budget}
        self._create(ModelStudy(tuple(goals), budget, best, frozenset({"x", "c"})))
        self.suggest("a", 2, None)

    def _create(self, model: ModelStudy) -> None:
        body = {"studyId": self.path.rpartition("/")[2], "studySpec": self.spec}
        code, study = self.call("POST", "/studies", body)
        assert (code, study["state"]) == (200, "ACTIVE")
        self.model, self.exists = model, True
        for known in (self.finished, self.parameters, self.deleted):
            known.clear()

    @rule(surely=rarely)
    def delete_study(self, surely: bool) -> None:
        if surely and self.both("DELETE", "", None, lambda: None):
            self.exists = False

    @precondition(lambda self: not self.exists)
    @rule()
    def create_study_again(self) -> None:
        old = self.model
        self._create(ModelStudy(old.metrics, old.budget, old.best_measurement, frozenset({"x", "c"})))

    def create_study_that_is_there(self, *, change: bool) -> None:
        spec = {**self.spec, "metrics": [{"metricId": "another"}]} if change else self.spec
        code, study = self.call("POST", "/studies", {"studyId": self.path.rpartition("/")[2], "studySpec": spec})
        grown = self.model.names != {"x", "c"}
        if change or grown:
            assert (code, study["error"]["status"]) == (409, "ALREADY_EXISTS")
        else:
            assert (code, study["state"]) == (200, self.model.state)

    @rule(verb=st.sampled_from(["resume", "pause"]), complete=rarely)
    def change_study(self, verb: str, complete: bool) -> None:
        changes = {"pause": self.model.pause, "resume": self.model.resume, "complete": self.model.complete_study}
        verb = "complete" if complete else verb
        self._state(self.both("POST", f":{verb}", {"reason": "lunch"}, changes[verb]))

    def _state(self, answers: tuple[dict[str, Any], Any] | None) -> None:
        if answers:
            assert answers[0]["state"] == self.model.state
            assert ("inactiveReason" in answers[0]) == (self.model.state == "INACTIVE")

    @rule(name=st.sampled_from(["x", "c", "new", "newer"]), same=st.booleans())
    def add_parameter(self, name: str, same: bool) -> None:
        known = {one["parameterId"]: one for one in self.spec["parameters"]}
        added = known.get(name) if same else None
        if added is None:
            added = {"parameterId": name, "integerValueSpec": {"minValue": 1, "maxValue": 9, "defaultValue": 5}}

        def expected() -> None:
            if name in ("x", "c") and added != known[name]:
                raise Error(INVALID)
            self.model.names |= {name}

        if (answers := self.both("POST", ":addParameters", {"parameters": [added]}, expected)) is not None:
            assert {one["parameterId"] for one in answers[0]["studySpec"]["parameters"]} == self.model.names

    # --- trials

    @rule(client=clients, count=st.integers(1, 4), request=requests)
    def suggest(self, client: str, count: int, request: str | None) -> None:
        body = {"clientId": client, "suggestionCount": count, "requestId": request}
        answers = self.both("POST", "/trials:suggest", body, lambda: self.model.suggest(client, count, request))
        if answers is None:
            return
        operation, (numbers, state) = answers
        response = operation["response"]
        assert operation["done"] is True
        assert [int(trial["id"]) for trial in response["trials"]] == numbers
        assert response["studyState"] == state
        for trial in response["trials"]:
            self.compare(trial, self.model.trials[int(trial["id"])])

    @rule()
    def queue(self) -> None:
        """Two trials, which are handed out in their order."""
        for x in (0, 1):
            body = {"parameters": [{"parameterId": "x", "value": x}]}
            if answers := self.both("POST", "/trials", body, lambda: self.model.create(None, None, valid=True)):
                self.compare(*answers)

    @rule(x=st.sampled_from([0, 0.5, 1, 2]), final=st.none() | results | measurements, request=requests)
    def create_trial(self, x: float, final: Measured | None, request: str | None) -> None:
        body: dict[str, Any] = {"parameters": [{"parameterId": "x", "value": x}], "requestId": request}
        if final is not None:
            body |= {"state": "SUCCEEDED", "finalMeasurement": wire(final)}
        answers = self.both("POST", "/trials", body, lambda: self.model.create(final, request, valid=x <= 1))
        if answers is not None:
            self.compare(*answers)

    @rule(place=places)
    def measure_again(self, place: int) -> None:
        """What was reported already, whatever has become of the trial since."""
        measured = [(trial.number, one) for trial in self.model.trials.values() for one in trial.history()]
        if measured:
            number, one = measured[place % len(measured)]
            path, body = f"/trials/{number}:addTrialMeasurement", {"measurement": wire(one)}
            if answers := self.both("POST", path, body, lambda: self.model.measure(number, one)):
                self.compare(*answers)

    @rule(place=places, measured=st.lists(measurements, min_size=1, max_size=3))
    def measure(self, place: int, measured: list[Measured]) -> None:
        number = self.number(place)
        for one in measured:
            body = {"measurement": wire(one)}
            path = f"/trials/{number}:addTrialMeasurement"
            if not one.metrics:  # whatever the state of the trial, and whether there is one
                code, answer = self.call("POST", self.path + path, body)
                assert (code, answer["error"]["status"]) == (400, INVALID)
            elif answers := self.both("POST", path, body, lambda one=one: self.model.measure(number, one)):
                self.compare(*answers)

    @rule(
        reports=st.lists(st.tuples(places, measurements.filter(lambda one: bool(one.metrics))), min_size=1, max_size=4)
    )
    def report(self, reports: list[tuple[int, Measured]]) -> None:
        numbered = [(self.number(place), measured) for place, measured in reports]
        body = {"reports": [{"trial": str(number), "measurement": wire(measured)} for number, measured in numbered]}

        def expected() -> list[ModelTrial]:
            before = {number: dict(trial.measured) for number, trial in self.model.trials.items()}
            try:
                return [self.model.measure(number, measured) for number, measured in numbered]
            except Error:
                for number, trial in self.model.trials.items():
                    trial.measured = before[number]
                raise

        if answers := self.both("POST", "/trials:report", body, expected):
            for answer, trial in zip(answers[0]["trials"], answers[1], strict=True):
                self.compare(answer, trial)

    @rule(place=places, final=st.none() | results | measurements, chosen=st.booleans(), again=st.booleans())
    def complete(self, place: int, final: Measured | None, chosen: bool, again: bool) -> None:
        number = self.number(place)
        final = None if chosen else final
        known = self.model.trials.get(number)
        if again and known is not None and known.final is not None:
            final = known.final
        body = {} if final is None else {"finalMeasurement": wire(final)}
        if answers := self.both("POST", f"/trials/{number}:complete", body, lambda: self.model.complete(number, final)):
            self.compare(*answers)

    @rule(place=places, reason=st.sampled_from(["", "out of memory"]))
    def fail(self, place: int, reason: str) -> None:
        number = self.number(place)
        body = {"trialInfeasible": True, "infeasibleReason": reason}
        if answers := self.both("POST", f"/trials/{number}:complete", body, lambda: self.model.fail(number, reason)):
            self.compare(*answers)

    @rule(place=places)
    def stop(self, place: int) -> None:
        number = self.number(place)
        if answers := self.both("POST", f"/trials/{number}:stop", None, lambda: self.model.stop(number)):
            self.compare(*answers)

    @rule(place=places)
    def delete(self, place: int) -> None:
        number = self.number(place)
        if self.both("DELETE", f"/trials/{number}", None, lambda: self.model.delete(number)):
            self.deleted.add(number)

    @precondition(lambda self: self.exists)
    @rule(what=st.sampled_from(["metadata", "nonsense", "create", "create another"]), place=places, value=words)
    def do_something_else(self, what: str, place: int, value: str) -> None:
        match what:
            case "metadata":
                self.update_metadata(self.number(place), value)
            case "nonsense":
                verb, body = NONSENSE[place % len(NONSENSE)]
                code, answer = self.call("POST", f"{self.path}/trials:{verb}", body)
                assert (code, answer["error"]["status"]) == (400, INVALID)
            case _:
                self.create_study_that_is_there(change=what == "create another")

    def update_metadata(self, number: int, value: str) -> None:
        def expected() -> ModelTrial:
            trial = self.model.trial(number)
            merged = {**trial.metadata, "k": value}
            trial.metadata = {key: kept for key, kept in merged.items() if kept}
            return trial

        body = {"metadata": {"k": value}}
        if answers := self.both("POST", f"/trials/{number}:updateMetadata", body, expected):
            self.compare(*answers)

    # --- looking

    @rule(place=places)
    def look(self, place: int) -> None:
        number = self.number(place)
        if answers := self.both("GET", f"/trials/{number}", None, lambda: self.model.trial(number)):
            self.compare(*answers, history=True)
        path = f"/trials/{number}:checkTrialEarlyStoppingState"
        if answers := self.both("POST", path, None, lambda: self.model.trial(number)):
            assert answers[0]["response"]["shouldStop"] == (answers[1].state == "STOPPING")

    @rule(size=st.integers(1, 3), ranked=st.booleans())
    def list_in_order(self, size: int, ranked: bool) -> None:
        if not self.exists:
            return
        listed: list[int] = []
        token, order = "", "objective" if ranked else ""
        while True:
            path = f"{self.path}/trials?pageSize={size}&orderBy={order}&pageToken={token}"
            code, page = self.call("GET", path)
            assert code == 200, page
            listed += [int(trial["id"]) for trial in page["trials"]]
            assert len(page["trials"]) <= size
            if not (token := page["nextPageToken"]):
                break
        assert listed == (self.model.ranking() if ranked else list(self.model.trials))

        if answers := self.both("POST", "/trials:listOptimalTrials", {}, self.model.optimal):
            assert [int(trial["id"]) for trial in answers[0]["optimalTrials"]] == answers[1]

    @invariant()
    def everything_is_as_the_model_has_it(self) -> None:
        self.steps += 1
        if self.spec and self.steps % LOOK_EVERY == 0:
            self.look_at_everything()

    def teardown(self) -> None:
        if self.spec and sys.exc_info()[0] is None:
            self.look_at_everything()

    def look_at_everything(self) -> None:
        if answers := self.both("GET", "", None, lambda: self.model.state):
            assert answers[0]["state"] == answers[1]
        if answers := self.both("GET", "/trials", None, lambda: list(self.model.trials.values())):
            listed = answers[0]["trials"]
            assert [int(trial["id"]) for trial in listed] == [trial.number for trial in answers[1]]
            for answer, trial in zip(listed, answers[1], strict=True):
                self.compare(answer, trial, history=True)
            numbers = {int(trial["id"]) for trial in listed}
            assert numbers.isdisjoint(self.deleted)  # a number is never given twice
            budget = self.model.budget
            assert budget is None or len(listed) <= budget
