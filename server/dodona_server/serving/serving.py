"""Server processes: one, or several that share one listening socket and one PostgreSQL."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from dodona_server.api.guard.proxies import Proxies
from dodona_server.observation import metrics, tracing
from dodona_server.observation.logs import configure_logging
from dodona_server.options import Options
from dodona_server.service.quotas import ProjectLimits
from dodona_server.serving.connections import Connections, Limits, raise_descriptor_limit
from dodona_server.serving.http_protocol import Protocol
from dodona_server.serving.served import ServedApp
from dodona_server.serving.tls import Certificate
from dodona_server.settings import Settings
from dodona_server.storage.engine.store import Store
from dodona_server.storage.schema.opening import open_store

if TYPE_CHECKING:
    from dodona_server.service.access.provider import Provider

logger = logging.getLogger("dodona")

# Google's clients keep idle connections, and fail on one that the server has closed.
KEEP_ALIVE_SECONDS = 3600
GRACE_SECONDS = 30
# Keeps a worker that dies at once, again and again, from using up the machine.
RESTART_PAUSE_SECONDS = 1.0
LISTEN_BACKLOG = 2048
# Requests create hardly any reference cycles; the default of 700 would start a collection at every second request. The
# second generation is small too, and the third one is rare: a collection stops all threads while it visits the objects
# of a large request.
GC_THRESHOLDS = (10_000, 2, 1000)
# At every callback of a connection the event loop waits this long for each busy thread. Python's default of 5 ms is too
# much with several threads and connections.
SWITCH_SECONDS = 0.001


def serve_here(settings: Settings, store: Store, listener: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C, then close the store."""
    stopping = threading.Event()
    raise_descriptor_limit()
    connections = Connections(Limits.of_process(), Proxies().is_proxy)
    app = ServedApp(store, options_of(settings), stopping)
    certificate = certificate_of(settings)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=functools.partial(Protocol, connections=connections),  # type: ignore[arg-type]  # called as the class is
        ws="none",
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        proxy_headers=False,  # the application handles proxy headers itself
        ssl_certfile=certificate.chain if certificate else None,
        ssl_keyfile=certificate.key if certificate else None,
    )
    # Uvicorn raises the signal again after its shutdown. Ignored, because a requested end is not a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    tune_interpreter()
    if settings.otlp_endpoint:
        tracing.start(settings.otlp_endpoint)
    try:
        _Server(config, app, stopping, certificate).run(sockets=[listener])
    finally:
        tracing.stop()


def tune_interpreter() -> None:
    """Configure the interpreter for a server: short switches between threads, and rare garbage collection."""
    sys.setswitchinterval(SWITCH_SECONDS)
    # The objects that exist now stay, so the collector never needs to visit them again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def certificate_of(settings: Settings) -> Certificate | None:
    """Return the server's certificate; None for plain HTTP."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_cert, settings.tls_key)


def provider_of(settings: Settings) -> Provider | None:
    """Return the provider of OpenID Connect; None if there is none.

    Raises:
        DodonaError: its settings are wrong, or its packages are missing.
    """
    if settings.oidc_issuer is None:
        return None
    # Imported here because it needs an HTTP client, and most servers have no provider.
    from dodona_server.service.access.provider import Provider, check

    provider = Provider(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_client_secret.get_secret_value(),
        settings.oidc_roles,
        settings.oidc_groups,
        settings.oidc_name,
    )
    check(provider)
    return provider


def options_of(settings: Settings) -> Options:
    """Return the options that the settings contain."""
    return Options(
        token=settings.token.get_secret_value() if settings.token else None,
        secret=settings.secret.get_secret_value() if settings.secret else None,
        insecure=settings.insecure,
        oidc=provider_of(settings),
        audit_seconds=settings.audit_days * 24 * 3600,
        strict=settings.strict_create,
        kept_measurements=settings.keep_measurements,
        fitting_processes=settings.fitting_processes,
        deadline_seconds=settings.suggestion_deadline,
        artifacts=settings.artifacts,
        max_artifact_bytes=settings.max_artifact_bytes,
        min_free_bytes=settings.min_free_bytes,
        max_requests_per_second=settings.max_requests_per_second,
        max_project_requests_per_second=settings.max_project_requests_per_second,
        root_path=settings.root_path,
        quotas=ProjectLimits(
            artifact_bytes=settings.max_project_artifact_bytes,
            metadata_bytes=settings.max_project_metadata_bytes,
            studies=settings.max_project_studies,
            trials=settings.max_project_trials,
        ),
        webhooks_to_private=settings.webhooks_to_private,
        access_log=settings.access_log,
        kept_seconds=settings.undelete_days * 24 * 3600,
    )


class _Server(uvicorn.Server):
    """A uvicorn server that loads the framework when it listens, renews its certificate, and ends waiting calls."""

    def __init__(
        self, config: uvicorn.Config, app: ServedApp, stopping: threading.Event, certificate: Certificate | None
    ) -> None:
        super().__init__(config)
        self._app = app
        self._stopping = stopping
        self._certificate = certificate
        self._renewal: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; see uvicorn."""
        await super().startup(sockets)
        self._app.load()
        if self._certificate is not None and self.config.ssl is not None:
            self._renewal = asyncio.create_task(self._certificate.keep_current(self.config.ssl))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown."""
        self._stopping.set()
        super().handle_exit(sig, frame)


def serve_in_processes(settings: Settings, listener: socket.socket) -> None:
    """Serve in `settings.workers` processes until SIGTERM or Ctrl-C; replace a process that dies."""
    context = multiprocessing.get_context("spawn")
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)

    def start() -> BaseProcess:
        worker = context.Process(target=_work, args=(settings, listener), name="dodona-worker")
        worker.start()
        return worker

    with tempfile.TemporaryDirectory(prefix="dodona-metrics-") as folder:
        # The processes read it when they import the metrics.
        os.environ[metrics.FOLDER] = folder
        _keep_running(start, settings.workers, lambda: ended)


def _keep_running(start: Callable[[], BaseProcess], count: int, is_over: Callable[[], bool]) -> None:
    """Keep that many processes running until it is over, then end them."""
    workers = [start() for _ in range(count)]
    while not is_over():
        multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=RESTART_PAUSE_SECONDS)
        for index, worker in enumerate(workers):
            if not is_over() and not worker.is_alive():
                logger.warning("worker %s ended with %s; starting another", worker.pid, worker.exitcode)
                time.sleep(RESTART_PAUSE_SECONDS)
                workers[index] = start()
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join(GRACE_SECONDS + 5)


def _work(settings: Settings, listener: socket.socket) -> None:
    configure_logging(settings.log_format)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    serve_here(settings, open_store(settings.database_url), listener)


def _end_with_parent() -> None:
    """End this process as soon as its parent is gone, for whatever reason."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
