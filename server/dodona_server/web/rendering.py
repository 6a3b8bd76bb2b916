"""Templates become answers: compressed, and with a tag by which a browser asks whether its copy is current."""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from dodona_server.aside import aside
from dodona_server.domain.access.roles import NOBODY
from dodona_server.web import format as texts
from dodona_server.web import words
from dodona_server.web.assets import Asset, load_assets

if TYPE_CHECKING:
    from jinja2 import Environment

# A change of a search or of a choice is a form with GET; everything else is sent by a script of this server.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    # A browser may keep its copy, and asks each time whether it is current.
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Encoding",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
# Smaller pages fit into one packet anyway.
LEAST_COMPRESSED = 1000
# Higher levels take longer than they save on a network.
COMPRESSION = 5

ASSETS = load_assets()

# An attribute whose value is a path of the server. Scripts use `at` of root.js for those in data attributes.
_PATH = re.compile(r'( href| src| action)="/(?!/)')


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
        extensions=["jinja2.ext.do"],
    )
    templates.filters.update(texts.FILTERS)
    templates.filters.update(words.FILTERS)
    templates.globals.update(assets={name: asset.path for name, asset in ASSETS.items()})
    return templates


def rendered(scope: Scope, template: str, **context: Any) -> bytes:
    """Return a page for the request of `scope`."""
    root = scope.get("root_path", "")
    principal = scope.get("state", {}).get("principal")
    known = {
        "session": bool(principal and principal.session),
        "who": principal.name if principal else "",
        "may": principal.may if principal else NOBODY.may,
    }
    text = _templates().get_template(template).render(root=root, **known, **context)
    # Templates name paths of the server. No text of a user is changed: its quotes are escaped.
    return (_PATH.sub(rf'\1="{root}/', text) if root else text).encode()


async def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """Return a page, rendered beside the event loop, because it takes milliseconds that workers need."""
    return await aside(_answer, request, template, status, context)


def _answer(request: Request, template: str, status: int, context: dict[str, Any]) -> Response:
    return content(request, rendered(request.scope, template, **context), "text/html", status)


def content(request: Request, body: bytes, media_type: str, status: int = 200) -> Response:
    """Return an answer that a browser keeps, and that is sent again only if it has changed; call it beside the loop."""
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {**HEADERS, "ETag": tag}
    if status == 200 and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if _accepts_gzip(request) and len(body) >= LEAST_COMPRESSED:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, COMPRESSION, mtime=0)
    return Response(body, status, headers, media_type)


def file(request: Request, asset: Asset) -> Response:
    """Return a static file."""
    if _accepts_gzip(request):
        return Response(asset.compressed, headers={**FOR_EVER, "Content-Encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.content, headers=FOR_EVER, media_type=asset.media_type)


def _accepts_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
