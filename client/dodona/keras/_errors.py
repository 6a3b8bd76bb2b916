"""What ends a search although training went well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keras_tuner.errors import FatalError

from dodona import ServerUnreachable


class SearchInterrupted(FatalError, ServerUnreachable):  # type: ignore[misc]  # keras_tuner has no types
    """The server did not answer for as long as the client tries. Nothing failed in the trial.

    KerasTuner takes any other exception in a trial for the trial's failure. The trial goes out again when its lease is
    over, or at once to a worker that is started again under the same id.
    """


# As users import it.
SearchInterrupted.__module__ = "dodona.keras"


@contextmanager
def outages_end_the_search() -> Iterator[None]:
    """Raises SearchInterrupted for a ServerUnreachable."""
    try:
        yield
    except SearchInterrupted:
        raise
    except ServerUnreachable as error:
        raise SearchInterrupted(error.url, error.waited_seconds, error.cause) from error
