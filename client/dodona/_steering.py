"""What people do with a study, rather than its workers: pause and resume it, change its budget, export it."""

from __future__ import annotations

import os
import secrets
import uuid
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote

import httpx

from dodona._text import checked
from dodona._transport import Transport
from dodona._values import MAX_INT32, MAX_INT64, whole
from dodona_schemas import vertex

ExportFormat: TypeAlias = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[ExportFormat, ...] = ("csv", "jsonl", "parquet")
PIECE_BYTES = 2**18
EVENTS_AT_ONCE = 1000


class Steering(ABC):
    """The calls about a study as a whole, for classes that know its address."""

    _transport: Transport

    @property
    @abstractmethod
    def name(self) -> str:
        """The resource's whole name: "projects/p/locations/l/studies/s"."""

    @property
    @abstractmethod
    def _path(self) -> str:
        """The study's path below the location."""

    @abstractmethod
    def _learn(self, wire: vertex.Study) -> None:
        """Take over the study as the server sent it."""

    @property
    def url(self) -> str:
        """The address of the study's page."""
        _, project, _, location, _, study = self.name.split("/")
        return f"{self._transport.url}/studies/" + "/".join(quote(part, safe="") for part in (project, location, study))

    def pause(self, reason: str = "") -> None:
        """Pause the study: workers finish their trials and get no more until it is resumed.

        Args:
            reason: why, for those who look at it.

        Raises:
            FailedPrecondition: it is completed.
        """
        body = vertex.PauseStudyRequest(reason=checked(reason, "the reason"), request_id=uuid.uuid4().hex)
        self._learn(self._transport.call("POST", f"{self._path}:pause", body, vertex.Study))

    def resume(self) -> None:
        """Let workers get trials again, from a paused or a completed study.

        Raises:
            FailedPrecondition: its budget is used up.
        """
        self._change("resume")

    def complete(self) -> None:
        """Complete the study: workers finish their trials, and no more are handed out."""
        self._change("complete")

    def _change(self, verb: str) -> None:
        body = vertex.EmptyRequest(request_id=uuid.uuid4().hex)
        self._learn(self._transport.call("POST", f"{self._path}:{verb}", body, vertex.Study))

    def set_max_trials(self, max_trials: int) -> None:
        """Set how many trials the study may have; a larger number continues a completed study.

        Args:
            max_trials: the number, of all trials together.

        Raises:
            ValueError: it is not an integer.
            InvalidArgument: it is not positive.
            FailedPrecondition: the study is completed, and another limit of its budget is reached.
        """
        budget = whole(max_trials, "max_trials", -MAX_INT32, MAX_INT32)
        body = vertex.SetMaxTrialsRequest(max_num_trials=budget, request_id=uuid.uuid4().hex)
        self._learn(self._transport.call("POST", f"{self._path}:setMaxTrials", body, vertex.Study))

    def stop_trial(self, number: int) -> None:
        """Ask the worker of a trial to end it early; it notices at its next report.

        Raises:
            NotFound: there is no such trial.
            FailedPrecondition: no worker runs it.
        """
        body = vertex.EmptyRequest(request_id=uuid.uuid4().hex)
        self._transport.call("POST", f"{self._trial_path(number)}:stop", body, vertex.Trial)

    def delete_trial(self, number: int) -> None:
        """Delete a trial with its measurements and files; the budget allows another one instead.

        Raises:
            NotFound: there is no such trial.
        """
        path = f"{self._trial_path(number)}?requestId={uuid.uuid4().hex}"
        self._transport.call("DELETE", path, None, vertex.Empty)

    def export(self, path: str | os.PathLike[str], format: ExportFormat | None = None) -> Path:  # noqa: A002 - the field's word
        """Write all trials to a file, and return its path; an earlier file is replaced at the end.

        Args:
            path: of the file.
            format: "csv" or "parquet" for a row of final values for each trial, "jsonl" for whole trials with their
                measurements. None for the one that the file's name ends with.

        Raises:
            ValueError: there is no such format.
            OSError: the file cannot be written.
        """
        target = Path(path)
        wanted = format or target.suffix.removeprefix(".").lower()
        if wanted not in FORMATS:
            raise ValueError(f"{wanted!r} is no format of an export; use {', '.join(FORMATS)}")
        temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}")
        try:
            with temporary.open("xb") as file:

                def receive(response: httpx.Response) -> None:
                    file.seek(0)
                    file.truncate()
                    for piece in response.iter_bytes(PIECE_BYTES):
                        file.write(piece)

                self._transport.download(f"{self._path}:export?format={wanted}", receive)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return target

    @property
    def last_event(self) -> int:
        """The number of the study's last event; 0 before the first."""
        return self.changed_trials(0)[0]

    def changed_trials(self, since: int) -> tuple[int, list[int]]:
        """Return the number of the study's last event, and the trials that events after number `since` are about."""
        changed: dict[int, None] = {}
        while True:
            path = f"{self._path}/events?after={since}&pageSize={EVENTS_AT_ONCE}"
            events = self._transport.call("GET", path, None, vertex.ListEventsResponse).events
            changed |= {int(event.trial.rpartition("/")[2]): None for event in events if event.trial}
            if not events:
                return since, list(changed)
            since = events[-1].number

    def delete(self) -> None:
        """Delete the study with all its trials."""
        self._transport.call("DELETE", f"{self._path}?requestId={uuid.uuid4().hex}", None, vertex.Empty)

    def _trial_path(self, number: int) -> str:
        return f"{self._path}/trials/{whole(number, 'number', -MAX_INT64, MAX_INT64)}"
