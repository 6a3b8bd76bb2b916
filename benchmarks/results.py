"""The results of the runs, as JSON and as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from runs import GROWTH_CYCLES, RECOVERY_WORKERS, Figures, Return
from tables import growth_table, return_table, start_table, throughput_table

# Added to the numbers of the repeats of each further call, so that no two calls have one in common.
ANOTHER_CALL = 1000


@dataclass(slots=True)
class Results:
    """All runs of one call of the benchmark, or of several, and the conditions."""

    conditions: dict[str, Any]
    under_load: list[Figures] = field(default_factory=list)
    grown: list[Figures] = field(default_factory=list)
    returned: list[Return] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def report(self) -> str:
        """Return the conditions and all tables, as Markdown."""
        parts = [json.dumps(self.conditions, indent=1), *self.failures]
        if self.under_load:
            seconds = self.conditions["seconds"]
            parts.append(f"Medians of runs of {seconds:g} s; CPU in ms a cycle, latencies in ms")
            parts.append(throughput_table(self.under_load))
            parts.append("Memory and start")
            parts.append(start_table(self.under_load))
        if self.grown:
            parts.append(f"Growth: medians of runs of {GROWTH_CYCLES} cycles, 1 worker; times in ms")
            parts.append(growth_table(self.grown))
        if self.returned:
            parts.append(
                f"After kill -9, {RECOVERY_WORKERS} workers: seconds since the new server's process was started"
            )
            parts.append(return_table(self.returned))
        return "\n\n".join(parts)

    def write(self, path: Path) -> None:
        """Write all results as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read(path: Path) -> Results:
    """Return the results that `Results.write` wrote."""
    kept = json.loads(path.read_text())
    return Results(
        kept["conditions"],
        [Figures(**run) for run in kept["under_load"]],
        [Figures(**run) for run in kept["grown"]],
        [Return(**run) for run in kept["returned"]],
        kept["failures"],
    )


def joined(paths: Sequence[Path]) -> Results:
    """Return several results as one, with the conditions of the first. Ratios are taken within each of them."""
    first, *others = map(read, paths)
    for index, other in enumerate(others, 1):
        first.under_load += [replace(run, repeat=run.repeat + index * ANOTHER_CALL) for run in other.under_load]
        first.grown += other.grown
        first.returned += other.returned
        first.failures += other.failures
    return first
