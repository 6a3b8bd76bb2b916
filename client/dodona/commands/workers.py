"""`dodona workers`: who has run the trials of a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from dodona import TrialRecord
from dodona.commands._calls import Name, Project, Token, Url, opened
from dodona.commands._print import age, print_table

HEADS = ("worker", "running", "since", "finished", "failed", "last seen")


@dataclass(slots=True)
class Work:
    """What a worker has done: the numbers of its trials by their state, and when it was last seen."""

    running: list[int] = field(default_factory=list)
    since: datetime | None = None
    finished: int = 0
    failed: int = 0
    seen: datetime | None = None


def workers(study: Name, url: Url = None, token: Token = None, project: Project = "default") -> None:
    """List the workers of a study, those that run trials first.

    A worker counts for the trials that it ran last.

    Example: dodona workers digits
    """
    with opened(study, url, token, project) as found:
        done = work_of(found.trials())
        rows = [
            {
                "worker": name,
                "running": ", ".join(map(str, work.running)),
                "since": age(work.since),
                "finished": str(work.finished),
                "failed": str(work.failed),
                "last seen": "" if work.running else age(work.seen) + " ago",
            }
            for name, work in sorted(done.items(), key=lambda one: (not one[1].running, one[0]))
        ]
        print_table(rows, HEADS, right=["finished", "failed"])


def work_of(records: Iterable[TrialRecord]) -> dict[str, Work]:
    """Return what each worker has done."""
    done: dict[str, Work] = {}
    for record in records:
        if record.worker is None:
            continue
        work = done.setdefault(record.worker, Work())
        if record.state in ("ACTIVE", "STOPPING"):
            work.running.append(record.number)
            work.since = min(filter(None, (work.since, record.start)), default=None)
        elif record.end is not None:
            work.finished += record.state == "SUCCEEDED"
            work.failed += record.state == "INFEASIBLE"
            work.seen = max(filter(None, (work.seen, record.end)))
    return done
