"""The figures of searches: what a policy saves and loses, alone and at equal numbers of epochs."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from quality import scores
from replays.policies import FULL, NO_PRUNER, POLICIES
from replays.runs import RANDOM, Record

# A search loses if it misses more than this share of the gap.
LOST = 0.01
MARKS = (500, 1000, 2500)
BUDGETS = (2500, 5000)
RESAMPLES = 1000
_ORDER = {policy: index for index, policy in enumerate(POLICIES)}


def by_policy(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Return the records of each policy, in the order of `POLICIES`."""
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda one: _ORDER[one["policy"]]):
        found.setdefault(record["policy"], []).append(record)
    return found


def comparable(records: Sequence[Record]) -> list[Record]:
    """Return the records of the tables and seeds that all policies and choosers ran."""
    ran: dict[tuple[str, str, int], set[tuple[str, int]]] = defaultdict(set)
    for one in records:
        ran[one["policy"], one["chooser"], one["workers"]].add((one["table"], one["seed"]))
    common = set.intersection(*ran.values()) if ran else set()
    return [one for one in records if (one["table"], one["seed"]) in common]


def alone(records: Sequence[Record]) -> dict[str, float]:
    """Return what one policy saves and loses, over searches of 100 random trials."""
    shares, losses = [one["share"] for one in records], [one["loss"] for one in records]
    low, high = interval(records, lambda one: one["loss"] > LOST)
    return {
        "fewer": 1 / statistics.median(shares),
        "share": statistics.mean(shares),
        "loss": statistics.mean(losses),
        "lost": statistics.mean(loss > LOST for loss in losses),
        "lost_low": low,
        "lost_high": high,
        "misses": statistics.mean(loss > 0 for loss in losses),
        "idle": statistics.mean(one["idle"] for one in records),
    }


def interval(records: Sequence[Record], figure: Callable[[Record], float]) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the mean of a figure, over tables: the searches of one are alike."""
    of_table: dict[str, list[float]] = defaultdict(list)
    for record in records:
        of_table[record["table"]].append(float(figure(record)))
    means = [statistics.mean(values) for values in of_table.values()]
    rng = random.Random(0)
    drawn = sorted(statistics.mean(rng.choices(means, k=len(means))) for _ in range(RESAMPLES))
    return drawn[int(0.025 * RESAMPLES)], drawn[int(0.975 * RESAMPLES) - 1]


def faster(records: Iterable[Record], budget: int) -> dict[tuple[str, str], list[float]]:
    """Return how many times fewer epochs each chooser and policy needs for what full training reaches with its budget.

    Full training is that of the same chooser on the same table with the same seed. A search that never reaches the
    value has 0.
    """
    records = list(records)
    full = {_pair(one): loss_at(one, budget) for one in records if one["policy"] in (FULL, NO_PRUNER)}
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        if _pair(record) in full:
            needed = next((at for at, loss in record["found"] if loss <= full[_pair(record)]), math.inf)
            found[record["chooser"], record["policy"]].append(budget / needed)
    return found


def _pair(record: Record) -> tuple[Any, ...]:
    return record["chooser"], record["table"], record["seed"]


def loss_at(record: Record, epochs: int) -> float:
    """Return the loss of a search after a number of epochs."""
    losses = [loss for at, loss in record["found"] if at <= epochs]
    return losses[-1] if losses else math.inf


def ranks(records: Iterable[Record], mark: int) -> dict[str, tuple[float, float, float]]:
    """Return the mean rank of each policy after a number of epochs, with its 95% interval over tables."""
    as_scored = [
        {
            "peer": label(record),
            "problem": record["table"],
            "group": record["group"],
            "trace": {str(mark): loss_at(record, mark)},
            "baseline": {str(mark): 1.0},
            "best": 0.0,
        }
        for record in records
    ]
    rows = scores.table(as_scored, mark)
    return {row["peer"]: (row["rank"], row["rank_low"], row["rank_high"]) for row in rows}


def leads(records: Iterable[Record], policy: str, rival: str, mark: int) -> tuple[float, float, float]:
    """Return how much more often a policy is ahead of a rival than behind after a number of epochs, from -1 to 1.

    Both ran with the same configurations in the same order. The interval, at 95%, is over tables.
    """
    records = list(records)
    losses = {(one["policy"], *_pair(one)): loss_at(one, mark) for one in records}
    ones = [one for one in records if one["policy"] == policy]

    def lead(one: Record) -> int:
        own, other = losses[policy, *_pair(one)], losses[rival, *_pair(one)]
        return (own < other) - (own > other)

    return statistics.mean(map(lead, ones)), *interval(ones, lead)


def label(record: Record) -> str:
    """Return the name of a policy with its chooser."""
    return record["policy"] if record["chooser"] == RANDOM else f"{record['chooser']}, {record['policy']}"
