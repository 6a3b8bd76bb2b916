"""What the `dodona` command can do."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
import uvicorn
from pydantic import ValidationError

from dodona_server.app import Options, create_app
from dodona_server.settings import Settings
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.opening import open_store

app = typer.Typer(
    help="Dodona, a self-hosted hyperparameter tuning service.", no_args_is_help=True, add_completion=False
)
logger = logging.getLogger("dodona")

# Google's clients keep idle connections and fail on one that the server has closed.
KEEP_ALIVE_SECONDS = 3600
GRACE_SECONDS = 30


@app.callback()
def root() -> None:
    """Dodona, a self-hosted hyperparameter tuning service."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [default: 8080]")] = None,
    database_url: Annotated[
        str | None,
        typer.Option(help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE [default: sqlite:///dodona.db]"),
    ] = None,
) -> None:
    """Run the server until it gets SIGTERM or Ctrl-C.

    Each option may also be set by a variable: DODONA_HOST, DODONA_PORT, DODONA_DATABASE_URL. Beyond loopback the
    server listens only with DODONA_TOKEN set, the secret that clients must send.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = _settings(host=host, port=port, database_url=database_url)
    token = settings.token.get_secret_value() if settings.token else None
    if token is None and not _is_loopback(settings.host):
        _give_up(
            f"refusing to listen on {settings.host} without authentication: set DODONA_TOKEN to a long random secret"
        )
    listener = _listen(settings.host, settings.port)
    try:
        store = open_store(settings.database_url)
    except StoreUnusable as error:
        _give_up(str(error))
    logger.info("database: %s", store.url)
    logger.info("listening on %s", _address(listener))
    stopping = threading.Event()
    config = uvicorn.Config(
        create_app(store, Options(token=token), stopping),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
    )
    # Uvicorn raises the signal again when it has shut down: the end that was asked for is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    _Server(config, stopping).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Tells the calls that wait for something to happen that the server is to stop."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to shut down."""
        self._stopping.set()
        super().handle_exit(sig, frame)


def _settings(**flags: Any) -> Settings:
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        _give_up(f"--{name.replace('_', '-')} (DODONA_{name.upper()}): {first['input']!r}: {first['msg']}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        _give_up(f"cannot listen on {host}:{port}: {error.strerror}")
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _give_up(reason: str) -> NoReturn:
    typer.echo(f"dodona: {reason}", err=True)
    raise typer.Exit(2)
