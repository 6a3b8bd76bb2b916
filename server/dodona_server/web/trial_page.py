"""The page of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dodona_server.domain.study import Study
from dodona_server.domain.trial import Measurement, Trial
from dodona_server.web.chart import Chart, curve_chart, thin

MAX_MEASUREMENTS_LISTED = 200


def trial_context(study: Study, trial: Trial) -> dict[str, Any]:
    """Return what the template of the page shows."""
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
        "measurements": [measured[index] for index in listed],
        "measured": len(measured),
        "curves": [(name, chart) for name in names if (chart := _curve(name, measured, by_step))],
    }


def _curve(metric: str, measured: Sequence[Measurement], by_step: bool) -> Chart | None:
    reported = [one for one in measured if metric in one.metrics]
    return curve_chart([(one.step if by_step else one.elapsed_seconds, one.metrics[metric]) for one in reported])
