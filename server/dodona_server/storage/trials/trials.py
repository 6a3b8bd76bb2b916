"""Trials in the database; see also `leases`, `measurements` and `ranking`.

No statement here reads all trials of a study, except page by page on request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import TrialName
from dodona_server.domain.page import Page
from dodona_server.domain.space import Value
from dodona_server.domain.studies.study import Study
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.clock import database_now
from dodona_server.storage.engine.paging import page_of, sizes, within
from dodona_server.storage.engine.statement import Statement, in_selected, one_of
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.named import NAMED_STUDY_KEY, OF_NAMED_STUDY
from dodona_server.storage.tables.core import ranked_partially, studies, trials, unfinished
from dodona_server.storage.trials import curves, measurements
from dodona_server.storage.trials.ranking import objective
from dodona_server.storage.trials.rows import (
    ALL_TEXTS,
    BRIEF,
    COLUMNS,
    IN_STUDY,
    NOTED,
    TEXTS,
    THIS,
    TRIALS,
    by_name,
    read_trial,
    trial_key,
)

# How many are looked up at once.
MAX_NUMBERED = 100

_FIND = Statement(TRIALS.where(*THIS))
_FIND_BRIEF = Statement(NOTED.where(*THIS))
_FIND_LOCKED = Statement(TRIALS.where(*THIS).with_for_update())
# No join: PostgreSQL would keep a plan for it, made while there were few trials, that scans all of them.
_FIND_NAMED = Statement(
    sa.select(
        trials.c.study_key,
        sa.select(studies.c.stops_trials).where(*OF_NAMED_STUDY).scalar_subquery().label("stops_trials"),
        *COLUMNS,
    )
    .where(
        trials.c.study_key == NAMED_STUDY_KEY,
        trials.c.number == bindparam("trial_number"),
    )
    .with_for_update(of=trials)
)
_FIND_NUMBERED = Statement(TRIALS.where(IN_STUDY, one_of(trials.c.number, "numbers")))
_FIND_NUMBERED_BRIEFLY = Statement(BRIEF.where(IN_STUDY, one_of(trials.c.number, "numbers")))
# The numbers come first, from the index alone. Without statistics, SQLite would choose the primary key for whole rows,
# and scan all finished trials.
_UNFINISHED_NUMBERS = (
    sa.select(trials.c.number)
    .where(
        IN_STUDY,
        unfinished,
        trials.c.state == bindparam("in_state"),
        trials.c.client_id == bindparam("of_client"),
    )
    .order_by(trials.c.number + 0)
    .limit(bindparam("limit"))
)
_NUMBERS = Statement(_UNFINISHED_NUMBERS)
_HELD = TRIALS.where(
    IN_STUDY,
    in_selected(trials.c.number, _UNFINISHED_NUMBERS),
    # Checked again, for a row that another transaction changed while this one waited for it.
    trials.c.state == bindparam("in_state"),
    trials.c.client_id == bindparam("of_client"),
).order_by(trials.c.number)
_UNFINISHED = Statement(_HELD.with_for_update(of=trials))
# Trials that another server is claiming are skipped.
_CLAIMABLE = Statement(_HELD.with_for_update(of=trials, skip_locked=True))
_NUMBERS_PENDING = sa.select(trials.c.number).where(IN_STUDY, unfinished)
_PENDING = Statement(TRIALS.where(IN_STUDY, in_selected(trials.c.number, _NUMBERS_PENDING)).order_by(trials.c.number))
_FINISHED_AFTER = Statement(
    TRIALS.where(IN_STUDY, trials.c.end_time.is_not(None), trials.c.number > bindparam("after"))
    .order_by(trials.c.number)
    .limit(bindparam("limit"))
)
_ANY_UNFINISHED = Statement(sa.select(trials.c.state).where(IN_STUDY, unfinished).order_by(trials.c.state).limit(1))
_ANY_SUCCEEDED = Statement(
    sa.select(trials.c.number).where(IN_STUDY, trials.c.state == TrialState.SUCCEEDED.value).limit(1)
)
_ANY_QUEUED = Statement(
    sa.select(trials.c.number).where(IN_STUDY, unfinished, trials.c.state == TrialState.REQUESTED.value).limit(1)
)
_COUNT_UNFINISHED = Statement(sa.select(sa.func.count()).where(IN_STUDY, unfinished))
_PARAMETERS_FROM = Statement(
    sa.select(trials.c.parameters)
    .where(IN_STUDY, trials.c.number >= bindparam("first"))
    .order_by(trials.c.number)
    .limit(bindparam("limit"))
)
_BEHIND = (IN_STUDY, trials.c.number > bindparam("after"))
_PAGES = TRIALS.where(*_BEHIND).order_by(trials.c.number).limit(bindparam("limit"))
_BRIEF_PAGES = BRIEF.where(*_BEHIND).order_by(trials.c.number).limit(bindparam("limit"))
_PAGE, _SIZES = Statement(_PAGES), sizes(_PAGES, *ALL_TEXTS)
_BRIEF_PAGE, _BRIEF_SIZES = Statement(_BRIEF_PAGES), sizes(_BRIEF_PAGES, *TEXTS)
_SIZES_NUMBERED = sizes(TRIALS.where(IN_STUDY, one_of(trials.c.number, "numbers")), *ALL_TEXTS, key=trials.c.number)
_SET_CHECKPOINT = Statement(trials.update().where(*THIS).values(checkpoint=bindparam("new_checkpoint")))
_SET_STOPPING = Statement(
    trials.update().where(*THIS).values(state=bindparam("new_state"), metadata=bindparam("new_metadata"))
)
# A trial that ends at the same moment is skipped: its row is checked again once it is locked.
_RUNNING = Statement(
    TRIALS.where(IN_STUDY, in_selected(trials.c.number, _NUMBERS_PENDING), trials.c.state == TrialState.ACTIVE.value)
    .order_by(trials.c.number)
    .with_for_update(of=trials)
)
_SET_PARAMETERS = Statement(
    trials.update().where(*THIS).values(parameters=bindparam("new_parameters"), metadata=bindparam("new_metadata"))
)
_SET_METADATA = Statement(trials.update().where(*THIS).values(metadata=bindparam("new_metadata")))
_FINISH = Statement(
    trials.update()
    .where(*THIS)
    .values(
        state=bindparam("new_state"),
        parameters=bindparam("new_parameters"),
        end_time=bindparam("new_end"),
        objective=bindparam("new_objective"),
        partial_objective=bindparam("new_partial_objective"),
        final_measurement=bindparam("new_final"),
        infeasible_reason=bindparam("new_reason"),
        lost_attempts=bindparam("new_lost"),
        lease_expiry=None,
    )
)
_SET_PREDICTED = Statement(
    trials.update()
    .where(*THIS, ranked_partially)
    .values(final_measurement=bindparam("new_final"), partial_objective=bindparam("new_partial_objective"))
)
_INSERT = Statement(trials.insert().values(lease_expiry=database_now() + bindparam("lease_expiry_in", type_=sa.Double)))

_DELETE = Statement(trials.delete().where(*THIS))


class Named(NamedTuple):
    """A trial that was found by its name, its study's key, and whether a rule of its study stops trials."""

    study_key: int
    trial: Trial
    stops_trials: bool


