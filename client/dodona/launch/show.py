"""Output of `dodona run`: a live table in a terminal, otherwise a line for each event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dodona._text import line_of
from dodona._trials.status import Status
from dodona.launch.worker import Worker

REFRESHES_PER_SECOND = 4


class Show:
    """Display of all workers.

    Args:
        console: where to print.
        workers: all of them.
    """

    def __init__(self, console: Console, workers: Sequence[Worker]) -> None:
        self._console = console
        self._workers = workers
        self._live: Live | None = None
        self._pages: set[str] = set()
        self._printed: dict[str, tuple[str, int]] = {}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the table within the block and leave its last state behind; without a terminal, end with a summary."""
        if not self._console.is_terminal:
            try:
                yield
            finally:
                self.print_line(summary([status for worker in self._workers if (status := worker.status)]))
            return
        with Live(
            get_renderable=lambda: table(self._workers), console=self._console, refresh_per_second=REFRESHES_PER_SECOND
        ) as self._live:
            yield
        self._live = None

    def check(self) -> None:
        """Print the addresses of new studies' pages and, if there is no table, what has changed."""
        for worker in self._workers:
            if (status := worker.status) is not None and status.page and status.page not in self._pages:
                self._pages.add(status.page)
                self.print_line(f"study {status.study}: {status.page}")
        if self._live is not None:
            return
        for worker in self._workers:
            state, status = worker.state.partition(", again")[0], worker.status
            now = (state, status.finished if status else 0)
            before = self._printed.get(worker.name)
            if now == before:
                continue
            self._printed[worker.name] = now
            result = f"  {_finished(status)}" if status and before and now[1] > before[1] else ""
            self.print_line(f"{worker.name}: {worker.state}{result}")

    def print_line(self, line: str) -> None:
        """Print a line, above the table if there is one."""
        # A closed terminal takes no more lines, but the workers must exit all the same.
        with suppress(OSError):
            self._console.print(line_of(line), highlight=False, markup=False, soft_wrap=True)


def table(workers: Sequence[Worker]) -> Group:
    """Return all workers, one a row, and their common result."""
    statuses = [worker.status for worker in workers]
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("worker", "state"):
        shown.add_column(head, no_wrap=True)
    for head in ("trial", "step", "value", "best so far", "finished", "restarts"):
        shown.add_column(head, justify="right")
    for worker, status in zip(workers, statuses, strict=True):
        cells = _cells(status) if status else ("",) * 5
        shown.add_row(worker.name, _styled(worker), *cells, str(worker.restarts or ""))
    return Group(shown, Text(summary([status for status in statuses if status])))


def summary(statuses: Sequence[Status]) -> str:
    """Return the common result of the workers of this machine; those of other machines are not known here.

    Args:
        statuses: their last statuses.
    """
    if not statuses:
        return "no worker has a trial yet"
    best: Status | None = None
    for status in statuses:
        if status.better(status.best, best.best if best else None):
            best = status
    finished = sum(status.finished for status in statuses)
    limit = max((status.limit for status in statuses if status.limit), default=None)
    names = ", ".join(sorted({status.study for status in statuses}))
    of = f" of at most {limit}" if limit else ""
    found = f"; best {best.metric} {best.best:.5g} in trial {best.best_trial}" if best else ""
    return line_of(f"study {names}: {finished} trials finished here{of}{found}")


def _cells(status: Status) -> tuple[str, ...]:
    numbers = (status.value, status.best)
    value, best = ("" if number is None else f"{number:.5g}" for number in numbers)
    step = "" if status.step is None else str(status.step)
    return (str(status.trial), step, value, best, str(status.finished))


def _finished(status: Status) -> str:
    best = "" if status.best is None else f", best {status.metric} {status.best:.5g} (trial {status.best_trial})"
    return f"{status.finished} trials finished{best}"


def _styled(worker: Worker) -> Text:
    state = worker.state
    return Text(state, style="green" if state == "running" else "red" if worker.given_up else "")
