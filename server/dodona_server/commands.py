"""The subcommands of `dodona` that need the server."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
from collections.abc import Callable
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from dodona_server.service.maintenance import clear_all
from dodona_server.serving import LISTEN_BACKLOG, configure_logging, serve_here, serve_in_processes
from dodona_server.settings import Settings
from dodona_server.storage import schema
from dodona_server.storage.blobs import Blobs
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.opening import open_store
from dodona_server.storage.store import Store

app = typer.Typer(
    help="Dodona, a self-hosted hyperparameter tuning service.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
database = typer.Typer(help="Manage the database.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(database, name="db")
logger = logging.getLogger("dodona")

# By default the kernel accepts megabytes from a connection before the server sees the first byte, above all in the
# loopback's segments of 64 KiB. With these limits, an upload over 20 ms of network still gets 5 MB/s.
RECEIVE_BUFFER_BYTES = 96 * 2**10
SEGMENT_BYTES = 1460

T = TypeVar("T")
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE [default: sqlite:///dodona.db]"),
]


@app.callback()
def root() -> None:
    """Dodona, a self-hosted hyperparameter tuning service."""
    # Files that a command creates, such as the database and artifacts, are readable by its user only.
    os.umask(0o077)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [default: 8080]")] = None,
    database_url: DatabaseUrl = None,
    workers: Annotated[
        int | None, typer.Option(help="Number of server processes; more than one needs PostgreSQL [default: 1]")
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(help="Where to keep files of trials: a folder or a URL [default: beside an SQLite database]"),
    ] = None,
) -> None:
    """Run the server until it gets SIGTERM or Ctrl-C.

    Each option has an environment variable: DODONA_HOST, DODONA_PORT, DODONA_DATABASE_URL, DODONA_WORKERS,
    DODONA_ARTIFACTS. To listen beyond loopback, set DODONA_TOKEN, the secret that clients must send.
    """
    configure_logging()
    settings = _settings(host=host, port=port, database_url=database_url, workers=workers, artifacts=artifacts)
    if settings.token is None and not _is_loopback(settings.host):
        _give_up(
            f"refusing to listen on {settings.host} without authentication: set DODONA_TOKEN to a long random secret"
        )
    listener = _listen(settings.host, settings.port)
    store = _open(settings.database_url)
    if settings.workers > 1 and store.url.startswith("sqlite"):
        store.close()
        _give_up(f"an SQLite database is served by one process: --workers {settings.workers} needs PostgreSQL")
    _check_artifacts(settings.artifacts or store.artifacts)
    logger.info("database: %s", store.url)
    logger.info("listening on %s", _address(listener))
    if settings.workers == 1:
        serve_here(settings, store, listener)
    else:
        store.close()
        serve_in_processes(settings, listener)


@database.command()
def upgrade(database_url: DatabaseUrl = None) -> None:
    """Upgrade the schema to the revision of this version; the server also does so when it starts."""
    settings = _settings(database_url=database_url)
    before = _or_give_up(lambda: schema.current(settings.database_url))
    _open(settings.database_url).close()
    after = _or_give_up(lambda: schema.current(settings.database_url))
    typer.echo(f"{after}, unchanged" if before == after else f"{before or 'empty'} -> {after}")


@database.command()
def current(database_url: DatabaseUrl = None) -> None:
    """Print the revision of the schema."""
    settings = _settings(database_url=database_url)
    typer.echo(_or_give_up(lambda: schema.current(settings.database_url)) or "empty")


@database.command()
def check(database_url: DatabaseUrl = None) -> None:
    """Exit with 0 if the schema fits this version, otherwise with 1 and a line that says what to do."""
    settings = _settings(database_url=database_url)
    found, wanted = _or_give_up(lambda: schema.current(settings.database_url)), schema.head()
    if found != wanted:
        typer.echo(f"the schema is {found or 'empty'}, this version needs {wanted}: dodona db upgrade", err=True)
        raise typer.Exit(1)
    typer.echo(f"{found}: this version needs no other")


@database.command()
def vacuum(database_url: DatabaseUrl = None) -> None:
    """Delete the rows of deleted studies and free the space; with SQLite, stop the server first."""
    settings = _settings(database_url=database_url)
    store = _open(settings.database_url)
    try:
        cleared = asyncio.run(clear_all(store))
        _or_give_up(lambda: schema.vacuum(settings.database_url))
    finally:
        store.close()
    typer.echo(f"cleared {cleared} deleted studies")


def _check_artifacts(place: str | None) -> None:
    if place is None:
        logger.warning("files of trials are not stored: set DODONA_ARTIFACTS to a folder or a URL")
    else:
        _or_give_up(lambda: Blobs(place).close())


def _open(database_url: str) -> Store:
    return _or_give_up(lambda: open_store(database_url))


def _or_give_up(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except StoreUnusable as error:
        _give_up(str(error))


def _settings(**flags: Any) -> Settings:
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if name == "token":  # never shown, not even a wrong one
            _give_up(f"DODONA_TOKEN: {first['msg'].removeprefix('Value error, ')}")
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
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        with contextlib.suppress(OSError):  # some systems do not let a listener choose it
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        listener.bind(address)
        # Right after binding: of two servers that start together, both could bind.
        listener.listen(LISTEN_BACKLOG)
    except OSError as error:
        _give_up(f"cannot listen on {host}:{port}: {error.strerror}")
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _give_up(reason: str) -> NoReturn:
    typer.echo(f"dodona: {reason}", err=True)
    raise typer.Exit(2)
