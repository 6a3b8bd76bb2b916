"""Changes to a study by people: its name, budget, stopping rule and workers, and whether it is archived."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from dodona_server.domain.errors import AlreadyExists, DodonaError, InvalidArgument
from dodona_server.domain.event import EventKind
from dodona_server.domain.names import StudyName, check_display_name
from dodona_server.domain.reasons import shortened
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.hint import Hint, checked_hints
from dodona_server.domain.studies.stopping_rule import StoppingRule
from dodona_server.domain.studies.study import MAX_WANTED_WORKERS, Study, StudySpec, StudyState
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.domain.studies.time_left import TOO_LATE
from dodona_server.domain.trials.trial_states import refusal
from dodona_server.service.budget import complete_if_over, why_over
from dodona_server.service.studies.changing import Changing
from dodona_server.service.studies.lookup import get_study
from dodona_server.service.trials.stopping import renew_curves
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.studies import studies


class StudySteering(Changing):
    """Changes studies. Scripts that create a changed study again still find it by its first name and settings.

    Args:
        store: where they are kept.
        clock: the time, in seconds since the epoch.
    """

    async def rename(self, name: StudyName, display_name: str, request_id: str | None = None) -> Study:
        """Set the study's display name and return the study; its id stays.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the name is empty or too long.
            AlreadyExists: another study of the location has that name.
        """
        check_display_name(display_name)

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            if display_name == study.display_name:
                return study
            other = studies.find_displayed(transaction, name.parent, display_name)
            if other is not None:
                raise AlreadyExists(f"{other.name} has the display name {display_name!r} already; use another one")
            renamed = dataclasses.replace(study, display_name=display_name)
            studies.change(transaction, renamed)
            self._record(transaction, renamed, EventKind.STUDY_RENAMED, display_name)
            return renamed

        return await self._run(name, "rename", request_id, use_case)

    async def set_max_trials(self, name: StudyName, count: int, request_id: str | None = None) -> Study:
        """Set how many trials the study may have and return the study; see `set_budget`.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the count is not positive.
            FailedPrecondition: see `set_budget`.
        """

        def changed(before: StoppingConfig) -> StoppingConfig:
            return dataclasses.replace(before, max_num_trials=count)

        return await self._set_budget(name, "setMaxTrials", changed, request_id)

    async def set_budget(self, name: StudyName, budget: StoppingConfig, request_id: str | None = None) -> Study:
        """Replace the study's budget and return the study.

        A completed study resumes if it may have more trials than before, or if only its old budget was used up.

        Raises:
            NotFound: there is no such study.
            FailedPrecondition: the study is completed and may have more trials, but another limit is reached.
        """
        return await self._set_budget(name, "setBudget", lambda _: budget, request_id)

    async def _set_budget(
        self,
        name: StudyName,
        verb: str,
        changed_budget: Callable[[StoppingConfig], StoppingConfig],
        request_id: str | None,
    ) -> Study:
        def use_case(transaction: Transaction) -> Study | DodonaError:
            study = get_study(transaction, name, lock=True)
            before = study.spec.stopping
            budget = changed_budget(before)
            if budget == before:
                return study
            changed = dataclasses.replace(study, spec=dataclasses.replace(study.spec, stopping=budget))
            over = why_over(transaction, changed, self._clock())
            grows = _grows(before.max_num_trials, budget.max_num_trials)
            completed = study.state is StudyState.COMPLETED
            if completed and grows and over:
                return refusal(StudyVerb.RESUME, study.state, name, over)
            was_late = study.inactive_reason == TOO_LATE and budget.maximum_runtime != before.maximum_runtime
            was_over = was_late or bool(why_over(transaction, study, self._clock()))
            resumes = completed and not over and (grows or was_over)
            studies.change(transaction, changed)
            if dataclasses.replace(before, max_num_trials=budget.max_num_trials) == budget:
                self._record(
                    transaction, changed, EventKind.MAX_TRIALS_CHANGED, str(budget.max_num_trials or "no limit")
                )
            else:
                self._record(transaction, changed, EventKind.BUDGET_CHANGED)
            if resumes:
                studies.set_state(transaction, changed, StudyState.ACTIVE)
                self._record(transaction, changed, EventKind.STUDY_RESUMED)
                return changed.in_state(StudyState.ACTIVE)
            return complete_if_over(transaction, changed, self._clock())

        return await self._run(name, verb, request_id, use_case)

    async def set_stopping_rule(
        self,
        name: StudyName,
        rule: StoppingRule | None,
        check: Callable[[StudySpec], None],
        request_id: str | None = None,
    ) -> Study:
        """Replace the rule that stops trials early and return the study; it judges trials by their reports from now on.

        Args:
            name: the study.
            rule: the new one; None for no rule.
            check: raises InvalidArgument if the rule cannot act on such a study.
            request_id: the same id again returns the same answer and changes nothing.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the rule cannot act on the study.
        """

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            if rule == study.spec.stopping_rule:
                return study
            spec = dataclasses.replace(study.spec, stopping_rule=rule)
            check(spec)
            changed = dataclasses.replace(study, spec=spec)
            studies.change(transaction, changed)
            before = study.spec.stopping_rule
            if rule is not None and (before is None or before.use_elapsed_time != rule.use_elapsed_time):
                renew_curves(transaction, changed)
            detail = "no rule" if rule is None else rule.method.value.replace("_", " ").lower()
            self._record(transaction, changed, EventKind.STOPPING_RULE_CHANGED, detail)
            return changed

        return await self._run(name, "setStoppingRule", request_id, use_case)

    async def set_wanted_workers(self, name: StudyName, count: int | None, request_id: str | None = None) -> Study:
        """Set how many workers the study should have and return it; the commands that start workers follow the number.

        Args:
            name: the study.
            count: the number; None leaves it to those who start workers.
            request_id: the same id again returns the same answer and changes nothing.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: the number is out of range.
        """
        if count is not None and not 0 <= count <= MAX_WANTED_WORKERS:
            raise InvalidArgument(f"{count} is not from 0 to {MAX_WANTED_WORKERS}", "wanted_workers")

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            if count == study.wanted_workers:
                return study
            studies.set_wanted_workers(transaction, study, count)
            detail = "any number" if count is None else str(count)
            self._record(transaction, study, EventKind.WANTED_WORKERS_CHANGED, detail)
            return dataclasses.replace(study, wanted_workers=count)

        return await self._run(name, "setWantedWorkers", request_id, use_case)

    async def set_hints(
        self, name: StudyName, hints: Mapping[str, Hint | None], request_id: str | None = None
    ) -> Study:
        """Set hints about parameters and return the study; the next suggestions count with them.

        Args:
            name: the study.
            hints: by the parameters' names; None removes one. Those of other parameters stay.
            request_id: the same id again returns the same answer and changes nothing.

        Raises:
            NotFound: there is no such study.
            InvalidArgument: there is no such parameter, or it cannot have a hinted value.
        """

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            wanted = {one: hint for one, hint in {**study.spec.hints, **hints}.items() if hint is not None}
            checked = checked_hints(study.spec.space, wanted)
            if checked == study.spec.hints:
                return study
            changed = dataclasses.replace(study, spec=dataclasses.replace(study.spec, hints=checked))
            studies.change(transaction, changed)
            told = (f"{one} {checked[one]}" if one in checked else f"none about {one}" for one in hints)
            self._record(transaction, changed, EventKind.HINTS_CHANGED, shortened("; ".join(told)))
            return changed

        return await self._run(name, "setPriors", request_id, use_case)

    async def archive(self, name: StudyName, archived: bool, request_id: str | None = None) -> Study:
        """Archive the study or take it out of the archive, and return it; nothing else changes.

        Raises:
            NotFound: there is no such study.
        """

        def use_case(transaction: Transaction) -> Study:
            study = get_study(transaction, name, lock=True)
            if archived == (study.archive_time is not None):
                return study
            time = self._clock() if archived else None
            studies.set_archived(transaction, study, time)
            kind = EventKind.STUDY_ARCHIVED if archived else EventKind.STUDY_UNARCHIVED
            self._record(transaction, study, kind)
            return dataclasses.replace(study, archive_time=time)

        return await self._run(name, "archive" if archived else "unarchive", request_id, use_case)


def _grows(before: int | None, after: int | None) -> bool:
    """Return whether a study may have more trials than before."""
    return before is not None and (after is None or after > before)
