"""Page at /docs, which shows the OpenAPI document, with local files and its own content security policy."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi_swagger import patch_fastapi
from starlette.routing import BaseRoute

from dodona_server.api.calls.table import row

_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
# Swagger's page has one inline script, which the policy names by its digest, and inline styles.
_POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


async def docs(request: Request) -> Response:
    """Return the page."""
    page = get_swagger_ui_html(
        openapi_url=request.scope.get("root_path", "").rstrip("/") + str(request.app.openapi_url),
        title=f"{request.app.title} - Swagger UI",
        swagger_js_url=str(request.url_for("swagger_ui_bundle_js")),
        swagger_css_url=str(request.url_for("swagger_ui_css")),
        swagger_favicon_url=str(request.url_for("swagger_favicon_png")),
        swagger_ui_parameters={"tryItOutEnabled": True, "filter": True, "displayRequestDuration": True},
    )
    page.headers["Content-Security-Policy"] = _POLICY.format(scripts=" ".join(_digests(bytes(page.body))))
    return page


def _routes() -> list[BaseRoute]:
    """Return the page's route and those of its files."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, swagger_ui_oauth2_redirect_url=None)
    # Before the package's own page, which has no policy; the package still serves its files.
    app.get(row("docs").path, include_in_schema=False)(docs)
    patch_fastapi(app, redirect_from_root_to_docs=False)
    return app.router.routes


# One list for all applications: FastAPI's caches would keep the routes of each, and with them the application.
ROUTES = _routes()


def _digests(page: bytes) -> list[str]:
    """Return the digests of the inline scripts of a page, as a policy names them."""
    found = [hashlib.sha256(script).digest() for script in _SCRIPT.findall(page)]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in found]
