"""Progress of a search: of this trial, this worker and the whole study, with the time that is left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from keras_tuner.engine.trial import Trial
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dodona._text import line_of

BAR_WIDTH = 12


@dataclass(frozen=True, slots=True)
class Result:
    """A trial's result."""

    trial: str
    score: float

    def __str__(self) -> str:
        return f"{number(self.score)} (trial {self.trial})"


class Progress:
    """State of a running search; times are of `time.monotonic`.

    Args:
        study: the study's name.
        objective: the objective's name.
        maximize: whether a higher objective is better.

    Attributes:
        limit: how many trials the study may have; None for no limit.
        best: the best result of all workers that this process knows of.
        steps: how many steps the trial will have; None if unknown.
        batch: the share of the current step that is done, from 0 to 1.

    """

    def __init__(self, study: str, objective: str, maximize: bool) -> None:
        self.limit: int | None = None
        self.best: Result | None = None
        self.steps: int | None = None
        self.batch = 0.0
        self._study = study
        self._objective = objective
        self._maximize = maximize
        self._own_best: Result | None = None
        self._finished = 0
        self._took = 0.0
        self._trial: str | None = None
        self._step = 0
        self._value: float | None = None
        self._began = self._search_began = time.monotonic()
        # The first trial that began here and the latest one give the study's pace.
        self._first_number: int | None = None
        self._last_number = 0

    def trial_began(self, trial: Trial, limit: int | None) -> None:
        """Update the state for a trial that begins."""
        self.limit = limit
        self.steps, self.batch = None, 0.0
        self._trial, self._step, self._value = trial.trial_id, 0, None
        self._began = time.monotonic()
        self._last_number = max(self._last_number, int(trial.trial_id))
        if self._first_number is None:
            self._first_number, self._search_began = self._last_number, self._began

    def step_ended(self, step: int, metrics: Mapping[str, float]) -> None:
        """Update the state for a step, such as an epoch, counted from 1 over the whole trial."""
        self._step, self.batch = step, 0.0
        self._value = metrics.get(self._objective)

    def trial_ended(self, trial: Trial, best: Result | None) -> float:
        """Update the state for a trial that has ended; return how many seconds it took."""
        self.best = best or self.best
        seconds = time.monotonic() - self._began
        self._finished += 1
        self._took += seconds
        self._trial = None
        if trial.score is not None and (self._own_best is None or self._is_better(trial.score, self._own_best.score)):
            self._own_best = Result(trial.trial_id, trial.score)
        return seconds

    def table(self) -> Table:
        """Return a line for the trial, one for the study and one for this worker."""
        now = time.monotonic()
        table = Table.grid(padding=(0, 2))
        for _ in range(5):
            table.add_column(no_wrap=True)
        of = f"/{self.limit}" if self.limit else ""
        if self._trial is not None:
            table.add_row(
                f"trial {self._trial}",
                _bar(self._step + self.batch, self.steps),
                f"epoch {self._step}" + (f"/{self.steps}" if self.steps else ""),
                _times(now - self._began, self._trial_left(now)),
                "" if self._value is None else _plain(f"{self._objective} {number(self._value)}"),
            )
        table.add_row(
            _plain(f"study {self._study}"),
            _bar(self._last_number - (self._trial is not None), self.limit),
            f"trial {self._last_number}{of}",
            _times(now - self._search_began, self._study_left(now)),
            "" if self.best is None else f"best {self.best}",
        )
        own = "" if self._own_best is None else f"best {self._own_best}"
        table.add_row("this worker", "", _counted(self._finished), "", own)
        return table

    def _is_better(self, score: float, than: float) -> bool:
        return score > than if self._maximize else score < than

    def _trial_left(self, now: float) -> float | None:
        done = self._step + self.batch
        return (now - self._began) / done * max(0.0, self.steps - done) if self.steps and done else None

    def _study_left(self, now: float) -> float | None:
        """Return the seconds left, by the pace of all workers' trials, or else of this worker's own."""
        if not self.limit or not self._finished or self._first_number is None:
            return None
        begun = self._last_number - self._first_number
        pace = (self._began - self._search_began) / begun if begun else self._took / self._finished
        left = (self.limit - self._last_number) * pace
        return left + (max(0.0, self._took / self._finished - (now - self._began)) if self._trial else 0.0)


def number(value: object) -> str:
    """Return a value for people: five digits of a float."""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _plain(text: str) -> Text:
    """Return text that Rich prints unchanged: names may contain Rich's markup or control characters."""
    return Text(line_of(text))


def _bar(done: float, total: int | None) -> ProgressBar | str:
    return ProgressBar(total=total, completed=min(done, total), width=BAR_WIDTH) if total else ""


def _counted(trials: int) -> str:
    return "1 trial" if trials == 1 else f"{trials} trials"


def _times(spent: float, left: float | None) -> str:
    return _clock(spent) if left is None else f"{_clock(spent)}, {_clock(left)} left"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
