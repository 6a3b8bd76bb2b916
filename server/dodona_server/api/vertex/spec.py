"""Conversion of study specs between the wire and the domain."""

from __future__ import annotations

from typing import NoReturn

from dodona_schemas import vertex as wire
from dodona_server.api.front.shared import timestamp
from dodona_server.api.vertex.hints import read_hints, write_priors
from dodona_server.api.vertex.space import read_parameters, write_parameter
from dodona_server.domain.errors import Field, InvalidArgument, inside
from dodona_server.domain.space import Categorical, SearchSpace
from dodona_server.domain.studies.budget import StoppingConfig, TimeConstraint
from dodona_server.domain.studies.hint import checked_hints
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from dodona_server.domain.studies.study import DEFAULT_MAX_ATTEMPTS, Goal, Metric, Noise, Safety, Selection, StudySpec

_NOISES = {
    wire.ObservationNoise.OBSERVATION_NOISE_UNSPECIFIED: Noise.UNSPECIFIED,
    wire.ObservationNoise.LOW: Noise.LOW,
    wire.ObservationNoise.HIGH: Noise.HIGH,
}
_NOISE_NAMES = {noise: name for name, noise in _NOISES.items()}
# Each rule's field in a spec, and its message.
_STOPPING_RULES: dict[StoppingMethod, tuple[str, type[wire.StoppingSpec]]] = {
    StoppingMethod.AUTOMATIC: ("automatic_stopping_spec", wire.AutomaticStoppingSpec),
    StoppingMethod.DECAY_CURVE: ("decay_curve_stopping_spec", wire.DecayCurveAutomatedStoppingSpec),
    StoppingMethod.MEDIAN: ("median_automated_stopping_spec", wire.MedianAutomatedStoppingSpec),
    StoppingMethod.CONVEX: ("convex_automated_stopping_spec", wire.ConvexAutomatedStoppingSpec),
    StoppingMethod.ASHA: ("asha_stopping_spec", wire.AshaStoppingSpec),
    StoppingMethod.NO_PROGRESS: ("no_progress_stopping_spec", wire.NoProgressStoppingSpec),
}
# The fields of all rules: in the domain, and on the wire.
_RULE_FIELDS = {
    "use_elapsed_time": "use_elapsed_duration",
    "max_steps": "max_step_count",
    "min_steps": "min_step_count",
    "min_measurements": "min_measurement_count",
    "learning_rate_parameter": "learning_rate_parameter_name",
    "update_stopped_trials": "update_all_stopped_trials",
    "min_resource": "min_resource",
    "max_resource": "max_resource",
    "reduction_factor": "reduction_factor",
    "patience": "patience",
    "least_improvement": "least_improvement",
}


# --- reading


def read_spec(spec: wire.StudySpec) -> StudySpec:
    """Return the domain's spec.

    Raises:
        InvalidArgument: it is not valid; the message names the field as on the wire.
    """
    with inside("studySpec"):
        metrics = []
        for index, metric in enumerate(spec.metrics):
            with inside(f"metrics[{index}]"):
                metrics.append(_read_metric(metric))
        stopping = read_budget(spec.study_stopping_config)
        best = spec.measurement_selection_type is wire.MeasurementSelectionType.BEST_MEASUREMENT
        space = SearchSpace(read_parameters(spec.parameters))
        read = StudySpec(
            metrics=tuple(metrics),
            space=space,
            algorithm=spec.algorithm.name,
            noise=_NOISES[spec.observation_noise],
            selection=Selection.BEST if best else Selection.LAST,
            stopping=stopping,
            stopping_rule=read_stopping_rule(spec),
            algorithm_options=dict(spec.algorithm_options),
            prior_studies=tuple(spec.prior_studies) if isinstance(spec.prior_studies, list) else (),
            auto_prior_studies=_read_transfer(spec),
            max_attempts=DEFAULT_MAX_ATTEMPTS if spec.max_attempts is None else spec.max_attempts,
            hints=checked_hints(space, read_hints(spec.parameters)),
        )
        check_rule(read)
        return read


