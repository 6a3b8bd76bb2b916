"""Layers in front of the routes, which answer most requests without the framework."""

from __future__ import annotations

from starlette.types import ASGIApp

from dodona_server.api.caip.dispatch import CaipDispatch
from dodona_server.api.front import errors
from dodona_server.api.front.body import WholeBody
from dodona_server.api.front.observed import Observed
from dodona_server.api.front.probes import Probes
from dodona_server.api.guard.proxies import Proxies
from dodona_server.api.guard.rates import Rates
from dodona_server.api.guard.security import Guard
from dodona_server.api.vertex.loop import TrialLoop
from dodona_server.composition import Composition
from dodona_server.options import Options
from dodona_server.root_path import BelowRoot
from dodona_server.web.errors import ErrorPages


def behind_guard(parts: Composition, options: Options, framework: ASGIApp) -> ASGIApp:
    """Return the application for authenticated requests; `framework` answers those that have a route alone."""
    # Not framework middleware: what FastAPI does before that would be a tenth of the work of the trial loop.
    answering = Probes(TrialLoop(framework, parts.calls), parts.store) if options.front else framework
    inner: ASGIApp = CaipDispatch(answering)
    rates = (options.max_requests_per_second, options.max_project_requests_per_second)
    return inner if rates == (None, None) else Rates(inner, *rates)


def front(parts: Composition, options: Options, inner: ASGIApp) -> ASGIApp:
    """Return the application that answers all requests; `inner` answers those that pass the guard."""
    guard = Guard(WholeBody(inner), parts.gate, Proxies(), parts.audit)
    answering: ASGIApp = errors.around(ErrorPages(guard, has_oidc=options.oidc is not None))
    if options.root_path:
        answering = BelowRoot(answering, options.root_path)
    return Observed(answering, options.access_log)
