"""Client: a connection to one server, which creates and finds studies."""

from __future__ import annotations

import functools
import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx

from dodona._announce import announce
from dodona._errors import NotFound, named_problems
from dodona._http.transport import Retry, Transport
from dodona._space import Space
from dodona._studies.deleted import DeletedStudy, deleted_study
from dodona._studies.new_study import goals_of, new_spec
from dodona._studies.prior_studies import requested
from dodona._studies.stopping import EarlyStopping, set_stopping_rule
from dodona._studies.study import Goal, Study
from dodona._text import checked
from dodona._trials.session import Address, Session, unique_worker
from dodona._webhooks import Webhooks
from dodona._workers import WorkerRecord, workers_at
from dodona_schemas import vertex
from dodona_schemas.access import Caller

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_RETRY = Retry()
# The server's limits.
MIN_LEASE_SECONDS = 0.1
MAX_LEASE_SECONDS = 86_400.0

# The characters of a resource's name, and so of a study id that the user chooses; the server's own rule.
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}")
_RESOURCE = re.compile(r"projects/([^/]+)/locations/([^/]+)/studies/([^/]+)")


class Client:
    """A connection to a Dodona server.

    May be used by many threads at once. A client that is sent to another process opens its own connections there, with
    its own worker id. A `token=` goes with it unless DODONA_TOKEN has the same value.

    Args:
        url: the server's address; None for the value of DODONA_URL, or http://127.0.0.1:8080 without one.
        token: the server's secret; None for the value of DODONA_TOKEN, or no secret without one.
        project: the project that the studies belong to.
        location: the location within the project.
        timeout: seconds to wait for the answer to one try of a call.
        retry: how long a call is retried while the server does not answer.
        transport: the httpx transport that carries the requests; None for the network.
        worker: the id under which this process asks for trials. A worker that restarts with the same id gets its
            running trial back at once. Two processes that run at the same time must not share an id. None for the
            value of DODONA_WORKER, or a unique id without one.
        lease_seconds: how long the server waits for a heartbeat or a report before another worker gets the trial. A
            thread sends the heartbeats while the process lives.

    Raises:
        ValueError: the address, the token or the worker id is not valid, or the lease is too short or too long.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str | None = None,
        location: str = "local",
        *,
        timeout: float = 30.0,
        retry: Retry = DEFAULT_RETRY,
        transport: httpx.BaseTransport | None = None,
        worker: str | None = None,
        lease_seconds: float = 60.0,
    ) -> None:
        if not MIN_LEASE_SECONDS <= lease_seconds <= MAX_LEASE_SECONDS:
            allowed = f"from {MIN_LEASE_SECONDS:g} to {MAX_LEASE_SECONDS:.0f} seconds"
            raise ValueError(f"a lease of {lease_seconds!r} s is not {allowed}")
        project = project or os.environ.get("DODONA_PROJECT") or "default"
        self._place = (project, location)
        self._transport = Transport(
            url or os.environ.get("DODONA_URL") or DEFAULT_URL,
            f"projects/{quote(project, safe='')}/locations/{quote(location, safe='')}",
            token=token or os.environ.get("DODONA_TOKEN"),
            timeout=timeout,
            retry=retry,
            transport=transport,
        )
        named = worker or os.environ.get("DODONA_WORKER")
        address = Address(
            self.url,
            # A token of the environment is not sent along: the other process has an environment too.
            token if token != os.environ.get("DODONA_TOKEN") else None,
            project,
            location,
            timeout,
            retry,
            transport,
            lease_seconds,
        )
        self._session = Session(self._transport, checked(named, "worker") if named else None, address, self._study)

    def __reduce__(self) -> tuple[Any, ...]:
        # Connections and threads stay here: another process opens its own.
        return _client_at, (self._session.address,)

    def __repr__(self) -> str:
        return f"<Client of {self.url} as {self.worker!r}>"

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._transport.url

    @property
    def worker(self) -> str:
        """Id under which this process asks for trials."""
        return self._session.worker

    def create_study(
        self,
        name: str,
        space: Space | None = None,
        *,
        goal: Goal | None = None,
        metric: str = "objective",
        metrics: Mapping[str, Goal] | None = None,
        max_trials: int | None = None,
        max_seconds: float | None = None,
        deadline: datetime | None = None,
        max_compute_hours: float | None = None,
        max_cost: float | None = None,
        price_per_hour: float | None = None,
        improvement_unlikely: float | None = None,
        algorithm: str | None = None,
        algorithm_options: Mapping[str, bool | int | float | str] | None = None,
        seed: int | None = None,
        early_stopping: EarlyStopping | None = None,
        prior_studies: Literal["auto", "off"] | Sequence[str] | None = None,
        spec: vertex.StudySpec | Mapping[str, Any] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Study:
        """Return the study of that name; create it if it does not exist.

        Any number of workers may call this at once with the same arguments; they share the study. A terminal or a
        notebook shows the address of its page.

        Args:
            name: the study's display name.
            space: the search space; None for one that grows by `Study.add_parameters`.
            goal: "minimize" or "maximize", for a study with one metric.
            metric: the name of that metric.
            metrics: the goal of each metric, for several; the first one ranks the trials.
            max_trials: how many trials the study may have; None for no limit.
            max_seconds: how many seconds after its creation it ends.
            deadline: when it ends, instead of `max_seconds`.
            max_compute_hours: after how many hours of compute it ends: the time of workers, times their GPUs.
            max_cost: at which cost of compute it ends.
            price_per_hour: what an hour of compute costs, in any currency.
            improvement_unlikely: below which chance of a clear improvement it ends, such as 0.05; see `Study.outlook`.
            algorithm: the search algorithm, such as "random_search"; None for the server's default.
            algorithm_options: the algorithm's options by name, such as {"max_resource": 81} for "asha".
            seed: the seed of all suggestions; None to let the server draw one.
            early_stopping: the rule by which the server stops trials early: "auto", "median", "decay_curve", "convex",
                "asha" or "no_progress"; a message such as `dodona_schemas.vertex.AshaStoppingSpec(min_resource=2)`, or
                a dict of its JSON such as {"ashaStoppingSpec": {"minResource": 2}}; None for no rule.
            prior_studies: the ids of earlier studies to learn from; "auto" to let the server find the most similar ones
                of the project; "off" or None for none. Only the default algorithm learns from them.
            spec: the whole study in the protocol's form, instead of the arguments above: a StudySpec, or a dict of its
                JSON.
            metadata: entries to store with a new study.

        Raises:
            ValueError: the arguments do not describe a study.
            AlreadyExists: the study exists with another spec; the message names the first difference.
            InvalidArgument: the server does not accept the spec.
            ServerUnreachable: the server does not answer.
        """
        limits = {
            "max_trials": max_trials,
            "max_seconds": max_seconds,
            "deadline": deadline,
            "max_compute_hours": max_compute_hours,
            "max_cost": max_cost,
            "price_per_hour": price_per_hour,
            "improvement_unlikely": improvement_unlikely,
        }
        if spec is None:
            spec = new_spec(space, goals_of(goal, metric, metrics), limits, algorithm, seed)
            spec.algorithm_options = dict(algorithm_options or {})
            if early_stopping is not None:
                set_stopping_rule(spec, early_stopping)
            spec.prior_studies = requested(prior_studies)
        elif any(
            given is not None
            for given in (
                space,
                goal,
                metrics,
                algorithm,
                algorithm_options,
                seed,
                early_stopping,
                prior_studies,
                *limits.values(),
            )
        ):
            raise ValueError("spec describes the whole study; pass either spec or the other arguments")
        with named_problems("spec"):
            spec = vertex.StudySpec.model_validate(spec)
        body = vertex.CreateStudyRequest(
            request_id=uuid.uuid4().hex,
            display_name=checked(name, "the study's name"),
            study_spec=spec,
            study_id=name if _ID.fullmatch(name) else None,
            metadata={
                checked(key, "a key of metadata"): checked(value, f"metadata[{key!r}]")
                for key, value in (metadata or {}).items()
            },
        )
        study = self._study(self._transport.call("POST", "studies", body, vertex.Study))
        announce(study.display_name, study.url)
        return study

    def check_study(self, name: str, spec: vertex.StudySpec | Mapping[str, Any]) -> vertex.StudySpec:
        """Return the spec as the server would store it, and create nothing.

        Args:
            name: the study's display name.
            spec: the whole study in the protocol's form; see `create_study`.

        Raises:
            ValueError: the spec is not in the protocol's form.
            InvalidArgument: the server does not accept it.
        """
        with named_problems("spec"):
            spec = vertex.StudySpec.model_validate(spec)
        body = vertex.CreateStudyRequest(
            display_name=checked(name, "the study's name"), study_spec=spec, validate_only=True
        )
        return self._transport.call("POST", "studies", body, vertex.Study).study_spec

    def get_study(self, name: str) -> Study:
        """Return the study with that resource name, id or display name.

        Raises:
            NotFound: there is none.
            ValueError: the name is not a text, or names a study in another project or location.
            ServerUnreachable: the server does not answer.
        """
        name = self._within(checked(name, "the study's name"))
        if _ID.fullmatch(name):
            # Other clients may have created it with an id from the server; then only its display name is this one.
            with suppress(NotFound):
                return self._study(self._transport.call("GET", f"studies/{name}", None, vertex.Study))
        body = vertex.LookupStudyRequest(display_name=name)
        return self._study(self._transport.call("POST", "studies:lookup", body, vertex.Study))

    def studies(self) -> Iterator[Study]:
        """Yield all studies of the project and location, oldest first.

        Raises:
            ServerUnreachable: the server does not answer.
        """
        for page in self._transport.pages("studies", vertex.ListStudiesResponse):
            for wire in page.studies:
                yield self._study(wire)

    def caller(self) -> Caller:
        """Return who the server takes this client for: the name of its token, and what that may do in the project.

        Raises:
            ServerUnreachable: the server does not answer.
        """
        return self._transport.call("GET", "caller", None, Caller)

    @property
    def webhooks(self) -> Webhooks:
        """Webhooks of the project."""
        return Webhooks(self._transport)

    def workers(self, alive: bool = False) -> list[WorkerRecord]:
        """Return the workers of all studies of the project and location, those that run trials first.

        Args:
            alive: whether to leave out those that run no trial and have not asked for one within a minute.

        Raises:
            ServerUnreachable: the server does not answer.
        """
        return list(workers_at(self._transport, "workers", alive))

    def delete_study(self, name: str) -> None:
        """Delete the study of that name (see `get_study`) with all its trials; `undelete_study` brings it back.

        Raises:
            NotFound: there is none.
            ServerUnreachable: the server does not answer.
        """
        self.get_study(name).delete()

    def deleted_studies(self) -> list[DeletedStudy]:
        """Return the studies of the project and location that can be restored, the last deleted first.

        Raises:
            ServerUnreachable: the server does not answer.
        """
        listed = self._transport.call("GET", "deletedStudies", None, vertex.ListDeletedStudiesResponse)
        return [deleted_study(wire) for wire in listed.deleted_studies]

    def undelete_study(self, name: str, new_name: str | None = None) -> Study:
        """Restore a deleted study with its trials and files, and return it.

        Args:
            name: its id, display name, or id among the deleted studies; of several, the last deleted one.
            new_name: its new id and display name, if another study has its name now.

        Raises:
            NotFound: there is no such deleted study.
            AlreadyExists: another study has its name now.
            ServerUnreachable: the server does not answer.
        """
        body = vertex.UndeleteStudyRequest(study_id=new_name or "", request_id=uuid.uuid4().hex)
        path = f"deletedStudies/{self._deleted(name).id}:undelete"
        return self._study(self._transport.call("POST", path, body, vertex.Study))

    def purge_study(self, name: str) -> None:
        """Purge a deleted study: its trials and files are lost permanently; `name` is as in `undelete_study`.

        Raises:
            NotFound: there is no such deleted study.
            ServerUnreachable: the server does not answer.
        """
        path = f"deletedStudies/{self._deleted(name).id}?requestId={uuid.uuid4().hex}"
        self._transport.call("DELETE", path, None, vertex.Empty)

    def _deleted(self, name: str) -> DeletedStudy:
        for one in self.deleted_studies():
            if checked(name, "the study's name") in (one.id, one.study_id, one.display_name):
                return one
        raise NotFound(404, "NOT_FOUND", f"no deleted study {name!r} can be restored")

    def close(self) -> None:
        """Close the connections; the client and its studies cannot be used any more.

        Active trials are not ended: other workers get them when their leases expire.
        """
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def _within(self, name: str) -> str:
        """Return the study id in a resource name of this project and location; any other name unchanged."""
        match = _RESOURCE.fullmatch(name)
        if match is None:
            return name
        if (match[1], match[2]) != self._place:
            raise ValueError(
                f"{name!r} belongs to another project or location than this client; "
                f"use Client(project={match[1]!r}, location={match[2]!r}).get_study({match[3]!r})"
            )
        return match[3]

    def _study(self, wire: vertex.Study) -> Study:
        return Study(self._session, wire)


@functools.lru_cache(maxsize=16)
def _client_at(address: Address) -> Client:
    """Return this process's client for studies that came from another process; it has its own worker id."""
    return Client(
        address.url,
        address.token,
        address.project,
        address.location,
        timeout=address.timeout,
        retry=address.retry,
        transport=address.transport,
        worker=unique_worker(),
        lease_seconds=address.lease_seconds,
    )
