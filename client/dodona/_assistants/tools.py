"""Tools that an assistant has: each is a few calls of the client, with small answers.

A tool's docstring and annotations are what the assistant reads. A tool keeps nothing for the next one: a server answers
each request by itself.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dodona import Client, NotFound, Trial, near
from dodona._assistants.answers import Answer, budget_of, row, short, summary
from dodona._space import Sure, Value

MOST_STUDIES = 50
MOST_TRIALS = 100
MOST_POINTS = 50
# An assistant sends no heartbeats: it has its trial for this long after it asked, and after each report.
LEASE_SECONDS = 3600.0
# The worker ids of trials that assistants run.
WORKER = "assistant-"

Tool = TypeVar("Tool", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Offer:
    """A tool by its name.

    Args:
        name: of the method.
        calls: the calls of the API that it makes; who may not make all of them does not see the tool.
        changes: whether it changes anything.
        destroys: whether something is lost.
    """

    name: str
    calls: frozenset[str]
    changes: bool
    destroys: bool


OFFERS: list[Offer] = []


def offered(*calls: str, changes: bool = False, destroys: bool = False) -> Callable[[Tool], Tool]:
    """Return a decorator that offers a method as a tool, which makes these calls of the API."""

    def add(tool: Tool) -> Tool:
        # Each tool finds its study by id or name.
        needed = frozenset({*calls, "get_study", "lookup_study"})
        OFFERS.append(Offer(tool.__name__, needed, changes or destroys, destroys))
        return tool

    return add


class Tools:
    """Tools on the studies of one project.

    Args:
        client: has leases of LEASE_SECONDS.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    @offered("list_studies", "list_trials")
    def list_studies(self, contains: str = "") -> list[Answer]:
        """List studies, the latest first: state, goals, number of trials, best result. At most 50.

        Args:
            contains: only those whose name contains this text.
        """
        found = (one for one in self._client.studies() if contains.lower() in one.display_name.lower())
        return [short(study) for study in itertools.islice(found, MOST_STUDIES)]

    @offered("list_trials", "get_outlook")
    def summarize_study(self, study: str) -> Answer:
        """Summarize all that the optimizer knows of a study. Read it first, and again after each change.

        The search space, the best trials, the share of the variance that each parameter explains with its 90% interval,
        the region where a model expects the best results, which values were tried, the reasons of failures, what runs
        now, the budget, what is left of it, and the chance that the rest brings a clear improvement.

        Args:
            study: its id or its name.
        """
        return summary(self._client.get_study(study))

    @offered("list_trials")
    def list_trials(
        self,
        study: str,
        filter: str = "",  # noqa: A002 - the API's name
        order_by: str = "",
        page: str = "",
        count: int = 20,
    ) -> Answer:
        """List trials with their parameters and results, a page at a time.

        Args:
            study: its id or its name.
            filter: an expression on columns, such as: state == "succeeded" and lr < 0.01. Empty for all.
            order_by: a column, such as "trial", a metric or a parameter; with " desc" the largest first.
            page: next_page of the answer before; empty for the first page.
            count: how many to return, at most 100.
        """
        found, more = self._client.get_study(study).trials_page(
            min(count, MOST_TRIALS), page, filter or None, order_by or None
        )
        return {"trials": [row(trial) for trial in found]} | ({"next_page": more} if more else {})

    @offered("get_trial")
    def get_trial(self, study: str, trial: int) -> Answer:
        """Return all of a trial: parameters, results, its learning curve of at most 50 points, why it ended.

        Args:
            study: its id or its name.
            trial: its number.
        """
        record = self._client.get_study(study).trial(trial)
        every = -(-len(record.measurements) // MOST_POINTS) or 1
        curve = [{"step": one.step, **one.metrics} for one in record.measurements[::every]]
        return row(record) | {"attempt": record.attempt, "curve": curve}

    @offered("list_trials")
    def compare_studies(self, studies: list[str]) -> list[Answer]:
        """Compare several studies side by side by the same figures, with the best trial of each.

        Args:
            studies: their ids or names.
        """
        answers = []
        for name in studies:
            study = self._client.get_study(name)
            best = study.best_trial
            answers.append(short(study) | {"best_trial": None if best is None else row(best)})
        return answers

    @offered("explain_trial")
    def explain_trial(self, study: str, trial: int) -> str:
        """Explain in plain words why a trial was suggested, the expected result and the actual one.

        Args:
            study: its id or its name.
            trial: its number.
        """
        return self._client.get_study(study).explain(trial).summary

    @offered("report_study")
    def report_study(self, study: str) -> str:
        """Return the report of a study for people, in Markdown.

        Args:
            study: its id or its name.
        """
        return self._client.get_study(study).report(format="md")

    @offered("create_study", "list_trials", "get_outlook", changes=True)
    def create_study(self, name: str, spec: dict[str, Any], dry_run: bool = True) -> Answer:
        """Create a study. With dry_run, which is the default, only check the spec and return it as it would be stored.

        Args:
            name: of the new study.
            spec: the StudySpec of Vertex AI Vizier in JSON: "metrics" ([{"metricId": "loss", "goal": "MINIMIZE"}]),
                "parameters" ([{"parameterId": "lr", "doubleValueSpec": {"minValue": 1e-5, "maxValue": 0.1},
                "scaleType": "UNIT_LOG_SCALE"}]; also integerValueSpec, categoricalValueSpec {"values": [...]}), and
                "studyStoppingConfig" ({"maxNumTrials": 40}).
            dry_run: whether only to check.
        """
        if not dry_run:
            return {"created": True} | summary(self._client.create_study(name, spec=spec))
        checked = self._client.check_study(name, spec)
        try:
            exists = bool(self._client.get_study(name))
        except NotFound:
            exists = False
        return {"created": False, "name_is_taken": exists, "spec": json.loads(checked.to_json())}

    @offered("suggest_trials", changes=True)
    def ask_trial(self, study: str) -> Answer:
        """Request the next trial, to run it yourself; then call report_measurement and complete_trial.

        It is yours for an hour; each report extends that. Then another worker gets it.

        Args:
            study: its id or its name.
        """
        found = self._client.get_study(study)
        trial = found.ask(WORKER + secrets.token_hex(4), wait_seconds=0)
        return {"study": found.id, "trial": trial.number, "parameters": dict(trial.parameters)}

    @offered("get_trial", "add_trial_measurement", changes=True)
    def report_measurement(self, study: str, trial: int, metrics: dict[str, float], step: int) -> Answer:
        """Report an intermediate result of a trial that you run; end it early if the answer says should_stop.

        Args:
            study: its id or its name.
            trial: its number.
            metrics: a number for each metric.
            step: such as the epoch, from 1 on.
        """
        mine = self._mine(study, trial)
        mine.report(metrics, step)
        return {"should_stop": mine.should_stop, "reason": mine.stopping_reason}

    @offered("get_trial", "complete_trial", changes=True)
    def complete_trial(
        self, study: str, trial: int, metrics: dict[str, float] | None = None, failed_because: str = ""
    ) -> Answer:
        """End a trial that you run, with its final metrics, or as failed: these parameters give no result.

        Args:
            study: its id or its name.
            trial: its number.
            metrics: the final ones; left out, those that were reported last.
            failed_because: the reason of a failure; empty for a success.
        """
        mine = self._mine(study, trial)
        if failed_because:
            mine.fail(failed_because)
        else:
            mine.complete(metrics)
        return row(self._client.get_study(study).trial(trial))

    @offered("create_trial", changes=True)
    def queue_trial(self, study: str, parameters: dict[str, Value]) -> Answer:
        """Queue a trial with these parameters: the next worker that asks runs it.

        Args:
            study: its id or its name.
            parameters: a value for each parameter that is active.
        """
        return row(self._client.get_study(study).add_trial(parameters))

    @offered("set_priors", changes=True)
    def set_hint(self, study: str, parameter: str, values: list[Value], sure: Sure = "fairly") -> Answer:
        """Tell the optimizer where a parameter is believed to be best. It counts at first, and fades with the results.

        Better than queue_trial for what is known in general, such as a usual learning rate. A wrong hint costs trials.

        Args:
            study: its id or its name.
            parameter: its name.
            values: one or several values; an empty list removes the hint.
            sure: vaguely, fairly or very.
        """
        found = self._client.get_study(study)
        found.set_priors({parameter: near(*values, sure=sure) if values else None})
        return {"study": found.id, "space": {name: str(one) for name, one in found.space.items()}}

    @offered("stop_trial", "get_trial", destroys=True)
    def stop_trial(self, study: str, trial: int) -> Answer:
        """Ask a running trial to end early. The rest of its training is lost.

        Args:
            study: its id or its name.
            trial: its number.
        """
        found = self._client.get_study(study)
        found.stop_trial(trial)
        return row(found.trial(trial))

    @offered("pause_study", "list_trials", changes=True)
    def pause_study(self, study: str, reason: str) -> Answer:
        """Pause a study: it hands out no trials until resume_study; those that run continue.

        Args:
            study: its id or its name.
            reason: for the people who see it on the page.
        """
        found = self._client.get_study(study)
        found.pause(reason)
        return short(found)

    @offered("resume_study", "list_trials", changes=True)
    def resume_study(self, study: str) -> Answer:
        """Resume a study: it hands out trials again.

        Args:
            study: its id or its name.
        """
        found = self._client.get_study(study)
        found.resume()
        return short(found)

    @offered("set_budget", "list_trials", changes=True)
    def set_budget(
        self,
        study: str,
        max_trials: int | None = None,
        max_hours: float | None = None,
        max_compute_hours: float | None = None,
        max_cost: float | None = None,
        price_per_hour: float | None = None,
        improvement_unlikely: float | None = None,
    ) -> Answer:
        """Change limits of a study; those that are not named stay. A study that only its budget ended continues.

        Args:
            study: its id or its name.
            max_trials: how many trials it may have, finished ones included.
            max_hours: how many hours after its creation it ends.
            max_compute_hours: after how many hours of compute it ends: the time of workers, times their GPUs.
            max_cost: at which cost of compute it ends; needs a price.
            price_per_hour: what an hour of compute costs, in any currency.
            improvement_unlikely: below which chance of a clear improvement it ends, such as 0.05.
        """
        limits = {
            "max_trials": max_trials,
            "max_seconds": None if max_hours is None else max_hours * 3600,
            "max_compute_hours": max_compute_hours,
            "max_cost": max_cost,
            "price_per_hour": price_per_hour,
            "improvement_unlikely": improvement_unlikely,
        }
        given: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
        if not given:
            raise ValueError("nothing to change: name a limit, such as max_trials or max_hours")
        found = self._client.get_study(study)
        found.set_budget(**given)
        return short(found) | {"budget": budget_of(found)}

    def _mine(self, study: str, number: int) -> Trial:
        found = self._client.get_study(study)
        if not (found.trial(number).worker or "").startswith(WORKER):
            raise ValueError(
                f"trial {number} of {found.id} was not requested by an assistant; request one with ask_trial"
            )
        return found.attach(number)
