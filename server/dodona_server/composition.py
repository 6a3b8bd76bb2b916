"""Composition root: the parts that answer calls, and what runs beside them. The framework is not among them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dodona_server.api.vertex.loop import TrialCalls
from dodona_server.options import Options
from dodona_server.service.access.audit import AuditLog
from dodona_server.service.access.gate import Gate
from dodona_server.service.artifacts import ArtifactService
from dodona_server.service.computing.pool import FittingPool
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.following.changes import Changes
from dodona_server.service.following.feed import Feed
from dodona_server.service.following.watcher import Watcher
from dodona_server.service.gauges import Gauges
from dodona_server.service.maintenance import Maintenance
from dodona_server.service.operations import OperationService
from dodona_server.service.quotas import Quotas
from dodona_server.service.steering import StudySteering
from dodona_server.service.studies.deleted import DeletedStudyService
from dodona_server.service.studies.outlook import UsageQueries
from dodona_server.service.studies.studies import StudyService
from dodona_server.service.suggestions.suggest import SuggestionService
from dodona_server.service.trials.explanations import Explanations
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.service.trials.trials import TrialService
from dodona_server.service.views.dashboard import DashboardQueries
from dodona_server.service.views.hindsight import HindsightQueries
from dodona_server.service.views.reports import Reports
from dodona_server.service.views.samples import Samples
from dodona_server.service.views.status import StatusQueries
from dodona_server.service.webhooks.deliveries import Deliveries
from dodona_server.service.webhooks.sender import Sender
from dodona_server.service.webhooks.webhooks import WebhookService
from dodona_server.service.workers import WorkerService
from dodona_server.storage.artifacts.blobs import Blobs
from dodona_server.storage.engine.store import Store


class Composition:
    """Parts of the server; routes find them by their names, see `parts`.

    Args:
        store: where studies and trials are kept.
        options: the server's options.
        stopping: set when the server shuts down, to end calls that wait.
    """

    def __init__(self, store: Store, options: Options, stopping: threading.Event) -> None:
        self.store = store
        self.oidc = options.oidc
        self.stopping = stopping
        self.pool = pool = FittingPool(store, options.fitting_processes)
        self.schedule = schedule = Schedule(pool, options.deadline_seconds)
        self.quotas = quotas = Quotas(store, options.quotas)
        place = options.artifacts or (store.artifacts if store else None)
        # Without a store the application only describes its calls.
        blobs = Blobs(place, options.min_free_bytes) if place else None
        self.artifacts = ArtifactService(store, blobs, time.time, options.max_artifact_bytes, quotas)
        self.gate = Gate(store, options.token, options.secret, insecure=options.insecure)
        self.audit = AuditLog(store, options.audit_seconds)
        sender = Sender(private=options.webhooks_to_private)
        self.deliveries = Deliveries(store, time.time, stopping, sender)
        self.webhooks = WebhookService(store, time.time, sender)
        self.maintenance = Maintenance(store, time.time, stopping, self.artifacts)
        self.gauges = Gauges(store)
        self.status = StatusQueries(store, self.gauges, schedule, place)
        self._add_views()
        self._add_services(options)

    def _add_views(self) -> None:
        store, watcher = self.store, Watcher(self.store, self.stopping)
        self.dashboard = DashboardQueries(store, time.time)
        self.samples = Samples(store, time.time)
        self.reports = Reports(store)
        self.usage = UsageQueries(store, time.time)
        self.explanations = Explanations(store)
        self.hindsight = HindsightQueries(store, self.pool)
        self.feed = Feed(store, watcher)
        self.changes = Changes(store, watcher)

    def _add_services(self, options: Options) -> None:
        store, schedule, quotas = self.store, self.schedule, self.quotas
        self.studies = StudyService(
            store, time.time, schedule, options.kept_seconds, strict=options.strict, quotas=quotas
        )
        self.deleted = DeletedStudyService(store, time.time)
        self.steering = StudySteering(store, time.time)
        self.workers = WorkerService(store, time.time)
        self.queries = TrialQueries(store)
        self.trials = TrialService(store, time.time, schedule, options.kept_measurements, quotas)
        self.suggestions = SuggestionService(store, time.time, self.stopping, schedule, quotas)
        self.operations = OperationService(store, time.time)
        self.calls = TrialCalls(self.trials, self.suggestions, self.queries)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what works in the background; close the store at the end."""
        await self.gate.look()
        works = [self.maintenance.run(), self.deliveries.run(), self.gate.run(self.stopping)]
        if self.oidc is not None:
            # Imported here because it needs an HTTP client, and most servers have no provider.
            from dodona_server.service.access.rechecks import Rechecks

            works.append(Rechecks(self.store, self.gate, self.audit, self.oidc).run(self.stopping))
        background = [asyncio.create_task(work) for work in works]
        yield
        for task in background:
            task.cancel()
        self.schedule.close()
        self.artifacts.close()
        self.store.close()
