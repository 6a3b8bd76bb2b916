"""Application: the framework with all routes, behind the parts that answer most requests without it."""

from __future__ import annotations

import threading
from importlib.metadata import version

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api import artifacts as artifact_routes
from dodona_server.api import assistants, docs, events, export, health, metrics, openapi, webhooks
from dodona_server.api.access import audit, oidc, signing_in, tokens, users
from dodona_server.api.caip import routes as caip
from dodona_server.api.calls.call import Dialect
from dodona_server.api.calls.table import row
from dodona_server.api.front import errors, framework_errors
from dodona_server.api.front.observed import note_route
from dodona_server.api.front.route import Routes
from dodona_server.api.vertex import deleted_routes, operation_routes, routes, study_routes, worker_routes
from dodona_server.composition import Composition
from dodona_server.middleware import behind_guard, front
from dodona_server.options import DEFAULTS, Options
from dodona_server.storage.engine.store import Store
from dodona_server.web.page_route import PageRoute
from dodona_server.web.pages import pages, report_page
from dodona_server.web.sharing import SharedAnswers

DESCRIPTION = """\
A self-hosted hyperparameter tuning service that speaks the REST protocol of Vertex AI Vizier v1.
Fields and calls that Vizier lacks are marked as Dodona's own."""

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


def create_app(store: Store, options: Options = DEFAULTS, stopping: threading.Event | None = None) -> Application:
    """Return the server as an ASGI application; it closes the store when it shuts down.

    Args:
        store: where studies and trials are kept.
        options: the server's options.
        stopping: set when the server shuts down, to end calls that wait.
    """
    return application(Composition(store, options, stopping or threading.Event()), options)


def application(parts: Composition, options: Options) -> Application:
    """Return the application of these parts."""
    app = Application(
        title="Dodona",
        openapi_url=row("openapi_document").path,
        version=version("dodona"),
        description=DESCRIPTION,
        lifespan=lambda _: parts.running(),
        # The page at /docs uses local files, so it works without the internet.
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    for name, part in vars(parts).items():
        setattr(app.state, name, part)
    app.state.sign_ins = signing_in.PasswordChecks()
    app.state.shared_answers = SharedAnswers()
    # `include_router` would create every route a second time.
    app.router.routes += [*docs.ROUTES, *ROUTES]
    framework_errors.install(app)
    openapi.install(app)
    app.state.behind_guard = behind_guard(parts, options, app.framework)
    app.front = front(parts, options, app.state.behind_guard)
    return app


class Application(FastAPI):
    """Framework, behind the parts that answer most requests without it."""

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
