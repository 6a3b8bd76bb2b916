"""Notes and tags of studies and trials. The server keeps them among the metadata, and its pages show them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping

from dodona._addressed import Addressed
from dodona._text import checked
from dodona_schemas import vertex

NOTE, TAGS = "dodona/note", "dodona/tags"
MAX_TAG_LENGTH = 64


class Notes(Addressed):
    """Calls about notes and tags."""

    @property
    def note(self) -> str:
        """Note of the study; empty for none."""
        return self.wire.metadata.get(NOTE, "")

    @property
    def tags(self) -> list[str]:
        """Tags of the study."""
        return tags_in(self.wire.metadata)

    def set_note(self, text: str, trial: int | None = None) -> None:
        """Set the note of the study or of one of its trials.

        Args:
            text: the note; empty to remove it.
            trial: the trial's number; None for the study.

        Raises:
            NotFound: there is no such trial.
        """
        self._set(NOTE, checked(text, "the note"), trial)

    def set_tags(self, tags: Iterable[str], trial: int | None = None) -> None:
        """Replace the tags of the study or of one of its trials.

        Args:
            tags: the tags; none to remove all.
            trial: the trial's number; None for the study.

        Raises:
            ValueError: a tag is empty, contains a comma, or is longer than 64 characters.
            NotFound: there is no such trial.
        """
        self._set(TAGS, joined(tags), trial)

    def _set(self, key: str, value: str, trial: int | None) -> None:
        body = vertex.UpdateMetadataRequest(metadata={key: value}, request_id=uuid.uuid4().hex)
        if trial is None:
            self._change("updateMetadata", body)
        else:
            self._transport.call("POST", f"{self._trial_path(trial)}:updateMetadata", body, vertex.Trial)


def tags_in(metadata: Mapping[str, str]) -> list[str]:
    """Return the tags in metadata."""
    return [tag for tag in metadata.get(TAGS, "").split(",") if tag]


def joined(tags: Iterable[str]) -> str:
    """Return tags as they are stored, each once.

    Raises:
        ValueError: a tag is empty, contains a comma, or is too long.
    """
    if isinstance(tags, str):
        raise ValueError(f"tags: {tags!r} is a text; pass a list such as [{tags!r}]")
    checked_tags = dict.fromkeys(checked(tag, "a tag").strip() for tag in tags)
    for tag in checked_tags:
        if not tag or "," in tag or len(tag) > MAX_TAG_LENGTH:
            raise ValueError(f"the tag {tag!r} is not 1 to {MAX_TAG_LENGTH} characters without a comma")
    return ",".join(checked_tags)
