"""What can be done with trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import Aborted, DodonaError, FailedPrecondition, InvalidArgument, NotFound, inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.lifecycle import Ignore, Move, Refuse, Verb, outcome, refusal
from dodona_server.domain.metadata import merge
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.study import MAX_METRIC_NAME_LENGTH, Study, StudyState
from dodona_server.domain.trial import (
    Measurement,
    Place,
    Trial,
    TrialState,
    final_measurement,
    infeasibility,
    pareto_front,
)
from dodona_server.service.ahead import Ahead
from dodona_server.service.ending import count, end, happened, infeasible, judged, release
from dodona_server.service.once import Once
from dodona_server.service.studies import found
from dodona_server.storage import artifacts, events, studies, trials
from dodona_server.storage.store import Store, Transaction
from dodona_server.storage.studies import NO_METADATA

MAX_REPORTS = 1000
MAX_METRICS = 1000
# A report extends a lease once that part of it has gone by.
LEASE_PART_LEFT_ALONE = 0.2


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker measured.

    Args:
        measurement: the metrics at one step.
        attempt: which one the worker runs; None for the last one.
        checkpoint: the place from which the trial can go on; empty to leave it as it is.
    """

    measurement: Measurement
    attempt: int | None = None
    checkpoint: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a trial that was run elsewhere: its final measurement, or what was measured on the way, or both.

    One with a reason why it is infeasible needs neither.
    """

    final: Measurement | None
    measurements: Sequence[Measurement] = ()
    infeasible_reason: str = ""


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
        ahead: computes suggestions with what a finished trial has taught.
        kept_measurements: how many measurements of a trial are kept when it is completed; None for all.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], ahead: Ahead, kept_measurements: int | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._ahead = ahead
        self._kept_measurements = kept_measurements

    async def create(
        self,
        name: StudyName,
        parameters: Mapping[str, object],
        result: Result | None,
        request_id: str | None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> Trial:
        """A trial with values that the user chose: queued, or finished already if it comes with a result.

        Args:
            name: the study.
            parameters: a value for each active parameter; those that have a default may be left out.
            result: of a trial that was run elsewhere.
            request_id: the same id again gets the same trial.
            metadata: what the client wants to remember of the trial.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: a parameter is missing, unknown or out of range, or the result lacks a metric.
            FailedPrecondition: the study is completed, or its budget is used up.
        """
        if result is not None:
            _check_result(result)

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
            for measurement in trial.measurements or ():
                trials.measure(transaction, study.key, trial.number, trial.attempt, measurement)
            studies.add_trials(transaction, study, 1)
            happened(transaction, study.key, trial, trial.create_time)
            if result is not None:
                count(transaction, found(transaction, name), trial, trial.create_time)
            return trial

        return await self._store.run(use_case)

    def _chosen(self, study: Study, parameters: Mapping[str, object], result: Result | None) -> Trial:
        now = self._clock()
        trial = Trial(
            number=study.next_trial_number,
            state=TrialState.REQUESTED,
            parameters=study.spec.space.check(parameters),
            create_time=now,
        )
        if result is None:
            return trial
        if result.infeasible_reason:
            failed = infeasible(trial, result.infeasible_reason)
            measured = list(result.measurements) or None
            return dataclasses.replace(failed, attempt=1, start_time=now, end_time=now, measurements=measured)
        given = result.final if result.final is not None and result.final.metrics else None
        final = Measurement({})
        if given or result.measurements:
            final = final_measurement(study.spec, given, result.measurements)
        if reason := infeasibility(study.spec, final):
            raise InvalidArgument(reason, "finalMeasurement")
        return dataclasses.replace(
            trial,
            state=TrialState.SUCCEEDED,
            attempt=1,
            start_time=now,
            end_time=now,
            final_measurement=final,
            measurements=list(result.measurements) or None,
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

    async def ranking(self, name: StudyName, behind: Place | None, limit: int) -> tuple[list[Trial], Place | None]:
        """Up to `limit` succeeded trials, best first, and the place of the last one if there are more.

        Args:
            name: the study.
            behind: the place behind which to begin; None for the best.
            limit: how many at most.

        Raises:
            NotFound: there is no such study.
        """

        def query(transaction: Transaction) -> tuple[list[Trial], Place | None]:
            study = found(transaction, name)
            ranked = trials.ranking(transaction, study, behind, limit + 1)
            if len(ranked) <= limit:
                return ranked, None
            last = ranked[limit - 1]
            return ranked[:limit], Place(trials.objective(study, last) or 0.0, last.number)

        return await self._store.read(query)

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

    async def delete(self, name: TrialName, request_id: str | None = None) -> None:
        """Removes the trial; the budget has one more again.

        Raises:
            NotFound: there is no such study or trial.
        """

        def use_case(transaction: Transaction) -> None:
            study = found(transaction, name.study, lock=True)
            _existing(trials.find(transaction, study, name.number, lock=True), name)
            artifacts.discard_of_trial(transaction, study.key, name.number, self._clock())
            trials.delete(transaction, study, name.number)
            studies.remove_trial(transaction, study)
            deleted = Event(EventKind.TRIAL_DELETED, self._clock(), name.number)
            events.append(transaction, study.key, [deleted])

        await self._store.run(self._once(name, "delete", request_id)(use_case, lambda _: None))

    async def measure(self, name: TrialName, report: Report, request_id: str | None = None) -> Trial:
        """The trial, with the report's measurement kept; the state STOPPING tells the worker to stop early.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, or it is finished.
            Aborted: the report is of an attempt that was lost, and the trial was handed on or has ended since.
            InvalidArgument: the measurement has no metric, or a negative step or time.
        """
        _check(report.measurement)
        return await self._run(
            name, "addTrialMeasurement", request_id, lambda transaction: self._measure(transaction, name, report)
        )

    async def measure_all(
        self, study: StudyName, reports: Sequence[tuple[TrialName, Report]], request_id: str | None = None
    ) -> list[Trial]:
        """The trial of each report, with all measurements kept, or none if one is refused.

        Args:
            study: whose trials they are.
            reports: of any number of trials, in the order in which they were measured.
            request_id: the same id again gets the same answer.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs one of the trials, or it is finished.
            Aborted: a report is of an attempt that was lost, and the trial was handed on or has ended since.
            InvalidArgument: a measurement has no metric, or a negative step or time; or there are too many.
        """
        if not 1 <= len(reports) <= MAX_REPORTS:
            raise InvalidArgument(f"{len(reports)} reports; 1 to {MAX_REPORTS} are allowed", "reports")
        for index, (_, report) in enumerate(reports):
            with inside(f"reports[{index}]"):
                _check(report.measurement)

        def use_case(transaction: Transaction) -> list[Trial]:
            return [self._measure(transaction, name, report) for name, report in reports]

        def again(transaction: Transaction) -> list[Trial]:
            return [_named(transaction, name)[1] for name, _ in reports]

        once = Once(request_id, f"report {study}", study.parent, self._clock())
        return await self._store.run(once(use_case, again))

    def _measure(self, transaction: Transaction, name: TrialName, report: Report) -> Trial:
        study_key, trial = self._held(transaction, name, report.attempt)
        verdict = outcome(Verb.MEASURE, trial.state)
        if isinstance(verdict, Move):
            trials.measure(transaction, study_key, name.number, trial.attempt, report.measurement)
            return _alive(transaction, study_key, trial, report.checkpoint)
        if isinstance(verdict, Refuse):
            known = trials.measured(transaction, study_key, trial)
            if not any(_same(report.measurement, one) for one in known):
                raise _refusal(Verb.MEASURE, trial, name, verdict.reason, report.attempt)
        return trial

    async def beat(
        self, name: TrialName, attempt: int | None = None, checkpoint: str = "", request_id: str | None = None
    ) -> Trial:
        """The trial, whose lease begins anew; the state STOPPING tells the worker to stop early.

        Args:
            name: the trial's.
            attempt: which one the worker runs; None for the last one.
            checkpoint: the place from which the trial can go on; empty to leave it as it is.
            request_id: the same id again gets the same answer.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial.
            Aborted: the attempt was lost, and the trial was handed on.
        """

        def use_case(transaction: Transaction) -> Trial:
            study_key, trial = self._held(transaction, name, attempt)
            match outcome(Verb.BEAT, trial.state):
                case Move():
                    return _alive(transaction, study_key, trial, checkpoint, in_any_case=True)
                case Refuse(reason):
                    raise refusal(Verb.BEAT, trial.state, name, reason)
                case Ignore():
                    return trial

        return await self._run(name, "heartbeat", request_id, use_case)

    async def release(self, name: TrialName, attempt: int | None = None, request_id: str | None = None) -> Trial:
        """The trial, handed back by its worker: it waits for the next one that asks.

        Args:
            name: the trial's.
            attempt: which one the worker ran; None for the last one.
            request_id: the same id again gets the same answer.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: it is finished.
            Aborted: the attempt was lost, and the trial was handed on.
        """

        def use_case(transaction: Transaction) -> Trial:
            study, trial = self._to_end(transaction, name)
            _check_attempt(trial, name, attempt)
            match outcome(Verb.RELEASE, trial.state):
                case Move():
                    return release(transaction, study, trial, self._clock())
                case Refuse(reason):
                    raise _refusal(Verb.RELEASE, trial, name, reason, attempt)
                case Ignore():
                    return trial

        return await self._run(name, "release", request_id, use_case)

    async def update_metadata(
        self, name: TrialName, changes: Mapping[str, str], request_id: str | None = None
    ) -> Trial:
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

        return await self._run(name, "updateMetadata", request_id, use_case)

    async def stop(self, name: TrialName, request_id: str | None = None) -> Trial:
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
                    happened(transaction, study_key, stopping, self._clock())
                    return stopping
                case Ignore():
                    return trial
                case Refuse(reason):
                    raise refusal(Verb.STOP, trial.state, name, reason)

        return await self._run(name, "stop", request_id, use_case)

    async def complete(
        self,
        name: TrialName,
        given: Measurement | None,
        attempt: int | None = None,
        request_id: str | None = None,
    ) -> Trial:
        """The trial, finished with the given measurement, else with one of those reported.

        A result without one of the study's metrics, or with one that is not finite, makes the trial infeasible.

        Args:
            name: the trial's.
            given: its final measurement.
            attempt: which one the worker ran; None for the last one.
            request_id: the same id again gets the same answer.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, it is finished with another result, or it has no measurement.
            Aborted: the attempt was lost, and the trial was handed on or has ended since.
            InvalidArgument: the measurement has a negative step or time.
        """
        if given is not None and given.metrics:
            _check(given)
        return await self._end(
            name,
            Verb.SUCCEED,
            lambda transaction, study, trial: judged(transaction, study, trial, given),
            attempt,
            request_id,
        )

    async def fail(
        self, name: TrialName, reason: str, attempt: int | None = None, request_id: str | None = None
    ) -> Trial:
        """The trial, finished as infeasible.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: nobody runs the trial, or it is finished otherwise.
            Aborted: the attempt was lost, and the trial was handed on or has ended since.
        """
        return await self._end(
            name,
            Verb.FAIL,
            lambda _transaction, _study, trial: infeasible(trial, reason or "the client gave no reason"),
            attempt,
            request_id,
        )

    async def _end(
        self,
        name: TrialName,
        verb: Verb,
        judge: Callable[[Transaction, Study, Trial], Trial],
        attempt: int | None,
        request_id: str | None,
    ) -> Trial:
        def use_case(transaction: Transaction) -> Trial:
            study, trial = self._to_end(transaction, name)
            _check_attempt(trial, name, attempt)
            trial = _reclaimed(transaction, study.key, trial, attempt, self._clock())
            verdict = outcome(verb, trial.state)
            if isinstance(verdict, Refuse):
                if trial.end_time is None or not _repeats(lambda: judge(transaction, study, trial), trial):
                    raise _refusal(verb, trial, name, verdict.reason, attempt)
                return trial
            ended = judge(transaction, study, trial)
            ended = end(transaction, study, ended, self._clock())
            if self._kept_measurements is not None:
                trials.thin(transaction, study.key, ended, self._kept_measurements)
            learned.append(study)
            return ended

        learned: list[Study] = []
        answer = await self._run(name, str(verb), request_id, use_case)
        for study in learned[-1:]:  # a use case may run twice, where two servers collide
            self._ahead.prepare(study)
        return answer

    def _held(self, transaction: Transaction, name: TrialName, attempt: int | None) -> tuple[int, Trial]:
        """The study's key and the trial, which is the caller's if it names its attempt."""
        study_key, trial = _named(transaction, name)
        _check_attempt(trial, name, attempt)
        return study_key, _reclaimed(transaction, study_key, trial, attempt, self._clock())

    def _to_end(self, transaction: Transaction, name: TrialName) -> tuple[Study, Trial]:
        """The study, held if its progress counts, and the trial, held."""
        study = found(transaction, name.study)
        if study.spec.stopping.needs_progress:
            study = found(transaction, name.study, lock=True)
        return study, _existing(trials.find(transaction, study, name.number, lock=True), name)

    async def _run(
        self, name: TrialName, verb: str, request_id: str | None, use_case: Callable[[Transaction], Trial]
    ) -> Trial:
        """The answer of a use case that is done once for each request id."""
        if not request_id:
            return await self._store.run(use_case)
        once = self._once(name, verb, request_id)
        return await self._store.run(once(use_case, lambda transaction: _named(transaction, name)[1]))

    def _once(self, name: TrialName, verb: str, request_id: str | None) -> Once:
        return Once(request_id, f"{verb} {name}", name.study.parent, self._clock())


def _check_attempt(trial: Trial, name: TrialName, attempt: int | None) -> None:
    if attempt is not None and attempt != trial.attempt:
        holder = f" with {trial.client_id!r}" if trial.client_id else ""
        raise Aborted(f"attempt {attempt} of {name} was lost: the trial is in attempt {trial.attempt}{holder}")


def _reclaimed(transaction: Transaction, study_key: int, trial: Trial, attempt: int | None, now: float) -> Trial:
    """The trial; back with the worker that was thought lost, if that one names its attempt and nobody else has it."""
    if attempt is None or not trial.lost_client_id or trial.state is not TrialState.REQUESTED:
        return trial
    trials.reclaim(transaction, study_key, trial, now)
    back = dataclasses.replace(
        trial,
        state=TrialState.ACTIVE,
        client_id=trial.lost_client_id,
        start_time=now,
        lost_attempts=trial.lost_attempts - 1,
        lost_client_id="",
    )
    happened(transaction, study_key, back, now)
    return back


def _alive(
    transaction: Transaction, study_key: int, trial: Trial, checkpoint: str, *, in_any_case: bool = False
) -> Trial:
    """The trial after a sign of life. A lease that has hardly begun is left alone: every write costs."""
    lease = trial.lease
    if lease is not None and (in_any_case or lease.left < lease.seconds * (1 - LEASE_PART_LEFT_ALONE)):
        trials.extend_lease(transaction, study_key, trial)
        trial = dataclasses.replace(trial, lease=lease.renewed())
    if checkpoint and checkpoint != trial.checkpoint:
        trials.set_checkpoint(transaction, study_key, trial.number, checkpoint)
        trial = dataclasses.replace(trial, checkpoint=checkpoint)
    return trial


def _refusal(verb: Verb, trial: Trial, name: TrialName, reason: str, attempt: int | None) -> DodonaError:
    """The error for a verb that the state does not allow; who names its attempt had the trial, and has lost it."""
    refused = refusal(verb, trial.state, name, reason)
    if attempt is None or trial.end_time is None:
        return refused
    return Aborted(f"{refused.message}; attempt {attempt} is over")


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


def _repeats(judge: Callable[[], Trial], trial: Trial) -> bool:
    """Whether a finished trial would be judged as it was."""
    try:
        return _same(judge(), trial)
    except FailedPrecondition:
        return False


def _same(one: object, other: object) -> bool:
    """Whether two values are equal, where NaN equals NaN: a repeated request must find itself."""
    return repr(one) == repr(other)


def _check_result(result: Result) -> None:
    if result.final is not None and result.final.metrics:
        _check(result.final)
    if len(result.measurements) > MAX_REPORTS:
        raise InvalidArgument(f"{len(result.measurements)} measurements; {MAX_REPORTS} are allowed", "measurements")
    for index, measurement in enumerate(result.measurements):
        with inside(f"measurements[{index}]"):
            _check(measurement)


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
