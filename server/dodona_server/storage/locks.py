"""Locks in the database, for work that one of several servers does."""

from __future__ import annotations

import sqlalchemy as sa

from dodona_server.storage.statement import Statement
from dodona_server.storage.store import Transaction

# Arbitrary numbers, which must be the same in every server.
MIGRATIONS = 0x0D0D04A
MAINTENANCE = 0x0D0D04B

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
