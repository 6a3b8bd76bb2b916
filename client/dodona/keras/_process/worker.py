"""Who this worker is, and KerasTuner's own distribution, whose part the server takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# KerasTuner calls every worker this that has no name.
NAMELESS = "tuner0"

_CHIEF = "KERASTUNER_ORACLE_IP"


def worker_id(given: str | None) -> str | None:
    """The name of this worker; None if it has none, so that the client makes one up that no other process has.

    Args:
        given: what the user named it in the program; else DODONA_WORKER counts, then KERASTUNER_TUNER_ID.
    """
    names = (given, os.environ.get("DODONA_WORKER"), os.environ.get("KERASTUNER_TUNER_ID"))
    return next((name for name in names if name and name != NAMELESS), None)


@contextmanager
def without_chief() -> Iterator[None]:
    """Hides the address of KerasTuner's chief, who would take the oracle over; scripts may go on setting it."""
    chief = os.environ.pop(_CHIEF, None)
    try:
        yield
    finally:
        if chief is not None:
            os.environ[_CHIEF] = chief
