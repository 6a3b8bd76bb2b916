"""Sends the events of studies to webhooks: each at least once, and those of one study in order.

The event log is the queue: for each webhook and study the database knows the last event that was accepted. A server
claims a webhook for a short time by the database's clock; if it dies, another one goes on from there.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.event import Event
from dodona_server.domain.webhook import Delivery, Webhook, body_of, delivery_id, headers_of, pause_after
from dodona_server.service.webhooks.sender import TIMEOUT_SECONDS, Sender
from dodona_server.storage import events, webhooks
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import studies
from dodona_server.storage.webhooks import Behind

logger = logging.getLogger("dodona")

LOOK_SECONDS = 1.0
# Longer than a request takes, so that no other server sends at the same time.
CLAIM_SECONDS = 3 * TIMEOUT_SECONDS
EVENTS_AT_ONCE = 100
# Of one webhook.
STUDIES_AT_ONCE = 8


class Deliveries:
    """Sends events until it is stopped.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        stopping: set when the server is to stop.
        sender: sends the requests.
    """

    def __init__(self, store: Store, clock: Callable[[], float], stopping: threading.Event, sender: Sender) -> None:
        self._store = store
        self._clock = clock
        self._stopping = stopping
        self._sender = sender
        self._me = uuid.uuid4().hex
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Work until cancelled, even if the database fails from time to time."""
        try:
            while not self._stopping.is_set():
                await _safely(self._look())
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for sending in self._sending.values():
                sending.cancel()
            await self._sender.close()

    async def _look(self) -> None:
        """Begin to send what is due; a webhook that answers slowly delays no other one."""
        found = await self._store.read(webhooks.every)
        self._sending = {name: sending for name, sending in self._sending.items() if not sending.done()}
        for webhook in found:
            if webhook.webhook_id not in self._sending:
                self._sending[webhook.webhook_id] = asyncio.create_task(_safely(self._send_all(webhook)))

    async def _send_all(self, webhook: Webhook) -> None:
        found = await self._store.read(lambda transaction: webhooks.behind(transaction, webhook, self._clock()))
        turns = asyncio.Semaphore(STUDIES_AT_ONCE)
        # One that fails ends no other: the next look begins when all are done.
        await asyncio.gather(*(_safely(self._send_study(webhook, one, turns)) for one in found))

    def _claim(self, transaction: Transaction, webhook: Webhook) -> Webhook | None:
        return webhooks.claim(transaction, webhook.webhook_id, self._me, CLAIM_SECONDS)

    async def _send_study(self, webhook: Webhook, behind: Behind, turns: asyncio.Semaphore) -> None:
        """Send the next events of a study."""
        async with turns:
            begun = await self._store.run(lambda transaction: self._begin(transaction, webhook, behind))
            if begun is None:
                return
            webhook, seen, happened = begun
            tries, tried = behind.tries, []
            claimed = time.monotonic()
            for event in happened:
                if webhook.wants(event):
                    if time.monotonic() - claimed > TIMEOUT_SECONDS:
                        renewed = await self._store.run(functools.partial(self._claim, webhook=webhook))
                        if renewed is None:
                            break
                        webhook, claimed = renewed, time.monotonic()
                    attempt = await self._send(webhook, behind, event)
                    tried.append(attempt)
                    if not attempt.succeeded:
                        tries += 1
                        break
                seen, tries = event.number, 0
            next_time = self._clock() + pause_after(tries) if tries else 0.0

            def keep(transaction: Transaction) -> None:
                webhooks.move(transaction, webhook.webhook_id, behind.study.key, seen, tries, next_time)
                webhooks.record(transaction, webhook.webhook_id, tried)

            await self._store.run(keep)

    def _begin(
        self, transaction: Transaction, webhook: Webhook, behind: Behind
    ) -> tuple[Webhook, int, list[Event]] | None:
        """Return the webhook as it is now, the number of the last event that was sent, and the next ones.

        Returns:
            None if the study was deleted meanwhile, or another server sends.
        """
        # This locks the webhook: what happens after the next change of it is not among the events here.
        claimed = self._claim(transaction, webhook)
        if claimed is None:
            return None
        study = studies.find(transaction, behind.study.name, lock=True)
        if study is None or study.key != behind.study.key:
            return None
        events.number(transaction, study)
        seen = webhooks.begin(transaction, webhook, study.key) if behind.seen is None else behind.seen
        return claimed, seen, list(events.page(transaction, study.key, seen, EVENTS_AT_ONCE).entries)

    async def _send(self, webhook: Webhook, behind: Behind, event: Event) -> Delivery:
        now = self._clock()
        body = body_of(webhook, behind.study, event)
        headers = headers_of(webhook, delivery_id(webhook, behind.study, event), now, body)
        code, problem = await self._sender.tried(webhook.url, body, headers)
        return Delivery(str(behind.study.name), event.number, event.kind.value, now, code, problem)


async def _safely(work: Awaitable[None]) -> None:
    try:
        await work
    except Unavailable:
        return  # maintenance logs it
    except Exception:
        logger.exception("webhooks failed; they are tried again")