def _read_transfer(spec: wire.StudySpec) -> bool:
    """Return whether the server finds the earlier studies to learn from.

    Raises:
        InvalidArgument: the two fields that say so contradict each other.
    """
    requested, config = spec.prior_studies, spec.transfer_learning_config
    if config is None:
        return requested == wire.AUTO
    disabled = config.disable_transfer_learning
    if requested not in ([], wire.OFF if disabled else wire.AUTO):
        field = Field("transfer_learning_config.disable_transfer_learning")
        raise InvalidArgument((f"is {requested!r}, but ", field, f" is {str(disabled).lower()}"), "prior_studies")
    return not disabled


def _read_metric(metric: wire.MetricSpec) -> Metric:
    config = metric.safety_config
    with inside("safetyConfig"):
        safety = None
        if config is not None:
            safety = Safety(config.safety_threshold, config.desired_min_safe_trials_fraction)
    return Metric(metric.metric_id, _read_goal(metric.goal), safety)


def read_stopping_rule(spec: wire.StudySpec | wire.StoppingSpecs) -> StoppingRule | None:
    """Return the rule for stopping trials early.

    Raises:
        InvalidArgument: there are several, or a figure is out of range.
    """
    old = spec.convex_stop_config
    if old is not None:
        if spec.convex_automated_stopping_spec is not None:
            _refuse_two("convex_stop_config", "convex_automated_stopping_spec")
        spec = spec.model_copy(update={"convex_automated_stopping_spec": _read_old_convex(old)})
    rules = [(method, name) for method, (name, _) in _STOPPING_RULES.items() if getattr(spec, name) is not None]
    if not rules:
        return None
    if len(rules) > 1:
        _refuse_two(rules[0][1], rules[1][1])
    ((method, name),) = rules
    message = getattr(spec, name)
    fields = {ours: getattr(message, theirs) for ours, theirs in _RULE_FIELDS.items() if hasattr(message, theirs)}
    with inside(name):
        if getattr(message, "variant", None) is wire.AshaVariant.PROMOTION:
            raise InvalidArgument(
                "PROMOTION pauses trials and continues the best, which is the work of an algorithm: set algorithm to "
                "ASHA, with min_resource, max_resource and reduction_factor among its options",
                "variant",
            )
        return StoppingRule(method, **fields)


def _refuse_two(first: str, second: str) -> NoReturn:
    raise InvalidArgument(("only one early stopping rule is possible, not ", Field(first), " and ", Field(second)))


def _read_old_convex(old: wire.ConvexStopConfig) -> wire.ConvexAutomatedStoppingSpec:
    return wire.ConvexAutomatedStoppingSpec(
        max_step_count=old.max_num_steps,
        min_step_count=old.min_num_steps,
        learning_rate_parameter_name=old.learning_rate_parameter_name,
        use_elapsed_duration=old.use_seconds,
    )


def check_rule(spec: StudySpec) -> None:
    """Refuse a rule that cannot act on the study; old studies may have one, so loading does not.

    Raises:
        InvalidArgument: it needs a single objective, or a figure or a parameter that is not possible.
    """
    rule = spec.stopping_rule
    if rule is None:
        return
    name, _ = _STOPPING_RULES[rule.method]
    if len(spec.objectives) > 1:
        raise InvalidArgument(f"stops trials by one objective; the study has {len(spec.objectives)}", name)
    with inside(name):
        rule.check_figures()
        if rule.learning_rate_parameter:
            _check_learning_rate(spec, rule.learning_rate_parameter)


def _check_learning_rate(spec: StudySpec, name: str) -> None:
    found = [parameter for _, parameter in spec.space.walk() if parameter.id == name]
    if not found or isinstance(found[0].kind, Categorical):
        numeric = [one.id for _, one in spec.space.walk() if not isinstance(one.kind, Categorical)]
        known = ", ".join(map(repr, numeric[:20])) or "none"
        raise InvalidArgument(
            f"{name!r} is not a numeric parameter of the study; it has {known}", "learning_rate_parameter_name"
        )


def _read_goal(goal: wire.GoalType) -> Goal:
    """Return the direction of a metric; unspecified is MAXIMIZE."""
    return Goal.MINIMIZE if goal is wire.GoalType.MINIMIZE else Goal.MAXIMIZE


