"""Search for a hypermodel's hyperparameters: it is built before the first trial."""

from __future__ import annotations

from contextlib import suppress

from keras_tuner import HyperModel, HyperParameters
from keras_tuner.errors import FailedTrialError

from dodona.keras._mapping.search_space import filled
from dodona.keras._oracle.oracle import CloudOracle


def explore(hypermodel: HyperModel, oracle: CloudOracle) -> None:
    """Add all hyperparameters that the hypermodel shows to the oracle.

    It is built once with the defaults, and once more for each conditional scope that was not active before. A worker
    that joins a study builds it once, unless that shows new hyperparameters.

    Args:
        hypermodel: the user's hypermodel.
        oracle: the oracle.

    Raises:
        RuntimeError: there are new hyperparameters, and the oracle's `allow_new_entries` is False.
    """
    hp = oracle.known_space()
    known = len(hp.space)
    hypermodel.declare_hyperparameters(hp)
    _build(hypermodel, hp)
    oracle.update_space(hp)
    if oracle.joined and known and len(hp.space) == known:
        return
    active, waiting = list(hp.active_scopes), list(hp.inactive_scopes)
    while waiting:
        scope = waiting.pop(0)
        if scope in active:
            continue
        # Each scope is tried once: its conditions may contradict each other.
        active.append(scope)
        hp = filled(oracle.known_space(), {condition.name: condition.values[0] for condition in scope})
        _build(hypermodel, hp)
        oracle.update_space(hp)
        active += [found for found in hp.active_scopes if found not in active]
        waiting += [found for found in hp.inactive_scopes if found not in active and found not in waiting]


def _build(hypermodel: HyperModel, hp: HyperParameters) -> None:
    # These values do not give a model, but the names are known now.
    with suppress(FailedTrialError):
        hypermodel.build(hp)
