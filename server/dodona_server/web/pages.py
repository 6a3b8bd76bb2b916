"""The dashboard, rendered on the server: a page of all studies, a page for each study and for each trial."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute

from dodona_server.aside import aside
from dodona_server.domain.errors import DodonaError, InvalidArgument, NotFound
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.space import Categorical
from dodona_server.domain.study import Study, StudyState
from dodona_server.domain.trial import Measurement, Trial, TrialState
from dodona_server.parts import Queries, Studies
from dodona_server.service.trials.queries import Overview
from dodona_server.web import format as texts
from dodona_server.web.assets import load_assets
from dodona_server.web.chart import Chart, curve_chart, objective_chart, thin

if TYPE_CHECKING:
    from jinja2 import Environment

MAX_STUDIES = 200
MAX_ROWS = 25
MAX_HISTORY = 2000
MAX_MEASUREMENTS_LISTED = 200

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}

_ASSETS = load_assets()
_SERVED = {asset.path: asset for asset in _ASSETS.values()}


@functools.cache
def _templates() -> Environment:
    # Imported with the first page, because clients wait for a server that restarts after a crash.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("dodona_server.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=texts.visible,
    )
    templates.filters.update(
        number=texts.number,
        shown=texts.shown,
        algorithm=texts.algorithm,
        moment=texts.moment,
        machine_time=texts.machine_time,
        ago=texts.ago,
        duration=texts.duration,
        study_path=lambda name: f"/studies/{name.parent.project}/{name.parent.location}/{name.study_id}",
    )
    templates.globals.update(assets={name: asset.path for name, asset in _ASSETS.items()})
    return templates


class PageRoute(APIRoute):
    """A route that answers errors with a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler, with a page for its errors."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handler(request)
            except (NotFound, InvalidArgument) as error:
                return _render("error.html", 404, live=False, title="Not found", message=error.message)
            except DodonaError as error:
                return _render("error.html", 503, live=True, title="Not now", message=error.message)

        return guarded


async def all_studies(request: Request, studies: Studies) -> Response:
    """Return the page of all studies."""
    recent = await studies.recent(MAX_STUDIES)
    live = any(study.state is StudyState.ACTIVE for study, _ in recent)
    context = {"studies": recent, "limit": MAX_STUDIES, "address": str(request.base_url).rstrip("/")}
    return await _page("studies.html", live=live, now=time.time(), **context)


async def one_study(project: str, location: str, study: str, trials: Queries) -> Response:
    """Return the page of a study."""
    name = StudyName(Location(project, location), study)
    overview = await trials.overview(name)
    ranking = await trials.best(name, MAX_ROWS)
    history = await trials.history(name, MAX_HISTORY)
    latest = await trials.latest(name, MAX_ROWS)
    context = await aside(_study_context, overview, ranking, history, latest)
    return await _page("study.html", now=time.time(), **context)


async def one_trial(project: str, location: str, study: str, trial: str, studies: Studies, trials: Queries) -> Response:
    """Return the page of a trial."""
    name = TrialName.of(StudyName(Location(project, location), study), trial)
    context = await aside(_trial_context, await studies.get(name.study), await trials.get(name, brief=True))
    return await _page("trial.html", now=time.time(), **context)


async def static_file(path: str) -> Response:
    """Return a static file, by the digest in its name."""
    asset = _SERVED.get(f"/static/{path}")
    if asset is None:
        raise NotFound(f"there is no file {path}")
    return Response(asset.content, media_type=asset.media_type, headers=FOR_EVER)


async def anything_else(path: str) -> Response:
    """Return a page that says that there is no such page."""
    raise NotFound(f"there is no page at /studies{path}")


PAGES = (all_studies, one_study, one_trial, static_file, anything_else)


async def _page(template: str, **context: Any) -> Response:
    """Return a page, rendered beside the event loop, because it takes milliseconds that workers need."""
    return await aside(_render, template, **context)


def _render(template: str, status: int = 200, **context: Any) -> Response:
    page = _templates().get_template(template).render(**context)
    return HTMLResponse(page, status_code=status, headers=HEADERS)


def _study_context(
    overview: Overview, ranking: Sequence[Trial], history: Sequence[tuple[int, float]], latest: Sequence[Trial]
) -> dict[str, Any]:
    study, counts = overview.study, overview.counts
    running = counts[TrialState.ACTIVE] + counts[TrialState.STOPPING]
    return {
        "live": study.state is StudyState.ACTIVE or running > 0,
        "study": study,
        "counts": counts,
        "running": running,
        "finished": counts[TrialState.SUCCEEDED] + counts[TrialState.INFEASIBLE],
        "ranking": ranking,
        "latest": latest,
        "columns": list(_columns(study).items()),
        "chart": _history_chart(study, history, ranking),
    }


def _columns(study: Study) -> dict[str, bool]:
    """Return the ids of all parameters, each once, and whether their values are numbers."""
    columns: dict[str, bool] = {}
    for _, parameter in study.spec.space.walk():
        columns[parameter.id] = columns.get(parameter.id, True) and not isinstance(parameter.kind, Categorical)
    return columns


def _history_chart(study: Study, history: Sequence[tuple[int, float]], ranking: Sequence[Trial]) -> Chart | None:
    """Return the chart of a study; the best trials are in it even if its history is thinned."""
    metric = study.spec.objective
    points = dict(history)
    for trial in ranking:
        if trial.final_measurement is not None:
            points[trial.number] = trial.final_measurement.metrics[metric.id]
    return objective_chart(sorted(points.items()), metric.goal)


def _trial_context(study: Study, trial: Trial) -> dict[str, Any]:
    measured = trial.measurements or []
    by_step = any(one.step for one in measured)
    final = [trial.final_measurement] if trial.final_measurement else []
    goals = {metric.id: metric.goal for metric in study.spec.metrics}
    metrics = list(dict.fromkeys([*goals, *(name for one in [*final, *measured] for name in one.metrics)]))
    listed = thin(len(measured), set(), MAX_MEASUREMENTS_LISTED)
    return {
        "live": trial.end_time is None,
        "study": study,
        "trial": trial,
        "metrics": metrics,
        "goals": goals,
        "by_step": by_step,
        "measurements": [measured[index] for index in listed],
        "measured": len(measured),
        "curves": [(name, chart) for name in metrics if (chart := _curve(name, measured, by_step))],
    }


def _curve(metric: str, measured: Sequence[Measurement], by_step: bool) -> Chart | None:
    reported = [one for one in measured if metric in one.metrics]
    return curve_chart([(one.step if by_step else one.elapsed_seconds, one.metrics[metric]) for one in reported])
