"""When a study is done."""

from __future__ import annotations

from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import StudyName
from dodona_server.domain.study import StudyState
from dodona_server.service.studies import found
from dodona_server.storage import events, studies, trials
from dodona_server.storage.store import Transaction


def complete_if_done(transaction: Transaction, name: StudyName, now: float) -> None:
    """Moves a study whose budget is used up to COMPLETED once its last trial is finished.

    The study is held first: of two last trials that end at once, the later one sees both.
    """
    study = found(transaction, name, lock=True)
    if study.state is StudyState.ACTIVE and not trials.any_unfinished(transaction, study):
        studies.set_state(transaction, study, StudyState.COMPLETED)
        done = Event(EventKind.STUDY_COMPLETED, now, detail="the budget is used up")
        events.append(transaction, study.key, [done])
