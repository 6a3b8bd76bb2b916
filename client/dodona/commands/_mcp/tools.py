"""The tools that an assistant has: each is a few calls of the client, with small answers.

A tool's docstring and annotations are what the assistant reads.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

from dodona import Client, Trial
from dodona._space import Value
from dodona.commands._mcp.answers import Answer, row, short, summary
from dodona_schemas import vertex

MOST_STUDIES = 50
MOST_TRIALS = 100


class Tools:
    """The tools on the studies of one project.

    Args:
        client: its worker id is the assistant's.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asked = itertools.count(1)
        # The trials that the assistant runs itself; the client keeps their leases.
        self._running: dict[tuple[str, int], Trial] = {}

    def readers(self) -> list[Callable[..., Any]]:
        """Return the tools that change nothing."""
        return [
            self.list_studies,
            self.summarize_study,
            self.list_trials,
            self.get_trial,
            self.compare_studies,
            self.report_study,
        ]

    def changers(self) -> list[Callable[..., Any]]:
        """Return the tools that change a study; none of them loses anything but the rest of a training."""
        return [
            self.create_study,
            self.ask_trial,
            self.report_measurement,
            self.complete_trial,
            self.queue_trial,
            self.stop_trial,
            self.pause_study,
            self.resume_study,
            self.set_budget,
        ]

    def list_studies(self, contains: str = "") -> list[Answer]:
        """List studies, the latest first: state, goals, number of trials, best result. At most 50.

        Args:
            contains: only those whose name contains this text.
        """
        found = (one for one in self._client.studies() if contains.lower() in one.display_name.lower())
        return [short(study, study.trials()) for study in itertools.islice(found, MOST_STUDIES)]

    def summarize_study(self, study: str) -> Answer:
        """Tell all that the optimizer knows of a study. Read it first, and again after each change.

        The search space, the best trials, the share of the variance that each parameter explains with its 90% interval,
        the reasons of failures, what runs now, the budget and how many trials are left.

        Args:
            study: its id or its name.
        """
        return summary(self._client.get_study(study))

    def list_trials(
        self,
        study: str,
        filter: str = "",  # noqa: A002 - the API's name
        order_by: str = "",
        first: int = 0,
        count: int = 20,
    ) -> Answer:
        """List trials with their parameters and results.

        Args:
            study: its id or its name.
            filter: an expression on columns, such as: state == "SUCCEEDED" and lr < 0.01. Empty for all.
            order_by: a column, such as "number", a metric or a parameter; with " desc" the largest first.
            first: how many to skip.
            count: how many to return, at most 100.
        """
        found = self._client.get_study(study).trials(filter or None, order_by or None)
        chosen = found[first : first + min(count, MOST_TRIALS)]
        return {"matching": len(found), "trials": [row(trial) for trial in chosen]}

    def get_trial(self, study: str, trial: int) -> Answer:
        """Tell all of a trial: parameters, results, its learning curve of at most 50 points, why it ended.

        Args:
            study: its id or its name.
            trial: its number.
        """
        record = self._client.get_study(study).trial(trial)
        every = max(1, len(record.measurements) // 50)
        curve = [{"step": one.step, **one.metrics} for one in record.measurements[::every]]
        return row(record) | {"attempt": record.attempt, "curve": curve}

    def compare_studies(self, studies: list[str]) -> list[Answer]:
        """Tell the same figures of several studies side by side, with the best trial of each.

        Args:
            studies: their ids or names.
        """
        answers = []
        for name in studies:
            study = self._client.get_study(name)
            best = study.best_trial
            answers.append(short(study, study.trials()) | {"best_trial": None if best is None else row(best)})
        return answers

    def report_study(self, study: str) -> str:
        """Return the report of a study for people, in Markdown.

        Args:
            study: its id or its name.
        """
        return self._client.get_study(study).report(format="md")

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
        checked = vertex.StudySpec.model_validate(spec)
        if dry_run:
            return {"created": False, "spec": json.loads(checked.to_json())}
        return {"created": True} | summary(self._client.create_study(name, spec=checked))

    def ask_trial(self, study: str) -> Answer:
        """Take the next suggestion, to run it yourself; then call report_measurement and complete_trial.

        Args:
            study: its id or its name.
        """
        found = self._client.get_study(study)
        trial = found.ask(f"{self._client.worker}-{next(self._asked)}", wait_seconds=0)
        self._running[found.id, trial.number] = trial
        return {"study": found.id, "trial": trial.number, "parameters": dict(trial.parameters)}

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
        found = self._client.get_study(study)
        del self._running[found.id, trial]
        return row(found.trial(trial))

    def queue_trial(self, study: str, parameters: dict[str, Value]) -> Answer:
        """Queue a trial with these parameters: the next worker that asks runs it.

        Args:
            study: its id or its name.
            parameters: a value for each parameter that is active.
        """
        return row(self._client.get_study(study).add_trial(parameters))

    def stop_trial(self, study: str, trial: int) -> Answer:
        """Ask a running trial to end early. The rest of its training is lost.

        Args:
            study: its id or its name.
            trial: its number.
        """
        found = self._client.get_study(study)
        found.stop_trial(trial)
        return row(found.trial(trial))

    def pause_study(self, study: str, reason: str) -> Answer:
        """Hand out no more trials until resume_study; those that run go on.

        Args:
            study: its id or its name.
            reason: for the people who see it on the page.
        """
        found = self._client.get_study(study)
        found.pause(reason)
        return short(found, found.trials())

    def resume_study(self, study: str) -> Answer:
        """Hand out trials again.

        Args:
            study: its id or its name.
        """
        found = self._client.get_study(study)
        found.resume()
        return short(found, found.trials())

    def set_budget(self, study: str, max_trials: int) -> Answer:
        """Change how many trials a study may have, finished ones included; a finished study goes on.

        Args:
            study: its id or its name.
            max_trials: the new number.
        """
        found = self._client.get_study(study)
        found.set_budget(max_trials=max_trials)
        return short(found, found.trials())

    def _mine(self, study: str, number: int) -> Trial:
        found = self._client.get_study(study)
        trial = self._running.get((found.id, number))
        if trial is None:
            raise ValueError(f"trial {number} of {found.id} is not yours: ask_trial gives you one")
        return trial
