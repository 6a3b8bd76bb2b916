"""Study that a script requests by a tuner's arguments."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from keras_tuner import HyperParameters, Objective

from dodona import Study
from dodona._studies.prior_studies import requested as requested_priors
from dodona._studies.stopping import EarlyStopping, set_stopping_rule
from dodona.keras._mapping.objective import directions, parts_in, parts_of, worded, worded_parts
from dodona.keras._study.ai_platform import read_study_config
from dodona_schemas.vertex import MetricSpec, StudySpec, StudyStoppingConfig, parse_algorithm

Argument = TypeVar("Argument")

_RULES = {name for name in StudySpec.model_fields if name.endswith("_stopping_spec")}


def requested_spec(
    study_config: Mapping[str, Any] | StudySpec | None,
    *,
    objective: object = None,
    hyperparameters: HyperParameters | None = None,
    max_trials: int | None = None,
    algorithm: str | None = None,
    algorithm_options: Mapping[str, bool | int | float | str] | None = None,
    early_stopping: EarlyStopping | None = None,
    prior_studies: str | Sequence[str] | None = None,
    seed: int | None = None,
) -> StudySpec:
    """Return the study's spec, from `study_config` and the other arguments; no part may come from both.

    Args:
        study_config: Vertex's StudySpec or AI Platform's StudyConfig, as a dict of its JSON.
        objective: KerasTuner's objective; only its presence matters here.
        hyperparameters: KerasTuner's hyperparameters; only their presence matters here.
        max_trials: how many trials the study may have.
        algorithm: the search algorithm, such as "random_search".
        algorithm_options: its options.
        early_stopping: the rule by which the server stops trials early.
        prior_studies: earlier studies to learn from; "auto" to let the server find them.
        seed: the seed of all suggestions.

    Raises:
        ValueError: two arguments contradict each other, or there is no such algorithm or rule.
    """
    spec = read_study_config(study_config or {})
    if objective is not None and spec.metrics:
        raise ValueError(f"study_config has the metrics {worded(spec.metrics)} already; leave objective= out")
    if hyperparameters is not None and spec.parameters:
        raise ValueError("study_config has parameters already; leave hyperparameters= out")
    stopping = spec.study_stopping_config or StudyStoppingConfig()
    limit = _given_once("max_trials", max_trials, "studyStoppingConfig.maxNumTrials", stopping.max_num_trials)
    if limit is not None:
        spec.study_stopping_config = stopping.model_copy(update={"max_num_trials": limit})
    if algorithm is not None:
        chosen = parse_algorithm(algorithm.upper())
        spec.algorithm = _given_once("algorithm", chosen, "algorithm", spec.algorithm or None) or chosen
    options = dict(algorithm_options or {}) or None
    configured = spec.algorithm_options or None
    spec.algorithm_options = _given_once("algorithm_options", options, "algorithmOptions", configured) or {}
    if early_stopping is not None:
        _set_stopping_rule(spec, early_stopping)
    earlier, configured_earlier = requested_priors(prior_studies) or None, spec.prior_studies or None
    spec.prior_studies = _given_once("prior_studies", earlier, "priorStudies", configured_earlier) or []
    spec.seed = _given_once("seed", seed, "seed", spec.seed)
    return spec


def _set_stopping_rule(spec: StudySpec, early_stopping: EarlyStopping) -> None:
    alone = StudySpec()
    set_stopping_rule(alone, early_stopping)
    rule, configured = stopping_rule_of(alone), stopping_rule_of(spec)
    if configured not in (None, rule):
        raise ValueError(f"early_stopping is {rule}, but study_config has {configured}; pass it once")
    set_stopping_rule(spec, early_stopping)


def _given_once(name: str, given: Argument | None, field: str, configured: Argument | None) -> Argument | None:
    if given is None or configured is None or given == configured:
        return configured if given is None else given
    raise ValueError(f"{name} is {given}, but study_config has {field} {configured}; pass it once")


def max_trials_of(spec: StudySpec) -> int | None:
    """Return how many trials a study may have; None for no limit."""
    return spec.study_stopping_config.max_num_trials if spec.study_stopping_config else None


def stopping_rule_of(spec: StudySpec) -> dict[str, Any] | None:
    """Return the rule by which the server stops trials early, as in the spec's JSON; None for none."""
    rules = spec.model_dump(mode="json", by_alias=True, include=_RULES, exclude_none=True)
    return rules or None


def check_objective(study: Study, requested: list[MetricSpec]) -> None:
    """Refuse a study with another objective.

    Args:
        study: the existing study.
        requested: the metrics of the script.

    Raises:
        ValueError: they differ from the study's metrics.
    """
    if directions(requested) != directions(study.spec.metrics):
        raise ValueError(
            f"the study {study.display_name!r} optimizes {worded(study.spec.metrics)}, not {worded(requested)}; "
            "choose another study_id, or delete the study first"
        )


def check_parts(study: Study, objective: Objective) -> None:
    """Refuse a study that sums other objectives: KerasTuner gives every sum the same name.

    Args:
        study: the existing study.
        objective: the script's objective.

    Raises:
        ValueError: its parts differ from the study's.
    """
    there, requested = parts_in(study.metadata), parts_in(parts_of(objective))
    if there and requested and there != requested:
        raise ValueError(
            f"the study {study.display_name!r} optimizes the sum of {worded_parts(there)}, not of "
            f"{worded_parts(requested)}; choose another study_id, or delete the study first"
        )


def differences(study: Study, requested: StudySpec) -> list[str]:
    """Return the differences between the script and the study that it joins, for people.

    Args:
        study: the existing study, whose values apply.
        requested: the spec of the script.
    """
    ours, theirs = requested, study.spec
    pairs: list[tuple[str, object, object]] = [
        ("max_trials", max_trials_of(ours), max_trials_of(theirs)),
        ("algorithm", ours.algorithm.name if ours.algorithm else None, theirs.algorithm.name),
        ("algorithm_options", ours.algorithm_options or None, theirs.algorithm_options),
        ("early_stopping", stopping_rule_of(ours), stopping_rule_of(theirs)),
        ("prior_studies", ours.prior_studies or None, theirs.prior_studies),
        ("seed", ours.seed, theirs.seed),
    ]
    return [f"{name} is {has}, not {asked}" for name, asked, has in pairs if asked is not None and asked != has]


def new_study_id() -> str:
    """Return a name for a study without one; such a study is not shared, but can be found again."""
    return f"keras-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