def insert(
    transaction: Transaction,
    study: Study,
    added: Sequence[Trial],
    lease_seconds: float | None = None,
) -> None:
    """Add trials; those that have already succeeded enter the ranking.

    Args:
        transaction: the transaction to write in.
        study: the study of the trials.
        added: the trials, with numbers from `study.next_trial_number` on.
        lease_seconds: how long their client keeps them without a heartbeat; None for forever.
    """
    rows = [
        {
            "study_key": study.key,
            "number": trial.number,
            "state": trial.state.value,
            "parameters": codec.dump_parameters(trial.parameters),
            "client_id": trial.client_id,
            "attempt": trial.attempt,
            "create_time": trial.create_time,
            "start_time": trial.start_time,
            "end_time": trial.end_time,
            "objective": None if trial.stopped else objective(study, trial),
            "partial_objective": objective(study, trial) if trial.stopped else None,
            "final_measurement": trial.final_measurement and codec.dump_final(trial.final_measurement),
            "infeasible_reason": trial.infeasible_reason,
            "metadata": codec.dump_metadata(trial.metadata),
            "lease_seconds": lease_seconds,
            "lease_expiry_in": lease_seconds,
        }
        for trial in added
    ]
    _INSERT.run_each(transaction, rows)


def find(transaction: Transaction, study: Study, number: int, *, lock: bool = False) -> Trial | None:
    """Return the study's trial of that number; with `lock`, lock it until the transaction ends."""
    key = {"of_study": study.key, "trial_number": number}
    row = (_FIND_LOCKED if lock else _FIND).row(transaction, key)
    return None if row is None else read_trial(row)