def read_budget(config: wire.StudyStoppingConfig | None) -> StoppingConfig:
    """Return the budget of a study.

    Raises:
        InvalidArgument: a limit is out of range.
    """
    if config is None:
        return StoppingConfig()
    with inside("studyStoppingConfig"):
        with inside("minimumRuntimeConstraint"):
            minimum = _read_constraint(config.minimum_runtime_constraint)
        with inside("maximumRuntimeConstraint"):
            maximum = _read_constraint(config.maximum_runtime_constraint)
        return StoppingConfig(
            should_stop_asap=config.should_stop_asap,
            minimum_runtime=minimum,
            maximum_runtime=maximum,
            min_num_trials=config.min_num_trials,
            max_num_trials=config.max_num_trials,
            max_num_trials_no_progress=config.max_num_trials_no_progress,
            max_duration_no_progress=config.max_duration_no_progress,
            max_failed_trials=config.max_failed_trials,
            max_compute_duration=config.max_compute_duration,
            max_cost=config.max_cost,
            price_per_hour=config.price_per_hour,
            improvement_unlikely=config.improvement_unlikely,
        )


def _read_constraint(constraint: wire.StudyTimeConstraint | None) -> TimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return TimeConstraint(constraint.max_duration, None if end is None else end.timestamp())


# --- writing


def write_spec(spec: StudySpec, seed: int) -> wire.StudySpec:
    """Return the spec as on the wire."""
    best = spec.selection is Selection.BEST
    written = wire.StudySpec(
        metrics=[_write_metric(metric) for metric in spec.metrics],
        parameters=[write_parameter(parameter) for parameter in spec.space.parameters],
        algorithm=wire.parse_algorithm(spec.algorithm),
        observation_noise=_NOISE_NAMES[spec.noise],
        measurement_selection_type=wire.MeasurementSelectionType["BEST_MEASUREMENT" if best else "LAST_MEASUREMENT"],
        study_stopping_config=_write_stopping(spec.stopping),
        seed=seed,
        algorithm_options=dict(spec.algorithm_options),
        transfer_learning_config=_write_transfer(spec),
        prior_studies=wire.AUTO if spec.auto_prior_studies else list(spec.prior_studies),
        max_attempts=spec.max_attempts,
    )
    write_priors(written.parameters, spec.hints)
    if spec.stopping_rule is None:
        return written
    name, message = _STOPPING_RULES[spec.stopping_rule.method]
    known = {theirs: ours for ours, theirs in _RULE_FIELDS.items() if theirs in message.model_fields}
    fields = {theirs: getattr(spec.stopping_rule, ours) for theirs, ours in known.items()}
    return written.model_copy(update={name: message(**fields)})


def _write_transfer(spec: StudySpec) -> wire.TransferLearningConfig | None:
    if not spec.auto_prior_studies:
        return None
    return wire.TransferLearningConfig(prior_study_names=list(spec.found_prior_studies))


def _write_metric(metric: Metric) -> wire.MetricSpec:
    safety = metric.safety
    config = safety and wire.SafetyMetricConfig(
        safety_threshold=safety.threshold,
        desired_min_safe_trials_fraction=safety.desired_min_safe_trials_fraction,
    )
    return wire.MetricSpec(metric_id=metric.id, goal=wire.GoalType[metric.goal.value], safety_config=config)


def _write_stopping(stopping: StoppingConfig) -> wire.StudyStoppingConfig | None:
    """Return the budget of a study as on the wire; None if it has none."""
    if stopping == StoppingConfig():
        return None
    return wire.StudyStoppingConfig(
        should_stop_asap=stopping.should_stop_asap,
        minimum_runtime_constraint=_write_constraint(stopping.minimum_runtime),
        maximum_runtime_constraint=_write_constraint(stopping.maximum_runtime),
        min_num_trials=stopping.min_num_trials,
        max_num_trials=stopping.max_num_trials,
        max_num_trials_no_progress=stopping.max_num_trials_no_progress,
        max_duration_no_progress=stopping.max_duration_no_progress,
        max_failed_trials=stopping.max_failed_trials,
        max_compute_duration=stopping.max_compute_duration,
        max_cost=stopping.max_cost,
        price_per_hour=stopping.price_per_hour,
        improvement_unlikely=stopping.improvement_unlikely,
    )


def _write_constraint(constraint: TimeConstraint | None) -> wire.StudyTimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return wire.StudyTimeConstraint(
        max_duration=constraint.max_duration, end_time=None if end is None else timestamp(end)
    )
