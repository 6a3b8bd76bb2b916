"""The search algorithms: pure functions of domain values, without SQL, HTTP or a clock.

One registry names them. Adding one is a file here and a line in `ALGORITHMS`.
"""

from __future__ import annotations

from dodona_server.domain.errors import InvalidArgument
from dodona_server.oracle.algorithm import Algorithm, Prior, Problem, Suggestions
from dodona_server.oracle.random_search import RandomSearch

__all__ = ["ALGORITHMS", "Algorithm", "Prior", "Problem", "Suggestions", "algorithm_for"]

ALGORITHMS: dict[str, Algorithm] = {
    "RANDOM_SEARCH": RandomSearch(),
    "ALGORITHM_UNSPECIFIED": RandomSearch(),
}


def algorithm_for(name: str) -> Algorithm:
    """The algorithm that a study's spec names.

    Raises:
        InvalidArgument: this server has none of that name; the message lists those it has.
    """
    try:
        return ALGORITHMS[name]
    except KeyError:
        available = ", ".join(sorted(ALGORITHMS))
        raise InvalidArgument(f"{name} is not available; available are {available}", "algorithm") from None
