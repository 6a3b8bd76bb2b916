"""Webhooks: Dodona's own, in the style of Vertex."""

from __future__ import annotations

from datetime import datetime

from dodona_schemas.base import Int64, Repeated, WireModel


class Delivery(WireModel):
    """A try to send an event: the status of the answer, or else a problem."""

    study: str
    number: Int64
    kind: str
    time: datetime
    code: int = 0
    problem: str = ""


class Webhook(WireModel):
    """A webhook. Only the answer to the call that makes it has its secret."""

    name: str
    url: str
    form: str
    kinds: Repeated[str] = []
    create_time: datetime
    secret: str = ""
    deliveries: Repeated[Delivery] = []


class CreateWebhookRequest(WireModel):
    """A webhook to make; `form` is JSON or SLACK, `kinds` are the events to send, all if it is empty."""

    url: str = ""
    form: str = ""
    kinds: Repeated[str] = []


class UpdateWebhookRequest(WireModel):
    """New settings of a webhook; it keeps its secret, and how far it is in each study."""

    url: str = ""
    form: str = ""
    kinds: Repeated[str] = []


class ListWebhooksResponse(WireModel):
    """Webhooks of a project."""

    webhooks: Repeated[Webhook] = []
