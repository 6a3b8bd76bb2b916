"""Software and size of the database."""

from __future__ import annotations

import sqlalchemy as sa

from dodona_server.storage.engine.store import Transaction

_SQLITE = sa.text(
    "SELECT sqlite_version(), (SELECT page_count FROM pragma_page_count()) * page_size FROM pragma_page_size()"
)
_POSTGRES = sa.text("SELECT current_setting('server_version'), pg_database_size(current_database())")


def database(transaction: Transaction) -> tuple[str, int]:
    """Return the name and version of the database's software, and the database's size in bytes."""
    is_sqlite = transaction.dialect.name == "sqlite"
    version, size = transaction.execute(_SQLITE if is_sqlite else _POSTGRES).one()
    return f"{'SQLite' if is_sqlite else 'PostgreSQL'} {version}", int(size)
