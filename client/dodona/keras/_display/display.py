"""Output of a search: one line for each finished trial and, in a terminal or a notebook, live progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any

import keras
from keras_tuner.engine.trial import Trial, TrialStatus
from rich.console import Console
from rich.live import Live

from dodona._announce import in_notebook
from dodona._text import line_of, shortened, visible
from dodona.keras._display.progress import Progress, Result, number
from dodona.keras._mapping.trials import DONE, reason_of

REFRESHES_PER_SECOND = 4
# How much of the last line of a failure is printed.
LONGEST_LINE = 500


class Display:
    """Progress of a search on the screen.

    KerasTuner's own display asks its oracle for all trials and the best one, line by line.

    Attributes:
        verbose: 0 shows nothing; KerasTuner sets it from the argument of `search`.
        progress: the progress of the search that is shown live; None without one.

    """

    def __init__(self) -> None:
        self.verbose: int | str = 1
        self.progress: Progress | None = None
        self._began: dict[str, float] = {}
        self._board: _Terminal | _Notebook | None = None

    def get_state(self) -> dict[str, Any]:
        """Return an empty state for KerasTuner's display; the server has the trials."""
        return {"search_start": None, "trial_start": {}, "trial_number": {}}

    @property
    def wants_progress(self) -> bool:
        """Whether progress is wanted and the output is watched."""
        return bool(self.verbose) and is_watched()

    @contextmanager
    def live(self, progress: Progress) -> Iterator[None]:
        """Show the progress within the block.

        Args:
            progress: the progress of the search in the block.
        """
        self.progress = progress
        board = _Notebook(progress) if in_notebook() else _Terminal(progress)
        try:
            with board.shown():
                self._board = board
                yield
        finally:
            self._board = self.progress = None

    def on_trial_begin(self, trial: Trial, limit: int | None) -> None:
        """Show that a trial begins.

        Args:
            trial: the trial.
            limit: how many trials the study may have.
        """
        self._began[trial.trial_id] = time.monotonic()
        if self.progress is not None:
            self.progress.trial_began(trial, limit)
            self._refresh(at_once=True)
        elif is_watched():
            self.show(f"{_title(trial, limit)} begins: {_values(trial)}")

    def on_step(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show the metrics of an epoch, or of another step of the trial.

        Args:
            step: from 1 on, over the whole trial.
            metrics: the step's metrics.
        """
        if self.progress is not None:
            self.progress.step_ended(step, metrics)
            self._refresh()

    def on_trial_end(self, trial: Trial, limit: int | None, objective: str, best: Trial | None) -> None:
        """Print the trial's result.

        Args:
            trial: the trial.
            limit: how many trials the study may have.
            objective: the objective's name.
            best: the best trial of all workers so far.
        """
        seconds = time.monotonic() - self._began.pop(trial.trial_id, time.monotonic())
        if trial.status in DONE:
            result = f"{objective} {number(trial.score)}"
        else:
            result = f"failed: {shortened(reason_of(trial).splitlines()[-1], LONGEST_LINE)}"
        record = f"  best {number(best.score)} (trial {best.trial_id})" if best is not None else ""
        early = f"  {trial.message}" if trial.message and trial.status == TrialStatus.STOPPED else ""
        self.show(f"{_title(trial, limit)}  {result}{record}  {seconds:.1f} s{early}  {_values(trial)}")
        if self.progress is not None:
            self.progress.trial_ended(trial, result_of(best))
            self._refresh(at_once=True)

    def show(self, line: str) -> None:
        """Print a line, unless the user wants none."""
        if self.verbose:
            _print(line_of(line))

    def progress_callbacks(self, executions: int) -> list[keras.callbacks.Callback]:
        """Return the callbacks that update the progress of `fit`; none if nothing is shown live.

        Args:
            executions: how often the trial is trained.
        """
        return [] if self.progress is None else [_UpdateProgress(self.progress, executions, self._refresh)]

    def _refresh(self, *, at_once: bool = False) -> None:
        if isinstance(self._board, _Notebook):
            self._board.refresh(at_once=at_once)


class _Terminal:
    """Progress at the bottom of a terminal; other output is printed above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    @contextmanager
    def shown(self) -> Iterator[None]:
        console = Console(highlight=False)
        with Live(get_renderable=self._progress.table, console=console, refresh_per_second=REFRESHES_PER_SECOND):
            yield


class _Notebook:
    """Progress in the output of a notebook's cell."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._handle: Any = None
        self._next = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        from IPython import display

        show: Any = display.display
        self._handle = show(self._progress.table(), display_id=True)
        try:
            yield
        finally:
            self.refresh(at_once=True)

    def refresh(self, *, at_once: bool) -> None:
        """Update the output, unless it was updated a moment ago."""
        if at_once or time.monotonic() >= self._next:
            self._handle.update(self._progress.table())
            self._next = time.monotonic() + 1 / REFRESHES_PER_SECOND


class _UpdateProgress(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """A callback that updates the number of epochs and the share of the current epoch."""

    def __init__(self, progress: Progress, executions: int, refresh: Any) -> None:
        super().__init__()
        self._progress = progress
        self._executions = executions
        self._refresh = refresh

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Set the number of epochs."""
        epochs = self.params.get("epochs")
        self._progress.steps = epochs * self._executions if epochs else None

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Set the share of the epoch that is done."""
        steps = self.params.get("steps")
        if steps:
            self._progress.batch = (batch + 1) / steps
            self._refresh()


@contextmanager
def printed_safely() -> Iterator[None]:
    """Print the block's output at its end, with the characters escaped that are not safe for a terminal."""
    with redirect_stdout(StringIO()) as printed:
        yield
    _print(visible(printed.getvalue()), end="")


def _print(text: str, end: str = "\n") -> None:
    # A terminal's encoding may lack characters of names and messages.
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), end=end, flush=True)  # noqa: T201 - the user's


def result_of(trial: Trial | None) -> Result | None:
    """Return a trial's result; None if it has none."""
    return None if trial is None or trial.score is None else Result(trial.trial_id, trial.score)


def is_watched() -> bool:
    """Return whether the output goes to a terminal or a notebook, and not to a log file."""
    return sys.stdout.isatty() or in_notebook()


def _title(trial: Trial, limit: int | None) -> str:
    return f"trial {trial.trial_id}" + (f"/{limit}" if limit else "")


def _values(trial: Trial) -> str:
    return " ".join(f"{name}={number(value)}" for name, value in trial.hyperparameters.values.items())