def find_brief(transaction: Transaction, study: Study, number: int) -> Trial | None:
    """Return the same trial without long metadata."""
    row = _FIND_BRIEF.row(transaction, {"of_study": study.key, "trial_number": number})
    return None if row is None else read_trial(row)


def find_named(transaction: Transaction, name: TrialName) -> Named | None:
    """Return the trial of that name, locked until the transaction ends."""
    row = _FIND_NAMED.row(transaction, by_name(name))
    return None if row is None else Named(row["study_key"], read_trial(row), bool(row["stops_trials"]))


def find_numbered(transaction: Transaction, study_key: int, numbers: list[int], *, brief: bool = False) -> list[Trial]:
    """Return the trials of those numbers that still exist, in the order of `numbers`; if brief, without metadata."""
    statement = _FIND_NUMBERED_BRIEFLY if brief else _FIND_NUMBERED
    rows = statement.rows(transaction, {"of_study": study_key, "numbers": codec.dump_numbers(numbers)})
    by_number = {row["number"]: read_trial(row) for row in rows}
    return [by_number[number] for number in numbers if number in by_number]


def unfinished_trials(
    transaction: Transaction, study: Study, state: TrialState, client_id: str, limit: int
) -> list[Trial]:
    """Return up to `limit` trials in an unfinished `state` that the client has, in order; unassigned ones for "".

    They are locked until the transaction ends. Unassigned ones that another transaction has locked are omitted.
    """
    parameters = {"of_study": study.key, "in_state": state.value, "of_client": client_id, "limit": limit}
    statement = _UNFINISHED if client_id else _CLAIMABLE
    return [read_trial(row) for row in statement.rows(transaction, parameters)]


def unfinished_numbers(
    transaction: Transaction, study: Study, state: TrialState, client_id: str, limit: int
) -> list[int]:
    """Return the numbers of up to `limit` trials in an unfinished `state` that the client has, in order."""
    parameters = {"of_study": study.key, "in_state": state.value, "of_client": client_id, "limit": limit}
    return [row["number"] for row in _NUMBERS.rows(transaction, parameters)]


def pending(transaction: Transaction, study: Study) -> list[Trial]:
    """Return all queued and running trials, in order."""
    return [read_trial(row) for row in _PENDING.rows(transaction, {"of_study": study.key})]


def finished(transaction: Transaction, study: Study, after: int, limit: int) -> list[Trial]:
    """Return up to `limit` finished trials with numbers above `after`, in order."""
    parameters = {"of_study": study.key, "after": after, "limit": limit}
    return [read_trial(row) for row in _FINISHED_AFTER.rows(transaction, parameters)]


def any_unfinished(transaction: Transaction, study: Study) -> bool:
    """Return whether a trial of the study is queued or running."""
    return _ANY_UNFINISHED.row(transaction, {"of_study": study.key}) is not None


def any_succeeded(transaction: Transaction, study: Study) -> bool:
    """Return whether a trial of the study has a result."""
    return _ANY_SUCCEEDED.row(transaction, {"of_study": study.key}) is not None


def any_queued(transaction: Transaction, study: Study) -> bool:
    """Return whether a trial of the study is queued, including one that another transaction has locked."""
    return _ANY_QUEUED.row(transaction, {"of_study": study.key}) is not None


def count_unfinished(transaction: Transaction, study: Study) -> int:
    """Return how many trials of the study are queued or running."""
    counted: int = _COUNT_UNFINISHED.value(transaction, {"of_study": study.key})
    return counted


