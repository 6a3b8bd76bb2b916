"""Quotas: how many bytes of artifacts and metadata, how many studies and how many trials each project may keep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dodona_server.domain.errors import QuotaExceeded, StorageFull
from dodona_server.storage import usage
from dodona_server.storage.engine.store import Store, Transaction

logger = logging.getLogger("dodona")

# Counting reads many rows, so a figure is used for this long; between two, what this server adds is added to it.
COUNTED_SECONDS = 60.0
WARNING_SHARE = 0.8
WARNING_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class ProjectLimits:
    """Limits on what each project may keep; None for no limit."""

    artifact_bytes: int | None = None
    metadata_bytes: int | None = None
    studies: int | None = None
    trials: int | None = None


NO_LIMITS = ProjectLimits()


@dataclass(slots=True)
class _Used:
    """Use of one kind by a project: how much, when it was counted, and when it was warned about."""

    total: int = 0
    counted: float = field(default=float("-inf"))
    warned: float = field(default=float("-inf"))


class Quotas:
    """Refuses what a project has no room for, and warns before that.

    Args:
        store: where the rows are.
        limits: of each project.
        monotonic: a clock for durations, in seconds.
    """

    def __init__(self, store: Store, limits: ProjectLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._kinds = {
            "artifacts": (limits.artifact_bytes, usage.artifact_bytes),
            "metadata": (limits.metadata_bytes, usage.metadata_bytes),
            "studies": (limits.studies, usage.study_count),
            "trials": (limits.trials, usage.trial_count),
        }
        self._used: dict[tuple[str, str], _Used] = {}

    async def check_artifact(self, project: str, size: int) -> None:
        """Check that the project has room for an artifact of that many bytes.

        Raises:
            StorageFull: it has none.
        """
        await self._check("artifacts", project, size)

    async def check_metadata(self, project: str, changes: Mapping[str, str]) -> None:
        """Check that the project has room for entries of metadata; removing some is always allowed.

        Raises:
            StorageFull: it has none.
        """
        size = sum(len(key) + len(value) for key, value in changes.items() if value)
        if size:
            await self._check("metadata", project, size)

    def added_artifact(self, project: str, size: int) -> None:
        """Record that an artifact was saved."""
        if ("artifacts", project) in self._used:
            self._used["artifacts", project].total += size

    async def notices(self, projects: list[str]) -> list[str]:
        """Return a text for each of the projects and kinds of which little room is left."""
        notices = []
        for project in projects:
            for kind, (limit, _) in self._kinds.items():
                if limit is not None:
                    used = await self._usage(kind, project)
                    if used.total >= WARNING_SHARE * limit:
                        notices.append(f"{project}: {_share(kind, used.total, limit)}")
        return notices

    def check_study(self, transaction: Transaction, project: str) -> None:
        """Check that the project may have another study.

        Raises:
            QuotaExceeded: it may not.
        """
        self._allowed(transaction, "studies", project, 1)

    def new_trials(self, transaction: Transaction, project: str, count: int) -> int:
        """Return how many of `count` new trials the project may have, at least one.

        Raises:
            QuotaExceeded: it may have none.
        """
        return self._allowed(transaction, "trials", project, count)

    def _allowed(self, transaction: Transaction, kind: str, project: str, count: int) -> int:
        limit, count_used = self._kinds[kind]
        if limit is None:
            return count
        used = count_used(transaction, project)
        self._warn(kind, project, used + count, limit)
        if used >= limit:
            raise QuotaExceeded(
                f"project {project} has {used} {kind}, and its quota is {limit}: delete some, or raise "
                f"DODONA_MAX_PROJECT_{kind.upper()} of the server"
            )
        return min(count, limit - used)

    def _warn(self, kind: str, project: str, total: int, limit: int) -> None:
        used = self._used.setdefault((kind, project), _Used())
        now = self._monotonic()
        if total >= WARNING_SHARE * limit and now - used.warned >= WARNING_SECONDS:
            used.warned = now
            logger.warning("project %s: %s", project, _share(kind, min(total, limit), limit))

    async def _check(self, kind: str, project: str, size: int) -> None:
        limit, _ = self._kinds[kind]
        if limit is None:
            return
        used = await self._usage(kind, project)
        total = used.total + size
        self._warn(kind, project, total, limit)
        if total > limit:
            raise StorageFull(
                f"the {kind} of project {project} take up {used.total} bytes, and {size} more would exceed its quota "
                f"of {limit}; delete some, or purge deleted studies"
            )
        if kind == "metadata":
            used.total = total

    async def _usage(self, kind: str, project: str) -> _Used:
        used = self._used.setdefault((kind, project), _Used())
        if self._monotonic() - used.counted >= COUNTED_SECONDS:
            count = self._kinds[kind][1]

            def query(transaction: Transaction) -> int:
                return count(transaction, project)

            used.total = await self._store.read(query)
            used.counted = self._monotonic()
        return used


def _share(kind: str, total: int, limit: int) -> str:
    if kind in ("studies", "trials"):
        return f"there are {total} of {limit} {kind}"
    return f"{kind} take up {total} of {limit} bytes"
