"""Error that ends a search although training succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keras_tuner.errors import FatalError

from dodona import ServerUnreachable


class SearchInterrupted(FatalError, ServerUnreachable):  # type: ignore[misc]  # keras_tuner has no types
    """The server did not answer for as long as the client tries. No trial failed.

    KerasTuner treats any other exception in a trial as the trial's failure. The trial is handed out again when its
    lease expires, or at once to a worker that restarts under the same id.
    """


# The public module.
SearchInterrupted.__module__ = "dodona.keras"


@contextmanager
def outages_end_the_search() -> Iterator[None]:
    """Raise ServerUnreachable as SearchInterrupted."""
    try:
        yield
    except SearchInterrupted:
        raise
    except ServerUnreachable as error:
        raise SearchInterrupted(error.url, error.waited_seconds, error.cause) from error
