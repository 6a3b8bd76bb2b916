"""What can be done with trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dodona_server.domain.errors import FailedPrecondition, InvalidArgument, NotFound, inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.lifecycle import Ignore, Move, Refuse, Verb, outcome, refusal
from dodona_server.domain.metadata import merge
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.study import MAX_METRIC_NAME_LENGTH, Study, StudyState
from dodona_server.domain.trial import (
    Measurement,
    Trial,
    TrialState,
    final_measurement,
    infeasibility,
    pareto_front,
)
from dodona_server.service.budget import complete_if_done
from dodona_server.service.studies import found
from dodona_server.storage import events, studies, trials
from dodona_server.storage.store import Store, Transaction
from dodona_server.storage.studies import NO_METADATA

MAX_REPORTS = 1000
MAX_METRICS = 1000


@dataclass(frozen=True, slots=True)
class Overview:
    """A study and how many trials it has in each state."""

    study: Study
    counts: Mapping[TrialState, int]


class TrialService:
    """Creates, measures, ends and finds trials; `service.suggestions` hands them out.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self,
        name: StudyName,
        parameters: Mapping[str, object],
        result: Measurement | None,
        request_id: str | None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> Trial:
        """A trial with values that the user chose: queued, or finished already if it comes with a result.

        Args:
            name: the study.
            parameters: a value for each active parameter; those that have a default may be left out.
            result: the final measurement of a trial that was run elsewhere.
            request_id: the same id again gets the same trial.
            metadata: what the client wants to remember of the trial.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: a parameter is missing, unknown or out of range, or the result lacks a metric.
            FailedPrecondition: the study is completed, or its budget is used up.
        """
        if result is not None and result.metrics:
            _check(result)

        def use_case(transaction: Transaction) -> Trial:
            study = found(transaction, name, lock=True)
            if request_id and (there := trials.find_requested(transaction, study, request_id)):
                return there
            if study.remaining_trials == 0:
                raise FailedPrecondition(
                    f"{name} has its {study.trial_count} trials, all that its studyStoppingConfig.maxNumTrials allows"
                )
            if study.state is StudyState.COMPLETED:
                raise FailedPrecondition(f"{name} is COMPLETED; resume it to add trials")
            trial = dataclasses.replace(self._chosen(study, parameters, result), metadata=merge({}, metadata))
            trials.insert(transaction, study, [trial], request_id)
            studies.add_trials(transaction, study, 1)
            _happened(transaction, study.key, trial, trial.create_time)
            if result is not None and study.remaining_trials == 1:
                complete_if_done(transaction, name, trial.create_time)
            return trial

        return await self._store.run(use_case)

    def _chosen(self, study: Study, parameters: Mapping[str, object], result: Measurement | None) -> Trial:
        now = self._clock()
        trial = Trial(
            number=study.next_trial_number,
            state=TrialState.REQUESTED,
            parameters=study.spec.space.check(parameters),
            create_time=now,
        )
        if result is None:
            return trial
        if reason := infeasibility(study.spec, result):
            raise InvalidArgument(reason, "finalMeasurement")
        final = final_measurement(study.spec, result, [])
        return dataclasses.replace(
            trial, state=TrialState.SUCCEEDED, start_time=now, end_time=now, final_measurement=final
        )

    async def get(self, name: TrialName) -> Trial:
        """The trial with its measurements.

        Raises:
            NotFound: there is no such study or trial.
        """

        def query(transaction: Transaction) -> Trial:
            study = found(transaction, name.study)
            trial = _existing(trials.find(transaction, study, name.number), name)
            return dataclasses.replace(trial, measurements=trials.measured(transaction, study.key, trial))

        return await self._store.read(query)

    async def page(self, name: StudyName, after: int, limit: int) -> list[Trial]:
        """Up to `limit` trials with numbers above `after`, in order, with their measurements.

        Raises:
            NotFound: there is no such study.
        """
        return await self._store.read(
            lambda transaction: trials.page(transaction, found(transaction, name), after, limit)
        )

    async def ranking(self, name: StudyName, after: int, limit: int) -> list[Trial]:
        """Up to `limit` succeeded trials, best first; after the one numbered `after`, from the best for 0.

        Raises:
            NotFound: there is no such study.
        """
        return await self._store.read(
            lambda transaction: trials.ranking(transaction, found(transaction, name), after, limit)
        )

    async def overview(self, name: StudyName) -> Overview:
        """The study with the number of its trials in each state.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> Overview:
            study = found(transaction, name)
            return Overview(study, trials.counts(transaction, study))

        return await self._store.read(query)

    async def latest(self, name: StudyName, limit: int) -> list[Trial]:
        """The `limit` newest trials, the newest first.

        Raises:
            NotFound: there is no such study.
        """
        return await self._store.read(lambda transaction: trials.latest(transaction, found(transaction, name), limit))

    async def history(self, name: StudyName, limit: int) -> list[tuple[int, float]]:
        """Number and objective of succeeded trials in order, at most `limit`, evenly thinned if there are more.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> list[tuple[int, float]]:
            study = found(transaction, name)
            return trials.history(transaction, study, every=-(-study.next_trial_number // limit))

        return await self._store.read(query)

    async def optimal(self, name: StudyName) -> list[Trial]:
        """The trials with the best value; the Pareto front, if the study has several metrics.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> list[Trial]:
            study = found(transaction, name)
            if len(study.spec.metrics) == 1:
                return trials.best(transaction, study)
            return pareto_front(study.spec, trials.succeeded(transaction, study))

        return await self._store.read(query)

    async def delete(self, name: TrialName) -> None:
        """Removes the trial; the budget has one more again.

        Raises:
            NotFound: there is no such study or trial.
        """

        def use_case(transaction: Transaction) -> None:
            study = found(transaction, name.study, lock=True)
            _existing(trials.find(transaction, study, name.number, lock=True), name)
            trials.delete(transaction, study, name.number)
            studies.remove_trial(transaction, study)
            deleted = Event(EventKind.TRIAL_DELETED, self._clock(), name.number)
            events.append(transaction, study.key, [deleted])

        await self._store.run(use_case)

    async def measure(self, name: TrialName, measurement: Measurement) -> Trial:
        """The trial, with `measurement` kept; the state STOPPING tells the worker to stop early.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, or it is finished.
            InvalidArgument: the measurement has no metric, or a negative step or time.
        """
        _check(measurement)
        return await self._store.run(lambda transaction: _measure(transaction, name, measurement))

    async def measure_all(self, reports: Sequence[tuple[TrialName, Measurement]]) -> list[Trial]:
        """The trial of each report, with all measurements kept, or none if one is refused.

        Args:
            reports: of any number of trials, in the order in which they were measured.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs one of the trials, or it is finished.
            InvalidArgument: a measurement has no metric, or a negative step or time; or there are too many.
        """
        if not 1 <= len(reports) <= MAX_REPORTS:
            raise InvalidArgument(f"{len(reports)} reports; 1 to {MAX_REPORTS} are allowed", "reports")
        for index, (_, measurement) in enumerate(reports):
            with inside(f"reports[{index}]"):
                _check(measurement)
        return await self._store.run(
            lambda transaction: [_measure(transaction, name, measurement) for name, measurement in reports]
        )

    async def update_metadata(self, name: TrialName, changes: Mapping[str, str]) -> Trial:
        """The trial with the changed metadata, in any state; an empty value removes an entry.

        Raises:
            NotFound: there is no such study or trial.
            InvalidArgument: the metadata would have too many entries, or a key is too long.
        """

        def use_case(transaction: Transaction) -> Trial:
            study_key, trial = _named(transaction, name)
            merged = merge(trial.metadata, changes)
            trials.set_metadata(transaction, study_key, name.number, merged)
            return dataclasses.replace(trial, metadata=merged)

        return await self._store.run(use_case)

    async def stop(self, name: TrialName) -> Trial:
        """The trial, on its way to an early end: its worker learns of it at its next report.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, or it is infeasible already.
        """

        def use_case(transaction: Transaction) -> Trial:
            study_key, trial = _named(transaction, name)
            match outcome(Verb.STOP, trial.state):
                case Move(state):
                    trials.set_state(transaction, study_key, name.number, state)
                    stopping = dataclasses.replace(trial, state=state)
                    _happened(transaction, study_key, stopping, self._clock())
                    return stopping
                case Ignore():
                    return trial
                case Refuse(reason):
                    raise refusal(Verb.STOP, trial.state, name, reason)

        return await self._store.run(use_case)

    async def complete(self, name: TrialName, given: Measurement | None) -> Trial:
        """The trial, finished with the given measurement, else with one of those reported.

        A result without one of the study's metrics, or with one that is not finite, makes the trial infeasible.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, it is finished with another result, or it has no measurement.
            InvalidArgument: the measurement has a negative step or time.
        """
        if given is not None and given.metrics:
            _check(given)

        def judge(transaction: Transaction, study: Study, trial: Trial) -> dict[str, Any]:
            measured = _candidates(transaction, study, trial, given)
            final = final_measurement(study.spec, given, measured)
            reason = infeasibility(study.spec, final)
            state = TrialState.INFEASIBLE if reason else TrialState.SUCCEEDED
            return {"state": state, "final_measurement": final, "infeasible_reason": reason}

        return await self._end(name, Verb.SUCCEED, judge)

    async def fail(self, name: TrialName, reason: str) -> Trial:
        """The trial, finished as infeasible.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, or it is finished otherwise.
        """

        def judge(_transaction: Transaction, _study: Study, _trial: Trial) -> dict[str, Any]:
            return {
                "state": TrialState.INFEASIBLE,
                "infeasible_reason": reason or "the client gave no reason",
            }

        return await self._end(name, Verb.FAIL, judge)

    async def _end(
        self, name: TrialName, verb: Verb, judge: Callable[[Transaction, Study, Trial], dict[str, Any]]
    ) -> Trial:
        def use_case(transaction: Transaction) -> Trial:
            study = found(transaction, name.study)
            trial = _existing(trials.find(transaction, study, name.number, lock=True), name)
            verdict = outcome(verb, trial.state)
            if isinstance(verdict, Refuse) and trial.end_time is None:
                raise refusal(verb, trial.state, name, verdict.reason)
            ended = dataclasses.replace(trial, **judge(transaction, study, trial))
            if isinstance(verdict, Refuse):
                if not _same(ended, trial):
                    raise refusal(verb, trial.state, name, verdict.reason)
                return trial
            now = self._clock()
            ended = dataclasses.replace(ended, end_time=now)
            trials.finish(transaction, study, ended)
            _happened(transaction, study.key, ended, now)
            if study.remaining_trials == 0:
                complete_if_done(transaction, name.study, now)
            return ended

        return await self._store.run(use_case)


def _happened(transaction: Transaction, study_key: int, trial: Trial, now: float) -> None:
    """Keeps the event that the trial is in the state it has."""
    event = Event(EventKind(f"TRIAL_{trial.state}"), now, trial.number, trial.infeasible_reason or trial.client_id)
    events.append(transaction, study_key, [event])


def _measure(transaction: Transaction, name: TrialName, measurement: Measurement) -> Trial:
    study_key, trial = _named(transaction, name)
    verdict = outcome(Verb.MEASURE, trial.state)
    if isinstance(verdict, Move):
        trials.measure(transaction, study_key, name.number, trial.attempt, measurement)
    elif isinstance(verdict, Refuse):
        known = trials.measured(transaction, study_key, trial)
        if not any(_same(measurement, one) for one in known):
            raise refusal(Verb.MEASURE, trial.state, name, verdict.reason)
    return trial


def _named(transaction: Transaction, name: TrialName) -> tuple[int, Trial]:
    there = trials.find_named(transaction, name)
    if there is None:
        found(transaction, name.study)
        raise NotFound(f"{name} does not exist")
    return there


def _existing(trial: Trial | None, name: TrialName) -> Trial:
    if trial is None:
        raise NotFound(f"{name} does not exist")
    return trial


def _candidates(transaction: Transaction, study: Study, trial: Trial, given: Measurement | None) -> list[Measurement]:
    """What the final measurement may be chosen from, when none is given."""
    if given is not None and given.metrics:
        return []
    return trials.measured(transaction, study.key, trial)


def _same(one: object, other: object) -> bool:
    """Whether two values are equal, where NaN equals NaN: a repeated request must find itself."""
    return repr(one) == repr(other)


def _check(measurement: Measurement) -> None:
    if not measurement.metrics:
        raise InvalidArgument("is empty; a measurement needs at least one metric", "measurement.metrics")
    if len(measurement.metrics) > MAX_METRICS:
        raise InvalidArgument(f"{len(measurement.metrics)} metrics; {MAX_METRICS} are allowed", "measurement.metrics")
    if (longest := max(map(len, measurement.metrics))) > MAX_METRIC_NAME_LENGTH:
        problem = f"a name has {longest} characters; {MAX_METRIC_NAME_LENGTH} are allowed"
        raise InvalidArgument(problem, "measurement.metrics")
    if measurement.step < 0:
        raise InvalidArgument(f"{measurement.step} is below 0", "measurement.stepCount")
    if measurement.elapsed_seconds < 0:
        raise InvalidArgument(f"{measurement.elapsed_seconds!r} is below 0", "measurement.elapsedDuration")
