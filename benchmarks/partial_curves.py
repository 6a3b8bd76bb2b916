"""Compare what a model makes of stopped trials: the ends that their curves predict, or, without curves, bad points.

    python benchmarks/partial_curves.py --taskset CURVES.npz --algorithm GP_BANDIT --seeds 1

Searches are replayed with one worker and the ASHA rule; see `replays/simulation.py`. Losses are shares of the gap from
a table's median to its best configuration.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from curves.tables import CurveTable, read
from dodona_server.domain.studies.stopping_rule import StoppingMethod, StoppingRule
from replays.choosing import OurChoice
from replays.rules import RulePolicy
from replays.simulation import simulate

RULE = StoppingRule(StoppingMethod.ASHA, min_resource=3)
# The epochs of this many full trainings.
BUDGETS = (5, 12, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taskset", type=Path)
    parser.add_argument("--algorithm", default="GP_BANDIT", choices=("GP_BANDIT", "TPE"))
    parser.add_argument("--tables", default="taskset,synthetic", help="groups of tables")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    tables = [table for table in read(given.taskset) if table.group in given.tables.split(",")]
    searches = [(table, seed) for table in tables for seed in range(given.seeds)]
    losses = np.array(
        [[_losses(table, given.algorithm, seed, curves=curves) for curves in (True, False)] for table, seed in searches]
    )
    print(f"{len(searches)} searches\n\n| budget | predicted | bad points | ahead | behind |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for index, budget in enumerate(BUDGETS):
        predicted, bad = losses[:, :, index].T
        ahead, behind = int((predicted < bad).sum()), int((predicted > bad).sum())
        print(f"| {budget} | {predicted.mean():.1%} | {bad.mean():.1%} | {ahead} | {behind} |")


def _losses(table: CurveTable, algorithm: str, seed: int, *, curves: bool) -> list[float]:
    choose = OurChoice(algorithm, f"{table.name}/{seed}", reads_curves=curves)
    epochs = int(table.values.shape[1])
    outcome = simulate(table, RulePolicy(RULE), choose, steps=max(BUDGETS) * epochs)
    bests = table.bests()
    gap = float(bests.max() - np.median(bests))
    return [float(bests.max() - outcome.best_at(budget * epochs)) / gap for budget in BUDGETS]


if __name__ == "__main__":
    main()
