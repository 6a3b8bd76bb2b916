"""Studies in the database."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.page import Page
from dodona_server.domain.studies.budget import Progress
from dodona_server.domain.studies.study import Study, StudySpec, StudyState
from dodona_server.observation import metrics
from dodona_server.storage.engine import codec
from dodona_server.storage.engine.paging import page_of, sizes
from dodona_server.storage.engine.statement import Statement
from dodona_server.storage.engine.store import Transaction, after_commit
from dodona_server.storage.named import OF_NAMED_STUDY, named
from dodona_server.storage.tables.core import (
    HELD,
    REMOVED,
    studies,
    timed,
)

NO_METADATA: Mapping[str, str] = {}

_IN_LOCATION = (studies.c.project == bindparam("project"), studies.c.location == bindparam("location"))
_NAMED = sa.select(studies).where(*OF_NAMED_STUDY)
_FIND = Statement(_NAMED)
# PostgreSQL's weaker lock: events refer to the row. For the stronger one, a transaction would wait for all that have
# written an event, and two that have, in two servers, for each other.
_FIND_LOCKED = Statement(_NAMED.with_for_update(key_share=True))
_FIND_DISPLAYED = Statement(
    sa.select(studies).where(*_IN_LOCATION, studies.c.display_name == bindparam("display_name"))
)
_FIND_FIRST_NAMED = Statement(
    sa.select(studies)
    .where(*_IN_LOCATION, studies.c.created_name == bindparam("display_name"))
    .order_by(studies.c.key.desc())
    .limit(1)
)
_PAGES = (
    sa.select(studies)
    .where(*_IN_LOCATION, studies.c.key > bindparam("after"))
    .order_by(studies.c.key)
    .limit(bindparam("limit"))
)
_PAGE, _SIZES = Statement(_PAGES), sizes(_PAGES, studies.c.spec, studies.c.inactive_reason, studies.c.metadata)
_FIND_KEY = Statement(sa.select(studies).where(studies.c.key == bindparam("of_study")))
_TIMED_OUT = (
    sa.select(studies)
    .where(timed, studies.c.check_time <= bindparam("now"), studies.c.state == StudyState.ACTIVE.value)
    .limit(bindparam("limit"))
)
_DUE = Statement(_TIMED_OUT)
_DUE_LOCKED = Statement(_TIMED_OUT.with_for_update(skip_locked=True, key_share=True))
_FIND_SPEC = Statement(sa.select(studies.c.spec).where(studies.c.key == bindparam("of_study")))
_INSERT = Statement(studies.insert().returning(*studies.c))
_BY_KEY = studies.c.key == bindparam("of_study")
_ADD_TRIALS = Statement(
    studies.update()
    .where(_BY_KEY)
    .values(
        next_trial_number=studies.c.next_trial_number + bindparam("added"),
        trial_count=studies.c.trial_count + bindparam("added"),
        position=studies.c.position + bindparam("suggested"),
    )
)
_REMOVE_TRIAL = Statement(studies.update().where(_BY_KEY).values(trial_count=studies.c.trial_count - 1))
_SET_STATE = Statement(
    studies.update().where(_BY_KEY).values(state=bindparam("new_state"), inactive_reason=bindparam("new_reason"))
)
_SET_PROGRESS = Statement(
    studies.update()
    .where(_BY_KEY)
    .values(
        finished_trials=bindparam("new_finished"),
        failed_trials=bindparam("new_failed"),
        best_objective=bindparam("new_best"),
        best_time=bindparam("new_best_time"),
        trials_since_best=bindparam("new_since_best"),
        check_time=bindparam("new_check"),
    )
)
_SET_CHECK_TIME = Statement(studies.update().where(_BY_KEY).values(check_time=bindparam("new_check")))
_SET_FAILURES = Statement(studies.update().where(_BY_KEY).values(algorithm_failures=bindparam("new_failures")))
_SET_METADATA = Statement(studies.update().where(_BY_KEY).values(metadata=bindparam("new_metadata")))
_SET_SPEC = Statement(
    studies.update()
    .where(_BY_KEY)
    .values(
        spec=bindparam("new_spec"),
        revision=studies.c.revision + 1,
        state=bindparam("new_state"),
    )
)
_AS_CREATED = {
    "created_name": sa.func.coalesce(studies.c.created_name, studies.c.display_name),
    "created_spec": sa.func.coalesce(studies.c.created_spec, studies.c.spec),
}
_CHANGE = Statement(
    studies.update()
    .where(_BY_KEY)
    .values(
        display_name=bindparam("new_name"),
        spec=bindparam("new_spec"),
        stops_trials=bindparam("new_stops"),
        check_time=bindparam("new_check"),
        **_AS_CREATED,
    )
)
_FIND_CREATED = Statement(sa.select(studies.c.created_name, studies.c.created_spec).where(_BY_KEY))
_SET_ARCHIVED = Statement(studies.update().where(_BY_KEY).values(archive_time=bindparam("new_time", type_=sa.Double)))
_SET_WANTED = Statement(
    studies.update().where(_BY_KEY).values(wanted_workers=bindparam("new_count", type_=sa.BigInteger))
)
# A spec is parsed once, not at each call. The text is the key, so a changed spec is always parsed.
_load_spec = functools.lru_cache(maxsize=256)(codec.load_spec)


def insert(
    transaction: Transaction,
    name: StudyName,
    display_name: str,
    spec: StudySpec,
    seed: int,
    now: float,
    metadata: Mapping[str, str] = NO_METADATA,
) -> Study:
    """Add a study and return it as stored."""
    values = {
        **named(name),
        "display_name": display_name,
        "spec": codec.dump_spec(spec),
        "seed": seed,
        "state": StudyState.ACTIVE.value,
        "inactive_reason": "",
        "create_time": now,
        "next_trial_number": 1,
        "trial_count": 0,
        "revision": 1,
        "metadata": codec.dump_metadata(metadata),
        "check_time": spec.stopping.check_time(Progress(), now),
        "stops_trials": spec.stops_trials,
    }
    (row,) = _INSERT.rows(transaction, values)
    return read_study(row)


def find(transaction: Transaction, name: StudyName, *, lock: bool = False) -> Study | None:
    """Return the study of that name.

    Args:
        transaction: the transaction to read in.
        name: the study's name.
        lock: lock the study until the transaction ends, so that no other one changes it.
    """
    row = (_FIND_LOCKED if lock else _FIND).row(transaction, named(name))
    return None if row is None else read_study(row)


def find_ahead(transaction: Transaction, name: StudyName) -> Callable[[], Study | None]:
    """Find and lock the study of that name, together with the next statement; the result returns it, like `find`."""
    rows = _FIND_LOCKED.ahead(transaction, named(name))

    def found() -> Study | None:
        return next(map(read_study, rows()), None)

    return found


def find_displayed(transaction: Transaction, parent: Location, display_name: str) -> Study | None:
    """Return the study with that display name."""
    parameters = {"project": parent.project, "location": parent.location, "display_name": display_name}
    row = _FIND_DISPLAYED.row(transaction, parameters)
    return None if row is None else read_study(row)


def find_created(transaction: Transaction, parent: Location, display_name: str) -> Study | None:
    """Return the latest study that was created with that display name and renamed since."""
    parameters = {"project": parent.project, "location": parent.location, "display_name": display_name}
    row = _FIND_FIRST_NAMED.row(transaction, parameters)
    return None if row is None else read_study(row)


def page(transaction: Transaction, parent: Location, after: int, limit: int) -> Page[Study]:
    """Return a page of up to `limit` studies whose key is above `after`, in the order of creation."""
    parameters = {"project": parent.project, "location": parent.location, "after": after, "limit": limit}
    return page_of(transaction, _PAGE, _SIZES, parameters, read_study)


def find_key(transaction: Transaction, key: int) -> Study | None:
    """Return the study with that key, unless it is deleted."""
    row = _FIND_KEY.row(transaction, {"of_study": key})
    return None if row is None or row["project"] in (REMOVED, HELD) else read_study(row)


def find_spec(transaction: Transaction, study_key: int) -> StudySpec | None:
    """Return the spec of the study with that key; it is parsed once for each version."""
    row = _FIND_SPEC.row(transaction, {"of_study": study_key})
    return None if row is None else _load_spec(row["spec"])


def due(transaction: Transaction, now: float, limit: int, *, lock: bool = True) -> list[Study]:
    """Return up to `limit` ACTIVE studies whose time budget may be used up by `now`.

    With `lock` they are locked until the transaction ends; those that another transaction has locked are omitted.
    """
    rows = (_DUE_LOCKED if lock else _DUE).rows(transaction, {"now": now, "limit": limit})
    return [read_study(row) for row in rows]


def add_trials(transaction: Transaction, study: Study, count: int, suggested: int = 0) -> None:
    """Count `count` more trials, `suggested` of them by the algorithm; they begin at `study.next_trial_number`."""
    _ADD_TRIALS.run(transaction, {"of_study": study.key, "added": count, "suggested": suggested})
    after_commit(transaction, functools.partial(metrics.CREATED.inc, count))


def set_progress(transaction: Transaction, study: Study, progress: Progress) -> None:
    """Store the progress of the study, and when to check it again."""
    values = {
        "of_study": study.key,
        "new_finished": progress.finished,
        "new_failed": progress.failed,
        "new_best": progress.best,
        "new_best_time": progress.best_time,
        "new_since_best": progress.since_best,
        "new_check": study.spec.stopping.check_time(progress, study.create_time),
    }
    _SET_PROGRESS.run(transaction, values)


def set_check_time(transaction: Transaction, study: Study, time: float | None) -> None:
    """Store when to check again whether the study's time budget is used up."""
    _SET_CHECK_TIME.run(transaction, {"of_study": study.key, "new_check": time})


