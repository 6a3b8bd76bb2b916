"""Savings that early stopping would have made in a study without a stopping rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study
from dodona_server.service.computing.pool import FittingFailed, FittingPool
from dodona_server.service.studies.lookup import get_study
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.trials import trials

if TYPE_CHECKING:
    # It needs NumPy and SciPy, which the server does not import.
    from dodona_server.stopping.replay import Replay

MOST_KEPT = 100


@dataclass(frozen=True, slots=True)
class Hindsight:
    """Savings that the rule "auto" would have made; `sentence` says them, or why there is no `replay`."""

    replay: Replay | None
    sentence: str


class HindsightQueries:
    """Replays the rule "auto" on the curves of studies, in a process that fits models.

    Args:
        store: where studies and trials are kept.
        pool: the processes.
    """

    def __init__(self, store: Store, pool: FittingPool) -> None:
        self._store = store
        self._pool = pool
        # By study, with how many trials had ended.
        self._kept: dict[int, tuple[tuple[object, ...], Replay | None]] = {}

    async def auto(self, name: StudyName) -> Hindsight:
        """Return the savings that the rule would have made.

        Raises:
            NotFound: there is no such study.
        """

        def find(transaction: Transaction) -> tuple[Study, int]:
            found = get_study(transaction, name)
            return found, found.trial_count - trials.count_unfinished(transaction, found)

        study, finished = await self._store.read(find)
        if study.spec.stopping_rule is not None:
            return Hindsight(None, "The study has a rule of early stopping.")
        if len(study.spec.objectives) > 1:
            return Hindsight(None, "No rule stops trials of a study with several objectives.")
        try:
            found = await self._replayed(study, finished)
        except FittingFailed as error:
            return Hindsight(None, f"What the rule auto would have saved cannot be computed: {error}.")
        return Hindsight(found, _sentence(found))

    async def _replayed(self, study: Study, finished: int) -> Replay | None:
        state = (study.version, finished)
        before, found = self._kept.pop(study.key, (None, None))
        if before != state:
            found = await self._pool.replay_stopping(study.key)
        self._kept[study.key] = (state, found)
        while len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return found


def _sentence(found: Replay | None) -> str:
    if found is None:
        return (
            "What the rule auto would have saved is not known: it needs more than 8 whole trials, each with more than "
            "3 reports that count steps."
        )
    head = f"The rule auto would have stopped {found.stopped} of {found.trials} trials"
    if not found.stopped:
        return f"The rule auto would have stopped none of {found.trials} trials."
    best = f"but also the best one, trial {found.lost}" if found.lost else "and kept the best one"
    return (
        f"{head} and saved about {found.saved:.0%} of their steps, {best}. That is its code on the curves of this "
        "study; a search with it would have chosen other parameters."
    )
