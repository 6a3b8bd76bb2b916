"""Metadata: strings that clients store with a study or a trial, by key. The server interprets notes and tags alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property

from dodona_server.domain.errors import InvalidArgument

# What people write about a study or a trial: a text, and tags with commas between them.
NOTE, TAGS = "dodona/note", "dodona/tags"
MAX_ENTRIES = 256
MAX_KEY_LENGTH = 256
MAX_VALUE_LENGTH = 65_536


class WrittenMetadata(Mapping[str, str]):
    """Metadata that stay stored JSON until an entry is read: most readers of a trial never read them.

    Args:
        text: the JSON.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def _entries(self) -> dict[str, str]:
        entries: dict[str, str] = json.loads(self.text)
        return entries

    def __getitem__(self, key: str) -> str:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        # Without it Python would ask for the length, which parses the text.
        return self.text != "{}"


def merge(present: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """Return `present` with the entries of `changes`; an empty value removes the entry.

    Raises:
        InvalidArgument: there would be too many entries, a key is empty or too long, or a value is too long.
    """
    for key, value in changes.items():
        if len(value) > MAX_VALUE_LENGTH:
            raise InvalidArgument(f"{key!r} has {len(value)} characters; {MAX_VALUE_LENGTH} are allowed", "metadata")
        if not 1 <= len(key) <= MAX_KEY_LENGTH:
            raise InvalidArgument(f"the key {key!r} is not 1 to {MAX_KEY_LENGTH} characters long", "metadata")
    merged = {key: value for key, value in {**present, **changes}.items() if value}
    if len(merged) > MAX_ENTRIES:
        raise InvalidArgument(f"{len(merged)} entries; {MAX_ENTRIES} are allowed", "metadata")
    return merged
