"""Rows of all tables in an archive, and back: for a whole database, or for the studies of one project.

The tables are those that the database says it has, so that a database of any revision can be archived.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from dodona_server.storage.copies.archive import Archive, ArchiveWriter, table_member
from dodona_server.storage.engine.postgres import reading_engine
from dodona_server.storage.engine.sqlite import sqlite_engine
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema import migrate
from dodona_server.storage.schema.opening import engine_for, open_store, open_unchanged
from dodona_server.storage.tables.core import shown, studies
from dodona_server.storage.tables.every_table import metadata

ROWS_AT_ONCE = 1000
# Rows about studies that stay with their server.
_NOT_MOVED = {"deleted_studies", "webhook_cursors"}
# A server that has never been used has rows in these tables.
_OF_A_START = {"access", "audit"}


@contextmanager
def snapshot(url: str) -> Iterator[Transaction]:
    """Yield a read-only transaction that sees one state of the database at `url`, while servers use it.

    Raises:
        StoreUnusable: the URL names no database, or it has no schema.
    """
    engine = engine_for(url)
    with tempfile.TemporaryDirectory(prefix="dodona-backup-") as folder:
        try:
            with _translated():
                if engine.dialect.name == "sqlite":
                    engine = _copy(engine, Path(folder))
                else:
                    engine = reading_engine(engine.url, connections=1)
                with engine.begin() as transaction:
                    yield transaction
        finally:
            engine.dispose()


def _copy(engine: sa.Engine, folder: Path) -> sa.Engine:
    """Return an engine on a copy of the file: a long transaction would make the file's log grow."""
    path = folder / "copy.db"
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        copy = sqlite3.connect(path)
        driver.backup(copy)
        copy.close()
    engine.dispose()
    return sqlite_engine(path, begin="BEGIN", read_only=True)


def write_tables(transaction: Transaction, archive: ArchiveWriter, project: str | None) -> list[str]:
    """Write the rows to the archive, and return the names of their artifacts' contents.

    Args:
        transaction: to read in.
        archive: to write to.
        project: write only the studies of this project; None for all rows.
    """
    blobs = []
    for table in _reflected(transaction):
        chosen = _chosen(table, project)
        if chosen is None:
            continue
        with archive.member(table_member(table.name)) as file:
            for row in transaction.execution_options(yield_per=ROWS_AT_ONCE).execute(chosen).mappings():
                file.write(json.dumps(dict(row)).encode() + b"\n")
                if table.name == "artifacts":
                    blobs.append(row["blob"])
    return blobs


def _chosen(table: sa.Table, project: str | None) -> sa.Select[Any] | None:
    """Return the query for the rows to archive; None if the table has none of the project."""
    rows = sa.select(table).order_by(*table.primary_key)
    if table.name == "artifacts":
        # The content of the others is being deleted.
        rows = rows.where(table.c.discard_time.is_(None))
    if project is None:
        return rows
    if table.name == studies.name:
        return rows.where(table.c.project == project)
    if "study_key" not in table.c or table.name in _NOT_MOVED:
        return None
    return rows.where(table.c.study_key.in_(sa.select(studies.c.key).where(studies.c.project == project)))


@contextmanager
def restored(url: str, archive: Archive, *, force: bool = False) -> Iterator[None]:
    """Restore all rows into the database at `url`, and upgrade its schema; they are there once the context ends.

    Args:
        url: of a database that no server uses.
        archive: the rows.
        force: whether to delete what the database contains.

    Raises:
        StoreUnusable: the database contains rows, a server uses it, or the archive is of a newer version.
    """
    revision = archive.manifest.revision
    if revision not in migrate.revisions():
        raise StoreUnusable(f"the archive's schema {revision!r} is newer than this version; install a newer dodona")
    store = open_unchanged(url)
    try:
        with _translated(), store.engine.begin() as transaction:
            _clear(transaction, force=force)
            migrate.run_migrations(transaction, revision)
            _load(transaction, archive)
            migrate.run_migrations(transaction)
            yield
    finally:
        store.close()


