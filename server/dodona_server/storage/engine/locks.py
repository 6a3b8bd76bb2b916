"""Locks for work that one of several servers does, or that no server may do at the moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from filelock import FileLock, Timeout

from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction

# Arbitrary numbers, which must be the same in every server.
MIGRATIONS = 0x0D0D04A
MAINTENANCE = 0x0D0D04B
BACKUP = 0x0D0D04C

_TRY_BACKUP = Statement(sa.select(sa.func.pg_try_advisory_xact_lock(BACKUP)))
_TRY_MAINTENANCE = Statement(sa.select(sa.func.pg_try_advisory_xact_lock(MAINTENANCE)))


def maintenance_lock(transaction: Transaction) -> bool:
    """Return whether this transaction has the maintenance lock until it ends; on SQLite there is only one server."""
    if transaction.dialect.name == "sqlite":
        return True
    return bool(_TRY_MAINTENANCE.value(transaction))


def wait_for_migrations(transaction: Transaction) -> None:
    """Wait until no other server is upgrading the schema."""
    if transaction.dialect.name == "postgresql":
        transaction.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATIONS)))


@contextmanager
def backup_lock(engine: sa.Engine) -> Iterator[None]:
    """Keep servers from deleting the content of artifacts; several backups run at once on PostgreSQL only."""
    if engine.dialect.name == "sqlite":
        # Another backup has it, or a server that looks for a moment whether one runs.
        with _backup_file(engine):
            yield
        return
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(BACKUP)))
        yield


def backup_runs(transaction: Transaction) -> bool:
    """Return whether the content of artifacts must be kept, because a backup copies it."""
    if transaction.dialect.name == "postgresql":
        return not _TRY_BACKUP.value(transaction)
    try:
        with _backup_file(transaction.engine).acquire(blocking=False):
            return False
    except Timeout:
        return True


def _backup_file(engine: sa.Engine) -> FileLock:
    return FileLock(f"{engine.url.database}.backup.lock")
