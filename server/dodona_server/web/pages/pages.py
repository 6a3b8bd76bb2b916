"""Dashboard, rendered on the server: a page of all studies, a page for each study and for each trial."""

from __future__ import annotations

import time

from fastapi import Request, Response

from dodona_server.algorithms import registry as algorithms
from dodona_server.aside import aside
from dodona_server.domain.access.roles import Principal
from dodona_server.domain.errors import NotFound
from dodona_server.domain.event import EventKind
from dodona_server.domain.names import ArtifactName, Location, StudyName, TrialName
from dodona_server.parts import (
    Access,
    Artifacts,
    Audit,
    Dashboard,
    Deleted,
    Following,
    ProjectQuotas,
    Sampled,
    ServerStatus,
    Webhooks,
    Workers,
)
from dodona_server.service.access.people import list_people
from dodona_server.service.access.tokens import list_tokens
from dodona_server.service.views.samples import Sample, Samples
from dodona_server.web.figures.figure_data import KINDS, comparison, study_figure
from dodona_server.web.live import cursor, stream
from dodona_server.web.pages.access_page import MAX_ENTRIES, access_context, audit_context
from dodona_server.web.pages.artifact_page import artifact_context, image_of
from dodona_server.web.pages.compare_page import compare_context, studies_of
from dodona_server.web.pages.server_page import server_context
from dodona_server.web.pages.studies_page import MAX_STUDIES, StudiesQuery, studies_context
from dodona_server.web.pages.study_page import StudyQuery, study_context
from dodona_server.web.pages.trial_page import trial_context
from dodona_server.web.pages.trial_table import MAX_ROWS
from dodona_server.web.pages.workers_page import MAX_WORKERS, WorkersQuery, workers_context
from dodona_server.web.rendering import ASSETS, content, file, page

JSON = "application/json"
_SERVED = {asset.path: asset for asset in ASSETS.values()}


async def all_studies(request: Request, dashboard: Dashboard, quotas: ProjectQuotas) -> Response:
    """Return the page of all studies."""
    principal: Principal = request.state.principal
    query = StudiesQuery.read(request.query_params, principal.projects_of("all_studies"))
    found = await dashboard.studies(query.wanted, (query.page - 1) * MAX_STUDIES, MAX_STUDIES)
    context = studies_context(found, query)
    projects = sorted({one.study.name.parent.project for one in found.studies.entries})
    notices = await quotas.notices(projects)
    return await page(request, "studies.html", address=_address(request), notices=notices, **context)


async def deleted(request: Request, deleted: Deleted) -> Response:
    """Return the page of the studies that can be restored."""
    principal: Principal = request.state.principal
    found = await deleted.of_projects(principal.projects_of("deleted"))
    return await page(request, "deleted.html", live=False, deleted=found, now=time.time())


async def webhooks(request: Request, webhooks: Webhooks) -> Response:
    """Return the page of webhooks and what they were sent."""
    principal: Principal = request.state.principal
    found = await webhooks.of_projects(principal.projects_of("webhooks"))
    projects = principal.projects_of("webhooks")
    # The first choice for a new one.
    project = "default" if projects is None or "default" in projects else min(projects)
    return await page(request, "webhooks.html", live=False, webhooks=found, project=project, kinds=list(EventKind))


async def new_study(request: Request) -> Response:
    """Return the page that creates a study."""
    return await page(request, "new.html", live=False, algorithms=algorithms.names())


async def one_study(request: Request, project: str, location: str, study: str, dashboard: Dashboard) -> Response:
    """Return the page of a study."""
    query = StudyQuery.read(request.url.path, request.query_params, request.query_params.getlist("column"))
    wanted = query.table.filtered or query.listing
    view = await dashboard.study(StudyName(Location(project, location), study), wanted, MAX_ROWS, query.happened)
    context = await aside(study_context, view, query)
    return await page(request, "study.html", address=_address(request), **context)


async def one_trial(
    request: Request, project: str, location: str, study: str, trial: str, dashboard: Dashboard
) -> Response:
    """Return the page of a trial."""
    name = TrialName.of(StudyName(Location(project, location), study), trial)
    context = await aside(trial_context, await dashboard.trial(name))
    return await page(request, "trial.html", **context)


async def one_artifact(
    request: Request, project: str, location: str, study: str, trial: str, artifact: str, artifacts: Artifacts
) -> Response:
    """Return the page that shows a file of a trial."""
    name = ArtifactName(TrialName.of(StudyName(Location(project, location), study), trial), artifact)
    return await page(request, "artifact.html", live=False, **await artifact_context(name, artifacts))


