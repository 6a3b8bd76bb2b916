"""This worker's id, and KerasTuner's own distribution, which the server replaces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# KerasTuner's id for every worker without a name.
NAMELESS = "tuner0"

_CHIEF = "KERASTUNER_ORACLE_IP"


def worker_id(given: str | None) -> str | None:
    """Return this worker's id; None if it has none, so that the client makes a unique one.

    Args:
        given: the id in the program; otherwise DODONA_WORKER counts, then KERASTUNER_TUNER_ID.
    """
    names = (given, os.environ.get("DODONA_WORKER"), os.environ.get("KERASTUNER_TUNER_ID"))
    return next((name for name in names if name and name != NAMELESS), None)


@contextmanager
def without_chief() -> Iterator[None]:
    """Hide the address of KerasTuner's chief, which would replace the oracle; scripts may still set it."""
    chief = os.environ.pop(_CHIEF, None)
    try:
        yield
    finally:
        if chief is not None:
            os.environ[_CHIEF] = chief
