"""Sends the events of studies to webhooks: each at least once, and those of one study in order.

The event log is the queue: for each webhook and study the database knows the last event that was accepted. A server
claims a webhook for a short time by the database's clock; if it dies, another one goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable

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
        self._together = asyncio.Semaphore(STUDIES_AT_ONCE)

    async def run(self) -> None:
        """Work until cancelled, even if the database fails from time to time."""
        try:
            while not self._stopping.is_set():
                try:
                    sent = await self.look()
                except Unavailable:
                    sent = 0  # maintenance logs it
                except Exception:
                    sent = 0
                    logger.exception("webhooks failed; they are tried again")
                await asyncio.sleep(0 if sent else LOOK_SECONDS)
        finally:
            await self._sender.close()

    async def look(self) -> int:
        """Send some of what is due, and return the number of events that were accepted."""
        found = await self._store.read(webhooks.every)
        return sum(await asyncio.gather(*map(self._send_all, found)))

    async def _send_all(self, webhook: Webhook) -> int:
        found = await self._store.read(lambda transaction: webhooks.behind(transaction, webhook, self._clock()))
        if not found or not await self._claim(webhook):
            return 0
        return sum(await asyncio.gather(*(self._send_study(webhook, one) for one in found)))

    async def _claim(self, webhook: Webhook) -> bool:
        return await self._store.run(
            lambda transaction: webhooks.claim(transaction, webhook.webhook_id, self._me, CLAIM_SECONDS)
        )

    async def _send_study(self, webhook: Webhook, behind: Behind) -> int:
        """Send the next events of a study, and return how many were accepted."""
        async with self._together:
            begun = await self._store.run(lambda transaction: _begin(transaction, webhook, behind))
            if begun is None:
                return 0
            seen, happened = begun
            accepted, tries, tried = 0, behind.tries, []
            claimed = time.monotonic()
            for event in happened:
                if webhook.wants(event):
                    if time.monotonic() - claimed > TIMEOUT_SECONDS:
                        if not await self._claim(webhook):
                            break
                        claimed = time.monotonic()
                    attempt = await self._send(webhook, behind, event)
                    tried.append(attempt)
                    if not attempt.succeeded:
                        tries += 1
                        break
                    accepted += 1
                seen, tries = event.number, 0
            next_time = self._clock() + pause_after(tries) if tries else 0.0

            def keep(transaction: Transaction) -> None:
                webhooks.move(transaction, webhook.webhook_id, behind.study.key, seen, tries, next_time)
                webhooks.record(transaction, webhook.webhook_id, tried)

            await self._store.run(keep)
            return accepted

    async def _send(self, webhook: Webhook, behind: Behind, event: Event) -> Delivery:
        now = self._clock()
        body = body_of(webhook, behind.study, event)
        headers = headers_of(webhook, delivery_id(webhook, behind.study, event), now, body)
        code, problem = await self._sender.tried(webhook.url, body, headers)
        return Delivery(str(behind.study.name), event.number, event.kind.value, now, code, problem)


def _begin(transaction: Transaction, webhook: Webhook, behind: Behind) -> tuple[int, list[Event]] | None:
    """Return the number of the last event that was sent, and the next ones; None if the study was deleted meanwhile."""
    study = studies.find(transaction, behind.study.name, lock=True)
    if study is None or study.key != behind.study.key:
        return None
    events.number(transaction, study)
    seen = webhooks.begin(transaction, webhook, study.key) if behind.seen is None else behind.seen
    return seen, list(events.page(transaction, study.key, seen, EVENTS_AT_ONCE).entries)