async def artifact_image(
    request: Request, project: str, location: str, study: str, trial: str, artifact: str, artifacts: Artifacts
) -> Response:
    """Return a file of a trial that is an image of a kind without scripts."""
    name = ArtifactName(TrialName.of(StudyName(Location(project, location), study), trial), artifact)
    media_type, image = await image_of(name, artifacts)
    return await aside(content, request, image, media_type)


async def all_workers(request: Request, workers: Workers) -> Response:
    """Return the page of workers."""
    principal: Principal = request.state.principal
    query = WorkersQuery.read(request.query_params, principal)
    found, now = await workers.page(
        query.study,
        alive=not query.everyone,
        skipped=(query.page - 1) * MAX_WORKERS,
        limit=MAX_WORKERS,
        projects=principal.projects_of("all_workers"),
    )
    return await page(request, "workers.html", **workers_context(found, now, query))


async def server_state(request: Request, status: ServerStatus) -> Response:
    """Return the page of the server itself."""
    return await page(request, "server.html", live=True, **server_context(await status.now()))


async def figure_of_study(
    request: Request, project: str, location: str, study: str, figure: str, samples: Sampled
) -> Response:
    """Return the data of a figure."""
    if figure not in KINDS:
        raise NotFound(f"there is no figure {figure!r}; there are {', '.join(sorted(KINDS))}")
    name = StudyName(Location(project, location), study)
    return await aside(content, request, await study_figure(samples, name, figure, request.query_params), JSON)


async def compare(request: Request, samples: Sampled) -> Response:
    """Return the page that shows several studies beside each other."""
    found = await _compared(request, samples)
    return await page(request, "compare.html", **await aside(compare_context, found, request.query_params))


async def compare_data(request: Request, samples: Sampled) -> Response:
    """Return the data of the figure of that page."""
    found = await _compared(request, samples)
    return await aside(content, request, await comparison(found, request.query_params), JSON)


async def _compared(request: Request, samples: Samples) -> list[Sample]:
    names = studies_of(request.query_params.getlist("study"), request.state.principal)
    return [await samples.results(name, weighed=True) for name in names]


async def changes_of_all(request: Request, following: Following) -> Response:
    """Return a stream of the changes to the list of the principal's studies."""
    projects = request.state.principal.projects_of("changes_of_all")
    return await stream(following.of_all(cursor(request), projects))


async def changes_of_study(request: Request, project: str, location: str, study: str, following: Following) -> Response:
    """Return a stream of the changes to a study."""
    return await stream(following.of_study(StudyName(Location(project, location), study), cursor(request)))


async def access_page(request: Request, access: Access) -> Response:
    """Return the page of tokens and users, for administrators."""
    by: Principal = request.state.principal
    listed = await access.read(lambda transaction: list_tokens(transaction, by))
    found = await access.read(lambda transaction: list_people(transaction, by))
    context = access_context(by, listed, found, time.time())
    return await page(request, "access.html", live=False, **context)


async def audit_page(request: Request, audit: Audit) -> Response:
    """Return the page of the audit log, for administrators."""
    before = request.query_params.get("before", "")
    key = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    entries = await audit.page(request.state.principal, key, MAX_ENTRIES + 1)
    return await page(request, "audit.html", live=False, **audit_context(entries))


async def sign_in_page(request: Request) -> Response:
    """Return the page on which people sign in."""
    message = "Enter your name and your password, or a token."
    return await page(request, "sign_in.html", live=False, message=message, then="go /", oidc=request.app.state.oidc)


async def static_file(request: Request, version: str, path: str) -> Response:
    """Return a static file."""
    asset = _SERVED.get(f"/static/{version}/{path}")
    if asset is None:
        raise NotFound(f"there is no file {path}")
    return file(request, asset)


async def anything_else(path: str) -> Response:
    """Return a page that says that there is no such page."""
    raise NotFound(f"there is no page at /studies{path}")


PAGES = (
    all_studies,
    new_study,
    deleted,
    webhooks,
    one_study,
    one_trial,
    one_artifact,
    artifact_image,
    all_workers,
    server_state,
    figure_of_study,
    compare,
    compare_data,
    changes_of_all,
    changes_of_study,
    access_page,
    audit_page,
    sign_in_page,
    static_file,
    anything_else,
)


def _address(request: Request) -> str:
    return str(request.base_url).rstrip("/")
