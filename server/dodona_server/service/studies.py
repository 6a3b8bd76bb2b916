"""What can be done with studies."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence

from dodona_server.domain.errors import AlreadyExists, InvalidArgument, NotFound, inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.lifecycle import STUDY_TRANSITIONS, Ignore, MoveStudy, Refuse, StudyVerb, refusal
from dodona_server.domain.metadata import merge
from dodona_server.domain.names import Location, StudyName, is_id
from dodona_server.domain.space import Parameter
from dodona_server.domain.study import Study, StudySpec, StudyState, first_difference
from dodona_server.domain.trial import TrialState
from dodona_server.oracle import algorithm_for
from dodona_server.storage import events, studies, trials
from dodona_server.storage.store import Store, Transaction
from dodona_server.storage.studies import NO_METADATA

MAX_DISPLAY_NAME_LENGTH = 256


def found(transaction: Transaction, name: StudyName, *, lock: bool = False) -> Study:
    """The study of that name; with `lock`, held until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    study = studies.find(transaction, name, lock=lock)
    if study is None:
        raise NotFound(f"{name} does not exist")
    return study


class StudyService:
    """Creates, finds, grows and deletes studies.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def create(
        self,
        parent: Location,
        study_id: str | None,
        display_name: str,
        spec: StudySpec,
        seed: int | None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> Study:
        """The study of that id or display name: a new one, or the one there is if its spec is equal.

        Args:
            parent: where it lives.
            study_id: the last part of its name; None lets the server choose a decimal number.
            display_name: the name that people use; the id, if it is empty.
            spec: what is searched, for what, and how.
            seed: of all suggestions; None draws one, and agrees with any seed there is.
            metadata: what the client wants to remember; of a study that is there, it is left as it is.

        Raises:
            InvalidArgument: a name is malformed, or the spec's algorithm is none of this server's.
            AlreadyExists: there is a study of that name with another spec; the message names the first difference.
        """
        with inside("studySpec"):
            algorithm_for(spec.algorithm).check(spec)
        kept = merge({}, metadata)
        name = StudyName(parent, study_id or _new_id())
        label = display_name or name.study_id
        if len(label) > MAX_DISPLAY_NAME_LENGTH:
            raise InvalidArgument(f"{len(label)} characters; {MAX_DISPLAY_NAME_LENGTH} are allowed", "displayName")

        def use_case(transaction: Transaction) -> Study:
            by_id = studies.find(transaction, name) if study_id else None
            there = by_id or studies.find_displayed(transaction, parent, label)
            if there is None:
                drawn = secrets.randbits(62) if seed is None else seed
                created = studies.insert(transaction, name, label, spec, drawn, self._clock(), kept)
                self._happened(transaction, created, EventKind.STUDY_CREATED)
                return created
            _check_same(there, study_id, label, spec, seed)
            return there

        return await self._store.run(use_case)

    async def get(self, name: StudyName) -> Study:
        """The study of that name.

        Raises:
            NotFound: there is none.
        """
        return await self._store.read(lambda transaction: found(transaction, name))

    async def lookup(self, parent: Location, display_name: str) -> Study:
        """The study that people call `display_name`, or else the one of that id.

        Raises:
            NotFound: there is none.
        """

        def query(transaction: Transaction) -> Study:
            study = studies.find_displayed(transaction, parent, display_name)
            if study is None and is_id(display_name):
                study = studies.find(transaction, StudyName(parent, display_name))
            if study is None:
                raise NotFound(f"{parent} has no study with the displayName {display_name!r}")
            return study

        return await self._store.read(query)

    async def page(self, parent: Location, after: int, limit: int) -> list[Study]:
        """Up to `limit` studies whose key is above `after`, in the order they were created."""
        return await self._store.read(lambda transaction: studies.page(transaction, parent, after, limit))

    async def recent(self, limit: int) -> list[Study]:
        """The `limit` newest studies of all projects and locations, the newest first."""
        return await self._store.read(lambda transaction: studies.recent(transaction, limit))

    async def add_parameters(self, name: StudyName, added: Sequence[Parameter]) -> Study:
        """The study with its search space grown by parameters that it lacks; those it has already may be among them.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: a parameter is there with another range.
        """

        def use_case(transaction: Transaction) -> Study:
            study = found(transaction, name, lock=True)
            space = study.spec.space.grow(added)
            if space == study.spec.space:
                return study
            spec = dataclasses.replace(study.spec, space=space)
            studies.set_spec(transaction, study, spec, study.state)
            names = ", ".join(parameter.id for parameter in added)
            self._happened(transaction, study, EventKind.PARAMETERS_ADDED, names)
            return found(transaction, name)

        return await self._store.run(use_case)

    async def update_metadata(self, name: StudyName, changes: Mapping[str, str]) -> Study:
        """The study with the changed metadata; an empty value removes an entry.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the metadata would have too many entries, or a key is too long.
        """

        def use_case(transaction: Transaction) -> Study:
            study = found(transaction, name, lock=True)
            merged = merge(study.metadata, changes)
            studies.set_metadata(transaction, study, merged)
            return dataclasses.replace(study, metadata=merged)

        return await self._store.run(use_case)

    async def move(self, name: StudyName, verb: StudyVerb, reason: str = "") -> Study:
        """The study, paused, resumed or completed. Trials that run may go on in any case.

        Args:
            name: the study's.
            verb: what to do with it.
            reason: why it is paused, for people.

        Raises:
            NotFound: there is no such study.
            FailedPrecondition: it is completed and cannot be paused, or its budget is used up and it cannot be resumed.
        """

        def use_case(transaction: Transaction) -> Study:
            study = found(transaction, name, lock=True)
            match STUDY_TRANSITIONS[verb][study.state]:
                case Refuse(why):
                    raise refusal(verb, study.state, name, why)
                case MoveStudy(state):
                    if study.state is StudyState.COMPLETED and not _anything_left(transaction, study):
                        raise refusal(verb, study.state, name, "its budget is used up")
                    studies.set_state(transaction, study, state, reason)
                    self._happened(transaction, study, _MOVED[verb], reason)
                    return dataclasses.replace(study, state=state, inactive_reason=reason)
                case Ignore():
                    return study

        return await self._store.run(use_case)

    async def delete(self, name: StudyName) -> None:
        """Removes the study with its trials.

        Raises:
            NotFound: there is none.
        """
        await self._store.run(lambda transaction: studies.delete(transaction, found(transaction, name, lock=True)))

    async def events(self, name: StudyName, after: int, limit: int) -> list[Event]:
        """Up to `limit` events with numbers above `after`, in order; who goes on from the last one misses none.

        Raises:
            NotFound: there is no such study.
        """

        def use_case(transaction: Transaction) -> list[Event]:
            study = found(transaction, name, lock=True)
            events.number(transaction, study)
            return events.page(transaction, study, after, limit)

        return await self._store.run(use_case)

    def _happened(self, transaction: Transaction, study: Study, kind: EventKind, detail: str = "") -> None:
        events.append(transaction, study.key, [Event(kind, self._clock(), detail=detail)])


_MOVED = {
    StudyVerb.PAUSE: EventKind.STUDY_PAUSED,
    StudyVerb.RESUME: EventKind.STUDY_RESUMED,
    StudyVerb.COMPLETE: EventKind.STUDY_COMPLETED,
}


def _anything_left(transaction: Transaction, study: Study) -> bool:
    queued = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", 1)
    return study.remaining_trials != 0 or bool(queued)


def _check_same(there: Study, study_id: str | None, label: str, spec: StudySpec, seed: int | None) -> None:
    difference = first_difference(there.spec, spec)
    if study_id is not None and there.name.study_id != study_id:
        difference = f"studyId is {there.name.study_id!r}, not {study_id!r}"
    elif there.display_name != label:
        difference = f"displayName is {there.display_name!r}, not {label!r}"
    elif seed is not None and seed != there.seed:
        difference = difference or f"seed is {there.seed}, not {seed}"
    if difference:
        raise AlreadyExists(f"{there.name} exists already and differs: {difference}")


def _new_id() -> str:
    return str(secrets.randbelow(9 * 10**17) + 10**17)