def set_failures(transaction: Transaction, study: Study, count: int) -> None:
    """Store how often the study's algorithm has failed since its last suggestion."""
    _SET_FAILURES.run(transaction, {"of_study": study.key, "new_failures": count})


def remove_trial(transaction: Transaction, study: Study) -> None:
    """Count one trial less; its number stays used."""
    _REMOVE_TRIAL.run(transaction, {"of_study": study.key})


def set_state(transaction: Transaction, study: Study, state: StudyState, inactive_reason: str = "") -> None:
    """Set the study's state; the reason says why it is INACTIVE or COMPLETED."""
    values = {"of_study": study.key, "new_state": state.value, "new_reason": inactive_reason}
    _SET_STATE.run(transaction, values)


def set_metadata(transaction: Transaction, study: Study, metadata: Mapping[str, str]) -> None:
    """Replace the study's metadata."""
    _SET_METADATA.run(transaction, {"of_study": study.key, "new_metadata": codec.dump_metadata(metadata)})


def set_spec(transaction: Transaction, study: Study, spec: StudySpec, state: StudyState) -> None:
    """Replace the study's spec and set its state."""
    values = {
        "of_study": study.key,
        "new_spec": codec.dump_spec(spec),
        "new_state": state.value,
    }
    _SET_SPEC.run(transaction, values)


