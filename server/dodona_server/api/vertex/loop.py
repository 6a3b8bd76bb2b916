"""Calls of the trial loop: suggest, report, heartbeat, complete.

They are most of a server's work, and FastAPI's routing, dependencies and validation cost more than the calls
themselves. So `TrialLoop` answers them before they reach FastAPI. The routes of the same calls use the same functions,
for the OpenAPI document and for the tests that compare both ways.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dodona_schemas import vertex as wire
from dodona_schemas.base import WireModel
from dodona_server.api.calls.call import Call, pattern_of
from dodona_server.api.calls.table import CALLS
from dodona_server.api.front.errors import domain_response, error_response
from dodona_server.api.front.observed import note_route
from dodona_server.api.front.principal import KNOWN_SECONDS, is_known, principal_of
from dodona_server.api.front.read import read_message
from dodona_server.api.vertex import answers, render
from dodona_server.aside import aside
from dodona_server.domain.errors import DodonaError, InvalidArgument
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.trials.trial import Trial
from dodona_server.domain.worker import MAX_AGENT_LENGTH
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.reports import Report
from dodona_server.service.trials.trials import TrialService


class View(enum.StrEnum):
    """Part of a trial that an answer contains."""

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
        raise InvalidArgument(f"{wanted!r} is not one of {', '.join(View)}", "view")
    return View(wanted)


class TrialCalls:
    """Calls of the trial loop.

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
        if view is View.FULL and trial.measurements is None:
            (trial,) = await self._queries.measured(study, [trial])
        return answers.trial(study, trial)

    async def suggest_trials(self, study: StudyName, body: wire.SuggestTrialsRequest, view: View) -> Response:
        """Assign trials to the client."""
        contexts = await aside(_read_contexts, body) if body.contexts else []
        request = SuggestRequest(
            client_id=body.client_id,
            count=body.suggestion_count,
            request_id=body.request_id or None,
            contexts=contexts,
            lease_seconds=body.lease_duration,
            follows=bool(body.follow),
            agent=(body.agent or "")[:MAX_AGENT_LENGTH],
            gpus=body.gpus or 0.0,
            running=None if body.held_trials is None else {TrialName.of(study, one).number for one in body.held_trials},
        )
        result = await self._suggestions.suggest(study, request, body.wait or 0.0)
        if view is View.FULL and any(trial.measurements is None for trial in result.trials):
            result = dataclasses.replace(result, trials=await self._queries.measured(study, result.trials))
        return answers.suggestion(result)

    async def add_trial_measurement(
        self, trial: TrialName, body: wire.AddTrialMeasurementRequest, view: View
    ) -> Response:
        """Store a measurement."""
        report = Report(
            render.read_measurement(body.measurement),
            render.read_attempt(body),
            body.checkpoint or "",
            body.execution or 0,
        )
        measured = await self._trials.measure(trial, report, body.request_id, measured=view is View.FULL)
        return await self.shown(trial.study, measured, view)

    async def heartbeat_trial(self, trial: TrialName, body: wire.HeartbeatTrialRequest, view: View) -> Response:
        """Renew the trial's lease."""
        attempt, full = render.read_attempt(body), view is View.FULL
        renewed = await self._trials.heartbeat(trial, attempt, body.checkpoint or "", body.request_id, measured=full)
        return await self.shown(trial.study, renewed, view)

    async def complete_trial(self, trial: TrialName, body: wire.CompleteTrialRequest, view: View) -> Response:
        """Complete a trial."""
        attempt, used, full = render.read_attempt(body), render.read_used(body), view is View.FULL
        if body.trial_infeasible:
            reason = body.infeasible_reason or ""
            ended = await self._trials.fail(trial, reason, attempt, body.request_id, used, measured=full)
        else:
            given = render.read_final(body.final_measurement)
            ended = await self._trials.complete(
                trial, given, attempt, body.request_id, used, whole=bool(body.whole), measured=full
            )
        return await self.shown(trial.study, ended, view)


class TrialLoop:
    """ASGI middleware that answers the hot calls of the table and passes others on. Place it behind `WholeBody`.

    Args:
        app: answers the other calls.
        calls: has a method for each hot call, with the call's name.
    """

    def __init__(self, app: ASGIApp, calls: TrialCalls) -> None:
        self._app = app
        # By method and verb: no two hot calls have the same ones.
        self._hot = {(call.method, call.verb): _Hot.of(call, getattr(calls, call.name)) for call in CALLS if call.hot}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the call, or pass it on."""
        hot = match = None
        if scope["type"] == "http":
            path: str = scope["path"]
            hot = self._hot.get((scope["method"], path[path.rfind(":") + 1 :]))
            match = hot and hot.pattern.fullmatch(path)
        if not hot or not match:
            await self._app(scope, receive, send)
            return
        note_route(scope, hot.path)
        try:
            principal_of(scope).check(hot.name, match[1])
            message = await receive()
            answer = await _call(hot, match, message["body"], scope, receive)
        except _GoneAway:
            return
        except _Revoked:
            reason = "the token was revoked, or has lost a role, while the call waited"
            await error_response(401, "UNAUTHENTICATED", reason)(scope, receive, send)
        except DodonaError as error:
            await domain_response(error)(scope, receive, send)
        else:
            await answer(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Hot:
    """A hot call: its name, its path, the path's pattern, its message, and the method that answers it."""

    name: str
    path: str
    pattern: re.Pattern[str]
    message: type[WireModel]
    answer: Callable[..., Coroutine[None, None, Response]]

    @classmethod
    def of(cls, call: Call, answer: Callable[..., Coroutine[None, None, Response]]) -> Self:
        """Return a row of the table with the method that answers it."""
        return cls(call.name, call.path, pattern_of(call.path), cast("type[WireModel]", call.request), answer)


async def _call(hot: _Hot, match: re.Match[str], content: bytes, scope: Scope, receive: Receive) -> Response:
    # In the order in which FastAPI's routes check a request.
    body = await read_message(hot.message, content)
    project, location, study_id, *trial = match.groups()
    study = StudyName(Location(project, location), study_id)
    name = TrialName.of(study, trial[0]) if trial else study
    call = hot.answer(name, body, read_view(scope["query_string"]))
    waits = isinstance(body, wire.SuggestTrialsRequest) and body.wait
    return await (_while_there(scope, receive, call) if waits else call)


def _read_contexts(body: wire.SuggestTrialsRequest) -> list[dict[str, object]]:
    return [render.read_parameters(context.parameters) for context in body.contexts]


class _GoneAway(Exception):
    """The client has disconnected."""


class _Revoked(Exception):
    """The principal has lost the role with which it began to wait."""


async def _while_there(scope: Scope, receive: Receive, call: Coroutine[None, None, Response]) -> Response:
    """Return the answer to a call that waits, unless its client disconnects: nobody would run its trials.

    Raises:
        _GoneAway: the client has disconnected.
        _Revoked: the client may not make the call any longer.
    """
    calling, leaving = asyncio.ensure_future(call), asyncio.ensure_future(receive())
    try:
        while not calling.done():
            await asyncio.wait((calling, leaving), timeout=KNOWN_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done() and leaving.done():
                raise _GoneAway
            if not calling.done() and not is_known(scope):
                raise _Revoked
        return calling.result()
    finally:
        calling.cancel()
        leaving.cancel()
