"""Pictures of a study's curves with where each rule would have stopped them."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from curves.tables import CurveTable
from dodona_server.domain.studies.stopping_rule import StoppingRule
from replays.choosing import in_random_order
from replays.rules import RulePolicy
from replays.simulation import Board, simulate

TRIALS = 20
GREY, PALE, STOPPED, BEST = "#9aa0a6", "#e3e5e7", "#d1495b", "#00798c"


def draw(table: CurveTable, rules: Mapping[str, StoppingRule], metric: str, path: Path) -> None:
    """Draw a panel for each rule: the same trials, each until the rule stopped it.

    Args:
        table: of the curves.
        rules: by the name that users give.
        metric: the name on the vertical axis.
        path: of the SVG.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "dodona", "svg.fonttype": "none", "font.family": "sans-serif"}
    from matplotlib import pyplot as plt

    columns = 2
    figure, grid = plt.subplots(
        -(-len(rules) // columns), columns, figsize=(8, 2.9 * -(-len(rules) // columns)), sharex=True, sharey=True
    )
    for axes, (name, rule) in zip(grid.flat, rules.items(), strict=False):
        outcome = simulate(table, RulePolicy(rule), in_random_order(len(table.values), "picture"), trials=TRIALS)
        _panel(axes, outcome.board)
        share = outcome.steps / (TRIALS * outcome.board.epochs)
        axes.set_title(f"{name}: {share:.0%} of the epochs", fontsize=10)
    for axes in grid.flat[len(rules) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(metric)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    figure.tight_layout()
    figure.savefig(svg := io.StringIO(), format="svg", metadata={"Date": None})
    plt.close(figure)
    # A tenth of a point is enough, and a third of the size.
    path.write_text(re.sub(r"(\d+\.\d)\d+", r"\1", svg.getvalue()))


def _panel(axes: Any, board: Board) -> None:
    """Draw the trials of a study; the best one in colour, its rest dashed if the rule stopped it."""
    best = int(np.argmax(board.table.bests()[board.rows]))
    sign = 1 if board.table.maximized else -1
    epochs = np.arange(1, board.epochs + 1)
    for trial, row in enumerate(board.rows):
        reached, values = board.reached[trial], sign * board.table.values[row]
        trained = {"color": BEST, "linewidth": 2.0, "zorder": 3} if trial == best else {"color": GREY, "linewidth": 0.9}
        rest = trained | {"linestyle": "--", "linewidth": 1.2} if trial == best else {"color": PALE, "linewidth": 0.5}
        axes.plot(epochs[reached - 1 :], values[reached - 1 :], **rest)
        axes.plot(epochs[:reached], values[:reached], **trained)
        if reached < board.epochs:
            axes.plot(reached, values[reached - 1], "o", color=STOPPED, markersize=3.5, zorder=4)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
