"""Answers of the tools: little text, with units, and all that an assistant would otherwise lose track of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from dodona import Study, TrialRecord
from dodona._figures.conversion import study_of
from dodona._studies.budget import Outlook
from dodona_figures import Region, importance, promising
from dodona_schemas import vertex

Answer = dict[str, Any]

BEST = 3
REASONS = 3
RUNNING = 20
DIGITS = 6
# A summary reads the latest trials, so that it costs the same in a study of any size.
MOST_READ = 5000


def short(study: Study) -> Answer:
    """Return a study in a few figures."""
    best = study.best_trial
    latest, _ = study.trials_page(1, order_by="trial desc")
    return {
        "study": study.id,
        "name": study.display_name,
        "state": study.state,
        "goals": dict(study.metrics),
        "trials": latest[0].number if latest else 0,
        "best": None if best is None else rounded(best.metrics),
        "page": study.url,
    }


def summary(study: Study) -> Answer:
    """Return what the optimizer knows: the space, what was tried, the best, what matters, and what is left."""
    trials = _latest(study)
    running, _ = study.trials_page(RUNNING, filter='state in ["active", "stopping"]', measured=True)
    answer = short(study) | {
        "algorithm": study.spec.algorithm.name,
        "space": {name: str(parameter) for name, parameter in study.space.items()},
        "states": dict(Counter(trial.state for trial in trials)),
        "stopped_early": sum(trial.stopped for trial in trials),
        "budget": budget_of(study),
        **_outlook(study.outlook()),
        "best_trials": [row(trial) for trial in study.best_trials(BEST)],
        **_view(study, trials),
        "tried": _tried(trials),
        "failures": _failures(trials),
        "running": [row(trial) for trial in running],
    }
    if learned := study.prior_studies:
        answer["learns_from"] = [str(one) for one in learned]
    if len(trials) == MOST_READ:
        answer["note"] = f"states, importance, tried and failures are of the latest {MOST_READ} trials"
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
    return {name: _rounded(value) for name, value in values.items()}


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _latest(study: Study) -> list[TrialRecord]:
    """Return the latest trials, the last one first."""
    found, page = study.trials_page(1000, order_by="trial desc")
    while page and len(found) < MOST_READ:
        more, page = study.trials_page(1000, page, order_by="trial desc")
        found += more
    return found[:MOST_READ]


def _view(study: Study, trials: Sequence[TrialRecord]) -> Answer:
    """Return a model's view of the space: what matters, and where the best results are expected."""
    goals = [(name, goal, False) for name, goal in study.metrics.items()]
    figured = study_of(study.display_name, study.space, goals, reversed(trials), study.create_time)
    found = importance(figured)
    shares = {
        one.name: {"share": round(one.share, 3), "low": round(one.low, 3), "high": round(one.high, 3)}
        for one in found.parameters
    }
    regions = promising(figured) if shares else []
    return {
        "importance": {"shares_of_variance": shares, "note": found.note},
        "promising_region": {region.name: _region(region) for region in regions},
    }


def budget_of(study: Study) -> Answer:
    """Return the limits of a study by the protocol's names, with their units."""
    limits: Answer = {}
    for name, limit in study.spec.study_stopping_config or vertex.StudyStoppingConfig():
        if isinstance(limit, vertex.StudyTimeConstraint):
            kind = name.removesuffix("_constraint")
            limits |= {f"{kind}_seconds": limit.max_duration, f"{kind}_ends": limit.end_time and str(limit.end_time)}
        else:
            limits[name.replace("num_", "").replace("duration", "seconds")] = limit
    return {name: limit for name, limit in limits.items() if limit is not None}


def _outlook(outlook: Outlook) -> Answer:
    """Return what is used of the budget, what is left, and the chance that the rest improves the best clearly."""
    used = {"compute_hours": _hours(outlook.compute), "cost": outlook.cost}
    left = {
        "trials": outlook.trials_left,
        "hours": _hours(outlook.time_left),
        "compute_hours": _hours(outlook.compute_left),
        "cost": outlook.cost_left,
    }
    known = {"used": _known(used), "left": _known(left)}
    chance = outlook.improvement_chance
    return known if chance is None else known | {"chance_of_a_clear_improvement": round(chance, 3)}


def _hours(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds() / 3600


def _known(amounts: Mapping[str, float | None]) -> Answer:
    return rounded({name: amount for name, amount in amounts.items() if amount is not None})


def _region(region: Region) -> Any:
    return list(region.choices) or {"from": _rounded(region.low), "to": _rounded(region.high)}


def _tried(trials: Sequence[TrialRecord]) -> Answer:
    """Return which values the trials have had: from the lowest to the highest number, and how often each name."""
    names = dict.fromkeys(name for trial in trials for name in trial.parameters)
    tried: Answer = {}
    for name in names:
        values = [trial.parameters[name] for trial in trials if name in trial.parameters]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            tried[name] = {"from": _rounded(min(values)), "to": _rounded(max(values))}
        else:
            tried[name] = {str(value): count for value, count in Counter(values).most_common(10)}
    return tried


def _failures(trials: Sequence[TrialRecord]) -> list[Answer]:
    reasons = Counter(trial.infeasible_reason or "no reason given" for trial in trials if trial.state == "INFEASIBLE")
    return [{"reason": reason[:300], "trials": count} for reason, count in reasons.most_common(REASONS)]