def change(transaction: Transaction, study: Study) -> None:
    """Store the study's display name and spec, which has the same search space as before."""
    values = {
        "of_study": study.key,
        "new_name": study.display_name,
        "new_spec": codec.dump_spec(study.spec),
        "new_stops": study.spec.stops_trials,
        "new_check": study.spec.stopping.check_time(study.progress, study.create_time),
    }
    _CHANGE.run(transaction, values)


def as_created(transaction: Transaction, study: Study) -> Study:
    """Return the study with the name, the budget, the stopping rule and the hints with which it was created."""
    row = _FIND_CREATED.row(transaction, {"of_study": study.key})
    if row is None or row["created_spec"] is None:
        return study
    before = _load_spec(row["created_spec"])
    known = {parameter.id for _, parameter in before.space.walk()}
    added = {name: hint for name, hint in study.spec.hints.items() if name not in known}
    spec = dataclasses.replace(
        study.spec, stopping=before.stopping, stopping_rule=before.stopping_rule, hints={**before.hints, **added}
    )
    return dataclasses.replace(study, display_name=row["created_name"], spec=spec)


def set_archived(transaction: Transaction, study: Study, time: float | None) -> None:
    """Store when the study was archived, in seconds since the epoch; None if it no longer is."""
    _SET_ARCHIVED.run(transaction, {"of_study": study.key, "new_time": time})


def set_wanted_workers(transaction: Transaction, study: Study, count: int | None) -> None:
    """Store how many workers people want the study to have; None for no number."""
    _SET_WANTED.run(transaction, {"of_study": study.key, "new_count": count})


def read_study(row: Mapping[Any, Any]) -> Study:
    """Return the study in a row; without metadata if the row has none."""
    return Study(
        key=row["key"],
        name=StudyName(Location(row["project"], row["location"]), row["study_id"]),
        display_name=row["display_name"],
        spec=_load_spec(row["spec"]),
        seed=row["seed"],
        state=StudyState(row["state"]),
        create_time=row["create_time"],
        inactive_reason=row["inactive_reason"],
        next_trial_number=row["next_trial_number"],
        trial_count=row["trial_count"],
        revision=row["revision"],
        metadata=codec.load_metadata(row.get("metadata", "{}")),
        position=row["position"],
        algorithm_failures=row["algorithm_failures"],
        archive_time=row["archive_time"],
        wanted_workers=row["wanted_workers"],
        progress=Progress(
            row["finished_trials"],
            row["failed_trials"],
            row["best_objective"],
            row["best_time"],
            row["trials_since_best"],
        ),
    )
