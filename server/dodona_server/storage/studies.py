"""Studies in the database."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy import bindparam

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.study import Study, StudySpec, StudyState
from dodona_server.storage import codec
from dodona_server.storage.store import Transaction
from dodona_server.storage.tables import events, measurements, operations, studies, trials

NO_METADATA: Mapping[str, str] = {}

_IN_LOCATION = (studies.c.project == bindparam("project"), studies.c.location == bindparam("location"))
_FIND = sa.select(studies).where(*_IN_LOCATION, studies.c.study_id == bindparam("study_id"))
_FIND_LOCKED = _FIND.with_for_update()
_FIND_DISPLAYED = sa.select(studies).where(*_IN_LOCATION, studies.c.display_name == bindparam("display_name"))
_PAGE = (
    sa.select(studies)
    .where(*_IN_LOCATION, studies.c.key > bindparam("after"))
    .order_by(studies.c.key)
    .limit(bindparam("limit"))
)
_RECENT = sa.select(studies).order_by(studies.c.key.desc()).limit(bindparam("limit"))
_BY_KEY = studies.c.key == bindparam("of_study")
_ADD_TRIALS = (
    studies.update()
    .where(_BY_KEY)
    .values(
        next_trial_number=studies.c.next_trial_number + bindparam("added"),
        trial_count=studies.c.trial_count + bindparam("added"),
    )
)
_REMOVE_TRIAL = studies.update().where(_BY_KEY).values(trial_count=studies.c.trial_count - 1)
_SET_STATE = (
    studies.update().where(_BY_KEY).values(state=bindparam("new_state"), inactive_reason=bindparam("new_reason"))
)
_SET_METADATA = studies.update().where(_BY_KEY).values(metadata=bindparam("new_metadata"))
_SET_SPEC = (
    studies.update()
    .where(_BY_KEY)
    .values(spec=bindparam("new_spec"), revision=studies.c.revision + 1, state=bindparam("new_state"))
)
# A spec is parsed once, not at each call: the text is the key, so a changed spec can't be mistaken.
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
    """Adds a study and returns it as it is kept."""
    values = {
        **_key(name),
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
    }
    row = transaction.execute(studies.insert().returning(*studies.c), values).mappings().one()
    return _study(row)


def find(transaction: Transaction, name: StudyName, *, lock: bool = False) -> Study | None:
    """The study of that name.

    Args:
        transaction: to read in.
        name: the study's.
        lock: hold the study until the transaction ends, so that no other one changes it.
    """
    row = transaction.execute(_FIND_LOCKED if lock else _FIND, _key(name)).mappings().one_or_none()
    return None if row is None else _study(row)


def find_displayed(transaction: Transaction, parent: Location, display_name: str) -> Study | None:
    """The study that people call `display_name`."""
    parameters = {"project": parent.project, "location": parent.location, "display_name": display_name}
    row = transaction.execute(_FIND_DISPLAYED, parameters).mappings().one_or_none()
    return None if row is None else _study(row)


def page(transaction: Transaction, parent: Location, after: int, limit: int) -> list[Study]:
    """Up to `limit` studies whose key is above `after`, in the order they were created."""
    parameters = {"project": parent.project, "location": parent.location, "after": after, "limit": limit}
    return [_study(row) for row in transaction.execute(_PAGE, parameters).mappings()]


def recent(transaction: Transaction, limit: int) -> list[Study]:
    """The `limit` newest studies of all projects and locations, the newest first."""
    return [_study(row) for row in transaction.execute(_RECENT, {"limit": limit}).mappings()]


def add_trials(transaction: Transaction, study: Study, count: int) -> None:
    """Counts `count` more trials; the first one's number is `study.next_trial_number`."""
    transaction.execute(_ADD_TRIALS, {"of_study": study.key, "added": count})


def remove_trial(transaction: Transaction, study: Study) -> None:
    """Counts one trial less; its number stays used."""
    transaction.execute(_REMOVE_TRIAL, {"of_study": study.key})


def set_state(transaction: Transaction, study: Study, state: StudyState, inactive_reason: str = "") -> None:
    """Moves the study to `state`; the reason says why an INACTIVE one is paused."""
    values = {"of_study": study.key, "new_state": state.value, "new_reason": inactive_reason}
    transaction.execute(_SET_STATE, values)


def set_metadata(transaction: Transaction, study: Study, metadata: Mapping[str, str]) -> None:
    """Replaces the study's metadata."""
    transaction.execute(_SET_METADATA, {"of_study": study.key, "new_metadata": codec.dump_metadata(metadata)})


def set_spec(transaction: Transaction, study: Study, spec: StudySpec, state: StudyState) -> None:
    """Replaces the study's spec and moves it to `state`."""
    values = {"of_study": study.key, "new_spec": codec.dump_spec(spec), "new_state": state.value}
    transaction.execute(_SET_SPEC, values)


def delete(transaction: Transaction, study: Study) -> None:
    """Removes the study with all that belongs to it."""
    for table in (events, measurements, operations, trials):
        transaction.execute(table.delete().where(table.c.study_key == study.key))
    transaction.execute(studies.delete().where(studies.c.key == study.key))


def _key(name: StudyName) -> dict[str, str]:
    return {"project": name.parent.project, "location": name.parent.location, "study_id": name.study_id}


def _study(row: sa.RowMapping) -> Study:
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
        metadata=codec.load_metadata(row["metadata"]),
    )
