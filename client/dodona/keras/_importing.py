"""Import of a KerasTuner project folder into a study: its search space, its trials and their best weights.

The folder has `oracle.json` and, for each trial, `trial_<id>/trial.json` and perhaps weights. It does not name the
objective: that is the metric that equals the trials' scores.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_tuner import HyperParameters, Objective
from keras_tuner.engine.metrics_tracking import infer_metric_direction
from keras_tuner.engine.trial import Trial, TrialStatus

from dodona import ApiError, Client, FailedPrecondition, NotFound, Study, TrialRecord
from dodona.keras._checkpoints.storage import MODEL
from dodona.keras._mapping.objective import metrics_of
from dodona.keras._mapping.search_space import Space, filled
from dodona.keras._mapping.trials import reason_of, step_of
from dodona.keras._mapping.wire_values import encoded_values
from dodona.keras._study.requested_spec import check_objective
from dodona_schemas.vertex import (
    CreateTrialRequest,
    Measurement,
    Metric,
    StudySpec,
    TrialState,
)

logger = logging.getLogger("dodona")

# Hyperband's own entries among the values; they are not hyperparameters.
_HYPERBAND_PREFIX = "tuner/"


@dataclass(frozen=True)
class Imported:
    """Result of an import: the study's name, and how many trials and weights were added or existed."""

    study: str
    added: int
    existing: int
    weights: int


def import_project(
    directory: Path, study_id: str | None = None, *, objective: str | None = None, client: Client | None = None
) -> Imported:
    """Import a KerasTuner project into a study; trials that are already there are not added again.

    Completed trials succeed with their scores, failed trials become infeasible with their messages, and running trials
    are queued for a worker.

    Args:
        directory: the project's folder, the one with oracle.json.
        study_id: the study's name; a missing study is created. None for the folder's name.
        objective: the project's objective, as "val_accuracy" or "my_metric:max"; None to read it from the scores.
        client: the connection; None for a client of DODONA_URL and DODONA_TOKEN.

    Raises:
        ValueError: the folder is not a project or cannot be read, or its objective is unclear or not the study's.
        ApiError: the server refused.
        ServerUnreachable: the server does not answer.
    """
    state = _read(directory)
    trials = list(_trials(directory))
    goal = _objective_of(directory, trials, objective)
    with nullcontext(client) if client is not None else Client() as connection:
        study, space = _study(connection, study_id or directory.resolve().name, goal, _space(directory, state, trials))
        before = {record.number for record in study.trials()}
        records = []
        for trial in trials:
            body = _request(trial, goal, space)
            body.request_id = f"keras-tuner:{state['seed']}:{trial.trial_id}"
            records.append(study.create_trial(body))
        weights = _upload(directory, study, list(zip(trials, records, strict=True)))
    added = sum(record.number not in before for record in records)
    return Imported(study.display_name, added, len(records) - added, weights)


def _read(directory: Path) -> dict[str, Any]:
    path = directory / "oracle.json"
    if not path.is_file():
        below = sorted(one.parent for one in directory.glob("*/oracle.json"))
        hint = f"; did you mean {' or '.join(map(str, below))}?" if below else ""
        raise ValueError(f"{directory} is not a project of KerasTuner: it has no oracle.json{hint}")
    state = _json(path)
    for field in ("hyperparameters", "seed"):
        if field not in state:
            raise ValueError(f"{path} is not a file of KerasTuner: it has no {field!r}")
    return state


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a file of KerasTuner: it has no JSON object")
    return content


def _trials(directory: Path) -> Iterator[Trial]:
    """Yield the trials by id; numeric ids by size."""
    for path in sorted(directory.glob("trial_*/trial.json"), key=lambda one: (len(one.parent.name), one.parent.name)):
        state = _json(path)
        try:
            yield Trial.from_state(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} is not a trial of KerasTuner: {error!r}") from error


