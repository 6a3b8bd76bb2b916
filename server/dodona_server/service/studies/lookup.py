"""Find the study that a call names."""

from __future__ import annotations

from dodona_server.domain.errors import NotFound
from dodona_server.domain.names import StudyName
from dodona_server.domain.study import Study
from dodona_server.storage import studies
from dodona_server.storage.store import Transaction


def found(transaction: Transaction, name: StudyName, *, lock: bool = False) -> Study:
    """The study of that name; with `lock`, held until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    study = studies.find(transaction, name, lock=lock)
    if study is None:
        raise NotFound(f"{name} does not exist")
    return study
