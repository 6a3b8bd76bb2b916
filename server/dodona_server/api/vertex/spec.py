"""Conversion of study specs between the wire and the domain."""

from __future__ import annotations

from dodona_schemas import vertex as wire
from dodona_server.api.shared import timestamp
from dodona_server.api.vertex.space import read_parameters, write_parameter
from dodona_server.domain.errors import InvalidArgument, inside
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.study import (
    DEFAULT_MAX_ATTEMPTS,
    Goal,
    Metric,
    Noise,
    Safety,
    Selection,
    StoppingConfig,
    StoppingMethod,
    StoppingRule,
    StudySpec,
    TimeConstraint,
)

_NOISES = {
    wire.ObservationNoise.OBSERVATION_NOISE_UNSPECIFIED: Noise.UNSPECIFIED,
    wire.ObservationNoise.LOW: Noise.LOW,
    wire.ObservationNoise.HIGH: Noise.HIGH,
}
_NOISE_NAMES = {noise: name for name, noise in _NOISES.items()}
_STOPPING_RULES = {
    StoppingMethod.DECAY_CURVE: "decay_curve_stopping_spec",
    StoppingMethod.MEDIAN: "median_automated_stopping_spec",
    StoppingMethod.CONVEX: "convex_automated_stopping_spec",
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
        with inside("studyStoppingConfig"):
            stopping = _read_stopping(spec.study_stopping_config)
        best = spec.measurement_selection_type is wire.MeasurementSelectionType.BEST_MEASUREMENT
        return StudySpec(
            metrics=tuple(metrics),
            space=SearchSpace(read_parameters(spec.parameters)),
            algorithm=spec.algorithm.name,
            noise=_NOISES[spec.observation_noise],
            selection=Selection.BEST if best else Selection.LAST,
            stopping=stopping,
            stopping_rule=_read_stopping_rule(spec),
            algorithm_options=dict(spec.algorithm_options),
            prior_studies=tuple(spec.prior_studies),
            max_attempts=DEFAULT_MAX_ATTEMPTS if spec.max_attempts is None else spec.max_attempts,
        )


def _read_metric(metric: wire.MetricSpec) -> Metric:
    config = metric.safety_config
    with inside("safetyConfig"):
        safety = None
        if config is not None:
            safety = Safety(config.safety_threshold, config.desired_min_safe_trials_fraction)
    return Metric(metric.metric_id, _read_goal(metric.goal), safety)


def _read_stopping_rule(spec: wire.StudySpec) -> StoppingRule | None:
    rules = {name: getattr(spec, name) for name in _STOPPING_RULES.values()}
    given = [name for name, rule in rules.items() if rule is not None]
    if len(given) > 1:
        raise InvalidArgument(f"only one early stopping rule is possible, not {' and '.join(given)}")
    if spec.decay_curve_stopping_spec is not None:
        return StoppingRule(StoppingMethod.DECAY_CURVE, spec.decay_curve_stopping_spec.use_elapsed_duration)
    if spec.median_automated_stopping_spec is not None:
        return StoppingRule(StoppingMethod.MEDIAN, spec.median_automated_stopping_spec.use_elapsed_duration)
    if (convex := spec.convex_automated_stopping_spec) is not None:
        return StoppingRule(
            StoppingMethod.CONVEX,
            use_elapsed_time=convex.use_elapsed_duration,
            max_steps=convex.max_step_count,
            min_steps=convex.min_step_count,
            min_measurements=convex.min_measurement_count,
            learning_rate_parameter=convex.learning_rate_parameter_name,
            update_stopped_trials=convex.update_all_stopped_trials,
        )
    return None


def _read_goal(goal: wire.GoalType) -> Goal:
    """Return the direction of a metric; unspecified is MAXIMIZE."""
    return Goal.MINIMIZE if goal is wire.GoalType.MINIMIZE else Goal.MAXIMIZE


def _read_stopping(config: wire.StudyStoppingConfig | None) -> StoppingConfig:
    """Return the budget of a study.

    Raises:
        InvalidArgument: a limit is out of range.
    """
    if config is None:
        return StoppingConfig()
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
        prior_studies=list(spec.prior_studies),
        max_attempts=spec.max_attempts,
    )
    if spec.stopping_rule is None:
        return written
    return written.model_copy(
        update={_STOPPING_RULES[spec.stopping_rule.method]: _write_stopping_rule(spec.stopping_rule)}
    )


def _write_stopping_rule(
    rule: StoppingRule,
) -> wire.DecayCurveAutomatedStoppingSpec | wire.MedianAutomatedStoppingSpec | wire.ConvexAutomatedStoppingSpec:
    if rule.method is StoppingMethod.DECAY_CURVE:
        return wire.DecayCurveAutomatedStoppingSpec(use_elapsed_duration=rule.use_elapsed_time)
    if rule.method is StoppingMethod.MEDIAN:
        return wire.MedianAutomatedStoppingSpec(use_elapsed_duration=rule.use_elapsed_time)
    return wire.ConvexAutomatedStoppingSpec(
        max_step_count=rule.max_steps,
        min_step_count=rule.min_steps,
        min_measurement_count=rule.min_measurements,
        learning_rate_parameter_name=rule.learning_rate_parameter,
        use_elapsed_duration=rule.use_elapsed_time,
        update_all_stopped_trials=rule.update_stopped_trials,
    )


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
    )


def _write_constraint(constraint: TimeConstraint | None) -> wire.StudyTimeConstraint | None:
    if constraint is None:
        return None
    end = constraint.end_time
    return wire.StudyTimeConstraint(
        max_duration=constraint.max_duration, end_time=None if end is None else timestamp(end)
    )
