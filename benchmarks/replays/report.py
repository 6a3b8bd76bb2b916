"""The tables of docs/early-stopping.md."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence

from markdown_tables import aligned
from replays import figures
from replays.figures import BUDGETS, MARKS
from replays.policies import BASELINES, FULL, OURS, PEERS
from replays.runs import BUSY_WORKERS, RANDOM, Record

# Whose lead over the others is shown.
LEADERS = ("FREEZE_THAW", "ASHA, min_resource 3", "auto")
GROUPS = ("taskset", "trainings", "networks", "synthetic")


def tables(records: Sequence[Record]) -> dict[str, str]:
    """Return each table by the name of its place on the page; those without records are left out."""
    trials = [one for one in records if one["kind"] == "trials"]
    one_worker = [one for one in trials if one["workers"] == 1]
    held_back = [one for one in records if one["held_back"]]
    of_kind = {kind: [one for one in held_back if one["kind"] == kind] for kind in ("trials", "epochs", "busy")}
    alone = figures.comparable([one for one in of_kind["trials"] if one["workers"] == 1])
    random = figures.comparable([one for one in of_kind["epochs"] if one["chooser"] == RANDOM])
    modelled = figures.comparable([one for one in of_kind["epochs"] if one["chooser"] != RANDOM])
    found = {}
    if alone:
        found["alone"] = _alone(alone)
        found["groups"] = _groups(one_worker)
        found["workers"] = _workers(of_kind["trials"], of_kind["busy"])
    if random:
        found["equal"] = _equal(random, BUDGETS)
        found["leads"] = _leads(random)
    if modelled:
        found["models"] = _equal(modelled, BUDGETS[:1])
    return found


def _conditions(records: Sequence[Record]) -> str:
    tables = {one["table"]: one["group"] for one in records}
    counts = Counter(tables.values())
    listed = " and ".join(f"{counts[group]} of {group}" for group in GROUPS if counts[group])
    searches = len({(one["table"], one["seed"]) for one in records})
    return f"{len(tables)} tables ({listed}), {searches} searches of each policy:\n\n"


def _alone(records: Sequence[Record]) -> str:
    """Return a row for each policy: what it saves and loses in searches of the same 100 trials."""
    rows = []
    for policy, of_policy in figures.by_policy(records).items():
        one = figures.alone(of_policy)
        lost = f"{one['lost']:.1%} ({one['lost_low']:.1%} to {one['lost_high']:.1%})"
        cells = [f"{one['fewer']:.1f}", f"{one['share']:.0%}", lost, f"{one['loss']:.2%}", f"{one['misses']:.1%}"]
        rows.append([_name(policy), *cells])
    head = ["policy", "times fewer epochs", "epochs used", "loses over 1%", "mean loss", "stops the best"]
    return _conditions(records) + aligned(head, rows)


def _groups(records: Sequence[Record]) -> str:
    """Return a row for each policy: times fewer epochs and the share of searches that lose, by group of tables."""
    groups = [
        (group, held_back)
        for group in GROUPS
        for held_back in (False, True)
        if any(one["group"] == group and one["held_back"] == held_back for one in records)
    ]
    rows = {policy: [policy] for policy in figures.by_policy(records)}
    for group in groups:
        ones = [one for one in records if (one["group"], one["held_back"]) == group]
        of_group = figures.by_policy(figures.comparable(ones))
        for policy, cells in rows.items():
            found = figures.alone(of_group[policy]) if policy in of_group else None
            cells.append(f"{found['fewer']:.1f} / {found['lost']:.1%}" if found else "–")
    named = [[_name(policy), *cells] for policy, (_, *cells) in rows.items()]
    return aligned(["policy", *(f"{group}{', held back' if held else ''}" for group, held in groups)], named)


def _workers(records: Sequence[Record], busy: Sequence[Record]) -> str:
    """Return a row for each policy: epochs used, time against full training with as many workers, and idle time."""
    counts = sorted({one["workers"] for one in records})
    records = figures.comparable(_with_all(records, counts))
    time = _sums(records)
    rows = []
    for policy, of_policy in figures.by_policy(records).items():
        by_count = {count: [one for one in of_policy if one["workers"] == count] for count in counts}
        shares = {count: figures.alone(ones)["share"] for count, ones in by_count.items()}
        if policy == FULL:
            continue
        kept = [f"{(1 - shares[count]) / (1 - shares[counts[0]]):.0%}" for count in counts[1:]]
        times = [f"{time[policy, count] / time[FULL, count]:.0%}" for count in counts]
        lost = [f"{figures.alone(by_count[count])['lost']:.1%}" for count in counts]
        rows.append([_name(policy), " / ".join(f"{shares[count]:.0%}" for count in counts), " / ".join(kept)])
        idle = [one["idle"] for one in busy if one["policy"] == policy]
        rows[-1] += [" / ".join(times), " / ".join(lost), f"{statistics.mean(idle):.1%}" if idle else "–"]
    named = " / ".join(map(str, counts))
    later = " / ".join(map(str, counts[1:]))
    head = [
        "policy",
        f"epochs used, {named} workers",
        f"saving kept, {later}",
        f"time, {named}",
        f"loses over 1%, {named}",
        f"idle, {BUSY_WORKERS}",
    ]
    return _conditions(records) + aligned(head, rows)


def _with_all(records: Sequence[Record], counts: Sequence[int]) -> list[Record]:
    """Return the records of the policies that ran with all numbers of workers."""
    ran = {policy: {one["workers"] for one in ones} for policy, ones in figures.by_policy(records).items()}
    return [one for one in records if ran[one["policy"]] == set(counts)]


def _sums(records: Iterable[Record]) -> dict[tuple[str, int], float]:
    """Return the mean time of searches of each policy and number of workers, each table in units of its mean."""
    of_table: dict[tuple[str, str, int], list[float]] = {}
    for record in records:
        of_table.setdefault((record["table"], record["policy"], record["workers"]), []).append(record["time"])
    found: dict[tuple[str, int], list[float]] = {}
    for (table, policy, workers), times in of_table.items():
        against = statistics.mean(of_table[table, FULL, workers])
        found.setdefault((policy, workers), []).append(statistics.mean(times) / against)
    return {key: statistics.mean(values) for key, values in found.items()}


def _equal(records: Sequence[Record], budgets: Sequence[int]) -> str:
    """Return a row for each policy and chooser: epochs to full training's value, loss and rank at equal epochs."""
    faster = {budget: figures.faster(records, budget) for budget in budgets}
    ranks = {mark: figures.ranks(records, mark) for mark in MARKS}
    choosers = dict.fromkeys(one["chooser"] for one in records)
    rows = []
    for (policy, of_policy), chooser in itertools.product(figures.by_policy(records).items(), choosers):
        ones = [one for one in of_policy if one["chooser"] == chooser]
        if not ones:
            continue
        name = figures.label(ones[0])
        reached = [_faster(faster[budget][chooser, policy]) for budget in budgets]
        losses = [f"{statistics.mean(figures.loss_at(one, mark) for one in ones):.1%}" for mark in MARKS]
        placed = ["{:.1f} ({:.1f} to {:.1f})".format(*ranks[mark][name]) for mark in MARKS]
        rows.append([_name(name), *reached, " / ".join(losses), *placed])
    marks = " / ".join(map(str, MARKS))
    head = ["policy", *(f"times faster to {budget // 50}" for budget in budgets), f"loss after {marks}"]
    return _conditions(records) + aligned([*head, *(f"rank after {mark}" for mark in MARKS)], rows)


def _leads(records: Sequence[Record]) -> str:
    """Return a row for each peer and baseline: how often each of our policies is ahead of it, less how often behind."""
    ran = figures.by_policy(records)
    pairs = [(policy, mark) for policy in LEADERS if policy in ran for mark in MARKS[1:]]
    rows = []
    for rival in ran:
        if rival in BASELINES or rival in PEERS:
            leads = (figures.leads(records, policy, rival, mark) for policy, mark in pairs)
            rows.append([rival, *("{:+.0%} ({:+.0%} to {:+.0%})".format(*lead) for lead in leads)])
    return aligned(["against", *(f"`{policy}`, {mark}" for policy, mark in pairs)], rows)


def _faster(ratios: Sequence[float]) -> str:
    """Return the median, the value that nine of ten searches reach, and how many never reach it, as text."""
    tenth = sorted(ratios)[math.floor(0.1 * len(ratios))]
    never = statistics.mean(ratio == 0 for ratio in ratios)
    return f"{statistics.median(ratios):.1f} ({tenth:.1f}; never {never:.0%})"


def _name(policy: str) -> str:
    """Return the name of a policy; ours as code."""
    return f"`{policy}`" if policy in OURS else policy
