"""Create trials with values that the user chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import USER
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.transitions import Draft, Facts, Step, allowed_step
from dodona_server.domain.trials.trial import FinalResult, Measurement, final_result
from dodona_server.domain.trials.trial_states import Verb
from dodona_server.service.trials.reports import Result


def new_trial(
    study: Study,
    parameters: Mapping[str, object],
    metadata: Mapping[str, str],
    result: Result | None,
    measured: Sequence[Measurement],
    now: float,
) -> Step:
    """Return the step that creates the study's next trial: queued, or finished if it comes with a result.

    Args:
        study: as it is now.
        parameters: see `TrialService.create`, as for `result` and `measured`.
        metadata: strings to store with the trial.
        result: of a trial that was run elsewhere.
        measured: the known measurements of a queued trial.
        now: the time, in seconds since the epoch.

    Raises:
        InvalidArgument: a parameter is missing, unknown or out of range, or the result lacks a metric.
    """
    space = study.spec.space
    values = space.check_queued(parameters) if result is None else space.check(parameters)
    curve = measured if result is None else result.measurements
    draft = Draft(study.next_trial_number, values, metadata, curve, stopped=result is not None and result.stopped)
    if result is None:
        return allowed_step(None, Verb.CREATE, Facts(now=now, actor=USER, draft=draft))
    return allowed_step(None, Verb.IMPORT, Facts(now=now, actor=USER, draft=draft, result=_checked(study, result)))


def _checked(study: Study, result: Result) -> FinalResult:
    """Return the result of a trial that was run elsewhere.

    Raises:
        InvalidArgument: it lacks a metric, or one is not finite.
    """
    if result.infeasible_reason:
        return FinalResult(None, result.infeasible_reason)
    given = result.final if result.final is not None and result.final.metrics else None
    known = result.measurements if given or result.measurements else [Measurement({})]
    checked = final_result(study.spec, given, known)
    if checked.infeasible_reason:
        raise InvalidArgument(checked.infeasible_reason, "final_measurement")
    return checked
