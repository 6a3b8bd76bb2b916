"""Measure the loop of trials with one server on SQLite, and with several on one PostgreSQL.

Four groups of workers call without a pause: all in one study, whose lock they share, or each group in a study of its
own. The servers take turns with the groups. Servers, database and load share all cores of the machine, so cycles/s say
little about more servers on a small machine; the processor time of a cycle does.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from load import CALLS, KINDS, percentile
from processes import Load, cpu_seconds
from runs import WARM_UP_SECONDS
from scale.calls import create_study
from scale.meters import Usage
from targets import TARGETS, Machine, Running

GROUPS = 4
WORKERS_A_GROUP = 4

Row = dict[str, Any]


def measure_throughput(target: str, servers: int, seconds: float, machine: Machine, folder: Path) -> list[Row]:
    """Return a row with one study and one with several.

    Each has cycles per second, latencies in milliseconds and processor time in milliseconds a cycle.

    Args:
        target: one of Dodona's.
        servers: server processes on one database; 1 for SQLite.
        seconds: the measured time of a row.
        machine: to run on.
        folder: for files of the run.
    """
    where = folder / f"{target}-{servers}"
    running = [Running(TARGETS[target], machine, where / "0")]
    try:
        for index in range(1, servers):
            running.append(Running(TARGETS[target], machine, where / str(index), running[0].database_url))
        return [_under_load(running, studies, seconds) for studies in (1, GROUPS)]
    finally:
        for one in reversed(running):
            one.stop(keep_database=one is not running[0])


def _under_load(running: list[Running], studies: int, seconds: float) -> Row:
    servers = [one.server for one in running if one.server]
    paths = [create_study(servers[0].port, f"study-{index}-of-{studies}") for index in range(studies)]
    loads: list[Load] = []
    try:
        for group in range(GROUPS):
            address = f"127.0.0.1:{servers[group % len(servers)].port}{paths[group % studies]}"
            loads.append(_load(running[0].machine, address, seconds, group))
        time.sleep(WARM_UP_SECONDS)
        return _measured(running, loads, seconds, studies)
    finally:
        for load in loads:
            load.stop()


def _load(machine: Machine, address: str, seconds: float, group: int) -> Load:
    # Each of them starts later than the one before.
    seconds += WARM_UP_SECONDS + GROUPS - group
    return Load(sys.executable, "raw", address, WORKERS_A_GROUP, seconds, core=machine.load_core, name=f"group-{group}")


def _measured(running: list[Running], loads: list[Load], seconds: float, studies: int) -> Row:
    usage = Usage(running)
    load_before = sum(cpu_seconds(load.process) for load in loads)
    began = time.monotonic()
    time.sleep(seconds)
    ended = time.monotonic()
    load_seconds = sum(cpu_seconds(load.process) for load in loads) - load_before
    used = usage.read()
    calls = [call for load in loads for call in load.calls()]
    if max(call.ended for call in calls) < ended:
        raise RuntimeError("the load ended before the measured time")
    calls = [call for call in calls if began < call.ended <= ended]
    cycles = len(calls) / CALLS
    return {
        "target": running[0].target.name,
        "servers": len(running),
        "studies": studies,
        "workers": GROUPS * WORKERS_A_GROUP,
        "cycles_per_second": cycles / (ended - began),
        "server": 1000 * used["server"] / cycles,
        "database": 1000 * used["database"] / cycles,
        "load": 1000 * load_seconds / cycles,
        "batch": used["jobs"] / used["transactions"],
        "p50": {kind: percentile(calls, kind, 0.5) for kind in KINDS},
        "p99": {kind: percentile(calls, kind, 0.99) for kind in KINDS},
    }
