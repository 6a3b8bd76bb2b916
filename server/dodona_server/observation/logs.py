"""Logs as text or JSON, with the id of the request that a line is about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

# The request that is being answered; empty outside of one.
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
# Lines of the framework that any client could trigger without limit.
_FRAMEWORK_LINES = (
    "Invalid HTTP request received.",
    "Unsupported upgrade request.",
    "No supported WebSocket library detected.",
)
_TEXT = "%(asctime)s %(levelname)s %(message)s"
# Attributes of a record that a caller has passed as `extra`.
EXTRA = ("method", "path", "code", "seconds", "actor")


def configure_logging(form: str = "text") -> None:
    """Log one line for each entry on stderr; `form` is "text" or "json"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It logs a line for each request that is not HTTP; `connections` logs fewer.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not str(record.msg).startswith(_FRAMEWORK_LINES))


class _Json(logging.Formatter):
    """A JSON object for each entry."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := REQUEST_ID.get():
            entry["request_id"] = request_id
        entry |= {name: getattr(record, name) for name in EXTRA if hasattr(record, name)}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)
