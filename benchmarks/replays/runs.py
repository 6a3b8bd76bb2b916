"""Searches to run, and what is recorded of each.

A search of kind `trials` has 100 random trials, with 1, 8 and 64 workers, and ends when none is left to run. One of
kind `epochs` goes on with one worker for as many epochs as 100 full trainings take, or until it has tried all
configurations of its table; its configurations are random, or chosen by a model and then as many epochs as 50 full
trainings take. One of kind `busy` keeps 64 workers busy for 1 500 epochs, with new trials as they ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from curves.tables import CurveTable
from replays.choosing import OurChoice, in_random_order
from replays.peers import OptunaPruner
from replays.policies import MODELS, PAUSING, POLICIES
from replays.rungs import RungPolicy
from replays.simulation import Choose, Outcome, Policy, simulate

TRIALS = 100
TRIALS_WITH_MODEL = 50
BUSY_WORKERS, BUSY_TRIALS, BUSY_EPOCHS = 64, 400, 1500
RANDOM = "random"

Record = dict[str, Any]


class Search(NamedTuple):
    """What to run; `chooser` is random, or a model's name."""

    kind: str
    policy: str
    chooser: str
    workers: int
    table: str
    seed: int


def planned(
    tables: Iterable[CurveTable], policies: Iterable[str], workers: Iterable[int], seeds: int
) -> Iterator[Search]:
    """Yield random searches, seed by seed, so that a run that ends early has as many of each policy."""
    tables, policies, workers = list(tables), list(policies), list(workers)
    for seed in range(seeds):
        for table in tables:
            for policy in policies:
                yield from (Search("trials", policy, RANDOM, count, table.name, seed) for count in workers)
                yield Search("epochs", policy, RANDOM, 1, table.name, seed)
                if policy in PAUSING and len(table.values) >= BUSY_TRIALS:
                    yield Search("busy", policy, RANDOM, BUSY_WORKERS, table.name, seed)


def planned_with_models(tables: Iterable[CurveTable], seeds: int) -> Iterator[Search]:
    """Yield searches of our default algorithm and of Optuna's TPE, without and with policies."""
    tables = list(tables)
    for seed in range(seeds):
        for table in tables:
            for chooser, policies in MODELS.items():
                yield from (Search("epochs", policy, chooser, 1, table.name, seed) for policy in policies)


def run(search: Search, table: CurveTable) -> Record:
    """Return the record of a search; losses are shares of the gap from the table's median to its best configuration."""
    policy = POLICIES[search.policy]()
    seed = f"{table.name}/{search.seed}"
    trials = TRIALS if search.chooser == RANDOM else TRIALS_WITH_MODEL
    choose = _choice(search, table, policy, seed)
    record = search._asdict() | {"group": table.group, "held_back": table.held_back}
    match search.kind:
        case "trials":
            few = min(TRIALS, len(table.values))
            outcome = simulate(table, policy, choose, workers=search.workers, trials=few, timed=True)
            return record | _of_trials(outcome)
        case "busy":
            many = {"trials": BUSY_EPOCHS, "steps": BUSY_EPOCHS}
            outcome = simulate(table, policy, choose, workers=search.workers, timed=True, **many)
            return record | {"idle": _short(outcome.idle)}
        case _:
            outcome = simulate(table, policy, choose, steps=trials * table.values.shape[1])
            return record | _of_epochs(outcome)


def _choice(search: Search, table: CurveTable, policy: Policy, seed: str) -> Choose:
    if search.chooser == RANDOM:
        return in_random_order(len(table.values), seed)
    if isinstance(policy, RungPolicy):
        return policy.chosen_by(search.chooser)
    return policy.choose if isinstance(policy, OptunaPruner) else OurChoice(search.chooser, seed)


def _of_trials(outcome: Outcome) -> Record:
    """Return the share of the epochs of full training, and the loss against the best of the same trials."""
    board = outcome.board
    bests = board.table.bests()[board.rows]
    loss = (bests.max() - outcome.best_at(outcome.steps)) / board.table.gap()
    return {
        "share": outcome.steps / (len(board.rows) * board.epochs),
        "loss": _short(loss),
        "time": _short(outcome.time),
        "idle": _short(outcome.idle),
    }


def _of_epochs(outcome: Outcome) -> Record:
    """Return each improvement: the epochs until then, and the loss against the best configuration of the table."""
    table = outcome.board.table
    best, gap = table.bests().max(), table.gap()
    return {"found": [(at, _short((best - value) / gap)) for at, value in outcome.improvements]}


def _short(value: float) -> float:
    return float(f"{value:.5g}")
