"""The composition root: builds the server from its parts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api import artifacts as artifact_routes
from dodona_server.api import assistants, docs, events, export, health, metrics, openapi, webhooks
from dodona_server.api.access import audit, oidc, signing_in, tokens, users
from dodona_server.api.caip import routes as caip
from dodona_server.api.caip.dispatch import CaipDispatch
from dodona_server.api.calls.call import Dialect
from dodona_server.api.calls.table import row
from dodona_server.api.front import errors
from dodona_server.api.front.body import WholeBody
from dodona_server.api.front.observed import AccessLog, Observed, note_route
from dodona_server.api.front.proxies import Proxies
from dodona_server.api.front.rates import Rates
from dodona_server.api.front.route import Routes
from dodona_server.api.front.security import Guard
from dodona_server.api.vertex import deleted_routes, operation_routes, routes, study_routes, worker_routes
from dodona_server.api.vertex.loop import TrialCalls, TrialLoop
from dodona_server.root_path import BelowRoot
from dodona_server.service.access.audit import KEPT_SECONDS as AUDIT_SECONDS
from dodona_server.service.access.audit import AuditLog
from dodona_server.service.access.gate import Gate
from dodona_server.service.access.provider import Provider
from dodona_server.service.access.rechecks import Rechecks
from dodona_server.service.artifacts import ArtifactService
from dodona_server.service.computing.pool import FittingPool
from dodona_server.service.computing.schedule import DEADLINE_SECONDS, Schedule
from dodona_server.service.following.changes import Changes
from dodona_server.service.following.feed import Feed
from dodona_server.service.following.watcher import Watcher
from dodona_server.service.gauges import Gauges
from dodona_server.service.maintenance import Maintenance
from dodona_server.service.operations import OperationService
from dodona_server.service.quotas import NO_LIMITS, ProjectLimits, Quotas
from dodona_server.service.steering import StudySteering
from dodona_server.service.studies.deleted import DeletedStudyService
from dodona_server.service.studies.outlook import UsageQueries
from dodona_server.service.studies.studies import KEPT_SECONDS, StudyService
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.explanations import Explanations
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.trials import TrialService
from dodona_server.service.views.dashboard import DashboardQueries
from dodona_server.service.views.hindsight import HindsightQueries
from dodona_server.service.views.reports import Reports
from dodona_server.service.views.samples import Samples
from dodona_server.service.views.status import StatusQueries
from dodona_server.service.webhooks.deliveries import Deliveries
from dodona_server.service.webhooks.sender import Sender
from dodona_server.service.webhooks.webhooks import WebhookService
from dodona_server.service.workers import WorkerService
from dodona_server.settings import MAX_ARTIFACT_BYTES
from dodona_server.storage.artifacts.blobs import Blobs
from dodona_server.storage.engine.store import Store
from dodona_server.web.errors import ErrorPages, PageRoute
from dodona_server.web.pages import pages, report_page
from dodona_server.web.sharing import SharedAnswers

DESCRIPTION = """\
A self-hosted hyperparameter tuning service that speaks the REST protocol of Vertex AI Vizier v1.
Fields and calls that Vizier lacks are marked as Dodona's own."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the server.

    Args:
        token: a token that may do everything, from the settings; None for none.
        secret: the key of all digests of tokens; None for one beside or in the database.
        insecure: whether everyone may do everything.
        oidc: the provider of OpenID Connect; None for none.
        audit_seconds: how long the entries of the audit log are kept.
        strict: whether creating an existing study is an error even if the spec is equal, as in Vertex.
        kept_measurements: how many measurements of a completed trial are kept; None for all.
        fitting_processes: how many processes may fit models.
        deadline_seconds: how long an algorithm may take before a worker gets a quasi-random suggestion.
        artifacts: where artifacts are kept, a folder or a URL; None for beside an SQLite database.
        max_artifact_bytes: the largest size of one artifact.
        min_free_bytes: the free space that artifacts leave on the folder's disk; None for 1 GiB or a tenth.
        max_requests_per_second: of each principal, in the mean; None for no limit.
        root_path: the path below which a proxy serves the server, such as /dodona; "" for none.
        quotas: what each project may keep.
        webhooks_to_private: whether webhooks may name addresses of private networks.
        access_log: which requests are logged.
        kept_seconds: how long a deleted study can be brought back.
        front: whether the hot calls are answered before FastAPI; tests compare both ways.
    """

    token: str | None = None
    secret: str | None = None
    insecure: bool = False
    oidc: Provider | None = None
    audit_seconds: float = AUDIT_SECONDS
    strict: bool = False
    kept_measurements: int | None = None
    fitting_processes: int = 2
    deadline_seconds: float = DEADLINE_SECONDS
    artifacts: str | None = None
    max_artifact_bytes: int = MAX_ARTIFACT_BYTES
    min_free_bytes: int | None = None
    max_requests_per_second: float | None = None
    root_path: str = ""
    quotas: ProjectLimits = NO_LIMITS
    webhooks_to_private: bool = False
    access_log: AccessLog = AccessLog.NONE
    kept_seconds: float = KEPT_SECONDS
    front: bool = True


DEFAULTS = Options()

# The layer of pages does not know the table of calls.
PAGES = Routes(Dialect.OWN, route_class=PageRoute)
for _page in pages.PAGES:
    PAGES.serve(_page)
# A call of the API: its errors are JSON.
REPORT = Routes(Dialect.OWN)
REPORT.serve(report_page.report_study)

VERTEX = (routes, study_routes, worker_routes, operation_routes, deleted_routes)
API = (*VERTEX, export, events, artifact_routes, caip, webhooks, health, metrics, assistants)
ACCESS = (tokens, users, signing_in, oidc, audit)
ROUTES = Routes.in_order([*(module.routes for module in (*API, *ACCESS)), REPORT, PAGES])


def create_app(store: Store, options: Options = DEFAULTS, stopping: threading.Event | None = None) -> FastAPI:
    """Return the server as an ASGI application; it closes the store when it shuts down.

    Args:
        store: where studies and trials are kept.
        options: the server's options.
        stopping: set when the server shuts down, to end calls that wait.
    """
    stopping = stopping or threading.Event()
    pool = FittingPool(store, options.fitting_processes)
    schedule = Schedule(pool, options.deadline_seconds)
    quotas = Quotas(store, options.quotas)
    artifacts = ArtifactService(store, _blobs(store, options), time.time, options.max_artifact_bytes, quotas)
    gate = Gate(store, options.token, options.secret, insecure=options.insecure)
    maintenance = Maintenance(store, time.time, stopping, artifacts)

    sender = Sender(private=options.webhooks_to_private)
    deliveries = Deliveries(store, time.time, stopping, sender)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await gate.look()
        works = [maintenance.run(), deliveries.run(), gate.run(stopping)]
        if options.oidc is not None:
            works.append(Rechecks(store, gate, audit_log, options.oidc).run(stopping))
        background = [asyncio.create_task(work) for work in works]
        yield
        for task in background:
            task.cancel()
        schedule.close()
        artifacts.close()
        store.close()

    app = _Application(
        title="Dodona",
        openapi_url=row("openapi_document").path,
        version=version("dodona"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # The page at /docs uses local files, so it works without the internet.
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    docs.install(app)
    app.state.store = store
    app.state.gate = gate
    app.state.audit = audit_log = AuditLog(store, options.audit_seconds)
    app.state.oidc = options.oidc
    app.state.sign_ins = signing_in.PasswordChecks()
    app.state.pool = pool
    app.state.artifacts = artifacts
    app.state.dashboard = DashboardQueries(store, time.time)
    watcher = Watcher(store, stopping)
    app.state.samples = Samples(store, time.time)
    app.state.reports = Reports(store)
    app.state.usage = UsageQueries(store, time.time)
    app.state.explanations = Explanations(store)
    app.state.hindsight = HindsightQueries(store, pool)
    app.state.feed = Feed(store, watcher)
    app.state.changes = Changes(store, watcher)
    app.state.shared_answers = SharedAnswers()
    app.state.studies = StudyService(
        store, time.time, schedule, options.kept_seconds, strict=options.strict, quotas=quotas
    )
    app.state.webhooks = WebhookService(store, time.time, sender)
    app.state.quotas = quotas
    app.state.gauges = Gauges(store)
    app.state.deleted = DeletedStudyService(store, time.time)
    app.state.steering = StudySteering(store, time.time)
    app.state.status = StatusQueries(store, app.state.gauges, schedule, _place(store, options))
    app.state.workers = WorkerService(store, time.time)
    app.state.queries = queries = TrialQueries(store)
    app.state.trials = trials = TrialService(store, time.time, schedule, options.kept_measurements, quotas)
    app.state.suggestions = suggestions = SuggestionService(store, time.time, stopping, schedule, quotas)
    app.state.operations = OperationService(store, time.time)
    app.state.calls = calls = TrialCalls(trials, suggestions, queries)
    # `include_router` would create every route a second time.
    app.router.routes += ROUTES
    errors.install(app)
    openapi.install(app)
    # Not framework middleware: what FastAPI does before that would be a tenth of the work of the trial loop.
    inner: ASGIApp = CaipDispatch(TrialLoop(app.framework, calls) if options.front else app.framework)
    if options.max_requests_per_second is not None:
        inner = Rates(inner, options.max_requests_per_second)
    app.state.behind_guard = inner
    guard = Guard(WholeBody(inner), gate, Proxies(), audit_log)
    answering: ASGIApp = errors.around(ErrorPages(guard, has_oidc=options.oidc is not None))
    if options.root_path:
        answering = BelowRoot(answering, options.root_path)
    app.front = Observed(answering, options.access_log)
    return app


class _Application(FastAPI):
    """The framework, behind the parts that answer most requests without it."""

    front: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await (self.front if scope["type"] == "http" else self.framework)(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request through its route."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(errors.NOSNIFF)
            await send(message)

        await super().__call__(scope, receive, send_safely if scope["type"] == "http" else send)
        if "route" in scope:
            note_route(scope, scope["route"].path)


def _blobs(store: Store, options: Options) -> Blobs | None:
    # Without a store the application only describes its calls.
    place = _place(store, options)
    return Blobs(place, options.min_free_bytes) if place else None


def _place(store: Store, options: Options) -> str | None:
    """Return where artifacts are kept; None for nowhere."""
    return options.artifacts or (store.artifacts if store else None)
