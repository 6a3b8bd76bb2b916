"""Lists of trials for people: which trials, in which order, from which position on."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from dodona_server.domain.trials.trial import RankingPosition


class Among(enum.StrEnum):
    """Trials that a list contains."""

    ALL = "all"
    UNFINISHED = "unfinished"
    SUCCEEDED = "succeeded"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"


class Order(enum.StrEnum):
    """Order of a list; BEST and WORST rank the succeeded trials by the first metric."""

    NEWEST = "newest"
    OLDEST = "oldest"
    BEST = "best"
    WORST = "worst"

    @property
    def is_ranking(self) -> bool:
        """Whether it orders trials by the first metric."""
        return self in (Order.BEST, Order.WORST)


@dataclass(frozen=True, slots=True)
class Listing:
    """Choice and order of the trials that a list shows.

    Args:
        among: the trials; a ranking has succeeded ones only.
        order: their order.
        first: the number with which a list by number begins; None for its beginning.
        after: the position after which a ranking begins; None for its beginning.
    """

    among: Among = Among.ALL
    order: Order = Order.NEWEST
    first: int | None = None
    after: RankingPosition | None = None
