"""`dodona studies watch`: a live table in a terminal, otherwise a line for each trial that ends."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import accumulate

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from dodona import NotFound, Study, TrialRecord
from dodona._text import line_of
from dodona.commands._print import number, table_of, trial_cells, trial_heads

REFRESH_SECONDS = 2.0
FINAL = ("SUCCEEDED", "INFEASIBLE")
# The most running and the most ended trials in the table.
RUNNING_SHOWN, ENDED_SHOWN = 16, 8
CHART_WIDTH = 60
BARS = "▁▂▃▄▅▆▇█"


class Watched:
    """A study and its trials, as far as they are known.

    Args:
        study: to watch.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        # Before the trials: what happens meanwhile is read twice, and nothing is missed.
        self._seen = study.last_event
        self.trials = {record.number: record for record in study.trials()}

    @property
    def is_over(self) -> bool:
        """Whether the study is completed and no trial runs."""
        return self.study.state == "COMPLETED" and not self.running

    @property
    def running(self) -> list[TrialRecord]:
        """Trials that workers run."""
        return [record for record in self.trials.values() if record.state in ("ACTIVE", "STOPPING")]

    def look(self) -> list[TrialRecord]:
        """Fetch what has changed, and return the trials that have ended since."""
        self.study.refresh()
        self._seen, changed = self.study.changed_trials(self._seen)
        running = [record.number for record in self.running[:RUNNING_SHOWN]]
        ended: list[TrialRecord] = []
        for trial in dict.fromkeys([*changed, *running]):
            before = self.trials.pop(trial, None)
            try:
                now = self.trials[trial] = self.study.trial(trial)
            except NotFound:
                continue
            if now.state in FINAL and (before is None or before.state != now.state):
                ended.append(now)
        return ended

    def best_so_far(self) -> list[float]:
        """Return the best value after each succeeded trial, in the order of their ends."""
        objective, goal = next(iter(self.study.metrics.items()))
        succeeded = [record for record in self.trials.values() if record.state == "SUCCEEDED" and record.end]
        succeeded.sort(key=lambda record: (record.end is not None and record.end.timestamp(), record.number))
        values = [record.metrics[objective] for record in succeeded if objective in record.metrics]
        return list(accumulate(values, max if goal == "maximize" else min))


def watch_study(study: Study, seconds: float) -> None:
    """Show the study until it is over.

    Args:
        study: to watch.
        seconds: between two looks.
    """
    watched, console = Watched(study), Console()
    if not console.is_terminal:
        typer.echo("\t".join(trial_heads(study)))
        _print_lines(watched, (record for record in watched.trials.values() if record.state in FINAL))
        while not watched.is_over:
            time.sleep(seconds)
            _print_lines(watched, watched.look())
        return
    with Live(_shown(watched), console=console, auto_refresh=False) as live:
        while not watched.is_over:
            time.sleep(seconds)
            watched.look()
            live.update(_shown(watched), refresh=True)


def _print_lines(watched: Watched, ended: Iterable[TrialRecord]) -> None:
    for record in ended:
        cells = trial_cells(watched.study, record)
        typer.echo("\t".join(line_of(cells[head]) for head in trial_heads(watched.study)))


def _shown(watched: Watched) -> Group:
    study, running = watched.study, watched.running
    ended = sorted((one for one in watched.trials.values() if one.end), key=lambda one: str(one.end))[-ENDED_SHOWN:]
    rows = [trial_cells(study, record) for record in [*ended, *running[:RUNNING_SHOWN]]]
    heads = trial_heads(study)
    table = table_of([[line_of(row[head]) for head in heads] for row in rows], heads, ["trial", "step", *study.metrics])
    counts = f"{len(watched.trials)} trials, {len(running)} running"
    bests = watched.best_so_far()
    head = line_of(f"{study.display_name}  {study.state}  {counts}  {study.url}")
    lines: list[RenderableType] = [Text(head, style="bold"), table]
    if bests:
        objective = next(iter(study.metrics))
        lines.append(Text(line_of(f"best {objective} {number(bests[-1])}  {chart(bests)}")))
    return Group(*lines)


def chart(values: list[float]) -> str:
    """Return the values as a line of bars, at most `CHART_WIDTH`, each the last of its part."""
    width = min(CHART_WIDTH, len(values))
    some = [values[(index + 1) * len(values) // width - 1] for index in range(width)]
    low, high = min(some), max(some)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in some)


def watch_trial(study: Study, trial: int, seconds: float) -> None:
    """Print a line for each measurement of a trial until it ends, and how it ended.

    Args:
        study: the trial's.
        trial: its number.
        seconds: between two looks.
    """
    printed = 0
    names = list(study.metrics)
    while True:
        record = study.trial(trial)
        if record.measurements and not printed:
            names = list(dict.fromkeys([*names, *record.measurements[0].metrics]))
            typer.echo("\t".join(["step", *names]))
        for one in record.measurements[printed:]:
            typer.echo("\t".join([str(one.step), *(number(one.metrics.get(name)) for name in names)]))
        # A lost attempt may continue before its end, with a shorter curve.
        printed = len(record.measurements)
        if record.state in FINAL:
            typer.echo(str(record))
            if record.infeasible_reason or record.stopping_reason:
                typer.echo(line_of(record.infeasible_reason or record.stopping_reason or ""))
            return
        time.sleep(seconds)
