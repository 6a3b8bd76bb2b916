"""State of the server, for people who operate it."""

from __future__ import annotations

import asyncio
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.trials.trial import TrialState
from dodona_server.observation.metrics import Summary, summaries
from dodona_server.service.computing.schedule import Load, Schedule
from dodona_server.service.gauges import Gauges
from dodona_server.storage.engine import size
from dodona_server.storage.engine.store import Store


@dataclass(frozen=True, slots=True)
class Disk:
    """Disk of a folder, in bytes."""

    folder: str
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class Status:
    """State of a server.

    Args:
        version: Dodona's.
        python: Python's version.
        database: its address without a password.
        database_version: the version of its software.
        database_bytes: its size.
        disks: the disks of an SQLite database and of the artifacts' folder.
        began: when this process began, in seconds since the epoch.
        studies: the number of studies by state.
        trials: the number of trials by state.
        load: the queue of suggestions of this process.
        summaries: what the server has measured since it started.
    """

    version: str
    python: str
    database: str
    database_version: str
    database_bytes: int
    disks: list[Disk]
    began: float
    studies: Mapping[StudyState, int]
    trials: Mapping[TrialState, int]
    load: Load
    summaries: Mapping[str, list[Summary]]


class StatusQueries:
    """Finds out the state of the server.

    Args:
        store: the database.
        gauges: count studies and trials.
        schedule: of suggestions.
        artifacts: the place of artifacts; None if there is none.
    """

    def __init__(self, store: Store, gauges: Gauges, schedule: Schedule, artifacts: str | None) -> None:
        self._store = store
        self._gauges = gauges
        self._schedule = schedule
        self._artifacts = artifacts
        self._began = time.time()

    async def now(self) -> Status:
        """Return the present state.

        Raises:
            Unavailable: the database does not answer.
        """
        figures = await self._gauges.figures()
        database_version, database_bytes = await self._store.read(size.database)
        return Status(
            version("dodona"),
            platform.python_version(),
            self._store.url,
            database_version,
            database_bytes,
            await asyncio.to_thread(self._disks),
            self._began,
            figures.studies,
            figures.trials,
            self._schedule.load,
            await asyncio.to_thread(summaries),
        )

    def _disks(self) -> list[Disk]:
        folders = [self._artifacts] if self._artifacts and "://" not in self._artifacts else []
        if self._store.url.startswith("sqlite:///"):
            folders.insert(0, str(Path(self._store.url.removeprefix("sqlite:///")).resolve().parent))
        found: dict[tuple[int, int], Disk] = {}
        for folder in folders:
            there = next((one for one in (Path(folder), *Path(folder).parents) if one.exists()), None)
            if there is not None:
                disk = shutil.disk_usage(there)
                found.setdefault((disk.free, disk.total), Disk(folder, disk.free, disk.total))
        return list(found.values())
