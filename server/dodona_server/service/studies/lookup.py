"""Find the study that a call names."""

from __future__ import annotations

from collections.abc import Callable

from dodona_server.domain.errors import NotFound
from dodona_server.domain.names import StudyName
from dodona_server.domain.studies.study import Study, StudySpec
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import studies


def get_study(transaction: Transaction, name: StudyName, *, lock: bool = False) -> Study:
    """Return the study of that name; with `lock`, lock it until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    return _existing(studies.find(transaction, name, lock=lock), name)


def lock_study_ahead(transaction: Transaction, name: StudyName) -> Callable[[], Study]:
    """Lock the study of that name, together with the next statement; the result returns and raises like `get_study`."""
    find = studies.find_ahead(transaction, name)
    return lambda: _existing(find(), name)


def _existing(study: Study | None, name: StudyName) -> Study:
    if study is None:
        raise NotFound(f"{name} does not exist")
    return study


def get_spec(transaction: Transaction, study_key: int) -> StudySpec:
    """Return the study's spec, for a use case that has a trial and its study's key only: a report.

    Raises:
        NotFound: the study was deleted.
    """
    spec = studies.find_spec(transaction, study_key)
    if spec is None:
        raise NotFound("the study does not exist")
    return spec
