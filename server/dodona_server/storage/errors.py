"""Errors of a database before the server has started."""

from __future__ import annotations


class StoreUnusable(Exception):
    """The database cannot be used; the message is one line and says what to do."""
