"""What docs/protocol.md says of a study and its trials, as a model in memory that knows nothing of the server."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# An error that the protocol promises, by its canonical name.
NOT_FOUND = "NOT_FOUND"
REFUSED = "FAILED_PRECONDITION"
INVALID = "INVALID_ARGUMENT"

FINISHED = ("SUCCEEDED", "INFEASIBLE")
NO_REASON = "the client gave no reason"


class Error(Exception):
    """The model expects the call to fail."""

    def __init__(self, status: str) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Measured:
    """A measurement: its metrics in order."""

    step: int
    seconds: float
    metrics: tuple[tuple[str, float], ...]

    @property
    def key(self) -> tuple[int, int]:
        return (self.step, 0 if self.step else round(self.seconds * 1000))

    def same_as(self, other: Measured | None) -> bool:
        """Equality by which NaN equals NaN and the order of metrics counts."""
        return repr(self) == repr(other)

    def value(self, metric: str) -> float | None:
        return dict(self.metrics).get(metric)


@dataclass
class ModelTrial:
    number: int
    state: str
    names: frozenset[str]
    client: str = ""
    measured: dict[tuple[int, int], Measured] = field(default_factory=dict)
    final: Measured | None = None
    # Why it is infeasible, if the client has said so.
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    def history(self) -> list[Measured]:
        return [self.measured[key] for key in sorted(self.measured)]


@dataclass
class ModelStudy:
    """A study with metrics as (name, whether more is better) and a budget or None."""

    metrics: tuple[tuple[str, bool], ...]
    budget: int | None
    best_measurement: bool
    names: frozenset[str]
    state: str = "ACTIVE"
    next_number: int = 1
    trials: dict[int, ModelTrial] = field(default_factory=dict)
    # What a request id was answered with: trial numbers and the study's state.
    suggested: dict[str, tuple[list[int], str]] = field(default_factory=dict)
    created: dict[str, int] = field(default_factory=dict)

    # --- looking

    def trial(self, number: int) -> ModelTrial:
        if number not in self.trials:
            raise Error(NOT_FOUND)
        return self.trials[number]

    @property
    def remaining(self) -> float:
        return math.inf if self.budget is None else self.budget - len(self.trials)

    def in_state(self, *states: str) -> list[ModelTrial]:
        return [trial for trial in self.trials.values() if trial.state in states]

    def succeeded(self) -> list[ModelTrial]:
        """The trials that are ranked: those that were stopped early only if there are no others."""
        succeeded = self.in_state("SUCCEEDED")
        return [trial for trial in succeeded if not trial.stopped] or succeeded

    def merit(self, trial: ModelTrial, metric: tuple[str, bool]) -> float:
        name, maximize = metric
        assert trial.final is not None
        value = trial.final.value(name)
        assert value is not None
        return value if maximize else -value

    def ranking(self) -> list[int]:
        ranked = sorted(self.succeeded(), key=lambda trial: (-self.merit(trial, self.metrics[0]), trial.number))
        return [trial.number for trial in ranked]

    def optimal(self) -> list[int]:
        points = {trial.number: [self.merit(trial, metric) for metric in self.metrics] for trial in self.succeeded()}
        return [
            number
            for number, point in points.items()
            if not any(
                other != point and all(theirs >= ours for theirs, ours in zip(other, point, strict=True))
                for other in points.values()
            )
        ]

    # --- the study

    def pause(self) -> None:
        if self.state == "COMPLETED":
            raise Error(REFUSED)
        self.state = "INACTIVE"

    def resume(self) -> None:
        if self.state == "COMPLETED" and self.remaining == 0 and not self.in_state("REQUESTED"):
            raise Error(REFUSED)
        self.state = "ACTIVE"
        self._complete_if_done()

    def complete_study(self) -> None:
        self.state = "COMPLETED"

    def unfinished(self) -> list[ModelTrial]:
        return self.in_state("REQUESTED", "ACTIVE", "STOPPING")

    def _complete_if_done(self) -> None:
        if self.state == "ACTIVE" and self.remaining == 0 and not self.unfinished():
            self.state = "COMPLETED"

    # --- trials

    def _new(self, state: str, client: str = "") -> ModelTrial:
        trial = ModelTrial(self.next_number, state, self.names, client)
        self.trials[trial.number] = trial
        self.next_number += 1
        return trial

    def suggest(self, client: str, count: int, request: str | None) -> tuple[list[int], str]:
        if request in self.created:
            raise Error(INVALID)
        if request in self.suggested:
            numbers, state = self.suggested[request]
            return [number for number in numbers if number in self.trials], state
        handed = [trial for trial in self.in_state("ACTIVE") if trial.client == client][:count]
        state = self.state
        if state == "ACTIVE":
            for trial in self.in_state("REQUESTED")[: count - len(handed)]:
                # What the space has got since is chosen now.
                trial.state, trial.client, trial.names = "ACTIVE", client, trial.names | self.names
                handed.append(trial)
            while len(handed) < count and self.remaining > 0:
                handed.append(self._new("ACTIVE", client))
            if len(handed) < count:
                self._complete_if_done()
                state = "COMPLETED"
        numbers = [trial.number for trial in handed]
        if request is not None:
            self.suggested[request] = (numbers, state)
        return numbers, state

    def create(self, final: Measured | None, request: str | None, *, valid: bool) -> ModelTrial:
        if request in self.suggested:
            raise Error(INVALID)
        if request in self.created and self.created[request] in self.trials:
            return self.trials[self.created[request]]
        if self.remaining == 0 or self.state == "COMPLETED":
            raise Error(REFUSED)
        if not valid or (final is not None and self._infeasible(final)):
            raise Error(INVALID)
        trial = self._new("REQUESTED")
        if final is not None:
            trial.state, trial.final = "SUCCEEDED", self._in_order(final)
            self._complete_if_done()
        if request is not None:
            self.created[request] = trial.number
        return trial

    def delete(self, number: int) -> None:
        self.trial(number)
        del self.trials[number]

    def measure(self, number: int, measured: Measured) -> ModelTrial:
        trial = self.trial(number)
        known = any(map(measured.same_as, trial.measured.values()))
        if trial.state == "REQUESTED" or (trial.state == "SUCCEEDED" and not known):
            raise Error(REFUSED)
        if trial.state in ("ACTIVE", "STOPPING"):
            trial.measured[measured.key] = measured
        return trial

    def stop(self, number: int) -> ModelTrial:
        trial = self.trial(number)
        if trial.state in ("REQUESTED", "INFEASIBLE"):
            raise Error(REFUSED)
        if trial.state == "ACTIVE":
            trial.state, trial.stopped = "STOPPING", True
            trial.metadata = {**trial.metadata, "stopping/reason": "a client asked for it"}
        return trial

    def fail(self, number: int, reason: str) -> ModelTrial:
        trial = self.trial(number)
        reason = reason or NO_REASON
        if trial.state in ("ACTIVE", "STOPPING"):
            trial.state, trial.reason = "INFEASIBLE", reason
            self._complete_if_done()
        elif trial.state != "INFEASIBLE" or trial.reason != reason:
            raise Error(REFUSED)
        return trial

    def complete(self, number: int, given: Measured | None) -> ModelTrial:
        trial = self.trial(number)
        if trial.state == "REQUESTED":
            raise Error(REFUSED)
        if trial.state == "SUCCEEDED" and (given is None or not given.metrics):
            return trial
        final = given if given is not None and given.metrics else self._chosen(trial)
        if final is None:
            raise Error(REFUSED)
        final = self._in_order(final)
        if trial.state in FINISHED:
            if trial.reason is not None or not final.same_as(trial.final):
                raise Error(REFUSED)
            return trial
        trial.state = "INFEASIBLE" if self._infeasible(final) else "SUCCEEDED"
        trial.final = final
        self._complete_if_done()
        return trial

    def _chosen(self, trial: ModelTrial) -> Measured | None:
        history = trial.history()
        if not history:
            return None
        if not self.best_measurement:
            return history[-1]
        name, maximize = self.metrics[0]

        def merit(measured: Measured) -> tuple[bool, float]:
            value = measured.value(name)
            if value is None or math.isnan(value):
                return False, -math.inf
            return not self._infeasible(measured), value if maximize else -value

        return max(history, key=merit)

    def _infeasible(self, final: Measured) -> bool:
        values = [final.value(name) for name, _ in self.metrics]
        return any(value is None or not math.isfinite(value) for value in values)

    def _in_order(self, final: Measured) -> Measured:
        names = [name for name, _ in self.metrics]
        ours = [(name, value) for name in names if (value := final.value(name)) is not None]
        return Measured(final.step, final.seconds, (*ours, *(one for one in final.metrics if one[0] not in names)))
