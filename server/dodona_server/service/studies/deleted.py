"""List, restore and purge deleted studies."""

from __future__ import annotations

from collections.abc import Callable, Collection

from dodona_server.domain.errors import AlreadyExists, DodonaError, InvalidArgument, NotFound
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.studies.deleted_study import DeletedStudy
from dodona_server.domain.studies.study import Study
from dodona_server.service.idempotency import IdempotentCall
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.studies import deleted_studies, studies


class DeletedStudyService:
    """Lists, restores and purges deleted studies.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def of_location(self, parent: Location) -> list[DeletedStudy]:
        """Return the studies of a location that can be restored, the last deleted first."""
        return await self._store.read(lambda transaction: deleted_studies.of_location(transaction, parent))

    async def of_projects(self, projects: Collection[str] | None) -> list[DeletedStudy]:
        """Return the same for several projects; None for all."""
        return await self._store.read(lambda transaction: deleted_studies.of_projects(transaction, projects))

    async def undelete(
        self, parent: Location, deleted_id: str, study_id: str = "", request_id: str | None = None
    ) -> Study:
        """Restore a deleted study with its trials and files, and return it.

        Args:
            parent: its project and location.
            deleted_id: its id among the deleted studies.
            study_id: its new id and display name; empty for those that it had.
            request_id: the same id again returns the same study.

        Raises:
            NotFound: there is no such deleted study.
            AlreadyExists: another study has its name now.
        """

        def use_case(transaction: Transaction) -> Study | DodonaError:
            deleted = _find(transaction, parent, deleted_id)
            name = StudyName(parent, study_id) if study_id else deleted.name
            display_name = study_id or deleted.display_name
            other = studies.find(transaction, name) or studies.find_displayed(transaction, parent, display_name)
            if other is not None:
                return AlreadyExists(
                    f"{other.name} ({other.display_name}) has the name of the deleted study: choose another id"
                )
            if not deleted_studies.bring_back(transaction, deleted, name, display_name):
                raise _not_found(parent, deleted_id)
            study = again(transaction)
            check_time = study.spec.stopping.check_time(study.progress, study.create_time)
            studies.set_check_time(transaction, study, check_time)
            return study

        def again(transaction: Transaction) -> Study:
            study = studies.find_key(transaction, _key(deleted_id))
            if study is None:
                raise NotFound(f"{parent}/deletedStudies/{deleted_id} was restored and deleted again")
            return study

        once = IdempotentCall(request_id, f"undelete {parent}/deletedStudies/{deleted_id}", parent, self._clock())
        return await self._store.run(once(use_case, again))

    async def purge(self, parent: Location, deleted_id: str, request_id: str | None = None) -> None:
        """Purge a deleted study: it cannot be restored any more.

        Raises:
            NotFound: there is no such deleted study.
        """

        def use_case(transaction: Transaction) -> None:
            deleted_studies.purge(transaction, _find(transaction, parent, deleted_id).key)

        once = IdempotentCall(request_id, f"purge {parent}/deletedStudies/{deleted_id}", parent, self._clock())
        await self._store.run(once(use_case, lambda _: None))


def _find(transaction: Transaction, parent: Location, deleted_id: str) -> DeletedStudy:
    deleted = deleted_studies.find(transaction, parent, _key(deleted_id))
    if deleted is None:
        raise _not_found(parent, deleted_id)
    return deleted


def _not_found(parent: Location, deleted_id: str) -> NotFound:
    return NotFound(f"{parent}/deletedStudies/{deleted_id} does not exist; it may have been purged or restored")


def _key(deleted_id: str) -> int:
    if not (deleted_id.isascii() and deleted_id.isdecimal() and len(deleted_id) < 19):
        raise InvalidArgument(f"{deleted_id!r} is not an id of a deleted study, which is a number", "deleted_study")
    return int(deleted_id)
