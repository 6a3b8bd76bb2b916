"""Make, list, change, test and delete webhooks."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from dodona_server.domain.errors import InvalidArgument, NotFound
from dodona_server.domain.names import check_id
from dodona_server.domain.webhook import (
    TEST,
    Delivery,
    Webhook,
    body_of_test,
    check_form,
    check_kinds,
    check_url,
    headers_of,
)
from dodona_server.service.webhooks.sender import Sender
from dodona_server.storage import webhooks
from dodona_server.storage.engine.store import Store, Transaction

MAX_WEBHOOKS = 20


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook with its latest tries, the last one first."""

    webhook: Webhook
    deliveries: Sequence[Delivery]


class WebhookService:
    """Makes, lists, changes, tests and deletes webhooks.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        sender: sends tests.
    """

    def __init__(self, store: Store, clock: Callable[[], float], sender: Sender) -> None:
        self._store = store
        self._clock = clock
        self._sender = sender

    async def create(self, project: str, url: str, form: str, kinds: Collection[str]) -> Webhook:
        """Create a webhook, with a new secret, and return it. It gets the events that happen from now on.

        Args:
            project: whose events.
            url: where to send them.
            form: "JSON" or "SLACK"; empty for JSON.
            kinds: which events; empty for all.

        Raises:
            InvalidArgument: an argument is not valid, or the project has too many webhooks.
        """
        webhook = Webhook(
            webhook_id=secrets.token_hex(8),
            project=check_id(project, "project"),
            url=check_url(url),
            form=check_form(form),
            kinds=check_kinds(kinds),
            secret=f"whsec_{secrets.token_hex(24)}",
            create_time=self._clock(),
        )

        def use_case(transaction: Transaction) -> Webhook:
            if len(webhooks.of_project(transaction, project)) >= MAX_WEBHOOKS:
                raise InvalidArgument(f"{project} has {MAX_WEBHOOKS} webhooks already, the maximum")
            webhooks.insert(transaction, webhook)
            return webhook

        return await self._store.run(use_case)

    async def of_project(self, project: str) -> list[WebhookView]:
        """Return the webhooks of a project with their latest tries.

        Raises:
            InvalidArgument: no project can have that name.
        """
        check_id(project, "project")

        def query(transaction: Transaction) -> list[WebhookView]:
            return [
                WebhookView(webhook, webhooks.deliveries(transaction, webhook.webhook_id))
                for webhook in webhooks.of_project(transaction, project)
            ]

        return await self._store.read(query)

    async def of_projects(self, projects: Collection[str] | None) -> list[WebhookView]:
        """Return the same for several projects; None for all."""

        def query(transaction: Transaction) -> list[WebhookView]:
            found = [one for one in webhooks.every(transaction) if projects is None or one.project in projects]
            return [WebhookView(one, webhooks.deliveries(transaction, one.webhook_id)) for one in found]

        return await self._store.read(query)

    async def delete(self, project: str, webhook_id: str) -> None:
        """Delete a webhook; what it has not sent is not sent.

        Raises:
            NotFound: there is none.
        """
        await self._store.run(lambda transaction: webhooks.delete(transaction, _find(transaction, project, webhook_id)))

    async def update(self, project: str, webhook_id: str, url: str, form: str, kinds: Collection[str]) -> Webhook:
        """Change a webhook and return it; the arguments are those of `create`.

        Raises:
            NotFound: there is none.
            InvalidArgument: an argument is not valid.
        """
        checked_url, checked_form, checked_kinds = check_url(url), check_form(form), check_kinds(kinds)

        def use_case(transaction: Transaction) -> Webhook:
            before = _find(transaction, project, webhook_id)
            changed = dataclasses.replace(before, url=checked_url, form=checked_form, kinds=checked_kinds)
            webhooks.change(transaction, changed)
            return changed

        return await self._store.run(use_case)

    async def test(self, project: str, webhook_id: str) -> Delivery:
        """Send a test now, and return what came of it; it is sent once.

        Raises:
            NotFound: there is no such webhook.
        """
        webhook = await self._store.read(lambda transaction: _find(transaction, project, webhook_id))
        now = self._clock()
        body = body_of_test(webhook, now)
        code, problem = await self._sender.tried(
            webhook.url, body, headers_of(webhook, f"{webhook_id}-test", now, body)
        )
        delivery = Delivery("", 0, TEST, now, code, problem)

        def use_case(transaction: Transaction) -> Delivery:
            # It may have been deleted meanwhile.
            webhooks.record(transaction, _find(transaction, project, webhook_id).webhook_id, [delivery])
            return delivery

        return await self._store.run(use_case)


def _find(transaction: Transaction, project: str, webhook_id: str) -> Webhook:
    found = [one for one in webhooks.of_project(transaction, project) if one.webhook_id == webhook_id]
    if not found:
        raise NotFound(f"projects/{project}/webhooks/{webhook_id} does not exist")
    return found[0]
