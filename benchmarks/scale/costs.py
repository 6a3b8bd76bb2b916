"""What calls cost the server and the database, from the measurements of `scale.calls`."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KINDS = ("ask", "report", "heartbeat", "complete")
PARTS = ("server", "database", "rest")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds: processor time of the server and of the database, and the rest of a transaction's time."""

    server: float
    database: float
    rest: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.server + self.database + self.rest


@dataclass(frozen=True, slots=True)
class Costs:
    """The costs of a call by its kind, those of the transaction that it may share with others, and how they vary.

    Args:
        call: of each call.
        transaction: of a transaction by the kind of its calls; if they differ, the dearest kind counts.
        spread: equally likely factors of the times of a call, with the mean 1.
    """

    call: Mapping[str, Cost]
    transaction: Mapping[str, Cost]
    spread: Sequence[float]

    def alone(self, kind: str) -> float:
        """Return the mean seconds of a call that nothing delays."""
        return self.call[kind].total + self.transaction[kind].total

    def shared(self, kinds: Iterable[str]) -> Cost:
        """Return the cost of a transaction for calls of these kinds, without that of the calls."""
        return max((self.transaction[kind] for kind in kinds), key=_total)


def _total(cost: Cost) -> float:
    return cost.total


def costs_of(calls: Sequence[Mapping[str, Any]]) -> Costs:
    """Return the costs, from calls of each kind measured alone and together with others.

    m calls of a kind that share a transaction take F + m C. A call alone takes F + C, one of m takes F / m + C. These
    two give F and C, neither below 0, and together not more than the call alone.

    Args:
        calls: as `scale.calls` writes them: milliseconds a call, and the mean number of calls that share a transaction.
    """
    alone = {row["kind"]: row for row in calls if not row["together"]}
    together = {row["kind"]: row for row in calls if row["together"]}
    each, shared = {}, {}
    for kind in KINDS:
        split = [_split(alone[kind][part], together[kind][part], together[kind]["batch"]) for part in PARTS]
        each[kind] = Cost(*(own for own, _ in split))
        shared[kind] = Cost(*(common for _, common in split))
    quantiles = alone["ask"]["quantiles"]
    return Costs(each, shared, [value / statistics.mean(quantiles) for value in quantiles])


def _split(alone: float, together: float, batch: float) -> tuple[float, float]:
    """Return C and F in seconds, from milliseconds a call."""
    common = (alone - together) / (1 - 1 / batch) if batch > 1 else 0.0
    common = min(alone, max(0.0, common))
    return (alone - common) / 1000, common / 1000
