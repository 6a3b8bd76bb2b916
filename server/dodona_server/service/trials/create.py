"""Create trials with values that the user chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.study import Study
from dodona_server.domain.trial import Measurement, Trial, TrialState, final_measurement, infeasibility
from dodona_server.service.trials.ending import infeasible
from dodona_server.service.trials.reports import Result


def new_trial(
    study: Study,
    parameters: Mapping[str, object],
    result: Result | None,
    measured: Sequence[Measurement],
    now: float,
) -> Trial:
    """Return the study's next trial: queued, or finished if it comes with a result.

    Args:
        study: as it is now.
        parameters: see `TrialService.create`, as for `result` and `measured`.
        result: of a trial that was run elsewhere.
        measured: the known measurements of a queued trial.
        now: the time, in seconds since the epoch.

    Raises:
        InvalidArgument: a parameter is missing, unknown or out of range, or the result lacks a metric.
    """
    space = study.spec.space
    trial = Trial(
        number=study.next_trial_number,
        state=TrialState.REQUESTED,
        parameters=space.check_queued(parameters) if result is None else space.check(parameters),
        create_time=now,
    )
    if result is None:
        return dataclasses.replace(trial, measurements=list(measured) or None)
    if result.infeasible_reason:
        failed = infeasible(trial, result.infeasible_reason)
        curve = list(result.measurements) or None
        return dataclasses.replace(failed, attempt=1, start_time=now, end_time=now, measurements=curve)
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
