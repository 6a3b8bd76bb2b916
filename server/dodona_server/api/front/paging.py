"""Page tokens: opaque to clients, and valid while the list grows."""

from __future__ import annotations

import base64
import binascii
import re
import struct

from dodona_server.domain.errors import InvalidArgument
from dodona_server.domain.names import is_id
from dodona_server.domain.trials.trial import RankingPosition

MAX_PAGE_SIZE = 1000
_POSITION = re.compile(r"([0-9a-f]{16})\.([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")


def page_size(requested: int) -> int:
    """Return how many entries a page may have.

    Raises:
        InvalidArgument: the size is negative.
    """
    if requested < 0:
        raise InvalidArgument(f"{requested} is below 0", "pageSize")
    return min(requested or MAX_PAGE_SIZE, MAX_PAGE_SIZE)


def write_token(order: str, last: int | str) -> str:
    """Return the token of the page after the entry `last` of a list in that order."""
    return base64.urlsafe_b64encode(f"{order}:{last}".encode()).decode()


def read_token(order: str, token: str) -> int:
    """Return the number of the entry after which the token's page begins; 0 for the first page.

    Raises:
        InvalidArgument: no list in that order has returned this token.
    """
    last = read_text_token(order, token) or "0"
    if not _NUMBER.fullmatch(last):
        raise _foreign(token)
    return int(last)


def write_ranking_token(order: str, last: RankingPosition) -> str:
    """Return the token of the page after a position in the ranking; it stays valid if the trial there is deleted."""
    return write_token(order, f"{struct.pack('>d', last.objective).hex()}.{last.number}")


def read_ranking_token(order: str, token: str) -> RankingPosition | None:
    """Return the position after which the token's page begins; None for the first page.

    Raises:
        InvalidArgument: no list in that order has returned this token.
    """
    match = _POSITION.fullmatch(read_text_token(order, token))
    if match is None:
        if token:
            raise _foreign(token)
        return None
    return RankingPosition(struct.unpack(">d", bytes.fromhex(match[1]))[0], int(match[2]))


def read_text_token(order: str, token: str) -> str:
    """Return the entry after which the token's page begins; empty for the first page.

    Raises:
        InvalidArgument: no list in that order has returned this token.
    """
    if not token:
        return ""
    try:
        written, _, last = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, UnicodeError) as error:
        raise _foreign(token) from error
    if written != order or not is_id(last):
        raise _foreign(token)
    return last


def _foreign(token: str) -> InvalidArgument:
    return InvalidArgument(f"{token!r} is not a token of this list; start again without one", "pageToken")
