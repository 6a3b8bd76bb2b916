"""Texts from elsewhere, such as the message of an exception, in a form that the server accepts."""

from __future__ import annotations

import re

# How much of a reason is sent: a message may quote a whole file, but people read its beginning and its end.
MAX_REASON_LENGTH = 10_000

# Control characters other than tab and newline, Unicode's marks of direction and line ends, and lone surrogates.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def words_of(value: object) -> str:
    """Return the text of any object, even if its `__str__` fails."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - code of anybody's, which must not decide over a trial
        return f"<{type(value).__name__} whose text cannot be read: {type(error).__name__}>"


def message_of(error: BaseException) -> str:
    """Return the type and message of an exception in one text."""
    return f"{type(error).__name__}: {words_of(error)}"


def sendable(text: str) -> str:
    r"""Return the text without characters that databases refuse: NUL becomes `\x00`, a lone surrogate `?`."""
    return text.replace("\0", "\\x00").encode(errors="replace").decode()


def visible(text: str) -> str:
    r"""Return the text in a form that is safe for a terminal.

    Characters that move the cursor or change the direction of text are escaped, such as `\x1b` and `\u202e`.
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def line_of(text: str) -> str:
    """Return the text in one line that is safe for a terminal."""
    return visible(" ".join(text.splitlines()))


def shortened(text: str, longest: int) -> str:
    """Return the text, or its beginning and its end if it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def checked(text: str, field: str) -> str:
    """Return the text if the server can store it unchanged.

    Args:
        text: a name or a place.
        field: what it is, for the error.

    Raises:
        ValueError: it is not a text, or has a character that databases refuse; the message names the field.
    """
    if not isinstance(text, str):
        raise ValueError(f"{field} is {text!r} of type {type(text).__name__}; it must be a text")
    if sendable(text) != text:
        raise ValueError(
            f"{field} is {shortened(text, 200)!r}; it must have neither the character U+0000 nor a lone surrogate, "
            "which databases refuse"
        )
    return text
