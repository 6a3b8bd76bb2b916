"""Base of all tuners: keras_tuner's BaseTuner with its oracle on a server."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import keras
import keras_tuner
from keras_tuner import HyperModel, HyperParameters
from keras_tuner.engine import base_tuner
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FailedTrialError, FatalError

from dodona import Study
from dodona._announce import announce
from dodona._text import message_of
from dodona.keras._compat import files
from dodona.keras._display.display import printed_safely
from dodona.keras._errors import SearchInterrupted
from dodona.keras._mapping.results import MissingObjective, metrics_and_epoch, missing_objective
from dodona.keras._mapping.trials import DONE
from dodona.keras._oracle.arguments import ORACLE_SETTINGS, oracle_of
from dodona.keras._oracle.oracle import CloudOracle
from dodona.keras._process.out_of_memory import out_of_memory
from dodona.keras._process.restart import check_restart, record_search, restart
from dodona.keras._process.shared_gpu import OutOfMemoryBesideOthers, is_shared, limit_memory
from dodona.keras._process.signals import sigterm_exits
from dodona.keras._process.worker import NAMELESS, without_chief
from dodona.keras._study.folders import project_folder
from dodona.keras._tuners.first_build import explore

logger = logging.getLogger("dodona")


class BaseTuner(base_tuner.BaseTuner):  # type: ignore[misc]  # keras_tuner has no types
    """A tuner of anything, together with the study's other workers; subclasses override `run_trial`.

    Args:
        oracle: a `CloudOracle`; or the name of a search algorithm, such as "tpe"; or one of KerasTuner's own oracles,
            whose arguments describe the study; or None for the server's default algorithm.
        hypermodel: see KerasTuner; None if `run_trial` needs none.
        directory: the working directory.
        project_name: the project's folder in it, and the study's name if `study_id` is not given.
        overwrite: whether to start the study over if no other worker can be using it.
        trials_per_process: after how many trials the program restarts in the same process, which frees all memory;
            None for never.
        **kwargs: the arguments of `CloudOracle` (objective, max_trials, early_stopping, study_id and so on), unless
            `oracle` is one; `tuner_id`, this worker's id; and those of keras_tuner's own class.

    Raises:
        ValueError: the arguments do not describe a study, contradict each other, or name an objective other than the
            existing study's; or `oracle` is none of these.

    """

    oracle: CloudOracle
    _bars = True

    def __init__(
        self,
        oracle: keras_tuner.Oracle | str | None = None,
        hypermodel: HyperModel | Callable[[HyperParameters], Any] | None = None,
        directory: Any = None,
        project_name: str | None = None,
        overwrite: bool = False,
        trials_per_process: int | None = None,
        **kwargs: Any,
    ) -> None:
        settings = {name: kwargs.pop(name) for name in ORACLE_SETTINGS & kwargs.keys()}
        worker = kwargs.pop("tuner_id", None)
        server_oracle = oracle_of(oracle, settings, project_name, worker, overwrite)
        check_restart(trials_per_process)
        self._trials_per_process = trials_per_process
        self._trials_here = 0
        with without_chief():
            super().__init__(
                server_oracle,
                hypermodel,
                directory=directory,
                project_name=project_name or server_oracle.study_id,
                **kwargs,
            )
        self.tuner_id = worker if worker not in (None, NAMELESS) else server_oracle.worker

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return the tuner itself: KerasTuner copies the callbacks for each execution, and one may refer to it."""
        return self

    @property
    def project_dir(self) -> str:
        """Folder that contains the trials' folders; see `project_folder`."""
        folder = project_folder(str(self.directory), self.project_name)
        if not files.exists(folder):
            files.makedirs(folder)
        return folder

    @property
    def study(self) -> Study:
        """Study of the plain client, fetched now: trials, figures such as `plot_history`, a data frame."""
        study = self.oracle.study
        study.refresh()
        return study

    @property
    def should_stop(self) -> bool:
        """Whether the trial that runs here is to end early, by the server's last answer; for a custom training loop."""
        trial = self.oracle.ongoing_trials.get(self.tuner_id)
        return trial is not None and trial.should_stop

    # --- the search

    def _populate_initial_space(self) -> None:
        if self.hypermodel is not None:
            explore(self.hypermodel, self.oracle)
        # Invalid arguments fail now, and the next worker finds the whole space.
        _ = self.oracle.study

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Run trials until no trial is left in the study.

        Args:
            *fit_args: arguments for `run_trial`, such as the training data.
            **fit_kwargs: arguments for `run_trial`. `verbose=0` prints nothing; without `verbose`, a terminal or a
                notebook shows the progress of trial, worker and study instead of Keras's progress bars.

        Raises:
            RuntimeError: too many trials of this worker have failed in a row.
            SearchInterrupted: the server does not answer. The running trial expires with its lease; the next search of
                this worker continues it, unless another worker has it by then.
            KeyboardInterrupt: Ctrl-C; the running trial was released for other workers.
            SystemExit: SIGTERM, unless the program handles it, or a lack of memory on a GPU that `dodona run` lets
                others use too; the running trial was released.
            Exception: an error of a hook or of KerasTuner outside of a trial's run; the running trial was released too.
        """
        study = self.oracle.study
        record_search(study)
        limit_memory()
        if fit_kwargs.get("verbose", 1):
            announce(study.display_name, study.url)
        self._bars = "verbose" in fit_kwargs
        shown = nullcontext() if self._bars else self.oracle.shown_live()
        with without_chief(), _progress_bars(self._bars), sigterm_exits(), shown:
            try:
                super().search(*fit_args, **fit_kwargs)
            except SearchInterrupted as error:
                self.oracle.leave(error)
                raise
            except BaseException:
                # Otherwise this process's heartbeats would keep the trial from other workers.
                self.oracle.hand_back()
                raise

    def _try_run_and_update_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        try:
            super()._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
        except SearchInterrupted:
            raise
        except FatalError as error:
            # The search ends here, so no run would retry the trial.
            self.oracle.abandon(trial.trial_id, message_of(error))
            raise
        finally:
            self._trials_here += 1
        if trial.status not in DONE:
            # Free the memory that the traceback refers to, for the next trial.
            gc.collect()

    def _run_and_update_trial(self, trial: Trial, *fit_args: Any, **fit_kwargs: Any) -> None:
        try:
            results = self.run_trial(trial, *fit_args, **fit_kwargs)
        except (FatalError, FailedTrialError):
            raise
        except Exception as error:
            if (reason := out_of_memory(error)) is None:
                raise
            if is_shared():
                logger.warning("trial %s is released, because others use the GPU too: %s", trial.trial_id, reason)
                raise OutOfMemoryBesideOthers(reason) from error
            # The same values would not fit the next time either, so there is no retry.
            raise FailedTrialError(f"out of memory: {reason}") from error
        if not self.oracle.get_trial(trial.trial_id).metrics.exists(self.oracle.objective.name):
            self.oracle.update_trial(trial.trial_id, *self._metrics_and_epoch(trial, results))
        # Otherwise it is an older program, which passes the result to the oracle itself.

    def _metrics_and_epoch(self, trial: Trial, results: Any) -> tuple[dict[str, float], int]:
        """Return a trial's metrics and their epoch, from the result of `run_trial` or else from the reports."""
        objective, reporter = self.oracle.objective, self.oracle.reporter(trial.trial_id)
        if reporter is None:
            return metrics_and_epoch(results, objective)
        if results is None and reporter.best is not None:
            # Even older programs only call on_epoch_end.
            return reporter.best
        if results is None and reporter.seen:
            raise missing_objective(objective, reporter.seen, "the epochs of Tuner.run_trial()")
        try:
            return metrics_and_epoch(reporter.completed(results), objective)
        except MissingObjective as error:
            if not reporter.should_stop:
                raise
            if isinstance(results, list) and len(results) > 1:
                return metrics_and_epoch(results[:-1], objective)
            # The trial ended before the objective was measured.
            raise FailedTrialError(f"the trial was stopped: {error}") from error

    def pre_create_trial(self) -> None:
        """Restart the program after `trials_per_process` trials; an override must call this method."""
        super().pre_create_trial()
        if self._trials_per_process is not None and self._trials_here >= self._trials_per_process:
            self._trials_here = 0
            if self.remaining_trials != 0:
                restart(self.tuner_id)

    def get_best_models(self, num_models: int = 1) -> list[Any]:
        """Return the best models of all workers, with the weights of their best epochs, best first.

        Args:
            num_models: how many models to return; there are fewer if fewer trials have succeeded.

        Raises:
            FileNotFoundError: a trial's weights are no longer stored.
        """
        best = self.oracle.get_best_trials(num_models)
        return [self.load_model(trial) for trial in best if trial.status in DONE]

    def results_summary(self, num_trials: int = 10) -> None:
        """Print the best trials as KerasTuner does, and how many trials of the study were stopped early.

        Args:
            num_trials: how many trials to print, the best first.
        """
        with printed_safely():
            super().results_summary(num_trials)
            if (saving := self.oracle.saving()) is not None:
                print(f"\n{saving}")  # noqa: T201 - KerasTuner prints the rest

    def search_space_summary(self, extended: bool = False) -> None:
        """See keras_tuner.BaseTuner.search_space_summary.

        Args:
            extended: whether to print more of each hyperparameter.
        """
        with printed_safely():
            super().search_space_summary(extended)

    # --- what the server makes unnecessary

    def save(self) -> None:
        """Do nothing: the server has the state."""

    def reload(self) -> None:
        """Look for new hyperparameters; KerasTuner calls this instead if it finds a file of its own."""
        self._populate_initial_space()


@contextmanager
def _progress_bars(shown: bool) -> Iterator[None]:
    """Keep Keras's progress bars out of log files."""
    if shown:
        yield
        return
    keras.config.disable_interactive_logging()
    try:
        yield
    finally:
        keras.config.enable_interactive_logging()
