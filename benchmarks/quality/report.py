"""Print the tables of a benchmark's runs, and write them as JSON and pictures."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quality.scores import Record, log_regret, table

GROUPS = {
    "all": (),
    "bbob": ("bbob",),
    "mixint": ("mixint",),
    "tables": ("tables",),
    "own": ("conditional", "noisy"),
}
MARKS = (25, 50, 100)


def write(records: Sequence[Record], results: Path | None, pictures: Path | None) -> None:
    """Print the tables; write them to `results` and curves into the folder `pictures`, if given."""
    kept: list[dict[str, Any]] = []
    for pending in sorted({record["pending"] for record in records}):
        of_mode = [record for record in records if record["pending"] == pending]
        mode = "sequential" if pending == 1 else f"{pending} pending"
        for mark in MARKS:
            for name, groups in GROUPS.items():
                rows = table(of_mode, mark, groups)
                if len(rows) > 0:
                    _print(f"{mode}, {mark} trials, {name}", rows)
                    kept += [{"mode": mode, "trials": mark, "group": name} | _rounded(row) for row in rows]
        costs = _costs(of_mode)
        print(f"### {mode}, median milliseconds a suggestion\n")
        for peer, cost in costs.items():
            print(f"    {peer:16s} {1000 * cost:8.1f}")
        if pictures is not None:
            _picture(of_mode, pictures / f"search_quality_{pending}.svg", mode)
    if results is not None:
        results.write_text(json.dumps(kept, indent=1) + "\n")


def _print(title: str, rows: Sequence[dict[str, Any]]) -> None:
    print(f"### {title} ({rows[0]['problems']} problems)\n")
    print("| peer | mean rank | 95 % over problems | over seeds | score | log10 regret | seeds |")
    print("| --- " * 7 + "|")
    for row in rows:
        problems = f"{row['rank_low']:.2f} to {row['rank_high']:.2f}"
        seeds = f"{row['rank_seeds_low']:.2f} to {row['rank_seeds_high']:.2f}" if row["seeds"] > 1 else ""
        figures = f"{row['score']:.3f} | {row['log_regret']:.2f} | {row['seeds']}"
        print(f"| {row['peer']} | {row['rank']:.2f} | {problems} | {seeds} | {figures} |")
    print()


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}


def _costs(records: Sequence[Record]) -> dict[str, float]:
    seconds: dict[str, list[float]] = defaultdict(list)
    for record in records:
        seconds[record["peer"]].append(record["seconds"])
    return {peer: statistics.median(of_peer) for peer, of_peer in sorted(seconds.items())}


def _picture(records: Sequence[Record], path: Path, mode: str) -> None:
    """Draw curves of the mean log regret over finished trials, against random search's median at the end."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "dodona"
    from matplotlib import pyplot as plt

    by_peer: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        end = record["baseline"][max(record["baseline"], key=int)]
        for mark, value in record["trace"].items():
            by_peer[record["peer"]][int(mark)].append(log_regret(value, end, record["best"]))
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for peer, marks in sorted(by_peer.items()):
        xs = sorted(marks)
        axes.plot(xs, [statistics.mean(marks[x]) for x in xs], label=peer, linewidth=2.5 if "GP_" in peer else 1.2)
    axes.set(xlabel="finished trials", ylabel="mean log10 regret", title=f"Search quality, {mode}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
