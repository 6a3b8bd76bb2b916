"""The figures as Markdown tables: medians over the repeats."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from load import KINDS
from markdown_tables import aligned
from runs import Figures, Return

REFERENCE = "floor-shared"
Run = TypeVar("Run", Figures, Return)


def grouped(runs: Iterable[Run], cell: Callable[[Run], object]) -> list[list[Run]]:
    """Return the runs of each cell, in the order in which the cells first ran."""
    cells: dict[object, list[Run]] = {}
    for run in runs:
        cells.setdefault(cell(run), []).append(run)
    return list(cells.values())


def median(cell: Sequence[Run], figure: Callable[[Run], float], digits: int) -> str:
    """Return the median over the cell's runs, as text; a dash if there is none."""
    value = statistics.median(map(figure, cell))
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def ratio(
    cell: Sequence[Figures] | None, baseline: Sequence[Figures] | None, figure: Callable[[Figures], float]
) -> float:
    """Return the ratio to the baseline's figure: the median of the ratios within each repeat; NaN without such.

    The other load of the machine changes slowly, so two runs of one repeat are more comparable than medians.
    """
    against = {run.repeat: figure(run) for run in baseline or []}
    ratios = [figure(run) / against[run.repeat] for run in cell or [] if run.repeat in against]
    return statistics.median(ratios) if ratios else math.nan


def times(cell: list[Figures], baseline: list[Figures] | None, figure: Callable[[Figures], float]) -> str:
    """Return `ratio` as text; nothing if there is none."""
    found = ratio(cell, baseline, figure)
    return "" if math.isnan(found) else f"{found:.2f}"


def throughput_table(runs: Sequence[Figures]) -> str:
    """Return a row for each number of workers and target; "x floor" is the ratio to the floor with shared commits."""
    cells = sorted(grouped(runs, lambda run: (run.workers, run.target)), key=lambda cell: cell[0].workers)
    floors = {cell[0].workers: cell for cell in cells if cell[0].target == REFERENCE}
    head = [
        "workers",
        "target",
        "runs",
        "cycles/s",
        "CPU: server",
        "database",
        "clients",
        f"x {REFERENCE}",
        "total CPU",
    ]
    head += [*(f"{kind} p50 / p99" for kind in KINDS), "load"]
    rows = [
        [
            str(cell[0].workers),
            cell[0].target,
            str(len(cell)),
            median(cell, lambda run: run.cycles_per_second, 0 if cell[0].cycles_per_second > 100 else 1),
            median(cell, lambda run: run.server_cpu, 2),
            median(cell, lambda run: run.database_cpu, 2),
            median(cell, lambda run: run.load_cpu, 2),
            times(cell, floors.get(cell[0].workers), lambda run: run.cpu),
            median(cell, lambda run: run.total_cpu, 2),
            *(_latency(cell, kind) for kind in KINDS),
            median(cell, lambda run: run.load_average, 1),
        ]
        for cell in cells
    ]
    return aligned(head, rows)


def growth_table(runs: Sequence[Figures]) -> str:
    """Return a row for each target and number of trials; "x first" is the ratio to the smallest study."""
    cells = sorted(
        grouped(runs, lambda run: (run.target, run.trials)), key=lambda cell: (cell[0].target, cell[0].trials or 0)
    )
    first: dict[str, list[Figures]] = {}
    head = ["target", "trials", "runs", "CPU: server", "database", "x first"]
    head += [*(f"{kind} p50 / p99 (x first)" for kind in KINDS), "best trial", "page", "study", "idle MB", "load"]
    rows = []
    for cell in cells:
        against = first.setdefault(cell[0].target, cell)
        rows.append(
            [
                cell[0].target,
                str(cell[0].trials),
                str(len(cell)),
                median(cell, lambda run: run.server_cpu, 2),
                median(cell, lambda run: run.database_cpu, 2),
                times(cell, against, lambda run: run.cpu),
                *(
                    f"{_latency(cell, kind)} ({times(cell, against, lambda run, kind=kind: run.p50[kind])})"
                    for kind in KINDS
                ),
                *(median(cell, lambda run, what=what: run.reads[what], 2) for what in ("best", "page", "study")),
                median(cell, lambda run: run.idle_megabytes, 0),
                median(cell, lambda run: run.load_average, 1),
            ]
        )
    return aligned(head, rows)


def start_table(runs: Sequence[Figures]) -> str:
    """Return a row for each target that has a server: memory and start, over all its runs."""
    cells = [cell for cell in grouped(runs, lambda run: run.target) if cell[0].idle_megabytes]
    rows = [
        [
            cell[0].target,
            str(len(cell)),
            median(cell, lambda run: run.idle_megabytes, 0),
            median(cell, lambda run: run.start_seconds, 2),
        ]
        for cell in cells
    ]
    return aligned(["target", "runs", "idle, MB resident", "start, s"], rows)


def return_table(runs: Sequence[Return]) -> str:
    """Return a row for each target: seconds since the new server's process was started."""
    rows = [
        [
            cell[0].target,
            str(len(cell)),
            f"{min(run.back for run in cell)} of {cell[0].workers}",
            median(cell, lambda run: run.ready, 2),
            median(cell, lambda run: run.median, 2),
            median(cell, lambda run: run.last, 2),
            f"{max(run.last for run in cell):.2f}",
            median(cell, lambda run: run.load_average, 1),
        ]
        for cell in grouped(runs, lambda run: run.target)
    ]
    head = ["target", "runs", "workers back", "server ready", "half back", "all back", "all back, worst", "load"]
    return aligned(head, rows)


def _latency(cell: Sequence[Figures], kind: str) -> str:
    return f"{median(cell, lambda run: run.p50[kind], 2)} / {median(cell, lambda run: run.p99[kind], 2)}"
