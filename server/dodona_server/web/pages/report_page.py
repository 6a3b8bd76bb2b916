"""Report of a study: one file of HTML or Markdown, to keep or to send."""

from __future__ import annotations

import dataclasses
import enum
import time
from typing import Any

from fastapi import Request, Response

from dodona_server.aside import aside
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import SearchSpace
from dodona_server.domain.trials.trial import Trial, TrialState
from dodona_server.parts import Hindsights, Reported
from dodona_server.service.views.reports import ReportData
from dodona_server.web.figures.conversion import figured
from dodona_server.web.words import algorithm, budget, stopping_rule

# Its style is inside, and it needs nothing else.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# How clients mark what the protocol has no kind for: parameters of a Keras tuner, and booleans.
KERAS, BOOLEAN = "keras_tuner", ("dodona.type", "bool")


class ReportFormat(enum.StrEnum):
    """Formats of a report."""

    HTML = "html"
    MD = "md"


async def report_study(
    request: Request,
    project: str,
    location: str,
    study: str,
    reports: Reported,
    hindsight: Hindsights,
    format: ReportFormat = ReportFormat.HTML,  # noqa: A002 - the query's name
) -> Response:
    """Return a report of the study: what was searched and how, the best trials, importance, curves, what was saved."""
    name = StudyName(Location(project, location), study)
    data = await reports.read(name)
    found = await hindsight.auto(name)
    forgone = "" if found.replay is None else found.sentence
    address = f"{str(request.base_url).rstrip('/')}/studies/{project}/{location}/{study}"
    content = await aside(_written, data, address, forgone, format)
    headers = {
        "Content-Security-Policy": POLICY,
        "Content-Disposition": f'inline; filename="{study}-report.{format}"',
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(content, headers=headers, media_type="text/html" if format == "html" else "text/markdown")


def _written(data: ReportData, address: str, forgone: str, written: ReportFormat) -> str:
    # Imported with the first report: importance needs NumPy.
    from dodona_figures.report.html import html
    from dodona_figures.report.markdown import markdown
    from dodona_figures.report.report import Facts, report

    spec = data.study.spec
    kept = figured(data.study, data.trials)
    made = report(
        Facts(
            study=kept,
            settings=[
                ("Algorithm", algorithm(spec)),
                ("Budget", " ".join(budget(spec.stopping))),
                ("Early stopping", stopping_rule(spec)),
                ("Attempts", f"A trial whose worker is lost is tried up to {spec.max_attempts} times."),
            ],
            counts=_counts(data),
            address=address,
            reference=data.study.name.study_id,
            made=time.time(),
            forgone=forgone,
            trained_by_keras=any(KERAS in parameter.metadata for _, parameter in spec.space.walk()),
            total=data.study.trial_count,
            best=figured(data.study, [_with_booleans(spec.space, trial) for trial in data.best]).trials,
            failures=data.failures,
        )
    )
    return html(made) if written is ReportFormat.HTML else markdown(made)


def _with_booleans(space: SearchSpace, trial: Trial) -> Trial:
    """Return the trial with True and False for the names by which clients send them."""
    key, kind = BOOLEAN
    booleans = {parameter.id for _, parameter in space.walk() if parameter.metadata.get(key) == kind}
    values: dict[str, Any] = {
        name: value == "True" if name in booleans else value for name, value in trial.parameters.items()
    }
    return dataclasses.replace(trial, parameters=values)


def _counts(data: ReportData) -> str:
    """Return how many trials there are, in words."""
    counts = {
        "succeeded": data.counts[TrialState.SUCCEEDED] - data.stopped,
        "stopped early": data.stopped,
        "infeasible": data.counts[TrialState.INFEASIBLE],
        "running": data.counts[TrialState.ACTIVE] + data.counts[TrialState.STOPPING],
        "waiting": data.counts[TrialState.REQUESTED],
    }
    parts = [f"{count} {words}" for words, count in counts.items() if count]
    return f"{data.study.trial_count} trials: {', '.join(parts)}" if parts else "no trials yet"
