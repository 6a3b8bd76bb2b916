"""Durations of trials."""

from __future__ import annotations

from dodona_server.domain.trials.trial import Trial, TrialState

# Fewer durations than this tell nothing about the next one.
LEAST = 5
# A trial is begun if it ends before the study's time is over with at least this probability.
LIKELY = 0.25


def measured(trial: Trial) -> float | None:
    """Return the seconds that a training took from its beginning to its end; None if that is not known.

    Trials that failed or were stopped early took another time than they need. One that resumed from a checkpoint took
    less, and one that was created with its result took none.
    """
    if trial.state is not TrialState.SUCCEEDED or trial.stopped or (trial.attempt > 1 and trial.checkpoint):
        return None
    if trial.start_time is None or trial.end_time is None or trial.end_time <= trial.start_time:
        return None
    return trial.end_time - trial.start_time
