"""Calls of people, not workers, about a study: pause and resume it, change its budget, export it."""

from __future__ import annotations

import os
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import quote

import httpx

from dodona._addressed import Addressed
from dodona._codec import prior_of
from dodona._space import Prior, all_parameters
from dodona._studies.budget import KEEP, Keep, Outlook, changed, outlook_of
from dodona._studies.stopping import EarlyStopping, set_stopping_rule
from dodona._text import checked
from dodona._values import MAX_INT32, whole
from dodona_schemas import vertex

ExportFormat: TypeAlias = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[ExportFormat, ...] = ("csv", "jsonl", "parquet")
ReportFormat: TypeAlias = Literal["html", "md"]
REPORT_FORMATS: tuple[ReportFormat, ...] = ("html", "md")
PIECE_BYTES = 2**18
EVENTS_AT_ONCE = 1000


class Steering(Addressed):
    """Calls about a study as a whole."""

    @property
    def url(self) -> str:
        """Address of the study's page."""
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
        self._change("pause", body)

    def resume(self) -> None:
        """Resume a paused or completed study: workers get trials again.

        Raises:
            FailedPrecondition: its budget is used up.
        """
        self._change("resume")

    def complete(self) -> None:
        """Complete the study: workers finish their trials, and no more are handed out."""
        self._change("complete")

    def rename(self, name: str) -> None:
        """Set the study's display name; scripts that create it by its first name still find it.

        Args:
            name: the new display name.

        Raises:
            AlreadyExists: another study has that name.
            InvalidArgument: it is empty or longer than 256 characters.
        """
        body = vertex.RenameStudyRequest(display_name=checked(name, "the name"), request_id=uuid.uuid4().hex)
        self._change("rename", body)

    def archive(self) -> None:
        """Archive the study: lists omit it; nothing else changes."""
        self._change("archive")

    def unarchive(self) -> None:
        """Remove the study from the archive."""
        self._change("unarchive")

    @property
    def archived(self) -> bool:
        """Whether the study is in the archive."""
        return self.wire.archive_time is not None

    def set_budget(
        self,
        *,
        max_trials: int | Keep | None = KEEP,
        max_seconds: float | Keep | None = KEEP,
        max_failed_trials: int | Keep | None = KEEP,
        max_trials_no_progress: int | Keep | None = KEEP,
        max_seconds_no_progress: float | Keep | None = KEEP,
        deadline: datetime | Keep | None = KEEP,
        max_compute_hours: float | Keep | None = KEEP,
        max_cost: float | Keep | None = KEEP,
        price_per_hour: float | Keep | None = KEEP,
        improvement_unlikely: float | Keep | None = KEEP,
    ) -> None:
        """Change limits of the study; None removes one, and those that are not named stay.

        A completed study continues if only its old budget was used up.

        Args:
            max_trials: how many trials it may have.
            max_seconds: how many seconds after its creation it ends.
            max_failed_trials: at how many failed trials it ends.
            max_trials_no_progress: after how many trials without a better one it ends.
            max_seconds_no_progress: after how many seconds without a better trial it ends.
            deadline: when it ends, instead of `max_seconds`.
            max_compute_hours: after how many hours of compute it ends: the time of workers, times their GPUs.
            max_cost: at which cost of compute it ends.
            price_per_hour: what an hour of compute costs, in any currency.
            improvement_unlikely: below which chance of a clear improvement it ends, such as 0.05; see `outlook`.

        Raises:
            ValueError: a limit is not a number.
            InvalidArgument: a limit is out of range.
            FailedPrecondition: the study is completed and may have more trials, but another limit is reached.
        """
        self.refresh()
        limits = {
            "max_trials": max_trials,
            "max_seconds": max_seconds,
            "max_failed_trials": max_failed_trials,
            "max_trials_no_progress": max_trials_no_progress,
            "max_seconds_no_progress": max_seconds_no_progress,
            "deadline": deadline,
            "max_compute_hours": max_compute_hours,
            "max_cost": max_cost,
            "price_per_hour": price_per_hour,
            "improvement_unlikely": improvement_unlikely,
        }
        config = changed(self.wire.study_spec.study_stopping_config, limits)
        body = vertex.SetBudgetRequest(study_stopping_config=config, request_id=uuid.uuid4().hex)
        self._change("setBudget", body)

    def set_early_stopping(self, early_stopping: EarlyStopping | None) -> None:
        """Replace the rule by which the server stops trials early; it judges running trials by their next reports.

        Args:
            early_stopping: as for `Client.create_study`; None to stop no trial early any more.

        Raises:
            ValueError: it is no such rule.
            InvalidArgument: the rule cannot act on the study.
        """
        body = vertex.SetStoppingRuleRequest(request_id=uuid.uuid4().hex)
        if early_stopping is not None:
            set_stopping_rule(body, early_stopping)
        self._change("setStoppingRule", body)

    def set_priors(self, priors: Mapping[str, Prior | None]) -> None:
        """Set where you believe parameters to be best; the next suggestions count with it.

        Args:
            priors: by the parameters' names, as `{"lr": dodona.near(3e-4)}`; None removes one. Others stay as they are.

        Raises:
            ValueError: the study has no such parameter, or it cannot have such a value.
        """
        known = all_parameters(self.space)
        named = []
        for name, prior in priors.items():
            if name not in known:
                raise ValueError(f"the study has no parameter {name!r}; it has {', '.join(known) or 'none'}")
            found = vertex.ParameterPrior() if prior is None else prior_of(known[name], known[name].check_prior(prior))
            named.append(vertex.NamedPrior(parameter_id=name, values=found.values, sure=found.sure))
        self._change("setPriors", vertex.SetPriorsRequest(priors=named, request_id=uuid.uuid4().hex))

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
        self._change("setMaxTrials", body)

    @property
    def wanted_workers(self) -> int | None:
        """Number of workers that the study should have; None if `dodona run` chooses."""
        return self.wire.wanted_workers

    def set_wanted_workers(self, count: int | None) -> None:
        """Set how many workers the study should have; `dodona run` starts and stops workers to follow the number.

        Args:
            count: the number, of all machines together; None leaves it to `dodona run`.

        Raises:
            ValueError: it is not an integer.
            InvalidArgument: it is out of range.
        """
        number = None if count is None else whole(count, "count", -MAX_INT32, MAX_INT32)
        self._change(
            "setWantedWorkers", vertex.SetWantedWorkersRequest(wanted_workers=number, request_id=uuid.uuid4().hex)
        )

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
            raise ValueError(f"{wanted!r} is not a format of an export; use {', '.join(FORMATS)}")
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

    def report(self, path: str | os.PathLike[str] | None = None, format: ReportFormat | None = None) -> str:  # noqa: A002 - the field's word
        """Return a report of the study: what was searched and how, the best trials, importance, curves, what was saved.

        Args:
            path: of a file to write it to; None to only return it.
            format: "html" for one file with figures, "md" for Markdown with tables. None for the one that the file's
                name ends with, or "html".

        Raises:
            ValueError: there is no such format.
            OSError: the file cannot be written.
        """
        suffix = "" if path is None else Path(path).suffix.removeprefix(".").lower()
        wanted = format or (suffix if suffix in REPORT_FORMATS else "html")
        if wanted not in REPORT_FORMATS:
            raise ValueError(f"{wanted!r} is not a format of a report; use {', '.join(REPORT_FORMATS)}")
        pieces: list[str] = []

        def receive(response: httpx.Response) -> None:
            pieces[:] = [response.read().decode()]

        self._transport.download(f"{self._path}:report?format={wanted}", receive)
        if path is not None:
            Path(path).write_text(pieces[0], encoding="utf-8")
        return pieces[0]

    def outlook(self) -> Outlook:
        """Return what the study has used of its budget, what is left, and the chance of a clear improvement."""
        return outlook_of(self._transport.call("GET", f"{self._path}:outlook", None, vertex.StudyOutlook))

    def replay_stopping(self) -> str | None:
        """Return a sentence about what the stopping rule "auto" would have saved in this study, which has no rule.

        None if the study has a rule, or if its trials are too few or reported too little.
        """
        path = f"{self._path}:replayStopping"
        answer = self._transport.call("GET", path, None, vertex.ReplayStoppingResponse)
        return answer.summary if answer.trial_count else None

    @property
    def last_event(self) -> int:
        """Number of the study's last event; 0 before the first."""
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
