"""Calls about webhooks."""

from __future__ import annotations

from fastapi import Response

from dodona_schemas import webhooks as wire
from dodona_schemas.vertex import Empty, EmptyRequest
from dodona_server.api.calls.call import Dialect
from dodona_server.api.front.answer import Answer
from dodona_server.api.front.route import Routes
from dodona_server.api.front.shared import timestamp
from dodona_server.domain.webhook import Delivery, Webhook
from dodona_server.parts import Webhooks

routes = Routes(Dialect.OWN)


@routes.serve
async def create_webhook(project: str, body: wire.CreateWebhookRequest, webhooks: Webhooks) -> Response:
    """Create a webhook; the answer is the only one with its secret."""
    made = await webhooks.create(project, body.url, body.form, body.kinds)
    return Answer(_webhook(made, secret=made.secret))


@routes.serve
async def list_webhooks(project: str, webhooks: Webhooks) -> Response:
    """List the webhooks of a project with their latest tries."""
    found = await webhooks.of_project(project)
    shown = [_webhook(one.webhook, [_delivery(each) for each in one.deliveries]) for one in found]
    return Answer(wire.ListWebhooksResponse(webhooks=shown))


@routes.serve
async def delete_webhook(project: str, webhook: str, webhooks: Webhooks) -> Response:
    """Delete a webhook."""
    await webhooks.delete(project, webhook)
    return Answer(Empty())


@routes.serve
async def update_webhook(project: str, webhook: str, body: wire.UpdateWebhookRequest, webhooks: Webhooks) -> Response:
    """Change a webhook's address, form and kinds of events."""
    return Answer(_webhook(await webhooks.update(project, webhook, body.url, body.form, body.kinds)))


@routes.serve
async def try_webhook(project: str, webhook: str, _body: EmptyRequest, webhooks: Webhooks) -> Response:
    """Send a test to a webhook now; the answer says what its receiver answered."""
    return Answer(_delivery(await webhooks.test(project, webhook)))


def _webhook(value: Webhook, deliveries: list[wire.Delivery] | None = None, secret: str = "") -> wire.Webhook:
    return wire.Webhook(
        name=f"projects/{value.project}/webhooks/{value.webhook_id}",
        url=value.url,
        form=value.form.value,
        kinds=sorted(value.kinds),
        create_time=timestamp(value.create_time),
        secret=secret,
        deliveries=deliveries or [],
    )


def _delivery(value: Delivery) -> wire.Delivery:
    return wire.Delivery(
        study=value.study,
        number=value.number,
        kind=value.kind,
        time=timestamp(value.time),
        code=value.code,
        problem=value.problem,
    )
