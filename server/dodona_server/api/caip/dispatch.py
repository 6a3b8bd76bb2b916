"""Recognizes requests in this dialect and adapts what all of them have in common."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dodona_server.api.calls.call import AIPLATFORM_ROOT, Dialect
from dodona_server.api.calls.table import CALLS, LOCATION, STUDIES
from dodona_server.api.front.body import followed_by
from dodona_server.api.front.read import SMALL_BYTES, parse_body
from dodona_server.aside import aside
from dodona_server.domain.errors import InvalidArgument

# Vertex's paths begin like this too.
_SHARED_ROOT = LOCATION.partition("{")[0]
_COLLECTION = STUDIES.removeprefix(LOCATION)
_VERBS = {call.verb for call in CALLS if call.dialect is Dialect.AIPLATFORM}
_VERBS -= {call.verb for call in CALLS if call.dialect is not Dialect.AIPLATFORM}
_CONFIG_KEYS = ("studyConfig", "study_config")


class CaipDispatch:
    """ASGI middleware that moves requests in this dialect from `/v1`, where Vertex's are, to `/ml/v1`.

    Its answers close the connection. This dialect's clients use httplib2, which fails on a connection that the server
    or a proxy has closed, and may send a request twice. Place it behind `WholeBody`.

    Args:
        app: answers requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, at its own path or at the dialect's."""
        if scope["type"] == "http" and scope["path"].startswith(_SHARED_ROOT):
            ours, receive = await _recognize(scope, receive)
            if ours:
                path, raw = AIPLATFORM_ROOT + scope["path"], AIPLATFORM_ROOT.encode() + scope.get("raw_path", b"")
                scope = {**scope, "path": path, "raw_path": raw}
        if scope["type"] == "http" and scope["path"].startswith(AIPLATFORM_ROOT + "/"):
            send = _closing(send)
        await self._app(scope, receive, send)


async def _recognize(scope: Scope, receive: Receive) -> tuple[bool, Receive]:
    """Return whether a request below `/v1` is in this dialect, and the `receive` that returns its body."""
    if _is_evident(scope):
        return True, receive
    if scope["method"] != "POST" or not scope["path"].endswith(_COLLECTION):
        return False, receive
    message = await receive()
    body: bytes = message["body"]
    if not any(key.encode() in body for key in _CONFIG_KEYS):
        return False, followed_by(message, receive)
    ours = _is_configuration(body) if len(body) <= SMALL_BYTES else await aside(_is_configuration, body)
    return ours, followed_by(message, receive)


def _is_evident(scope: Scope) -> bool:
    """Return whether the client, the host, the verb or the query shows the dialect."""
    # Not `Headers`, which decodes the names for each look.
    headers: dict[bytes, bytes] = dict(reversed(scope["headers"]))
    if headers.get(b"user-agent", b"").startswith(b"tf-cloud/"):
        return True
    label = headers.get(b"host", b"").partition(b":")[0].partition(b".")[0].lower()
    if label == b"ml" or label.endswith(b"-ml"):
        return True
    path: str = scope["path"]
    if path.endswith(_COLLECTION):
        query: bytes = scope["query_string"]
        return any(part.startswith(b"studyId=") for part in query.split(b"&"))
    return path.rpartition(":")[2] in _VERBS


def _is_configuration(body: bytes) -> bool:
    """Return whether the body of a call that creates a study has this dialect's key."""
    try:
        study = parse_body(body)
    except InvalidArgument:
        return False  # the route that reads the body reports the error
    return isinstance(study, dict) and any(key in study for key in _CONFIG_KEYS)


def _closing(send: Send) -> Send:
    async def close(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["connection"] = "close"
        await send(message)

    return close