def parameters_from(transaction: Transaction, study: Study, first: int, limit: int) -> list[dict[str, Value]]:
    """Return the parameters of up to `limit` trials with numbers from `first` on, in order."""
    rows = _PARAMETERS_FROM.rows(transaction, {"of_study": study.key, "first": first, "limit": limit})
    return [codec.load_parameters(row["parameters"]) for row in rows]


def page(transaction: Transaction, study: Study, after: int, limit: int) -> Page[Trial]:
    """Return a page of up to `limit` trials with numbers above `after`, in order, without measurements."""
    parameters = {"of_study": study.key, "after": after, "limit": limit}
    return page_of(transaction, _PAGE, _SIZES, parameters, read_trial)


def page_briefly(transaction: Transaction, study: Study, after: int, limit: int) -> Page[Trial]:
    """Return the same page without long metadata."""
    parameters = {"of_study": study.key, "after": after, "limit": limit}
    return page_of(transaction, _BRIEF_PAGE, _BRIEF_SIZES, parameters, read_trial)


def numbered(transaction: Transaction, study_key: int, numbers: Sequence[int]) -> Page[Trial]:
    """Return as many of the existing trials of those numbers as fit on a page, in that order."""
    some = list(numbers[:MAX_NUMBERED])
    rows = _SIZES_NUMBERED.rows(transaction, {"of_study": study_key, "numbers": codec.dump_numbers(some)})
    size = {row["number"]: row["size"] for row in rows}
    taken = within(size.get(number, 0) for number in some)
    return Page(find_numbered(transaction, study_key, some[:taken]), len(numbers) > taken)


def set_checkpoint(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Store the checkpoint from which the trial can continue."""
    _SET_CHECKPOINT.run(transaction, {**trial_key(study_key, trial.number), "new_checkpoint": trial.checkpoint})


def set_stopping(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Store that the trial is asked to stop, and its metadata, which says why."""
    values = {"new_state": trial.state.value, "new_metadata": codec.dump_metadata(trial.metadata)}
    _SET_STOPPING.run(transaction, {**trial_key(study_key, trial.number), **values})


def running(transaction: Transaction, study: Study) -> list[Trial]:
    """Return all ACTIVE trials in order, locked until the transaction ends."""
    return [read_trial(row) for row in _RUNNING.rows(transaction, {"of_study": study.key})]


def set_parameters(transaction: Transaction, study_key: int, trial: Trial) -> None:
    """Store the parameters of a queued trial, and its metadata, which says where they come from."""
    values = {
        **trial_key(study_key, trial.number),
        "new_parameters": codec.dump_parameters(trial.parameters),
        "new_metadata": codec.dump_metadata(trial.metadata),
    }
    _SET_PARAMETERS.run(transaction, values)


def set_metadata(transaction: Transaction, study_key: int, number: int, metadata: Mapping[str, str]) -> None:
    """Replace the trial's metadata."""
    values = {**trial_key(study_key, number), "new_metadata": codec.dump_metadata(metadata)}
    _SET_METADATA.run(transaction, values)


def finish(transaction: Transaction, study: Study, trial: Trial) -> None:
    """Store the end of `trial`: its state, parameters, result and ranking."""
    final, value = trial.final_measurement, objective(study, trial)
    parameters = {
        **trial_key(study.key, trial.number),
        "new_state": trial.state.value,
        "new_parameters": codec.dump_parameters(trial.parameters),
        "new_end": trial.end_time,
        "new_objective": None if trial.stopped else value,
        "new_partial_objective": value if trial.stopped else None,
        "new_final": final and codec.dump_final(final),
        "new_reason": trial.infeasible_reason,
        "new_lost": trial.lost_attempts,
    }
    _FINISH.run(transaction, parameters)


def set_predicted(transaction: Transaction, study: Study, number: int, predicted: Measurement) -> None:
    """Replace the final measurement of a trial that was stopped early."""
    values = {
        **trial_key(study.key, number),
        "new_final": codec.dump_final(predicted),
        "new_partial_objective": predicted.metrics[study.spec.objective.id],
    }
    _SET_PREDICTED.run(transaction, values)


def delete(transaction: Transaction, study: Study, number: int) -> None:
    """Delete the trial, its measurements and its curve."""
    curves.delete(transaction, study.key, number)
    measurements.delete(transaction, study.key, number)
    _DELETE.run(transaction, trial_key(study.key, number))
