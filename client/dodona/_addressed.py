"""Address of a study: the base of the calls about it."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod

from dodona._http.transport import Transport
from dodona._space import Parameter
from dodona._values import MAX_INT64, whole
from dodona_schemas import vertex
from dodona_schemas.base import WireModel


class Addressed(ABC):
    """A study with an address: the base of the classes that call the server about it."""

    _transport: Transport

    @property
    @abstractmethod
    def name(self) -> str:
        """Full name of the resource: "projects/p/locations/l/studies/s"."""

    @property
    @abstractmethod
    def wire(self) -> vertex.Study:
        """Study as last fetched, in the protocol's form."""

    @property
    @abstractmethod
    def space(self) -> dict[str, Parameter]:
        """Search space as last fetched."""

    @abstractmethod
    def refresh(self) -> None:
        """Fetch the study again."""

    @property
    @abstractmethod
    def _path(self) -> str:
        """Path of the study below the location."""

    @abstractmethod
    def _learn(self, wire: vertex.Study) -> None:
        """Store the study as the server sent it."""

    def _trial_path(self, number: int) -> str:
        return f"{self._path}/trials/{whole(number, 'number', -MAX_INT64, MAX_INT64)}"

    def _change(self, verb: str, body: WireModel | None = None) -> None:
        """Send a change of the study, and take over the answer."""
        body = body or vertex.EmptyRequest(request_id=uuid.uuid4().hex)
        self._learn(self._transport.call("POST", f"{self._path}:{verb}", body, vertex.Study))
