"""What the service promises about its cost, compared with the measured figures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markdown_tables import aligned
from results import Results
from runs import Figures
from tables import REFERENCE, grouped, ratio

OURS = ("dodona-sqlite", "dodona-postgres", "dodona-client")
MOST_TRIALS = 100_000


@dataclass(frozen=True, slots=True)
class Claim:
    """A promise and the figure that was measured.

    Args:
        what: the figure's name.
        limit: its limit.
        reached: the measured figure; NaN if it was not measured.
        at_most: whether the limit is an upper one.
        unit: of both.
    """

    what: str
    limit: float
    reached: float
    at_most: bool = True
    unit: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps the limit."""
        return self.reached <= self.limit if self.at_most else self.reached >= self.limit

    def row(self) -> list[str]:
        """Return the claim as a row: what, target, reached, verdict."""
        bound = f"{'at most' if self.at_most else 'at least'} {self.limit:g}{self.unit}"
        return [self.what, bound, f"{self.reached:.3g}{self.unit}", "met" if self.is_met else "**not met**"]


def claims_table(results: Results) -> str:
    """Return a row for each claim that the runs say something about."""
    cells = {(cell[0].target, cell[0].workers): cell for cell in grouped(results.under_load, _cell)}
    claims = [*_costs(cells), *_against_peers(cells), *_latencies(cells), *_growth(results), *_others(results)]
    rows = [claim.row() for claim in claims if not math.isnan(claim.reached)]
    return aligned(["what", "target", "reached", ""], rows)


Cells = dict[tuple[str, int], list[Figures]]


def _cell(run: Figures) -> tuple[str, int]:
    return run.target, run.workers


def _costs(cells: Cells) -> list[Claim]:
    claims = []
    for workers in (1, 4, 16, 64):
        floor = cells.get((REFERENCE, workers))
        for target, limits in (("dodona-sqlite", (1.6, 1.5)), ("dodona-postgres", (2.5, 2.0))):
            limit = limits[0] if workers == 1 else limits[1]
            reached = ratio(cells.get((target, workers)), floor, lambda run: run.cpu)
            claims.append(Claim(f"CPU a cycle, {target}, W={workers}, x {REFERENCE}", limit, reached))
    return claims


def _against_peers(cells: Cells) -> list[Claim]:
    claims = []
    for peer, limit in (("keras-tuner", 4.0), ("optuna-postgres", 20.0)):
        for workers in (1, 16, 64):
            for target in OURS:
                reached = ratio(cells.get((peer, workers)), cells.get((target, workers)), lambda run: run.total_cpu)
                claims.append(Claim(f"total CPU of {peer}, W={workers}, x {target}", limit, reached, at_most=False))
    ours = cells.get(("dodona-sqlite", 16))
    speed = ratio(ours, cells.get(("keras-tuner", 16)), lambda run: run.cycles_per_second)
    claims.append(Claim("cycles/s, W=16, dodona-sqlite, x keras-tuner", 5.0, speed, at_most=False))
    scaled = ratio(cells.get(("dodona-sqlite", 64)), ours, lambda run: run.cycles_per_second)
    claims.append(Claim("cycles/s, dodona-sqlite, W=64, x W=16", 1.0, scaled, at_most=False))
    return claims


def _latencies(cells: Cells) -> list[Claim]:
    return [
        Claim(
            f"p99 of ask, W={workers}, {target}",
            limit,
            _median(cells.get((target, workers), []), lambda run: run.p99["ask"]),
            unit=" ms",
        )
        for target in ("dodona-sqlite", "dodona-postgres")
        for workers, limit in ((16, 50.0), (64, 150.0))
    ]


def _growth(results: Results) -> list[Claim]:
    claims = []
    for runs in grouped(results.grown, lambda run: run.target):
        target, sizes = runs[0].target, grouped(runs, lambda run: run.trials)
        few, many = sizes[0], sizes[-1]
        if many[0].trials != MOST_TRIALS:
            continue
        of = f"at {MOST_TRIALS:,} trials, {target}"
        claims.append(Claim(f"CPU a cycle {of}, x 100", 1.2, ratio(many, few, lambda run: run.cpu)))
        for kind in ("ask", "report", "complete"):
            latency = ratio(many, few, lambda run, kind=kind: run.p50[kind])
            claims.append(Claim(f"median {kind} {of}, x 100", 1.2, latency))
        for name, what in (("best", "the best trial"), ("page", "a page of 100 trials")):
            read = _median(many, lambda run, name=name: run.reads[name])
            claims.append(Claim(f"{what} {of}", 10.0, read, unit=" ms"))
    return claims


def _others(results: Results) -> list[Claim]:
    claims = [
        Claim(f"all back after kill -9, W=8, {runs[0].target}", 2.0, max(run.last for run in runs), unit=" s")
        for runs in grouped(results.returned, lambda run: run.target)
    ]
    for served in grouped(results.under_load, lambda run: run.target):
        if served[0].target in ("dodona-sqlite", "dodona-postgres"):
            of = served[0].target
            claims.append(
                Claim(f"idle memory, {of}", 120.0, _median(served, lambda run: run.idle_megabytes), unit=" MB")
            )
            claims.append(Claim(f"ready, {of}", 0.8, _median(served, lambda run: run.start_seconds), unit=" s"))
    return claims


def _median(cell: Sequence[Figures], figure: Callable[[Figures], float]) -> float:
    return statistics.median(map(figure, cell)) if cell else math.nan
