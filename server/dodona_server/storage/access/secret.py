"""Secret of the server: the key of all digests of tokens.

It comes from the setting DODONA_SECRET, or else from a file beside an SQLite database, or else from PostgreSQL itself,
where all servers find it. So a copy of the database alone does not suffice to make digests, unless it is PostgreSQL's
and the setting is not used; see docs/security.md.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import sqlalchemy as sa

from dodona_server.storage.access import accounts
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.errors import StoreUnusable


def server_secret(transaction: Transaction, given: str | None) -> str:
    """Return the secret; make it if there is none.

    Args:
        transaction: one that may write.
        given: the value of the setting.

    Raises:
        StoreUnusable: the file cannot be read or written.
    """
    if given:
        return given
    path = _file_of(transaction.engine.url)
    if path is not None:
        return _read_or_make(path)
    return accounts.stored_secret(transaction) or accounts.store_secret(transaction, secrets.token_hex(32))


def _file_of(url: sa.URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    path = Path(str(url.database))
    return path.with_name(f"{path.name}.secret")


def _read_or_make(path: Path) -> str:
    try:
        if not path.exists():
            # Whole or not at all: another process may read it at the same time.
            made = path.with_name(f"{path.name}.{os.getpid()}")
            descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(made, path)
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise StoreUnusable(f"the secret of the server, {path}, cannot be used: {error.strerror}") from error
