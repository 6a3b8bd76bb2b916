"""Sessions: a person or a token that has signed in to the pages in a browser."""

from __future__ import annotations

import json
import time

from dodona_server.domain.access.credentials import Secret
from dodona_server.service.access.keys import Keys
from dodona_server.service.access.provider import Said
from dodona_server.storage.access import accounts
from dodona_server.storage.access.accounts import Checked, Session
from dodona_server.storage.engine.store import Transaction

# The longest time, however often it is used; see `gate.IDLE_SECONDS` for one that is not.
LIFETIME_SECONDS = 7 * 24 * 3600.0
# How often another service is asked whether a person whom it has signed in still has their groups.
CHECK_SECONDS = 900.0
# A session that was not confirmed for this long ends.
UNCHECKED_SECONDS = 3600.0


def begin(transaction: Transaction, keys: Keys, owner: str) -> Secret:
    """Begin a session and return its secret, for the browser's cookie.

    Args:
        transaction: to write in.
        keys: make the digest.
        owner: whose it is: "person:NAME", "token:ID" or "setting:HASH".
    """
    return _begin(transaction, keys, owner, LIFETIME_SECONDS)


def begin_checked(transaction: Transaction, keys: Keys, owner: str, said: Said) -> Secret:
    """Begin a session of a person whom another service has signed in: it ends early unless that service confirms it.

    Args:
        transaction: to write in.
        keys: make the digest, and seal what the service is asked with.
        owner: whose it is.
        said: by the service.
    """
    secret = _begin(transaction, keys, owner, UNCHECKED_SECONDS)
    if said.refresh_token:
        accounts.set_check(transaction, secret.token_id, _sealed(keys, said), time.time() + CHECK_SECONDS)
    return secret


def confirm(transaction: Transaction, keys: Keys, session: Checked, said: Said) -> bool:
    """Extend a session that another service confirms; return whether it still exists."""
    now = time.time()
    expire_time = min(session.create_time + LIFETIME_SECONDS, now + UNCHECKED_SECONDS)
    accounts.set_check(transaction, session.session_id, _sealed(keys, said), now + CHECK_SECONDS)
    return accounts.extend_session(transaction, session.session_id, expire_time)


def _sealed(keys: Keys, said: Said) -> str:
    return keys.sealed(json.dumps([said.claims["sub"], said.refresh_token]))


def end(transaction: Transaction, session_id: str) -> None:
    """End a session."""
    accounts.end_session(transaction, session_id)


def _begin(transaction: Transaction, keys: Keys, owner: str, seconds: float) -> Secret:
    now, secret = time.time(), Secret.make()
    session = Session(secret.token_id, owner, now, now + seconds, now)
    accounts.insert_session(transaction, session, keys.digest(secret))
    return secret
