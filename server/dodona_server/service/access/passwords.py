"""Passwords: kept as scrypt's hashes, with their own salt and cost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from dodona_server.domain.errors import InvalidArgument

MIN_LENGTH = 10
MAX_LENGTH = 1000
# 64 MiB and a quarter of a second.
_COST = {"n": 2**16, "r": 8, "p": 1}
_MOST_MEMORY = 2**27
# Compared with when there is no such person, so that the answer takes as long.
_NOBODY = "scrypt$65536$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + "A" * 43 + "="


def hashed(password: str) -> str:
    """Return the hash of a password, to store.

    Raises:
        InvalidArgument: it is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        problem = f"it has {len(password)} characters; {MIN_LENGTH} to {MAX_LENGTH} are allowed"
        raise InvalidArgument(problem, "password")
    salt = secrets.token_bytes(16)
    key = hashlib.scrypt(password.encode(), salt=salt, maxmem=_MOST_MEMORY, dklen=32, **_COST)
    parts = [str(_COST[name]) for name in ("n", "r", "p")]
    return "$".join(["scrypt", *parts, base64.b64encode(salt).decode(), base64.b64encode(key).decode()])


def is_right(password: str, stored: str | None) -> bool:
    """Return whether a password is the stored one; None or nothing stored takes as long, and is never right."""
    _, n, r, p, salt, key = (stored or _NOBODY).split("$")
    made = hashlib.scrypt(
        password[: MAX_LENGTH + 1].encode(),
        salt=base64.b64decode(salt),
        n=int(n),
        r=int(r),
        p=int(p),
        maxmem=_MOST_MEMORY,
        dklen=32,
    )
    return hmac.compare_digest(made, base64.b64decode(key)) and bool(stored)
