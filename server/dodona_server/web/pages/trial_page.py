"""Page of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dodona_figures.thin import thin
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.trials.trial import Measurement
from dodona_server.service.views.dashboard import TrialView
from dodona_server.web.figures.chart import Chart, curve_chart
from dodona_server.web.pages.artifact_page import looks_like_image

MAX_MEASUREMENTS_LISTED = 200
MAX_IMAGES = 6
_ENDS = {
    EventKind.TRIAL_LOST: "worker lost",
    EventKind.TRIAL_REQUESTED: "returned to the queue",
    EventKind.TRIAL_SUCCEEDED: "succeeded",
    EventKind.TRIAL_INFEASIBLE: "failed",
}


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt at the trial: who ran it, when it began and ended, in seconds since the epoch, and how it ended."""

    number: int
    worker: str
    began: float
    ended: float | None
    end: str


def trial_context(view: TrialView) -> dict[str, Any]:
    """Return the variables of the page's template."""
    study, trial = view.study, view.trial
    measured = trial.measurements or []
    by_step = any(one.step for one in measured)
    final = [trial.final_measurement] if trial.final_measurement else []
    metrics = {metric.id: metric for metric in study.spec.metrics}
    names = list(dict.fromkeys([*metrics, *(name for one in [*final, *measured] for name in one.metrics)]))
    listed = thin(len(measured), set(), MAX_MEASUREMENTS_LISTED)
    return {
        "live": trial.end_time is None,
        "study": study,
        "trial": trial,
        "names": names,
        "metrics": metrics,
        "by_step": by_step,
        "view": view,
        "best": view.best if view.best is not None and view.best.number != trial.number else None,
        "attempts": _attempts(view.events),
        "images": [one for one in view.artifacts if looks_like_image(one)][:MAX_IMAGES],
        "near": view.nearest,
        "measurements": [measured[index] for index in listed],
        "measured": len(measured),
        "curves": [(name, chart) for name in names if (chart := _curve(name, measured, by_step))],
    }


def _attempts(events: Sequence[Event]) -> list[AttemptRow]:
    """Return the attempts that events tell of, in order."""
    attempts: list[AttemptRow] = []
    for event in events:
        if event.kind is EventKind.TRIAL_ACTIVE:
            worker = event.actor.client_id if event.actor else event.detail
            attempts.append(AttemptRow(len(attempts) + 1, worker or event.detail, event.time, None, ""))
        elif event.kind in _ENDS and attempts and attempts[-1].ended is None:
            attempts[-1] = replace(attempts[-1], ended=event.time, end=_ENDS[event.kind])
    return attempts


def _curve(metric: str, measured: Sequence[Measurement], by_step: bool) -> Chart | None:
    reported = [one for one in measured if metric in one.metrics]
    return curve_chart([(one.step if by_step else one.elapsed_seconds, one.metrics[metric]) for one in reported])
