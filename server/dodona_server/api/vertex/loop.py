"""The calls of the trial loop: suggest, report, heartbeat, complete.

They are most of a server's work, and FastAPI's routing, dependencies and validation cost more than the calls
themselves. So `TrialLoop` answers them before they reach FastAPI. The routes of the same calls use the same functions.
They exist for the OpenAPI document and for requests that `TrialLoop` does not recognize.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import re
from collections.abc import Awaitable, Callable, Coroutine
from urllib.parse import parse_qs

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_schemas import vertex as wire
from dodona_schemas.base import WireModel
from dodona_server.api.errors import domain_response
from dodona_server.api.read import read_message
from dodona_server.api.vertex import answers, render
from dodona_server.aside import aside
from dodona_server.domain.errors import DodonaError, InvalidArgument
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.trial import Trial
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.reports import Report
from dodona_server.service.trials.trials import TrialService

_PATH = re.compile(
    r"/v1/projects/([^/:]+)/locations/([^/:]+)/studies/([^/:]+)/trials(?:/([^/:]+))?:"
    r"(suggest|addTrialMeasurement|heartbeat|complete)"
)


class View(enum.StrEnum):
    """How much of a trial an answer contains."""

    FULL = "FULL"
    BASIC = "BASIC"


def read_view(query: bytes) -> View:
    """Return the view that a request's query asks for; the full one by default.

    Raises:
        InvalidArgument: there is no such view.
    """
    if b"view" not in query:
        return View.FULL
    wanted = parse_qs(query.decode("latin-1")).get("view", [View.FULL])[-1]
    if wanted not in set(View):
        raise InvalidArgument(f"{wanted!r} is none of {', '.join(View)}", "view")
    return View(wanted)


class TrialCalls:
    """The calls of the trial loop.

    Each answers with the trial's measurements, as Vertex does, unless the caller asks for the basic view: reading them
    costs more than the call.

    Args:
        trials: reports and completes trials.
        suggestions: assigns trials to workers.
        queries: reads measurements.
    """

    def __init__(self, trials: TrialService, suggestions: SuggestionService, queries: TrialQueries) -> None:
        self._trials = trials
        self._suggestions = suggestions
        self._queries = queries

    async def shown(self, study: StudyName, trial: Trial, view: View) -> Response:
        """Return the answer with a trial."""
        if view is View.FULL:
            (trial,) = await self._queries.measured(study, [trial])
        return answers.trial(study, trial)

    async def suggest(self, study: StudyName, body: wire.SuggestTrialsRequest, view: View) -> Response:
        """Assign trials to the client."""
        contexts = await aside(_read_contexts, body) if body.contexts else []
        request = SuggestRequest(
            client_id=body.client_id,
            count=body.suggestion_count,
            request_id=body.request_id or None,
            contexts=contexts,
            lease_seconds=body.lease_duration,
            running=None if body.held_trials is None else {TrialName.of(study, one).number for one in body.held_trials},
        )
        handout = await self._suggestions.suggest(study, request, body.wait or 0.0)
        if view is View.FULL:
            handout = dataclasses.replace(handout, trials=await self._queries.measured(study, handout.trials))
        return answers.handout(handout)

    async def measure(self, trial: TrialName, body: wire.AddTrialMeasurementRequest, view: View) -> Response:
        """Store a measurement."""
        report = Report(
            render.read_measurement(body.measurement),
            render.read_attempt(body),
            body.checkpoint or "",
        )
        return await self.shown(trial.study, await self._trials.measure(trial, report, body.request_id), view)

    async def heartbeat(self, trial: TrialName, body: wire.HeartbeatTrialRequest, view: View) -> Response:
        """Renew the trial's lease."""
        renewed = await self._trials.heartbeat(trial, render.read_attempt(body), body.checkpoint or "", body.request_id)
        return await self.shown(trial.study, renewed, view)

    async def complete(self, trial: TrialName, body: wire.CompleteTrialRequest, view: View) -> Response:
        """Complete a trial."""
        attempt, used = render.read_attempt(body), render.read_used(body)
        if body.trial_infeasible:
            ended = await self._trials.fail(trial, body.infeasible_reason or "", attempt, body.request_id, used)
        else:
            given = render.read_final(body.final_measurement)
            ended = await self._trials.complete(trial, given, attempt, body.request_id, used)
        return await self.shown(trial.study, ended, view)


class TrialLoop:
    """ASGI middleware that answers the calls of the trial loop and passes others on. Place it behind `WholeBody`.

    Args:
        app: answers the other calls.
        calls: the calls of the trial loop.
    """

    def __init__(self, app: ASGIApp, calls: TrialCalls) -> None:
        self._app = app
        self._calls: dict[str, tuple[type[WireModel], Callable[..., Awaitable[Response]]]] = {
            "addTrialMeasurement": (wire.AddTrialMeasurementRequest, calls.measure),
            "heartbeat": (wire.HeartbeatTrialRequest, calls.heartbeat),
            "complete": (wire.CompleteTrialRequest, calls.complete),
        }
        self._suggest = calls.suggest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the call, or pass it on."""
        match = _PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if match is None or (match[4] is None) != (match[5] == "suggest"):
            await self._app(scope, receive, send)
            return
        message = await receive()
        try:
            answer = await self._call(match, message["body"], read_view(scope["query_string"]), receive)
        except _GoneAway:
            return
        except DodonaError as error:
            await domain_response(error)(scope, receive, send)
        else:
            await answer(scope, receive, send)

    async def _call(self, match: re.Match[str], content: bytes, view: View, receive: Receive) -> Response:
        study = StudyName(Location(match[1], match[2]), match[3])
        if match[4] is None:
            request = await read_message(wire.SuggestTrialsRequest, content)
            call = self._suggest(study, request, view)
            return await (_while_there(receive, call) if request.wait else call)
        model, method = self._calls[match[5]]
        return await method(TrialName.of(study, match[4]), await read_message(model, content), view)


def _read_contexts(body: wire.SuggestTrialsRequest) -> list[dict[str, object]]:
    return [render.read_parameters(context.parameters) for context in body.contexts]


class _GoneAway(Exception):
    """The client has disconnected."""


async def _while_there(receive: Receive, call: Coroutine[None, None, Response]) -> Response:
    """Return the answer to a call that waits, unless its client disconnects: nobody would run its trials.

    Raises:
        _GoneAway: the client has disconnected.
    """
    calling, leaving = asyncio.ensure_future(call), asyncio.ensure_future(receive())
    try:
        await asyncio.wait((calling, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not calling.done():
            raise _GoneAway
        return calling.result()
    finally:
        calling.cancel()
        leaving.cancel()
