"""Webhooks of a project."""

from __future__ import annotations

from collections.abc import Collection

from dodona._http.transport import Transport
from dodona_schemas import webhooks as wire
from dodona_schemas.vertex import Empty, EmptyRequest

# Webhooks belong to a project; the transport's paths begin at a location in it.
WEBHOOKS = "../../webhooks"


class Webhooks:
    """Makes, lists, tests and deletes the webhooks of a project, for its administrators.

    Args:
        transport: to the server.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, url: str, kinds: Collection[str] = (), *, slack: bool = False) -> wire.Webhook:
        """Create a webhook and return it; nothing else returns its secret.

        Args:
            url: where the events are sent.
            kinds: the kinds of events; empty for all.
            slack: whether texts in Slack's form are sent instead of JSON.

        Raises:
            ValueError: an argument is not valid.
            ServerUnreachable: the server does not answer.
        """
        body = wire.CreateWebhookRequest(url=url, form="SLACK" if slack else "JSON", kinds=list(kinds))
        return self._transport.call("POST", WEBHOOKS, body, wire.Webhook)

    def list(self) -> list[wire.Webhook]:
        """Return the webhooks with their latest tries, the last one first.

        Raises:
            ServerUnreachable: the server does not answer.
        """
        return [*self._transport.call("GET", WEBHOOKS, None, wire.ListWebhooksResponse).webhooks]

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook.

        Raises:
            NotFound: there is no such webhook.
            ServerUnreachable: the server does not answer.
        """
        self._transport.call("DELETE", f"{WEBHOOKS}/{webhook_id}", None, Empty)

    def send_test(self, webhook_id: str) -> wire.Delivery:
        """Send a test to a webhook, and return what came of it.

        Raises:
            NotFound: there is no such webhook.
            ServerUnreachable: the server does not answer.
        """
        return self._transport.call("POST", f"{WEBHOOKS}/{webhook_id}:test", EmptyRequest(), wire.Delivery)
