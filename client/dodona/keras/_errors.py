"""What ends a search although training went well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keras_tuner.errors import FatalError

from dodona import ServerUnreachable


class SearchInterrupted(FatalError, ServerUnreachable):  # type: ignore[misc]  # keras_tuner has no types
    """The server did not answer for as long as the client tries. The trial stays ACTIVE; nothing failed in it.

    KerasTuner takes any other exception in a trial for the trial's failure. A worker that is started again under its
    id has the trial back.
    """


@contextmanager
def outages_end_the_search() -> Iterator[None]:
    """Raises SearchInterrupted for a ServerUnreachable."""
    try:
        yield
    except SearchInterrupted:
        raise
    except ServerUnreachable as error:
        raise SearchInterrupted(error.url, error.waited_seconds, error.cause) from error
