"""The table of the loss through the server: pairs of runs with the same running trials."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from quality.scores import _interval, log_regret, score

MARK = "50"


def compare(records: Sequence[dict[str, Any]]) -> None:
    """Print a row for each number of workers and length of trials."""
    heads = ["workers", "suggestions a trial", "pairs", "score direct", "score served", "log10 regret direct", "served"]
    heads += ["difference", "95 % interval", "fresh", "missed a suggestion", "busy"]
    print("| " + " | ".join(heads) + " |")
    print("| --- " * len(heads) + "|")
    kind = lambda record: (record["pending"], record["suggestions"])  # noqa: E731
    for (pending, suggestions), group in itertools.groupby(sorted(records, key=kind), kind):
        pairs = [_pair(record) for record in group]
        if pairs:
            print("| " + " | ".join([str(pending), f"{suggestions:g}", *_row(pairs)]) + " |")


def _pair(record: dict[str, Any]) -> dict[str, Any]:
    about = record["baseline"][MARK], record["best"]
    direct, served = record["direct"][MARK], record["trace"][MARK]
    return record | {
        "scores": (score(direct, *about), score(served, *about)),
        "regrets": (log_regret(direct, *about), log_regret(served, *about)),
    }


def _row(pairs: Sequence[dict[str, Any]]) -> list[str]:
    differences = [served - direct for direct, served in (pair["regrets"] for pair in pairs)]
    low, high = _interval(differences)
    sources = sum((Counter(pair["sources"]) for pair in pairs), Counter[str]())
    suggested = sources.total()
    columns = [statistics.mean(pair["scores"][side] for pair in pairs) for side in (0, 1)]
    columns += [statistics.mean(pair["regrets"][side] for pair in pairs) for side in (0, 1)]
    row = [str(len(pairs)), *(f"{value:.3f}" for value in columns), f"{statistics.mean(differences):+.3f}"]
    row += [f"{low:+.3f} to {high:+.3f}", f"{sources['fresh'] / suggested:.0%}"]
    row += [f"{sum(pair['missed'] for pair in pairs) / suggested:.2f}"]
    return [*row, f"{statistics.mean(pair['busy'] for pair in pairs):.1%}"]
