"""Budget of a trial and the trial that it continues, and how trials store both.

A stored trial has them as parameters under the names that KerasTuner's Hyperband tuner reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dodona_server.domain.space import Value

TUNER_PREFIX = "tuner/"
EPOCHS, INITIAL_EPOCH = "tuner/epochs", "tuner/initial_epoch"
BRACKET, ROUND, RESUME_FROM = "tuner/bracket", "tuner/round", "tuner/trial_id"


@dataclass(frozen=True, slots=True)
class Budget:
    """Budget of a trial: how far it trains.

    Args:
        epochs: the epoch at which the training ends; None if one of the trial's own parameters says how far.
        initial_epoch: the epoch at which it begins; None as for `epochs`.
        bracket: the part of the algorithm's plan that the trial belongs to.
        round: its round within that part.
    """

    epochs: int | None
    initial_epoch: int | None = 0
    bracket: int = 0
    round: int = 0


def with_tuner_values(
    parameters: Mapping[str, Value], budget: Budget | None, resume_from: int | None
) -> Mapping[str, Value]:
    """Return the parameters as a trial stores them."""
    if budget is None and resume_from is None:
        return parameters
    stored = dict(parameters)
    if budget is not None:
        if budget.epochs is not None and budget.initial_epoch is not None:
            stored |= {EPOCHS: budget.epochs, INITIAL_EPOCH: budget.initial_epoch}
        stored |= {BRACKET: budget.bracket, ROUND: budget.round}
    if resume_from is not None:
        # KerasTuner's ids of trials are text.
        stored[RESUME_FROM] = str(resume_from)
    return stored


def without_tuner_values(stored: Mapping[str, Value]) -> Mapping[str, Value]:
    """Return a stored trial's parameters without the `tuner/` ones."""
    if ROUND not in stored and RESUME_FROM not in stored:
        return stored
    return {name: value for name, value in stored.items() if not name.startswith(TUNER_PREFIX)}


def budget_of(stored: Mapping[str, Value]) -> Budget | None:
    """Return the budget of a trial with these parameters; None if it has none."""
    epochs, initial_epoch, bracket, round_number = (
        int(part) if isinstance(part := stored.get(name), int | float) else None
        for name in (EPOCHS, INITIAL_EPOCH, BRACKET, ROUND)
    )
    if bracket is None or round_number is None or (epochs is None) != (initial_epoch is None):
        return None
    return Budget(epochs, initial_epoch, bracket, round_number)


def resumed_from(stored: Mapping[str, Value]) -> int | None:
    """Return the number of the trial whose checkpoint a trial with these parameters starts from; None for none."""
    number = str(stored.get(RESUME_FROM, ""))
    return int(number) if number.isdecimal() else None