def _space(directory: Path, state: dict[str, Any], trials: list[Trial]) -> HyperParameters:
    try:
        known = HyperParameters.from_config(state["hyperparameters"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{directory / 'oracle.json'} has a search space that cannot be read: {error!r}") from error
    for trial in trials:
        known.merge(trial.hyperparameters, overwrite=False)
    return known


def _objective_of(directory: Path, trials: list[Trial], given: str | None) -> Objective:
    if given is not None:
        name, _, suffix = given.partition(":")
        direction = suffix or _direction(trials, name)
        if direction not in ("min", "max"):
            raise ValueError(f"the direction of {name!r} is {direction or 'unknown'}; write {name}:min or {name}:max")
        return Objective(name, direction)
    scored = [trial for trial in trials if trial.status == TrialStatus.COMPLETED and trial.score is not None]
    names = {name for trial in scored for name in trial.metrics.metrics}
    fitting = sorted(name for name in names if all(_is_scored_by(trial, name) for trial in scored))
    if len(fitting) != 1:
        found = f"it may be any of {', '.join(fitting)}" if fitting else "no metric agrees with the scores"
        raise ValueError(f"the objective of {directory} is unclear, {found}; pass it, as in val_loss:min")
    return Objective(fitting[0], _direction(scored, fitting[0]))


def _direction(trials: list[Trial], name: str) -> str | None:
    for trial in trials:
        if trial.metrics.exists(name):
            return str(trial.metrics.metrics[name].direction)
    direction: str | None = infer_metric_direction(name)
    return direction


def _is_scored_by(trial: Trial, name: str) -> bool:
    return bool(trial.metrics.exists(name) and trial.metrics.get_best_value(name) == trial.score)


def _study(client: Client, name: str, objective: Objective, found: HyperParameters) -> tuple[Study, Space]:
    """Return the study with all hyperparameters of the project."""
    metrics = metrics_of(objective)
    try:
        study = client.get_study(name)
    except NotFound:
        specs = Space().grown(found.space).specs
        study = client.create_study(name, spec=StudySpec(metrics=metrics, parameters=specs))
        return study, Space(study.spec.parameters)
    check_objective(study, metrics)
    space = Space(study.spec.parameters)
    if additions := space.grown(space.missing(found)).additions:
        study.add_parameters(additions)
    return study, Space(study.spec.parameters)


def _request(trial: Trial, objective: Objective, space: Space) -> CreateTrialRequest:
    values = filled(space.hyperparameters, trial.hyperparameters.values).values
    hyperband_values = {
        name: one for name, one in trial.hyperparameters.values.items() if name.startswith(_HYPERBAND_PREFIX)
    }
    body = CreateTrialRequest(
        parameters=list(encoded_values(space.specs, values)),
        metadata={"keras_tuner": json.dumps({"trial_id": trial.trial_id, "values": hyperband_values})},
    )
    if trial.status not in (TrialStatus.COMPLETED, TrialStatus.FAILED, TrialStatus.INVALID):
        return body
    measured = _measured(trial)
    body.measurements = [_measurement(step, metrics) for step, metrics in sorted(measured.items())]
    if trial.status == TrialStatus.COMPLETED and trial.score is not None and math.isfinite(trial.score):
        body.state = TrialState.SUCCEEDED
        final = {**measured.get(trial.best_step, {}), objective.name: trial.score}
        body.final_measurement = _measurement(trial.best_step or 0, final)
    else:
        body.state = TrialState.INFEASIBLE
        body.infeasible_reason = reason_of(trial)
    return body


def _measured(trial: Trial) -> dict[int, dict[str, float]]:
    """Return the metrics at each step, as the mean of several executions."""
    measured: dict[int, dict[str, float]] = {}
    for name in trial.metrics.metrics:
        for observation in trial.metrics.get_history(name):
            measured.setdefault(int(observation.step), {})[name] = float(observation.mean())
    return measured


def _measurement(step: int, metrics: Mapping[str, float]) -> Measurement:
    listed = [Metric(metric_id=name, value=value) for name, value in metrics.items()]
    return Measurement(step_count=step_of(step), metrics=listed)


def _upload(directory: Path, study: Study, imported: list[tuple[Trial, TrialRecord]]) -> int:
    """Upload the weights of succeeded trials; return for how many trials the server has them."""
    count = 0
    for trial, record in imported:
        folder = directory / f"trial_{trial.trial_id}"
        paths = [folder / name for name in MODEL if (folder / name).is_file()]
        if record.state != "SUCCEEDED" or not paths:
            continue
        try:
            existing = {one.name: one for one in study.artifacts(record.number)}
            for path in paths:
                if path.name not in existing or not existing[path.name].is_same_as(path):
                    study.artifacts(record.number).save(path.name, path)
        except FailedPrecondition as error:
            logger.warning("the weights cannot be imported: %s", error)
            return count
        except ApiError as error:
            logger.warning("the weights of trial %s cannot be imported: %s", trial.trial_id, error)
        else:
            count += 1
    return count
