"""Metadata: what clients want to remember of a study or a trial, as a map of strings that means nothing here."""

from __future__ import annotations

from collections.abc import Mapping

from dodona_server.domain.errors import InvalidArgument

MAX_ENTRIES = 256
MAX_KEY_LENGTH = 256


def merge(present: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """`present` with the entries of `changes`, of which an empty one removes what is there.

    Raises:
        InvalidArgument: there would be too many entries, or a key is empty or too long.
    """
    for key in changes:
        if not 1 <= len(key) <= MAX_KEY_LENGTH:
            raise InvalidArgument(f"the key {key!r} is not 1 to {MAX_KEY_LENGTH} characters long", "metadata")
    merged = {key: value for key, value in {**present, **changes}.items() if value}
    if len(merged) > MAX_ENTRIES:
        raise InvalidArgument(f"{len(merged)} entries; {MAX_ENTRIES} are allowed", "metadata")
    return merged
