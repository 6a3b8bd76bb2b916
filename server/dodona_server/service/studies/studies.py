"""Create, find, change and delete studies."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Callable, Mapping, Sequence

from dodona_server.algorithms.registry import algorithm_for
from dodona_server.domain.errors import AlreadyExists, DodonaError, Field, NotFound, inside
from dodona_server.domain.event import EventKind
from dodona_server.domain.metadata import merge
from dodona_server.domain.names import Location, StudyName, check_display_name, is_id
from dodona_server.domain.page import Page
from dodona_server.domain.reasons import shortened
from dodona_server.domain.space import Parameter
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.studies.difference import Difference, first_difference
from dodona_server.domain.studies.hint import Hint, checked_hints
from dodona_server.domain.studies.study import Study, StudySpec, StudyState
from dodona_server.domain.studies.study_states import STUDY_TRANSITIONS, MoveStudy, StudyVerb
from dodona_server.domain.trials.trial_states import refusal
from dodona_server.service.budget import complete_if_over, why_over
from dodona_server.service.computing.schedule import Schedule
from dodona_server.service.idempotency import IdempotentCall, Request
from dodona_server.service.quotas import NO_LIMITS, Quotas
from dodona_server.service.studies.changing import Changing
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.studies.prior_studies import (
    find_prior_studies,
    with_known_priors,
    with_prior_studies,
    worded,
)
from dodona_server.storage.engine.store import Store, Transaction, after_commit
from dodona_server.storage.studies import deleted_studies, studies
from dodona_server.storage.studies.studies import NO_METADATA

# By default a deleted study can be restored for a week.
KEPT_SECONDS = 7 * 24 * 3600.0
# What precedes the id in a reference to a created study.
STUDIES = "studies/"


class StudyService(Changing):
    """Creates, finds, changes and deletes studies.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
        schedule: computes the first suggestion of a new study.
        kept_seconds: how long a deleted study can be restored.
        strict: whether creating a study that exists with an equal spec is an error, as in Vertex.
        quotas: of projects.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        schedule: Schedule,
        kept_seconds: float = KEPT_SECONDS,
        *,
        strict: bool = False,
        quotas: Quotas | None = None,
    ) -> None:
        super().__init__(store, clock)
        self._kept_seconds = kept_seconds
        self._schedule = schedule
        self._strict = strict
        self._quotas = quotas or Quotas(store, NO_LIMITS)

    @staticmethod
    def check(display_name: str, spec: StudySpec) -> None:
        """Check a study before it is created.

        Raises:
            InvalidArgument: the name is malformed, or this server does not have the spec's algorithm.
        """
        with inside("study_spec"):
            algorithm_for(spec.algorithm).check(spec)
        check_display_name(display_name)

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
        """Create a study and return it; if one of that id or display name exists with an equal spec, return that one.

        Args:
            parent: its project and location.
            study_id: the last part of its name; None lets the server choose a decimal number.
            display_name: the name that people use; empty for the id.
            spec: the search space, the metrics and the settings.
            seed: of all suggestions; None draws one, and matches any seed of an existing study.
            metadata: strings to store with it; those of an existing study stay as they are.
            request_id: the same id again returns the same study, even if its search space has grown since.

        Raises:
            InvalidArgument: a name is malformed, or this server does not have the spec's algorithm.
            AlreadyExists: a study of that name exists with another spec; the message names the first difference.
            QuotaExceeded: the project may have no further study.
        """
        kept = merge({}, metadata)
        name = StudyName(parent, study_id or _new_id(request_id))
        label = display_name or name.study_id
        self.check(label, spec)
        request = Request(request_id, f"create a study in {parent}") if request_id else None

        def use_case(transaction: Transaction) -> Study:
            made = request.result(transaction, parent) if request else None
            if made is not None:
                return again(transaction, made)
            study = create(transaction)
            if request:
                request.keep(transaction, parent, self._clock(), f"{STUDIES}{study.name.study_id}")
            return study

        def create(transaction: Transaction) -> Study:
            known = existing(transaction)
            if known is None:
                self._quotas.check_study(transaction, parent.project)
                drawn = secrets.randbits(62) if seed is None else seed
                found = find_prior_studies(transaction, name, spec)
                whole = with_prior_studies(spec, found)
                created = studies.insert(transaction, name, label, whole, drawn, self._clock(), kept)
                self._record(transaction, created, EventKind.STUDY_CREATED)
                if found:
                    self._record(transaction, created, EventKind.PRIOR_STUDIES_FOUND, worded(found))
                after_commit(transaction, lambda: self._schedule.prepare(created))
                return created
            # Scripts still name what people have changed since.
            _check_same(known, studies.as_created(transaction, known), study_id, label, spec, seed)
            if self._strict:
                raise AlreadyExists(f"{known.name} exists already")
            return known

        def existing(transaction: Transaction) -> Study | None:
            return (
                studies.find(transaction, name)
                or studies.find_displayed(transaction, parent, label)
                or studies.find_created(transaction, parent, label)
            )

        def again(transaction: Transaction, made: str) -> Study:
            # Older servers stored no reference.
            named = StudyName(parent, made.removeprefix(STUDIES)) if made else None
            study = studies.find(transaction, named) if named else existing(transaction)
            if study is None:
                raise NotFound(f"{name} was created by this request and has been deleted since")
            return study

        return await self._store.run(use_case)

    async def get(self, name: StudyName) -> Study:
        """Return the study of that name, with the earlier studies that it learns from.

        Raises:
            NotFound: there is none.
        """
        return await self._store.read(lambda transaction: with_known_priors(transaction, get_study(transaction, name)))

    async def lookup(self, parent: Location, display_name: str) -> Study:
        """Return the study of that display name, or else the one of that id, or the one that had that name at first.

        Raises:
            NotFound: there is none.
        """

        def query(transaction: Transaction) -> Study:
            study = studies.find_displayed(transaction, parent, display_name)
            if study is None and is_id(display_name):
                study = studies.find(transaction, StudyName(parent, display_name))
            study = study or studies.find_created(transaction, parent, display_name)
            if study is None:
                raise NotFound((f"{parent} has no study with the ", Field("display_name"), f" {display_name!r}"))
            return with_known_priors(transaction, study)

        return await self._store.read(query)

    async def page(self, parent: Location, after: int, limit: int) -> Page[Study]:
        """Return up to `limit` studies with keys above `after`, in the order of creation."""
        return await self._store.read(lambda transaction: studies.page(transaction, parent, after, limit))

    async def add_parameters(
        self,
        name: StudyName,
        added: Sequence[Parameter],
        hints: Mapping[str, Hint],
        request_id: str | None = None,
    ) -> Study:
        """Add parameters to the search space and return the study; parameters that it already has are ignored.

        Args:
            name: the study.
            added: the parameters.
            hints: about them, by name; those about parameters that the study has already are ignored too.
            request_id: the same id again returns the same answer and changes nothing.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: a parameter exists with another range, or a hint is out of its parameter's range.
        """

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            space = study.spec.space.grow(added)
            if space == study.spec.space:
                return study
            known = {parameter.id for _, parameter in study.spec.space.walk()}
            new = {one: hint for one, hint in hints.items() if one not in known}
            checked = checked_hints(space, {**study.spec.hints, **new})
            grown = dataclasses.replace(study.spec, space=space, hints=checked)
            found = find_prior_studies(transaction, name, grown)
            spec = with_prior_studies(grown, found)
            studies.set_spec(transaction, study, spec, study.state)
            names = ", ".join(parameter.id for parameter in added)
            self._record(transaction, study, EventKind.PARAMETERS_ADDED, names)
            if spec.found_prior_studies != study.spec.found_prior_studies:
                self._record(transaction, study, EventKind.PRIOR_STUDIES_FOUND, worded(found))
            return get_study(transaction, name)

        return await self._run(name, "addParameters", request_id, use_case)

    async def update_metadata(
        self, name: StudyName, changes: Mapping[str, str], request_id: str | None = None
    ) -> Study:
        """Change the study's metadata and return the study; an empty value removes an entry.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the metadata would have too many entries, or a key is too long.
        """

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            merged = merge(study.metadata, changes)
            studies.set_metadata(transaction, study, merged)
            return dataclasses.replace(study, metadata=merged)

        return await self._run(name, "updateMetadata", request_id, use_case)

    async def move(self, name: StudyName, verb: StudyVerb, reason: str = "", request_id: str | None = None) -> Study:
        """Pause, resume or complete the study and return it. Running trials may continue in any case.

        Args:
            name: the study's.
            verb: the action.
            reason: why it is paused, for people; a long one is cut.
            request_id: the same id again returns the same answer and changes nothing.

        Raises:
            NotFound: there is no such study.
            FailedPrecondition: it is completed and cannot be paused, or its budget is used up and it cannot be resumed.
        """
        reason = shortened(reason)

        def use_case(transaction: Transaction) -> Study | DodonaError:
            study = get_study(transaction, name, lock=True)
            match STUDY_TRANSITIONS[verb][study.state]:
                case Refuse(why):
                    return refusal(verb, study.state, name, why)
                case MoveStudy(state):
                    over = study.state is StudyState.COMPLETED and why_over(transaction, study, self._clock())
                    if over:
                        return refusal(verb, study.state, name, over)
                    studies.set_state(transaction, study, state, reason)
                    self._record(transaction, study, _MOVED[verb], reason)
                    # Its last trial may have ended while it was paused.
                    return complete_if_over(transaction, study.in_state(state, reason), self._clock())
                case Ignore():
                    return study

        return await self._run(name, str(verb), request_id, use_case)

    async def delete(self, name: StudyName, request_id: str | None = None) -> None:
        """Delete the study with its trials. Callers no longer see it at once; for a time it can be restored.

        Raises:
            NotFound: there is none.
        """

        def use_case(transaction: Transaction) -> None:
            now = self._clock()
            study = get_study(transaction, name, lock=True)
            deleted_studies.hold(transaction, study, now, now + self._kept_seconds)

        once = IdempotentCall(request_id, f"delete {name}", name.parent, self._clock())
        await self._store.run(once(use_case, lambda _: None))


_MOVED = {
    StudyVerb.PAUSE: EventKind.STUDY_PAUSED,
    StudyVerb.RESUME: EventKind.STUDY_RESUMED,
    StudyVerb.COMPLETE: EventKind.STUDY_COMPLETED,
}


def _check_same(
    known: Study, created: Study, study_id: str | None, label: str, spec: StudySpec, seed: int | None
) -> None:
    found = None if spec == created.spec else first_difference(known.spec, spec)
    if study_id is not None and known.name.study_id != study_id:
        found = Difference("study_id", f"is {known.name.study_id!r}, not {study_id!r}")
    elif label not in (known.display_name, created.display_name):
        found = Difference("display_name", f"is {known.display_name!r}, not {label!r}")
    elif seed is not None and seed != known.seed:
        found = found or Difference("seed", f"is {known.seed}, not {seed}")
    if found:
        raise AlreadyExists((f"{known.name} exists already and differs: ", Field(found.field), f" {found.what}"))


def _new_id(request_id: str | None) -> str:
    """Return a decimal number; the same one for the same request."""
    drawn = random.Random(request_id) if request_id else random.SystemRandom()  # noqa: S311 - a name is no secret
    return str(drawn.randrange(10**17, 10**18))
