"""What a search prints: one line for each finished trial and, in a terminal, one when it begins."""

from __future__ import annotations

import builtins
import sys
import time

from keras_tuner.engine.trial import Trial, TrialStatus


class Display:
    """Prints the progress of this worker's trials.

    KerasTuner's own display asks its oracle for all trials and the best one, line by line.

    Attributes:
        verbose: 0 prints nothing; KerasTuner sets it from the argument of `search`.

    """

    def __init__(self) -> None:
        self.verbose = 1
        self._began: dict[str, float] = {}

    def on_trial_begin(self, trial: Trial, limit: int | None) -> None:
        """Notes the time.

        Args:
            trial: what begins.
            limit: how many trials the study may have.
        """
        self._began[trial.trial_id] = time.monotonic()
        if watched():
            self.show(f"{_title(trial, limit)} begins: {_values(trial)}")

    def on_trial_end(self, trial: Trial, limit: int | None, objective: str, best: Trial | None) -> None:
        """Prints the result.

        Args:
            trial: what ended.
            limit: how many trials the study may have.
            objective: its name.
            best: the best trial of all workers so far.
        """
        seconds = time.monotonic() - self._began.pop(trial.trial_id, time.monotonic())
        if trial.status == TrialStatus.COMPLETED:
            result = f"{objective} {_number(trial.score)}"
        else:
            result = f"failed: {(trial.message or 'no reason was given').strip().splitlines()[-1]}"
        record = f"  best {_number(best.score)} (trial {best.trial_id})" if best is not None else ""
        self.show(f"{_title(trial, limit)}  {result}{record}  {seconds:.1f} s  {_values(trial)}")

    def show(self, line: str) -> None:
        """Prints a line, unless the user wants none."""
        if self.verbose:
            print(line, flush=True)  # noqa: T201 - it is the user's terminal


def watched() -> bool:
    """Whether somebody looks on: in a terminal or a notebook, not in a log file."""
    return sys.stdout.isatty() or hasattr(builtins, "__IPYTHON__")


def _title(trial: Trial, limit: int | None) -> str:
    return f"trial {trial.trial_id}" + (f"/{limit}" if limit else "")


def _values(trial: Trial) -> str:
    return " ".join(f"{name}={_number(value)}" for name, value in trial.hyperparameters.values.items())


def _number(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
