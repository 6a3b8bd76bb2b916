"""Create, measure and end trials. `queries` finds them, `service.suggestions` assigns them to workers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from dodona_server.domain.errors import DodonaError, FailedPrecondition, Field, InvalidArgument, inside
from dodona_server.domain.event import USER, Event, EventKind
from dodona_server.domain.metadata import merge
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.transitions import Facts, Step, transition
from dodona_server.domain.trials.trial import FinalResult, Measurement, Trial
from dodona_server.domain.trials.trial_states import Verb, refusal
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.idempotency import IdempotentCall, Request
from dodona_server.service.quotas import NO_LIMITS, Quotas
from dodona_server.service.saving import save
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.attempts import (
    Attempt,
    act,
    actor_of,
    check_attempt,
    lock_to_end,
    lock_trial,
    refusal_to,
    require_trial,
)
from dodona_server.service.trials.create import new_trial
from dodona_server.service.trials.ending import Ending, apply, count_ended, end, end_attempt
from dodona_server.service.trials.queries import TrialUseCase, with_few_measurements
from dodona_server.service.trials.reports import MAX_REPORTS, Report, Result, check, check_result, keep_reports
from dodona_server.storage import events
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.engine.store import Store, Transaction, after_commit
from dodona_server.storage.studies import studies
from dodona_server.storage.studies.studies import NO_METADATA
from dodona_server.storage.trials import measurements, trials

# Why a trial stops that no rule has stopped.
REQUESTED = "a client asked for it"
# What precedes the number in a reference to a created trial.
TRIALS = "trials/"


class TrialService:
    """Creates, measures and ends trials.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        schedule: computes suggestions; it is informed of new results.
        kept_measurements: the number of measurements kept of a completed trial; None for all.
        quotas: of projects.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        schedule: Schedule,
        kept_measurements: int | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedule = schedule
        self._kept_measurements = kept_measurements
        self._quotas = quotas or Quotas(store, NO_LIMITS)

    async def create(
        self,
        name: StudyName,
        parameters: Mapping[str, object],
        result: Result | None,
        request_id: str | None,
        metadata: Mapping[str, str] = NO_METADATA,
        measured: Sequence[Measurement] = (),
    ) -> Trial:
        """Create a trial with values that the user chose, and return it: queued, or finished if it has a result.

        Args:
            name: the study.
            parameters: a value for each active parameter; those with a default may be left out. A queued trial may
                leave out others: the algorithm chooses their values when the trial is assigned.
            result: of a trial that was run elsewhere.
            request_id: the same id again returns the same trial.
            metadata: strings to store with the trial.
            measured: measurements of a queued trial that are already known; attempts at it continue from there.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: a parameter is missing, unknown or out of range, or the result lacks a metric.
            FailedPrecondition: the study is completed, or its budget is used up.
            QuotaExceeded: the project may have no further trial.
        """
        check_result(result or Result(None, measured))
        request = Request(request_id, f"create a trial in {name}") if request_id else None

        def use_case(transaction: Transaction) -> Trial | DodonaError:
            study = get_study(transaction, name, lock=True)
            made = request.result(transaction, study.key) if request else None
            if made and (there := trials.find(transaction, study, int(made.removeprefix(TRIALS)))):
                return there
            if study.remaining_trials == 0:
                limit = Field("stopping.max_num_trials")
                return FailedPrecondition(
                    (f"{name} has its {study.trial_count} trials, all that its ", limit, " allows")
                )
            if study.state is StudyState.COMPLETED:
                return FailedPrecondition(f"{name} is COMPLETED; resume it to add trials")
            self._quotas.new_trials(transaction, name.parent.project, 1)
            step = new_trial(study, parameters, merge({}, metadata), result, measured, self._clock())
            trial = step.trial
            trials.insert(transaction, study, [trial])
            if request:
                request.keep(transaction, study.key, None, f"{TRIALS}{trial.number}", again=made is not None)
            for measurement in trial.measurements or ():
                measurements.measure(transaction, study.key, trial.number, trial.attempt, measurement)
            studies.add_trials(transaction, study, 1)
            save(transaction, study.key, step)
            if result is not None:
                count_ended(transaction, get_study(transaction, name), trial, trial.create_time)
                after_commit(transaction, lambda: self._schedule.on_result(study))
            return trial

        return await self._store.run(use_case, name)

    async def delete(self, name: TrialName, request_id: str | None = None) -> None:
        """Delete the trial; the budget allows one more again.

        Raises:
            NotFound: there is no such study or trial.
        """

        def use_case(transaction: Transaction) -> None:
            study = get_study(transaction, name.study, lock=True)
            require_trial(trials.find(transaction, study, name.number, lock=True), name)
            artifacts.discard_of_trial(transaction, study.key, name.number, self._clock())
            trials.delete(transaction, study, name.number)
            studies.remove_trial(transaction, study)
            deleted = Event(EventKind.TRIAL_DELETED, self._clock(), name.number, actor=USER)
            events.append(transaction, study.key, [deleted])

        await self._store.run(self._idempotent(name, "delete", request_id)(use_case, lambda _: None), name.study)

    async def measure(
        self, name: TrialName, report: Report, request_id: str | None = None, *, measured: bool = False
    ) -> Trial:
        """Keep the report's measurement and return the trial; its state STOPPING asks the worker to stop early.

        Args:
            name: the trial's.
            report: what its worker measured.
            request_id: the same id again returns the same answer.
            measured: whether the trial comes with its measurements if they are few.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: no worker runs the trial, or it is finished.
            Aborted: the report's attempt was lost, and the trial was reassigned or has ended since.
            InvalidArgument: the measurement has no metric, or a negative step or time.
        """
        check(report.measurement)

        def use_case(transaction: Transaction) -> Trial | DodonaError:
            answer = keep_reports(transaction, [(name, report)], self._schedule.models, self._clock())
            return answer if isinstance(answer, DodonaError) else answer[0]

        return await self._run(name, "addTrialMeasurement", request_id, use_case, measured)

    async def measure_all(
        self, study: StudyName, reports: Sequence[tuple[TrialName, Report]], request_id: str | None = None
    ) -> list[Trial]:
        """Keep the measurements of all reports, or of none if one is refused, and return the trial of each report.

        Args:
            study: the trials'.
            reports: of any number of trials, in the order of measuring.
            request_id: the same id again returns the same answer.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: no worker runs one of the trials, or it is finished.
            Aborted: a report's attempt was lost, and the trial was reassigned or has ended since.
            InvalidArgument: a measurement has no metric, or a negative step or time; or there are too many.
        """
        if not 1 <= len(reports) <= MAX_REPORTS:
            raise InvalidArgument(f"{len(reports)} reports; 1 to {MAX_REPORTS} are allowed", "reports")
        for index, (_, report) in enumerate(reports):
            with inside(f"reports[{index}]"):
                check(report.measurement)

        def use_case(transaction: Transaction) -> list[Trial] | DodonaError:
            return keep_reports(transaction, reports, self._schedule.models, self._clock())

        def again(transaction: Transaction) -> list[Trial]:
            return [lock_trial(transaction, name)[1] for name, _ in reports]

        once = IdempotentCall(request_id, f"report {study}", study, self._clock())
        return await self._store.run(once(use_case, again), study)

    async def heartbeat(
        self,
        name: TrialName,
        attempt: Attempt | None = None,
        checkpoint: str = "",
        request_id: str | None = None,
        *,
        measured: bool = False,
    ) -> Trial:
        """Renew the trial's lease and return the trial; its state STOPPING asks the worker to stop early.

        Args:
            name: the trial's.
            attempt: the one the worker runs; None for the last one.
            checkpoint: where the next attempt can resume; empty to leave it as it is.
            request_id: the same id again returns the same answer.
            measured: whether the trial comes with its measurements if they are few.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: no worker runs the trial.
            Aborted: the attempt was lost, and the trial was reassigned.
        """

        def use_case(transaction: Transaction) -> Trial | DodonaError:
            study_key, trial = lock_trial(transaction, name)
            check_attempt(trial, name, attempt)
            facts = Facts(now=self._clock(), actor=actor_of(trial, attempt), checkpoint=checkpoint)
            match act(trial, Verb.HEARTBEAT, facts, attempt):
                case Step() as step:
                    return save(transaction, study_key, step)
                case Refuse(reason):
                    return refusal_to(Verb.HEARTBEAT, trial, name, reason, attempt)
                case Ignore():
                    return trial

        return await self._run(name, "heartbeat", request_id, use_case, measured)

    async def release(self, name: TrialName, attempt: Attempt | None = None, request_id: str | None = None) -> Trial:
        """Release the trial from its worker and return it: it waits for the next worker that asks.

        Args:
            name: the trial's.
            attempt: the one the worker ran; None for the last one.
            request_id: the same id again returns the same answer.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: it is finished.
            Aborted: the attempt was lost, and the trial was reassigned.
        """

        def use_case(transaction: Transaction) -> Trial | DodonaError:
            study, trial = lock_to_end(transaction, name)
            check_attempt(trial, name, attempt)
            now = self._clock()
            match end_attempt(transaction, study, trial, Verb.RELEASE, now, actor_of(trial, attempt)):
                case Step() as step:
                    return apply(transaction, study, trial, step, now)
                case Refuse(reason):
                    return refusal_to(Verb.RELEASE, trial, name, reason, attempt)
                case Ignore():
                    return trial

        return await self._run(name, "release", request_id, use_case)

    async def update_metadata(
        self, name: TrialName, changes: Mapping[str, str], request_id: str | None = None
    ) -> Trial:
        """Change the trial's metadata, in any state, and return the trial; an empty value removes an entry.

        Raises:
            NotFound: there is no such study or trial.
            InvalidArgument: the metadata would have too many entries, or a key is too long.
        """

        def use_case(transaction: Transaction) -> Trial:
            study_key, trial = lock_trial(transaction, name)
            merged = merge(trial.metadata, changes)
            trials.set_metadata(transaction, study_key, name.number, merged)
            return dataclasses.replace(trial, metadata=merged)

        return await self._run(name, "updateMetadata", request_id, use_case)

    async def stop(self, name: TrialName, request_id: str | None = None) -> Trial:
        """Ask for an early end of the trial, and return it: the next report tells its worker.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: no worker runs the trial, or it is infeasible.
        """

        def use_case(transaction: Transaction) -> Trial | DodonaError:
            study_key, trial = lock_trial(transaction, name)
            match transition(trial, Verb.STOP, Facts(now=self._clock(), actor=USER, reason=REQUESTED)):
                case Step() as step:
                    return save(transaction, study_key, step)
                case Refuse(reason):
                    return refusal(Verb.STOP, trial.state, name, reason)
                case Ignore():
                    return trial

        return await self._run(name, "stop", request_id, use_case)

    async def complete(
        self,
        name: TrialName,
        given: Measurement | None,
        attempt: Attempt | None = None,
        request_id: str | None = None,
        used: Mapping[str, object] | None = None,
        *,
        whole: bool = False,
        measured: bool = False,
    ) -> Trial:
        """Complete the trial with the given measurement, or with one of those reported, and return it.

        The trial becomes infeasible if the result lacks one of the study's metrics or has one that is not finite.

        Args:
            name: the trial's.
            given: its final measurement.
            attempt: the one the worker ran; None for the last one.
            request_id: the same id again returns the same answer.
            used: the values that the trial actually used, which become its parameters; None to leave them.
            whole: whether the training had reached its end when it was asked to stop: it was then not stopped early.
            measured: whether the trial comes with its measurements if they are few.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: no worker runs the trial, it is finished with another result, or it has no measurement.
            Aborted: the attempt was lost, and the trial was reassigned or has ended since.
            InvalidArgument: the measurement has a negative step or time, or a value is not allowed for its parameter.
        """
        if given is not None and given.metrics:
            check(given)

        ending = Ending(Verb.SUCCEED, given, attempt, used, whole)
        return await self._end(name, ending, request_id, measured)

    async def fail(
        self,
        name: TrialName,
        reason: str,
        attempt: Attempt | None = None,
        request_id: str | None = None,
        used: Mapping[str, object] | None = None,
        *,
        measured: bool = False,
    ) -> Trial:
        """Finish the trial as infeasible and return it; see `complete` for `used` and `measured`.

        Raises:
            NotFound: there is no such study or trial.
            FailedPrecondition: no worker runs the trial, or it is finished with another result.
            Aborted: the attempt was lost, and the trial was reassigned or has ended since.
        """
        result = FinalResult(None, reason or "the client gave no reason")
        return await self._end(name, Ending(Verb.FAIL, result, attempt, used), request_id, measured)

    async def _end(self, name: TrialName, ending: Ending, request_id: str | None, measured: bool) -> Trial:
        def use_case(transaction: Transaction) -> Trial | DodonaError:
            study, trial = lock_to_end(transaction, name)
            now = self._clock()
            outcome = end(transaction, study, trial, name, ending, now)
            if not isinstance(outcome, Step):
                return outcome
            ended = apply(transaction, study, trial, outcome, now)
            if self._kept_measurements is not None:
                measurements.thin(transaction, study.key, ended, self._kept_measurements)
            after_commit(transaction, lambda: self._schedule.on_result(study))
            if study.spec.uses_curve_model:
                after_commit(transaction, lambda: self._schedule.models.on_news(study.key))
            return ended

        return await self._run(name, str(ending.verb), request_id, use_case, measured)

    async def _run(
        self, name: TrialName, verb: str, request_id: str | None, use_case: TrialUseCase, measured: bool = False
    ) -> Trial:
        """Run a use case once for each request id, and return its answer."""
        if request_id:
            once = self._idempotent(name, verb, request_id)
            use_case = once(use_case, lambda transaction: lock_trial(transaction, name)[1])
        if not measured:
            return await self._store.run(use_case, name.study)
        trial, few = await self._store.run(with_few_measurements(use_case, name), name.study)
        return dataclasses.replace(trial, measurements=few())

    def _idempotent(self, name: TrialName, verb: str, request_id: str | None) -> IdempotentCall:
        return IdempotentCall(request_id, f"{verb} {name}", name.study, self._clock())
