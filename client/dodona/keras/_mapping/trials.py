"""Trials of the server as KerasTuner's trials."""

from __future__ import annotations

from collections.abc import Mapping

from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.trial import Trial, TrialStatus

from dodona import Study, TrialRecord
from dodona._text import sendable, words_of
from dodona.keras._compat import MultiObjective
from dodona.keras._mapping.objective import score
from dodona.keras._mapping.search_space import filled
from dodona.keras._mapping.stopping import early_end_of

_STATUS = {"SUCCEEDED": TrialStatus.COMPLETED, "INFEASIBLE": TrialStatus.FAILED}
UNFINISHED = {"REQUESTED", "ACTIVE", "STOPPING"}
# The statuses of trials with a score.
DONE = {TrialStatus.COMPLETED, TrialStatus.STOPPED}

# How much of a traceback is kept as the reason.
LONGEST_REASON = 2000


def trial_of(record: TrialRecord, space: HyperParameters, objective: Objective, planned: int | None = None) -> Trial:
    """Return KerasTuner's trial for a record of the server.

    An unfinished trial has no metrics here: KerasTuner would treat a reported metric as the result. A finished trial
    has its final metrics. One that was stopped early is STOPPED, and its message says why; `Trial.summary` prints it.

    Args:
        record: the server's record.
        space: the study's space.
        objective: the study's objective.
        planned: how many epochs a trial is trained; None if unknown.
    """
    status = TrialStatus.STOPPED if is_stopped(record) else _STATUS.get(record.state, TrialStatus.RUNNING)
    message = record.infeasible_reason
    if message is None and (end := early_end_of(record, planned)) is not None:
        message = str(end)
    trial = Trial(filled(space, record.parameters), str(record.number), status, message)
    if record.state not in UNFINISHED and record.metrics:
        trial.best_step = best_step_of(record.step)
        add_metrics(trial, record.metrics, objective, trial.best_step)
    if status in DONE:
        trial.score = score(objective, record.metrics)
    return trial


def best_records(study: Study, objective: Objective, count: int) -> list[TrialRecord]:
    """Return up to `count` succeeded trials, best first, those that were stopped early after the others.

    Args:
        study: the study on the server.
        objective: the study's objective.
        count: how many trials to return.
    """
    if len(study.metrics) == 1:
        ranked = study.best_trials(count)
        if len(ranked) == count:
            return ranked
    # The server ranks by the first metric, and only whole trials; KerasTuner's objective is the sum of all.
    succeeded = [record for record in study.trials() if record.state == "SUCCEEDED"]
    sign = -1.0 if objective.direction == "max" else 1.0
    succeeded.sort(key=lambda record: (record.stopped, sign * (score(objective, record.metrics) or 0.0)))
    return succeeded[:count]


def is_stopped(record: TrialRecord) -> bool:
    """Return whether the trial ended with a result because it was stopped early."""
    return record.stopped and record.state == "SUCCEEDED"


def add_metrics(trial: Trial, metrics: Mapping[str, float], objective: Objective, step: int) -> None:
    """Add values to the trial's metrics, and register new metrics with their direction.

    Args:
        trial: KerasTuner's trial.
        metrics: values by name.
        objective: the study's objective; it has the directions that metric names do not show.
        step: KerasTuner's step: epochs from 0 on.
    """
    known = {part.name: part.direction for part in parts_of(objective)}
    for name, value in metrics.items():
        if not trial.metrics.exists(name):
            trial.metrics.register(name, direction=known.get(name))
        trial.metrics.update(name, value, step=step)


def parts_of(objective: Objective) -> list[Objective]:
    """Return the parts of a multi-objective with the sum itself; a single objective alone."""
    return [objective, *objective.objectives] if isinstance(objective, MultiObjective) else [objective]


def step_of(best_step: int) -> int:
    """Return the server's step for KerasTuner's: the server counts epochs from 1 on, and 0 means none."""
    return best_step + 1


def best_step_of(step: int) -> int:
    """Return KerasTuner's step for the server's."""
    return max(step - 1, 0)


def reason_of(trial: Trial) -> str:
    """Return why the trial failed: the end of its message, in whole lines if possible."""
    message = sendable(words_of(trial.message or "")).strip() or "the trial failed without a message"
    if len(message) <= LONGEST_REASON:
        return message
    end = message[-LONGEST_REASON:]
    return end.partition("\n")[2] or end
