"""KerasTuner's oracle on a Dodona server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

import dodona
from dodona.keras._display.display import result_of
from dodona.keras._display.progress import Progress
from dodona.keras._errors import SearchInterrupted, outages_end_the_search
from dodona.keras._mapping.results import MissingObjective, metrics_and_epoch
from dodona.keras._mapping.stopping import saving
from dodona.keras._mapping.trials import DONE, add_metrics, best_records, trial_of
from dodona.keras._oracle.attachment import AttachedOracle, study_attribute
from dodona.keras._process.state import process_state
from dodona.keras._process.worker import NAMELESS
from dodona.keras._study.requested_spec import max_trials_of
from dodona.keras._training.active_trial import ActiveTrial
from dodona.keras._training.reporting import Reporter

logger = logging.getLogger("dodona")

# How long to wait for a trial while others run in the same process.
IDLE_AFTER_SECONDS = 1.0


class CloudOracle(AttachedOracle):
    """An oracle with the trials and the search space of a study on a Dodona server.

    It works with any tuner of KerasTuner; `CloudTuner` has one built in. The arguments are those of
    `AttachedOracle`.
    """

    # --- trials

    def create_trial(self, tuner_id: str) -> Trial:
        """Return the next trial to run; wait if there is none now but may be one later.

        Args:
            tuner_id: the worker id; a worker that restarts with the same id gets its unfinished trial again.

        Returns:
            A trial that is RUNNING; one that is STOPPED when no trial is left to hand out; one that is IDLE when there
            is none now while other trials run here, because the caller may be the one that ends them.

        """
        worker = self.worker if tuner_id == NAMELESS else tuner_id
        for trial_id in [name for name, one in self._active.items() if one.handle.lost]:
            del self._active[trial_id]
        # A trial that this process has begun already was interrupted, or is to be retried.
        active = next((one for one in self._active.values() if one.worker == worker), None)
        try:
            active = active or self._ask(worker)
        except dodona.StudyCompleted as error:
            if not self._any_begun:
                self._display.show(str(error))
            self._any_begun = False
            return Trial(self._shared.space.hyperparameters.copy(), status=TrialStatus.STOPPED)
        except TimeoutError:
            return Trial(self._shared.space.hyperparameters.copy(), status=TrialStatus.IDLE)
        self._any_begun = True
        active.begin(self._shared.space.hyperparameters)
        self._display.on_trial_begin(active.trial, self.max_trials)
        return active.trial

    def _ask(self, worker: str) -> ActiveTrial:
        process_state.workers.add(worker)
        with outages_end_the_search():
            # Of the replicas of one worker, the first renews the lease for all.
            patience = IDLE_AFTER_SECONDS if self._active else None
            handle = self.study.ask(worker, shared=not self.should_report, wait_seconds=patience)
        # The trial may belong to a space that another worker has extended.
        self._shared.sync()
        active = self._active[str(handle.number)] = ActiveTrial(handle, worker, self.objective, self._display.on_step)
        return active

    def active_trial(self, trial_id: str) -> ActiveTrial | None:
        """Return the trial of that id; None if it does not run here or another replica reports for it."""
        return self._active.get(trial_id) if self.should_report else None

    def reporter(self, trial_id: str) -> Reporter | None:
        """Return the reporter of a trial; None if it does not run here or another replica reports for it."""
        active = self.active_trial(trial_id)
        return None if active is None else active.reporter

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Record a result, which is sent when the trial ends.

        Args:
            trial_id: the id of a trial that runs here.
            metrics: the metrics, including the objective; values that do not count (see `numbers`) are left out.
            step: the step of the result; of several steps the best counts.

        Raises:
            KeyError: no such trial runs here.
            MissingObjective: the objective is missing; this is a ValueError and ends the search.
            ValueError: the objective is not a number.
        """
        trial = self._active[trial_id].trial
        try:
            counted, _ = metrics_and_epoch(metrics, self.objective, "Oracle.update_trial()")
        except MissingObjective as error:
            raise MissingObjective(f"Objective value missing in metrics reported to the Oracle. {error}") from None
        add_metrics(trial, counted, self.objective, step)
        return trial

    def end_trial(self, trial: Trial | str, status: str = TrialStatus.COMPLETED) -> None:
        """End a trial, or keep it for another run if it may be retried; ending it twice has no further effect.

        Args:
            trial: the trial with its status, message and hyperparameters; its score is set here. Or its id.
            status: the trial's status, if only the id is given.

        Raises:
            RuntimeError: too many trials of this worker have failed in a row, or `allow_new_entries` forbids
                hyperparameters that the trial used.
            SearchInterrupted: the server does not answer.
        """
        active = self._active.get(trial if isinstance(trial, str) else trial.trial_id)
        if active is None:
            return
        mine = active.trial
        if isinstance(trial, str):
            mine.status, trial = status, mine
        mine.hyperparameters, mine.status, mine.message = trial.hyperparameters, trial.status, trial.message
        if mine.status == TrialStatus.COMPLETED:
            active.score()
        if not self.should_report:
            # Of the replicas of one worker, only the first reports.
            del self._active[mine.trial_id]
        counted = self.should_report and self._finish(active)
        for name in ("score", "best_step", "status", "message", "metrics"):
            setattr(trial, name, getattr(mine, name))
        if counted:
            self._count_failures(mine)

    def abandon(self, trial_id: str, reason: str) -> None:
        """End a trial as infeasible because the search ends with it.

        Args:
            trial_id: the id of a trial that runs here.
            reason: the reason, for people.
        """
        active = self._active.pop(trial_id, None)
        if active is not None and self.should_report:
            active.trial.status, active.trial.message = TrialStatus.FAILED, reason
            active.send_result(self._shared.space)

    def hand_back(self) -> None:
        """Release the trials that run here for other workers; called when the process exits."""
        while self._active:
            _, active = self._active.popitem()
            if self.should_report and active.hand_back():
                process_state.released.add((self.study.name, active.handle.number))

    def leave(self, reason: SearchInterrupted) -> None:
        """Leave the trials that run here to expire with their leases; called when the search ends without a server.

        Args:
            reason: the error that ends the search.
        """
        while self._active:
            _, active = self._active.popitem()
            # This stops the heartbeats, which would otherwise continue as long as the process lives.
            active.handle.__exit__(type(reason), reason, None)

    def _finish(self, active: ActiveTrial) -> bool:
        """Send the trial's result; return False if the trial is to run again, or was no longer this worker's."""
        trial = active.trial
        self._add_found(active)
        if trial.status == TrialStatus.INVALID:
            active.failures += 1
            left = self.max_retries_per_trial + 1 - active.failures
            if left > 0 and not active.reporter.lost:
                self._display.show(f"trial {trial.trial_id} failed {active.failures} times; {left} retries left")
                return False
            trial.status = TrialStatus.FAILED
        if active.reporter.planned is not None:
            self._plans.add(active.reporter.planned)
        with outages_end_the_search():
            taken = active.send_result(self._shared.space)
            del self._active[trial.trial_id]
            best = self._best() if self._display.verbose else None
        self._display.on_trial_end(trial, self.max_trials, self.objective.name, best)
        return taken

    def _add_found(self, active: ActiveTrial) -> None:
        """Add to the study the hyperparameters that the trial used and the study lacks."""
        try:
            self.update_space(active.trial.hyperparameters)
        except (dodona.ApiError, ValueError) as error:
            # Such as a name with characters that databases refuse.
            logger.warning("the hyperparameters found in trial %d were refused: %s", active.handle.number, error)
        except RuntimeError as error:
            self.abandon(active.trial.trial_id, str(error))
            raise

    def _count_failures(self, trial: Trial) -> None:
        failed = trial.status == TrialStatus.FAILED
        self._failures_in_a_row = self._failures_in_a_row + 1 if failed else 0
        if failed and self._failures_in_a_row >= self.max_consecutive_failed_trials:
            self._failures_in_a_row = 0
            raise RuntimeError(
                "Number of consecutive failures exceeded the limit of "
                f"{self.max_consecutive_failed_trials}.\n{trial.message or ''}"
            )

    # --- display

    @contextmanager
    def shown_live(self) -> Iterator[None]:
        """Show the progress of this worker and of the study within the block, if the output is watched."""
        if not self._display.wants_progress:
            yield
            return
        progress = Progress(self.study_id, self.objective.name, self.objective.direction == "max")
        progress.best = result_of(self._best())
        with self._display.live(progress):
            yield

    def progress_callbacks(self, executions: int) -> list[Any]:
        """Return the callbacks that show the progress of `fit`; none if nothing is shown live.

        Args:
            executions: how often the trial is trained.
        """
        return list(self._display.progress_callbacks(executions))

    def _best(self) -> Trial | None:
        """Return the best trial of all workers that has a result."""
        best = next(iter(self.get_best_trials()), None)
        return best if best is not None and best.status in DONE else None

    # --- results

    @study_attribute
    def trials(self) -> dict[str, Trial]:
        """Return all trials of all workers by id, fetched now."""
        with outages_end_the_search():
            records = self.study.trials()
        fetched = {str(record.number): self._trial_of(record) for record in records}
        return fetched | {trial_id: active.trial for trial_id, active in self._active.items()}

    @study_attribute
    def start_order(self) -> list[str]:
        """Return the ids of all started trials in the order of their start, fetched now."""
        return self._in_order(lambda record: record.start)

    @study_attribute
    def end_order(self) -> list[str]:
        """Return the ids of all finished trials in the order of their end, fetched now."""
        return self._in_order(lambda record: record.end)

    def _in_order(self, moment: Callable[[dodona.TrialRecord], datetime | None]) -> list[str]:
        with outages_end_the_search():
            timed = [(moment(record), record.number) for record in self.study.trials()]
        return [str(number) for _, number in sorted((at, number) for at, number in timed if at is not None)]

    def get_trial(self, trial_id: str) -> Trial:
        """Return a trial of any worker; an unfinished one has no metrics.

        Args:
            trial_id: the trial's number.

        Raises:
            KeyError: there is no such trial.
        """
        if trial_id in self._active:
            return self._active[trial_id].trial
        try:
            with outages_end_the_search():
                return self._trial_of(self.study.trial(int(trial_id)))
        except (ValueError, dodona.NotFound):
            raise KeyError(trial_id) from None

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Return the best trials of all workers, best first.

        If there are too few, those stopped early follow, then unfinished and failed ones.

        Args:
            num_trials: how many trials to return.
        """
        with outages_end_the_search():
            study = self.study
            records = best_records(study, self.objective, num_trials)
            if len(records) < num_trials:
                records += [record for record in study.trials() if record.state != "SUCCEEDED"]
        return [self._trial_of(record) for record in records[:num_trials]]

    def remaining_trials(self) -> int | None:
        """Return how many trials the study may still have; None without a limit."""
        limit = max_trials_of(self.study.spec)
        if limit is None:
            return None
        with outages_end_the_search():
            return max(0, limit - len(self.study.trials()))

    def _trial_of(self, record: dodona.TrialRecord) -> Trial:
        self._shared.sync()
        return trial_of(record, self._shared.space.hyperparameters, self.objective, self._planned_epochs)

    def saving(self) -> str | None:
        """Return how many trials were stopped early and how many epochs that saved, or what the rule auto would have.

        None if no trial was stopped, and the study has a rule or its curves do not say.
        """
        with outages_end_the_search():
            found = saving(self.study.trials(), self._planned_epochs)
            return found if found is not None else self.study.replay_stopping()

    @property
    def _planned_epochs(self) -> int | None:
        """Number of epochs of each trial, as far as the trials of this process show; None if they differ."""
        return next(iter(self._plans)) if len(self._plans) == 1 else None
