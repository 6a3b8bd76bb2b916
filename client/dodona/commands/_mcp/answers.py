"""What tools answer: little text, with units, and all that an assistant would otherwise lose track of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dodona import Study, TrialRecord
from dodona._space import Space
from dodona_figures import importance
from dodona_schemas import vertex

Answer = dict[str, Any]

BEST = 3
REASONS = 3
DIGITS = 6
# The names of budgets in the answers, by the protocol's.
_BUDGETS = {
    "max_num_trials": "max_trials",
    "max_failed_trials": "max_failed_trials",
    "max_num_trials_no_progress": "max_trials_without_progress",
    "max_duration_no_progress": "max_seconds_without_progress",
}


def short(study: Study, trials: Sequence[TrialRecord]) -> Answer:
    """Return a study in a few figures."""
    best = study.best_trial
    return {
        "study": study.id,
        "name": study.display_name,
        "state": study.state,
        "goals": dict(study.metrics),
        "trials": len(trials),
        "best": None if best is None else rounded(best.metrics),
        "page": study.url,
    }


def summary(study: Study) -> Answer:
    """Return what the optimizer knows: the space, what was tried, the best, what matters, and what is left."""
    trials = study.trials()
    config = study.spec.study_stopping_config or vertex.StudyStoppingConfig()
    budget = {ours: limit for field, ours in _BUDGETS.items() if (limit := getattr(config, field)) is not None}
    answer = short(study, trials) | {
        "algorithm": study.spec.algorithm,
        "space": _space(study.space),
        "states": dict(Counter(trial.state for trial in trials)),
        "stopped_early": sum(trial.stopped for trial in trials),
        "budget": budget,
        "best_trials": [row(trial) for trial in study.best_trials(BEST)],
        "importance": _importance(study),
        "failures": _failures(trials),
        "running": [row(trial) for trial in trials if trial.state in ("ACTIVE", "STOPPING")],
    }
    if config.max_num_trials is not None:
        answer["trials_left"] = max(0, config.max_num_trials - len(trials))
    return answer


def row(trial: TrialRecord) -> Answer:
    """Return a trial in a line; "metrics" are the final ones, and before the end the last that were reported."""
    last = trial.measurements[-1] if trial.measurements else None
    answer: Answer = {
        "trial": trial.number,
        "state": "STOPPED_EARLY" if trial.stopped else trial.state,
        "metrics": rounded(trial.metrics or (last.metrics if last else {})),
        "step": trial.step or (last.step if last else 0),
        "parameters": rounded(trial.parameters),
    }
    more = {
        "worker": trial.worker if trial.end is None else None,
        "seconds": round((trial.end - trial.start).total_seconds(), 1) if trial.start and trial.end else None,
        "reason": trial.infeasible_reason or trial.stopping_reason,
        "note": trial.note,
    }
    return answer | {name: value for name, value in more.items() if value}


def rounded(values: Mapping[str, Any]) -> Answer:
    """Return values with the digits that matter."""
    return {name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value for name, value in values.items()}


def _space(space: Space) -> Answer:
    return {name: str(parameter) for name, parameter in space.items()}


def _importance(study: Study) -> Answer:
    """Return the share of the results' variance that each parameter explains alone, or why there is none yet."""
    found = importance(study._figured())  # noqa: SLF001 - the figures take it so
    shares = {
        one.name: {"share": round(one.share, 3), "low": round(one.low, 3), "high": round(one.high, 3)}
        for one in found.parameters
    }
    return {"shares_of_variance": shares, "note": found.note}


def _failures(trials: Sequence[TrialRecord]) -> list[Answer]:
    reasons = Counter(trial.infeasible_reason or "no reason given" for trial in trials if trial.state == "INFEASIBLE")
    return [{"reason": reason[:300], "trials": count} for reason, count in reasons.most_common(REASONS)]
