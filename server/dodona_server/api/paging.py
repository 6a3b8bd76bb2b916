"""Page tokens: opaque to clients, stable while the list grows."""

from __future__ import annotations

import base64
import binascii

from dodona_server.domain.errors import InvalidArgument

MAX_PAGE_SIZE = 1000


def page_size(requested: int) -> int:
    """How many entries to put on a page.

    Raises:
        InvalidArgument: the size is negative.

    """
    if requested < 0:
        raise InvalidArgument(f"{requested} is below 0", "pageSize")
    return min(requested or MAX_PAGE_SIZE, MAX_PAGE_SIZE)


def write_token(order: str, last: int) -> str:
    """The token of the page behind the entry `last` of a list in that order."""
    return base64.urlsafe_b64encode(f"{order}:{last}".encode()).decode()


def read_token(order: str, token: str) -> int:
    """The entry behind which the token's page begins; 0 for the first page.

    Raises:
        InvalidArgument: the token is none that a list in that order gave out.

    """
    if not token:
        return 0
    try:
        written, _, last = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if written == order:
            return int(last)
    except (binascii.Error, UnicodeError, ValueError):
        pass
    raise InvalidArgument(f"{token!r} is no token of this list; begin again without one", "pageToken")
