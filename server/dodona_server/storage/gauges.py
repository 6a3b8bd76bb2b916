"""Numbers of studies and trials by state; only rows of unfinished and failed trials are counted one by one."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.trial import TrialState
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.tables.core import infeasible, shown, studies, trials, unfinished

_STUDIES = Statement(
    sa.select(studies.c.state, sa.func.count().label("count"), sa.func.sum(studies.c.trial_count).label("trials"))
    .where(shown)
    .group_by(studies.c.state)
)
_COUNT = sa.func.count().label("count")
_OF_SHOWN = sa.select(trials.c.state, _COUNT).join(studies, studies.c.key == trials.c.study_key).where(shown)
_UNFINISHED = Statement(_OF_SHOWN.where(unfinished).group_by(trials.c.state))
_INFEASIBLE = Statement(sa.select(_COUNT).join_from(trials, studies).where(shown, infeasible))


def studies_by_state(transaction: Transaction) -> Mapping[StudyState, int]:
    """Return the number of studies in each state."""
    found = {row["state"]: row["count"] for row in _STUDIES.rows(transaction)}
    return {state: found.get(state.value, 0) for state in StudyState}


def trials_by_state(transaction: Transaction) -> Mapping[TrialState, int]:
    """Return the number of trials in each state."""
    total = sum(int(row["trials"]) for row in _STUDIES.rows(transaction))
    found = {row["state"]: row["count"] for row in _UNFINISHED.rows(transaction)}
    found[TrialState.INFEASIBLE.value] = _INFEASIBLE.value(transaction)
    found[TrialState.SUCCEEDED.value] = total - sum(found.values())
    return {state: found.get(state.value, 0) for state in TrialState}
