"""Subcommands of `dodona` that need the server."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
from pathlib import Path
from typing import Annotated

import typer

from dodona_server.access_commands import first_operator, tokens, users
from dodona_server.command_line import DatabaseUrl, give_up, open_database, or_give_up, settings_of
from dodona_server.database_commands import database
from dodona_server.domain.errors import DodonaError
from dodona_server.observation import tracing
from dodona_server.observation.logs import configure_logging
from dodona_server.serving.serving import LISTEN_BACKLOG, certificate_of, provider_of, serve_here, serve_in_processes
from dodona_server.serving.tls import UnusableCertificate
from dodona_server.settings import Settings
from dodona_server.storage.artifacts.blobs import Blobs

app = typer.Typer(
    help="Dodona, a self-hosted hyperparameter tuning service.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.add_typer(database, name="db")
app.add_typer(tokens, name="tokens")
app.add_typer(users, name="users")
logger = logging.getLogger("dodona")

# By default the kernel accepts megabytes from a connection before the server sees the first byte, above all in the
# loopback's segments of 64 KiB. With these limits, an upload over 20 ms of network still gets 5 MB/s.
RECEIVE_BUFFER_BYTES = 96 * 2**10
SEGMENT_BYTES = 1460


@app.callback()
def root() -> None:
    """Dodona, a self-hosted hyperparameter tuning service."""


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
    tls_cert: Annotated[Path | None, typer.Option(help="PEM file with the certificate chain, to serve HTTPS")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file with the certificate's private key")] = None,
    root_path: Annotated[
        str | None, typer.Option(help="Path below which a proxy serves this server, such as /dodona")
    ] = None,
    insecure: Annotated[
        bool | None,
        typer.Option("--insecure", help="Let everyone who reaches the server do everything, without tokens"),
    ] = None,
) -> None:
    """Run the server until it gets SIGTERM or Ctrl-C.

    Each option has an environment variable: DODONA_HOST, DODONA_PORT, DODONA_DATABASE_URL, DODONA_WORKERS,
    DODONA_ARTIFACTS, DODONA_TLS_CERT, DODONA_TLS_KEY, DODONA_ROOT_PATH, DODONA_INSECURE. On loopback the server needs
    no token until one of an operator exists. Elsewhere it makes one at its first start and prints it, unless
    DODONA_TOKEN is set, or DODONA_TOKEN_FILE to a file with it.
    """
    settings = settings_of(
        host=host,
        port=port,
        database_url=database_url,
        workers=workers,
        artifacts=artifacts,
        tls_cert=tls_cert,
        tls_key=tls_key,
        root_path=root_path,
        insecure=insecure,
    )
    scheme = _checked_scheme(settings)
    try:
        provider_of(settings)
    except DodonaError as error:
        give_up(error.message)
    configure_logging(settings.log_format)
    if settings.otlp_endpoint and not tracing.is_installed():
        give_up("DODONA_OTLP_ENDPOINT needs OpenTelemetry: pip install 'dodona[server,otel]'")
    listener = _listen(settings.host, settings.port)
    store = open_database(settings.database_url)
    if settings.workers > 1 and store.url.startswith("sqlite"):
        store.close()
        give_up(f"an SQLite database is served by one process: --workers {settings.workers} needs PostgreSQL")
    _check_artifacts(settings.artifacts or store.artifacts)
    logger.info("database: %s", store.url)
    _announce_access(settings)
    logger.info("listening on %s", _address(scheme, listener))
    if settings.workers == 1:
        serve_here(settings, store, listener)
    else:
        store.close()
        serve_in_processes(settings, listener)


def _announce_access(settings: Settings) -> None:
    """Log who may do what, and create the first token if one is needed."""
    if settings.insecure:
        logger.warning("INSECURE: everyone who reaches this server may do everything, because of --insecure")
    elif settings.token is None and not _is_loopback(settings.host):
        made = first_operator(settings)
        if made is not None:
            typer.echo(f"A token that may do everything, shown only now: {made}", err=True)


def _check_artifacts(place: str | None) -> None:
    if place is None:
        logger.warning("files of trials are not stored: set DODONA_ARTIFACTS to a folder or a URL")
    else:
        or_give_up(lambda: Blobs(place).close())


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
        give_up(f"cannot listen on {host}:{port}: {error.strerror}")
    return listener


def _checked_scheme(settings: Settings) -> str:
    """Return https or http; end the command if the certificate cannot be used."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        missing = "--tls-key (DODONA_TLS_KEY)" if settings.tls_key is None else "--tls-cert (DODONA_TLS_CERT)"
        give_up(f"a certificate needs its key, and a key its certificate: {missing} is missing")
    certificate = certificate_of(settings)
    if certificate is None:
        return "http"
    try:
        certificate.check()
    except UnusableCertificate as error:
        give_up(str(error))
    return "https"


def _address(scheme: str, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