@contextmanager
def added(url: str) -> Iterator[Transaction]:
    """Yield a transaction that adds rows to the database at `url`, whose schema is upgraded.

    Raises:
        StoreUnusable: see `open_store`; or the database refused the rows.
    """
    store = open_store(url)
    try:
        with _translated(), store.engine.begin() as transaction:
            yield transaction
    finally:
        store.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError as error:
        raise StoreUnusable(
            f"the database has some of these rows already, perhaps of a deleted study (dodona db vacuum): {error.orig}"
        ) from error
    except exc.DBAPIError as error:
        raise StoreUnusable(f"the database cannot be used: {error.orig}") from error


def _clear(transaction: Transaction, *, force: bool) -> None:
    """Drop all tables."""
    tables = _reflected(transaction)
    for table in tables:
        if not force and table.name not in _OF_A_START and transaction.execute(sa.select(table).limit(1)).first():
            raise StoreUnusable(f"the database is not empty: {table.name} has rows; choose another one, or use --force")
    for table in reversed(tables):
        table.drop(transaction)
    transaction.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")


def _load(transaction: Transaction, archive: Archive) -> None:
    tables = {table.name: table for table in _reflected(transaction)}
    for name in archive.tables:
        table = tables[name]
        for rows in _in_batches(archive.rows(name)):
            transaction.execute(table.insert().inline(), rows)
        if "key" in table.c and transaction.dialect.name == "postgresql":
            # Rows with keys of their own do not move the counter.
            last = sa.select(sa.func.max(table.c.key)).scalar_subquery()
            counter = sa.func.pg_get_serial_sequence(name, "key")
            transaction.execute(sa.select(sa.func.setval(counter, sa.func.coalesce(last, 1), last.is_not(None))))


def copy_studies(source: Transaction, target: Transaction, project: str | None) -> dict[str, str]:
    """Copy studies from one database to another, and return the new names of their artifacts' contents by the old ones.

    Args:
        source: the transaction to read in; both databases have this version's schema.
        target: the transaction to write in.
        project: copy only the studies of this project; None for all.

    Raises:
        StoreUnusable: the target has a study of one of the names.
    """
    blobs: dict[str, str] = {}
    which = shown if project is None else studies.c.project == project
    for study in source.execute(sa.select(studies).where(which).order_by(studies.c.key)).mappings():
        key = _copy_study(target, dict(study))
        for table in metadata.sorted_tables:
            if "study_key" in table.c and table.name not in _NOT_MOVED:
                chosen = sa.select(table).where(table.c.study_key == study["key"]).order_by(*table.primary_key)
                rows = source.execution_options(yield_per=ROWS_AT_ONCE).execute(chosen).mappings()
                for batch in _in_batches(_moved(dict(row), key, blobs) for row in rows):
                    target.execute(table.insert().inline(), batch)
    return blobs


def _copy_study(target: Transaction, row: dict[str, Any]) -> int:
    same = (studies.c.project == row["project"], studies.c.location == row["location"])
    names = sa.or_(studies.c.study_id == row["study_id"], studies.c.display_name == row["display_name"])
    if target.execute(sa.select(studies.c.key).where(*same, names)).first():
        parts = (row["project"], row["location"], row["study_id"], row["display_name"])
        raise StoreUnusable("the database has a study projects/{}/locations/{}/studies/{} ({}) already".format(*parts))
    del row["key"]
    key: int = target.execute(studies.insert().values(row).returning(studies.c.key)).scalar_one()
    return key


def _moved(row: dict[str, Any], study_key: int, blobs: dict[str, str]) -> dict[str, Any]:
    """Return a row of a study under its new key, with a new name for its content: databases may share their place."""
    row.pop("key", None)
    if "blob" in row:
        row["blob"] = blobs.setdefault(row["blob"], uuid.uuid4().hex)
    return {**row, "study_key": study_key}


def count(transaction: Transaction, table: str) -> int:
    """Return the number of rows of a table."""
    counted: int = transaction.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
    return counted


def _reflected(transaction: Transaction) -> list[sa.Table]:
    """Return the tables of the database, each after those that it refers to."""
    found = sa.MetaData()
    found.reflect(transaction)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def _in_batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch
