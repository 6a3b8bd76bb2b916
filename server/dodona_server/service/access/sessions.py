"""Sessions: a person or a token that has signed in to the pages in a browser."""

from __future__ import annotations

import time

from dodona_server.domain.access.credentials import Secret
from dodona_server.service.access.keys import Keys
from dodona_server.storage.access import accounts
from dodona_server.storage.access.accounts import Session
from dodona_server.storage.engine.store import Transaction

# The longest time, however often it is used; see `gate.IDLE_SECONDS` for one that is not.
LIFETIME_SECONDS = 7 * 24 * 3600.0


def begin(transaction: Transaction, keys: Keys, owner: str) -> Secret:
    """Begin a session and return its secret, for the browser's cookie.

    Args:
        transaction: to write in.
        keys: make the digest.
        owner: whose it is: "person:NAME", "token:ID" or "setting:HASH".
    """
    now, secret = time.time(), Secret.make()
    session = Session(secret.token_id, owner, now, now + LIFETIME_SECONDS, now)
    accounts.insert_session(transaction, session, keys.digest(secret))
    return secret


def end(transaction: Transaction, session_id: str) -> None:
    """End a session."""
    accounts.end_session(transaction, session_id)
