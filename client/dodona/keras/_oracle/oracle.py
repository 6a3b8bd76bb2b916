"""KerasTuner's oracle, kept by a Dodona server."""

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
from dodona.keras._mapping.results import MissingObjective, outcome_of
from dodona.keras._mapping.trials import add_metrics, best_records, trial_of
from dodona.keras._oracle.attachment import AttachedOracle, served
from dodona.keras._process.worker import NAMELESS
from dodona.keras._study.overwrite import handed_back, workers_of_this_process
from dodona.keras._study.requested_spec import max_trials_of
from dodona.keras._training.active_trial import Running
from dodona.keras._training.reporting import Reporter

logger = logging.getLogger("dodona")

# How long to wait for a trial while others run in the same process.
IDLE_AFTER_SECONDS = 1.0


class CloudOracle(AttachedOracle):
    """An oracle whose trials and search space are those of a study on a Dodona server.

    It works with any tuner of KerasTuner; `CloudTuner` has it built in. The arguments are those of
    `AttachedOracle`.
    """

    # --- trials

    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial to run; waits for it, if need be.

        Args:
            tuner_id: who asks; a worker that comes back under its name has its unfinished trial again.

        Returns:
            A trial that is RUNNING; one that is STOPPED when the study has nothing left to hand out; one that is IDLE
            when there is none now, and other trials run here: the caller may be who has to end them.

        """
        worker = self.worker if tuner_id == NAMELESS else tuner_id
        for trial_id in [name for name, one in self._running.items() if one.handle.lost]:
            del self._running[trial_id]
        # One that this process has begun already was interrupted, or is to be retried.
        running = next((one for one in self._running.values() if one.worker == worker), None)
        try:
            running = running or self._ask(worker)
        except dodona.StudyCompleted as error:
            if not self._any_begun:
                self._display.show(str(error))
            self._any_begun = False
            return Trial(self._shared.space.hyperparameters.copy(), status=TrialStatus.STOPPED)
        except TimeoutError:
            return Trial(self._shared.space.hyperparameters.copy(), status=TrialStatus.IDLE)
        self._any_begun = True
        running.begin(self._shared.space.hyperparameters)
        self._display.on_trial_begin(running.trial, self.max_trials)
        return running.trial

    def _ask(self, worker: str) -> Running:
        workers_of_this_process.add(worker)
        with outages_end_the_search():
            # Of the replicas of one worker, the first keeps the trial for all.
            patience = IDLE_AFTER_SECONDS if self._running else None
            handle = self.study.ask(worker, shared=not self.should_report, wait_seconds=patience)
        # It may be made for a space that another worker has let grow.
        self._shared.sync()
        running = self._running[str(handle.number)] = Running(handle, worker, self.objective, self._display.on_step)
        return running

    def running(self, trial_id: str) -> Running | None:
        """The trial of that id, if it runs here and this replica speaks for it."""
        return self._running.get(trial_id) if self.should_report else None

    def reporter(self, trial_id: str) -> Reporter | None:
        """What reports the epochs of a trial that runs here; None if it does not, or if another replica reports."""
        running = self.running(trial_id)
        return None if running is None else running.reporter

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Takes a result, to be handed in when the trial ends.

        Args:
            trial_id: of a trial that runs here.
            metrics: the objective among them; what `numbers` does not let count is left out.
            step: what the result belongs to; the best of several counts.

        Raises:
            KeyError: no such trial runs here.
            MissingObjective: the objective is missing; it is a ValueError and ends the search.
            ValueError: the objective is no number.
        """
        trial = self._running[trial_id].trial
        try:
            counted, _ = outcome_of(metrics, self.objective, "Oracle.update_trial()")
        except MissingObjective as error:
            raise MissingObjective(f"Objective value missing in metrics reported to the Oracle. {error}") from None
        add_metrics(trial, counted, self.objective, step)
        return trial

    def end_trial(self, trial: Trial | str, status: str = TrialStatus.COMPLETED) -> None:
        """Ends a trial, or keeps it for another run if it may be retried. Ending it twice is the same as once.

        Args:
            trial: with its status, message and hyperparameters; score and outcome are put in. Or its id.
            status: of the trial, if only the id is given.

        Raises:
            RuntimeError: too many trials of this worker have failed in a row, or `allow_new_entries` forbids what
                the trial has used.
            SearchInterrupted: the server does not answer.
        """
        running = self._running.get(trial if isinstance(trial, str) else trial.trial_id)
        if running is None:
            return
        mine = running.trial
        if isinstance(trial, str):
            mine.status, trial = status, mine
        mine.hyperparameters, mine.status, mine.message = trial.hyperparameters, trial.status, trial.message
        if mine.status == TrialStatus.COMPLETED:
            running.score()
        if not self.should_report:
            # Of the replicas of one worker, the first speaks for all.
            del self._running[mine.trial_id]
        counted = self.should_report and self._conclude(running)
        for name in ("score", "best_step", "status", "message", "metrics"):
            setattr(trial, name, getattr(mine, name))
        if counted:
            self._count_failures(mine)

    def abandon(self, trial_id: str, reason: str) -> None:
        """Ends a trial as infeasible because the search ends with it.

        Args:
            trial_id: of a trial that runs here.
            reason: for people to read.
        """
        running = self._running.pop(trial_id, None)
        if running is not None and self.should_report:
            running.trial.status, running.trial.message = TrialStatus.FAILED, reason
            running.hand_in(self._shared.space)

    def hand_back(self) -> None:
        """Gives the trials that run here back to the server, for any worker to run; called when the process leaves."""
        while self._running:
            _, running = self._running.popitem()
            if self.should_report and running.hand_back():
                handed_back.add((self.study.name, running.handle.number))

    def leave(self, reason: SearchInterrupted) -> None:
        """Leaves the trials that run here to their leases; called when the search ends as the server does not answer.

        Args:
            reason: what ends the search.
        """
        while self._running:
            _, running = self._running.popitem()
            # Without heartbeats, which this process would send for as long as it lives.
            running.handle.__exit__(type(reason), reason, None)

    def _conclude(self, running: Running) -> bool:
        """Hands the outcome in; False if the trial is to run again, or was no longer this worker's."""
        trial = running.trial
        self._teach(running)
        if trial.status == TrialStatus.INVALID:
            running.failures += 1
            left = self.max_retries_per_trial + 1 - running.failures
            if left > 0 and not running.reporter.lost:
                self._display.show(f"trial {trial.trial_id} failed {running.failures} times; {left} retries left")
                return False
            trial.status = TrialStatus.FAILED
        with outages_end_the_search():
            taken = running.hand_in(self._shared.space)
            del self._running[trial.trial_id]
            best = self._best() if self._display.verbose else None
        self._display.on_trial_end(trial, self.max_trials, self.objective.name, best)
        return taken

    def _teach(self, running: Running) -> None:
        """Adds to the study what the trial has used and the study lacks."""
        try:
            self.update_space(running.trial.hyperparameters)
        except (dodona.ApiError, ValueError) as error:
            # Such as a name that quotes what no database keeps.
            logger.warning("the hyperparameters found in trial %d were not taken: %s", running.handle.number, error)
        except RuntimeError as error:
            self.abandon(running.trial.trial_id, str(error))
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

    # --- what people look at

    @contextmanager
    def shown_live(self) -> Iterator[None]:
        """Shows the progress of this worker and of the study within the block, if somebody looks on."""
        if not self._display.wants_progress:
            yield
            return
        progress = Progress(self.study_id, self.objective.name, self.objective.direction == "max")
        progress.best = result_of(self._best())
        with self._display.live(progress):
            yield

    def watchers(self, executions: int) -> list[Any]:
        """The callbacks that show how far `fit` is; none if nobody looks on.

        Args:
            executions: how often the trial is trained.
        """
        return list(self._display.watchers(executions))

    def _best(self) -> Trial | None:
        """The best completed trial of all workers."""
        best = next(iter(self.get_best_trials()), None)
        return best if best is not None and best.status == TrialStatus.COMPLETED else None

    # --- results

    @served
    def trials(self) -> dict[str, Trial]:
        """All trials of all workers by id, fetched now."""
        with outages_end_the_search():
            records = self.study.trials()
        fetched = {str(record.number): self._trial_of(record) for record in records}
        return fetched | {trial_id: running.trial for trial_id, running in self._running.items()}

    @served
    def start_order(self) -> list[str]:
        """The ids of all trials that anybody has begun, in the order in which they began, fetched now."""
        return self._in_order(lambda record: record.start)

    @served
    def end_order(self) -> list[str]:
        """The ids of all trials that are finished, in the order in which they ended, fetched now."""
        return self._in_order(lambda record: record.end)

    def _in_order(self, moment: Callable[[dodona.TrialRecord], datetime | None]) -> list[str]:
        with outages_end_the_search():
            timed = [(moment(record), record.number) for record in self.study.trials()]
        return [str(number) for _, number in sorted((at, number) for at, number in timed if at is not None)]

    def get_trial(self, trial_id: str) -> Trial:
        """Any worker's trial; of an unfinished one without its metrics.

        Args:
            trial_id: its number.

        Raises:
            KeyError: there is none.
        """
        if trial_id in self._running:
            return self._running[trial_id].trial
        try:
            with outages_end_the_search():
                return self._trial_of(self.study.trial(int(trial_id)))
        except (ValueError, dodona.NotFound):
            raise KeyError(trial_id) from None

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """The best trials of all workers, best first; if there are too few, unfinished and failed ones follow.

        Args:
            num_trials: how many.
        """
        with outages_end_the_search():
            study = self.study
            records = best_records(study, self.objective, num_trials)
            if len(records) < num_trials:
                records += [record for record in study.trials() if record.state != "SUCCEEDED"]
        return [self._trial_of(record) for record in records[:num_trials]]

    def remaining_trials(self) -> int | None:
        """How many trials the study may still have; None without a limit."""
        limit = max_trials_of(self.study.spec)
        if limit is None:
            return None
        with outages_end_the_search():
            return max(0, limit - len(self.study.trials()))

    def _trial_of(self, record: dodona.TrialRecord) -> Trial:
        self._shared.sync()
        return trial_of(record, self._shared.space.hyperparameters, self.objective)
