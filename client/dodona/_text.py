"""Texts that others wrote, such as the message of an exception, as the server takes them."""

from __future__ import annotations

import re

# How much of a reason is sent: a message may quote a whole file, and people read its beginning and its end.
MAX_REASON_LENGTH = 10_000

# Control characters but tab and end of line; Unicode's marks of direction and ends of line; and lone surrogates.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def words_of(value: object) -> str:
    """The text of any object, also of one whose own `__str__` fails."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - code of anybody's, which must not decide over a trial
        return f"<{type(value).__name__} whose text cannot be read: {type(error).__name__}>"


def message_of(error: BaseException) -> str:
    """The type and the message of an exception, in one text."""
    return f"{type(error).__name__}: {words_of(error)}"


def sendable(text: str) -> str:
    r"""The text without what no database keeps: `\x00` is written out, and `?` stands for a lone surrogate."""
    return text.replace("\0", "\\x00").encode(errors="replace").decode()


def visible(text: str) -> str:
    r"""The text as a terminal may show it: what moves the cursor or turns the direction of others is written out.

    Such as `\x1b`, with which a name could write over the lines of others, and `\u202e`.
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def line_of(text: str) -> str:
    """The text in one line that a terminal may show."""
    return visible(" ".join(text.splitlines()))


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and its end if it has more characters than `longest`."""
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def checked(text: str, field: str) -> str:
    """The text, if the server can keep it as it is.

    Args:
        text: a name or a place, which has to come back unchanged.
        field: what it is, for the error.

    Raises:
        ValueError: it is no text, or has a character that no database keeps; the message names the field.
    """
    if not isinstance(text, str):
        raise ValueError(f"{field} is {text!r} of type {type(text).__name__}; it must be a text")
    if sendable(text) != text:
        raise ValueError(
            f"{field} is {shortened(text, 200)!r}; it must have neither the character U+0000 nor a lone surrogate, "
            "which no database keeps"
        )
    return text
