"""Webhooks: where the events of a project's studies are sent."""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.studies.study import Study

MAX_URL_LENGTH = 2000
LONGEST_PAUSE_SECONDS = 600.0
# The kind of a test, which is no event of a study.
TEST = "TEST"


class WebhookForm(enum.StrEnum):
    """Form of the body that is sent."""

    JSON = "JSON"
    """The event as JSON."""
    SLACK = "SLACK"
    """A text for people, in the form that Slack, Mattermost and Discord's /slack accept."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A place that gets the events of a project's studies.

    Args:
        webhook_id: its id.
        project: whose events.
        url: where they are sent.
        form: what is sent.
        kinds: which events; empty for all.
        secret: the key of the signatures.
        create_time: only later events are sent; in seconds since the epoch.
    """

    webhook_id: str
    project: str
    url: str
    form: WebhookForm
    kinds: frozenset[str]
    secret: str
    create_time: float

    def wants(self, event: Event) -> bool:
        """Return whether the event is sent."""
        return not self.kinds or event.kind.value in self.kinds


@dataclass(frozen=True, slots=True)
class Delivery:
    """A try to send an event: when, and the answer's status, or else a problem."""

    study: str
    number: int
    kind: str
    time: float
    code: int
    problem: str

    @property
    def succeeded(self) -> bool:
        """Whether the receiver accepted it."""
        return 200 <= self.code < 300


def check_url(url: str) -> str:
    """Return `url`.

    Raises:
        InvalidArgument: it is no address to send to.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL_LENGTH:
        raise InvalidArgument(f"{url[:100]!r} is not a URL that begins with https:// or http://", "url")
    if parts.username or parts.password:
        raise InvalidArgument("the URL may not contain a user or a password", "url")
    return url


def check_form(form: str) -> WebhookForm:
    """Return the form; empty is JSON.

    Raises:
        InvalidArgument: there is no such form.
    """
    if form and form not in set(WebhookForm):
        raise InvalidArgument(f"{form!r} is not one of {', '.join(WebhookForm)}", "form")
    return WebhookForm(form or "JSON")


def check_kinds(kinds: Collection[str]) -> frozenset[str]:
    """Return the kinds of events.

    Raises:
        InvalidArgument: there is no such kind.
    """
    for kind in kinds:
        if kind not in set(EventKind):
            raise InvalidArgument(f"{kind!r} is not one of {', '.join(EventKind)}", "kinds")
    return frozenset(kinds)


def pause_after(tries: int) -> float:
    """Return the seconds to wait after that many failed tries."""
    return float(min(2 ** min(tries - 1, 20), LONGEST_PAUSE_SECONDS))


def delivery_id(webhook: Webhook, study: Study, event: Event) -> str:
    """Return an id that is the same each time the event is sent, so that a receiver can ignore a second copy."""
    return f"{webhook.webhook_id}-{study.key}-{event.number}"


def body_of(webhook: Webhook, study: Study, event: Event) -> bytes:
    """Return the body of the request with an event."""
    if webhook.form is WebhookForm.SLACK:
        return json.dumps({"text": _text(study, event)}).encode()
    content = {
        "id": delivery_id(webhook, study, event),
        "study": str(study.name),
        "displayName": study.display_name,
        "event": {
            "number": str(event.number),
            "kind": event.kind.value,
            "time": datetime.fromtimestamp(event.time, UTC).isoformat().replace("+00:00", "Z"),
            "trial": None if event.trial_number is None else str(event.trial_number),
            "detail": event.detail,
        },
    }
    return json.dumps(content).encode()


def body_of_test(webhook: Webhook, now: float) -> bytes:
    """Return the body of a test, in the webhook's form."""
    if webhook.form is WebhookForm.SLACK:
        return json.dumps({"text": f"A test of the webhook of {webhook.project}"}).encode()
    time = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    event = {"number": "0", "kind": TEST, "time": time, "trial": None, "detail": ""}
    return json.dumps({"id": f"{webhook.webhook_id}-test", "study": "", "displayName": "", "event": event}).encode()


def headers_of(webhook: Webhook, delivery: str, now: float, body: bytes) -> dict[str, str]:
    """Return the headers of the request with that body."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "dodona",
        "Dodona-Delivery": delivery,
        "Dodona-Signature": signature(webhook.secret, int(now), body),
    }


def signature(secret: str, time: int, body: bytes) -> str:
    """Return the value of the header that proves who sent a body, and when (seconds since the epoch)."""
    digest = hmac.new(secret.encode(), b"%d." % time + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"


def _text(study: Study, event: Event) -> str:
    about = "" if event.trial_number is None else f" trial {event.trial_number}"
    detail = f": {event.detail}" if event.detail else ""
    words = event.kind.value.replace("_", " ").capitalize()
    return _escaped(f"{study.display_name}{about}: {words}{detail}")


def _escaped(text: str) -> str:
    # Otherwise a name could mention people, or link elsewhere.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
