"""Conditions that end a study, and rules that end a trial early."""

from __future__ import annotations

from dodona_schemas.base import (
    Double,
    Duration,
    Flag,
    Int32,
    Int64,
    Timestamp,
    WireEnum,
    WireModel,
    own,
)


class StudyTimeConstraint(WireModel):
    """A duration or an end time, one of the two."""

    max_duration: Duration | None = None
    end_time: Timestamp | None = None


class StudyStoppingConfig(WireModel):
    """Budget of a study."""

    should_stop_asap: Flag | None = None
    minimum_runtime_constraint: StudyTimeConstraint | None = None
    maximum_runtime_constraint: StudyTimeConstraint | None = None
    min_num_trials: Int32 | None = None
    max_num_trials: Int32 | None = None
    max_num_trials_no_progress: Int32 | None = None
    max_duration_no_progress: Duration | None = None
    max_failed_trials: Int32 | None = own("the study ends at this number of infeasible trials")
    max_compute_duration: Duration | None = own("the study ends after this time of workers, times their GPUs")
    max_cost: Double | None = own("the study ends when its compute has cost this much, by `pricePerHour`")
    price_per_hour: Double | None = own("what an hour of compute costs, in any currency")
    improvement_unlikely: Double | None = own(
        "the study ends when the chance that the rest of its budget brings a clear improvement is below this, as 0.05"
    )


class DecayCurveAutomatedStoppingSpec(WireModel):
    """Early stopping by the predicted end of a trial's curve."""

    use_elapsed_duration: Flag = False


class MedianAutomatedStoppingSpec(WireModel):
    """Early stopping of a trial that is below the median of the others."""

    use_elapsed_duration: Flag = False


class ConvexAutomatedStoppingSpec(WireModel):
    """Early stopping by a convex model of a trial's curve."""

    max_step_count: Int64 | None = None
    min_step_count: Int64 | None = None
    min_measurement_count: Int64 | None = None
    learning_rate_parameter_name: str | None = None
    use_elapsed_duration: Flag = False
    update_all_stopped_trials: Flag | None = None


class ConvexStopConfig(WireModel):
    """Form of v1beta1 for `ConvexAutomatedStoppingSpec`; it is read, and never written."""

    max_num_steps: Int64 | None = None
    min_num_steps: Int64 | None = None
    autoregressive_order: Int64 | None = None
    learning_rate_parameter_name: str | None = None
    use_seconds: Flag = False


class AshaVariant(WireEnum):
    """Action at a rung; unspecified means STOPPING."""

    VARIANT_UNSPECIFIED = 0
    STOPPING = 1
    PROMOTION = 2


class AutomaticStoppingSpec(WireModel):
    """Early stopping by the server's best rule; it has no fields."""


class AshaStoppingSpec(WireModel):
    """Early stopping of a trial that is not among the best of those that reached the same rung."""

    variant: AshaVariant | None = own("STOPPING; the variant PROMOTION is the algorithm ASHA, so it is refused here")

    min_resource: Double = own("the step of the first rung, or its seconds; 1 if it is left out", 1.0)
    max_resource: Double | None = own("all rungs are below this step, or these seconds")
    reduction_factor: Double = own(
        "one in this many trials continues at a rung, and each rung is this many times the one before; "
        "3 if it is left out",
        3.0,
    )
    use_elapsed_duration: Flag = own("whether rungs are seconds instead of steps", False)


class NoProgressStoppingSpec(WireModel):
    """Early stopping of a trial that does not improve any more."""

    patience: Double = own("the steps, or the seconds, that a trial may continue without improvement; at least 1", 0.0)
    least_improvement: Double = own("smaller improvements of the objective do not count", 0.0)
    use_elapsed_duration: Flag = own("whether the patience is in seconds instead of steps", False)


StoppingSpec = (
    DecayCurveAutomatedStoppingSpec
    | MedianAutomatedStoppingSpec
    | ConvexAutomatedStoppingSpec
    | AutomaticStoppingSpec
    | AshaStoppingSpec
    | NoProgressStoppingSpec
)


class StoppingSpecs(WireModel):
    """Rule that stops trials early: at most one of the fields."""

    decay_curve_stopping_spec: DecayCurveAutomatedStoppingSpec | None = None
    median_automated_stopping_spec: MedianAutomatedStoppingSpec | None = None
    convex_automated_stopping_spec: ConvexAutomatedStoppingSpec | None = None
    convex_stop_config: ConvexStopConfig | None = None
    automatic_stopping_spec: AutomaticStoppingSpec | None = own("early stopping by the server's best rule")
    asha_stopping_spec: AshaStoppingSpec | None = own("early stopping by the rank at each rung")
    no_progress_stopping_spec: NoProgressStoppingSpec | None = own("early stopping of trials that no longer improve")
