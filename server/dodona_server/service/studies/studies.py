"""What can be done with studies."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Callable, Mapping, Sequence

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import AlreadyExists, InvalidArgument, NotFound, inside
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.lifecycle import STUDY_TRANSITIONS, Ignore, MoveStudy, Refuse, StudyVerb, refusal
from dodona_server.domain.metadata import merge
from dodona_server.domain.names import Location, StudyName, is_id
from dodona_server.domain.page import Page
from dodona_server.domain.reasons import shortened
from dodona_server.domain.space import Parameter
from dodona_server.domain.study import Study, StudySpec, StudyState, first_difference
from dodona_server.domain.trial import TrialState
from dodona_server.service.budget import settle
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.idempotency import Once
from dodona_server.service.studies.lookup import found
from dodona_server.storage import events, ranking, studies, trials
from dodona_server.storage.store import Store, Transaction
from dodona_server.storage.studies import NO_METADATA

MAX_DISPLAY_NAME_LENGTH = 256


class StudyService:
    """Creates, finds, grows and deletes studies.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        schedule: computes the first suggestion of a new study.
        strict: whether to create a study that is there already with an equal spec is an error, as it is at Vertex.
    """

    def __init__(self, store: Store, clock: Callable[[], float], schedule: Schedule, *, strict: bool = False) -> None:
        self._store = store
        self._clock = clock
        self._schedule = schedule
        self._strict = strict

    async def create(
        self,
        parent: Location,
        study_id: str | None,
        display_name: str,
        spec: StudySpec,
        seed: int | None,
        metadata: Mapping[str, str] = NO_METADATA,
        request_id: str | None = None,
    ) -> Study:
        """The study of that id or display name: a new one, or the one there is if its spec is equal.

        Args:
            parent: where it lives.
            study_id: the last part of its name; None lets the server choose a decimal number.
            display_name: the name that people use; the id, if it is empty.
            spec: what is searched, for what, and how.
            seed: of all suggestions; None draws one, and agrees with any seed there is.
            metadata: what the client wants to remember; of a study that is there, it is left as it is.
            request_id: the same id again gets the same study, also if its search space has grown meanwhile.

        Raises:
            InvalidArgument: a name is malformed, or the spec's algorithm is none of this server's.
            AlreadyExists: there is a study of that name with another spec; the message names the first difference.
        """
        with inside("studySpec"):
            algorithm_for(spec.algorithm).check(spec)
        kept = merge({}, metadata)
        name = StudyName(parent, study_id or _new_id(request_id))
        label = display_name or name.study_id
        if len(label) > MAX_DISPLAY_NAME_LENGTH:
            raise InvalidArgument(f"{len(label)} characters; {MAX_DISPLAY_NAME_LENGTH} are allowed", "displayName")

        def use_case(transaction: Transaction) -> Study:
            there = existing(transaction)
            if there is None:
                drawn = secrets.randbits(62) if seed is None else seed
                created = studies.insert(transaction, name, label, spec, drawn, self._clock(), kept)
                self._happened(transaction, created, EventKind.STUDY_CREATED)
                made.append(created)
                return created
            _check_same(there, study_id, label, spec, seed)
            if self._strict:
                raise AlreadyExists(f"{there.name} exists already")
            return there

        def existing(transaction: Transaction) -> Study | None:
            return studies.find(transaction, name) or studies.find_displayed(transaction, parent, label)

        def again(transaction: Transaction) -> Study:
            study = existing(transaction)
            if study is None:
                raise NotFound(f"{name} was created by this request, and deleted since")
            return study

        made: list[Study] = []
        once = Once(request_id, f"create a study in {parent}", parent, self._clock())
        study = await self._store.run(once(use_case, again))
        for created in made[-1:]:  # a use case may run twice, where two servers collide
            self._schedule.prepare(created)
        return study

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

    async def page(self, parent: Location, after: int, limit: int) -> Page[Study]:
        """The page of up to `limit` studies whose key is above `after`, in the order they were created."""
        return await self._store.read(lambda transaction: studies.page(transaction, parent, after, limit))

    async def recent(self, limit: int) -> list[tuple[Study, int]]:
        """Up to `limit` newest studies of all projects and locations, newest first, with how many trials have ended.

        They come without metadata; there are fewer where they are large.
        """

        def query(transaction: Transaction) -> list[tuple[Study, int]]:
            found = studies.recent(transaction, limit).entries
            return list(zip(found, ranking.finished(transaction, found), strict=True))

        return await self._store.read(query)

    async def add_parameters(self, name: StudyName, added: Sequence[Parameter], request_id: str | None = None) -> Study:
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

        return await self._run(name, "addParameters", request_id, use_case)

    async def set_max_trials(self, name: StudyName, count: int, request_id: str | None = None) -> Study:
        """The study with a budget of `count` trials; a completed one goes on if that is more than it had before.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the count is not positive.
            FailedPrecondition: the study is completed, and another limit of its budget is reached.
        """

        def use_case(transaction: Transaction) -> Study:
            study = found(transaction, name, lock=True)
            stopping = dataclasses.replace(study.spec.stopping, max_num_trials=count)
            if stopping == study.spec.stopping:
                return study
            changed = studies.set_stopping(transaction, study, stopping)
            self._happened(transaction, changed, EventKind.MAX_TRIALS_CHANGED, str(count))
            before = study.spec.stopping.max_num_trials
            if study.state is StudyState.COMPLETED and before is not None and count > before:
                self._check_anything_left(transaction, changed)
                studies.set_state(transaction, changed, StudyState.ACTIVE)
                self._happened(transaction, changed, EventKind.STUDY_RESUMED)
                return dataclasses.replace(changed, state=StudyState.ACTIVE)
            return settle(transaction, changed, self._clock())

        return await self._run(name, "setMaxTrials", request_id, use_case)

    async def update_metadata(
        self, name: StudyName, changes: Mapping[str, str], request_id: str | None = None
    ) -> Study:
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

        return await self._run(name, "updateMetadata", request_id, use_case)

    async def move(self, name: StudyName, verb: StudyVerb, reason: str = "", request_id: str | None = None) -> Study:
        """The study, paused, resumed or completed. Trials that run may go on in any case.

        Args:
            name: the study's.
            verb: what to do with it.
            reason: why it is paused, for people; a long one is cut.
            request_id: the same id again gets the same answer, and moves nothing.

        Raises:
            NotFound: there is no such study.
            FailedPrecondition: it is completed and cannot be paused, or its budget is used up and it cannot be resumed.
        """
        reason = shortened(reason)

        def use_case(transaction: Transaction) -> Study:
            study = found(transaction, name, lock=True)
            match STUDY_TRANSITIONS[verb][study.state]:
                case Refuse(why):
                    raise refusal(verb, study.state, name, why)
                case MoveStudy(state):
                    if study.state is StudyState.COMPLETED:
                        self._check_anything_left(transaction, study)
                    studies.set_state(transaction, study, state, reason)
                    self._happened(transaction, study, _MOVED[verb], reason)
                    moved = dataclasses.replace(study, state=state, inactive_reason=reason)
                    # While it was paused its last trial may have ended.
                    return settle(transaction, moved, self._clock())
                case Ignore():
                    return study

        return await self._run(name, str(verb), request_id, use_case)

    def _check_anything_left(self, transaction: Transaction, study: Study) -> None:
        reason = study.spec.stopping.reached(study.progress, study.create_time, self._clock())
        queued = trials.unfinished_trials(transaction, study, TrialState.REQUESTED, "", 1)
        if study.remaining_trials == 0 and not queued:
            reason = reason or "its budget is used up"
        if reason:
            raise refusal(StudyVerb.RESUME, study.state, study.name, reason)

    async def delete(self, name: StudyName, request_id: str | None = None) -> None:
        """Removes the study with its trials: at once for all callers; the keeper clears the rows away by and by.

        Raises:
            NotFound: there is none.
        """

        def use_case(transaction: Transaction) -> None:
            studies.remove(transaction, found(transaction, name, lock=True))

        once = Once(request_id, f"delete {name}", name.parent, self._clock())
        await self._store.run(once(use_case, lambda _: None))

    async def _run(
        self, name: StudyName, verb: str, request_id: str | None, use_case: Callable[[Transaction], Study]
    ) -> Study:
        """The answer of a use case that is done once for each request id."""
        once = Once(request_id, f"{verb} {name}", name.parent, self._clock())
        return await self._store.run(once(use_case, lambda transaction: found(transaction, name)))

    def _happened(self, transaction: Transaction, study: Study, kind: EventKind, detail: str = "") -> None:
        events.append(transaction, study.key, [Event(kind, self._clock(), detail=detail)])


_MOVED = {
    StudyVerb.PAUSE: EventKind.STUDY_PAUSED,
    StudyVerb.RESUME: EventKind.STUDY_RESUMED,
    StudyVerb.COMPLETE: EventKind.STUDY_COMPLETED,
}


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


def _new_id(request_id: str | None) -> str:
    """A decimal number; the same one for the same request."""
    drawn = random.Random(request_id) if request_id else random.SystemRandom()  # noqa: S311 - a name is no secret
    return str(drawn.randrange(10**17, 10**18))
