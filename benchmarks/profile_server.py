"""Profile a server under load with py-spy, and sum the samples by layer.

A sample counts for the innermost frame that belongs to a layer, so the standard library and pydantic count for their
callers. Only the thread that holds the GIL is sampled. Time in which all threads wait, for the disk or for work, is not
counted, nor is the database's work without the GIL.

    python benchmarks/profile_server.py dodona-sqlite --workers 16 --py-spy PATH
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from markdown_tables import aligned
from processes import Load, Postgres
from targets import TARGETS, Machine, Running

RATE = 400
WARM_UP_SECONDS = 1.5
# The first pattern that matches a frame, in py-spy's format: function (file:line).
LAYERS = (
    (
        "SQL driver: statements, begin and commit",
        r"\.do_(execute|executemany|commit|begin|rollback) |^(_commit|_run_each) |psycopg",
    ),
    ("SQLAlchemy", r"sqlalchemy/"),
    (
        "thread hand-over",
        r"\((threading|queue)\.py|concurrent/futures|asyncio/(futures|tasks|base_futures)"
        r"|^((Sqlite|Postgres)Store\.(run|_write)|_settle|_answer|in_thread) ",
    ),
    ("our API layer: routes, parsing, rendering", r"dodona_server/(api|app)|dodona_schemas/"),
    ("our service, domain and search", r"dodona_server/(service|domain|oracle)/"),
    ("our storage: statements, rows, codecs, commits", r"dodona_server/storage/"),
    ("framework: FastAPI, Starlette", r"(fastapi|starlette)/"),
    ("HTTP and event loop: uvicorn, httptools, uvloop", r"(uvicorn|uvloop|httptools|asyncio)/|dodona_server/serving"),
)
OTHER = "other"


def layer_of(frames: list[str]) -> str:
    """Return the layer that a stack counts for.

    Args:
        frames: from the outermost to the innermost.

    """
    for frame in reversed(frames):
        for layer, pattern in LAYERS:
            if re.search(pattern, frame):
                return layer
    return OTHER


def stacks(lines: Iterable[str]) -> list[tuple[list[str], int]]:
    """Return the stacks in py-spy's raw format with their numbers of samples."""
    split = [line.rsplit(" ", 1) for line in lines if line.strip()]
    return [(frames.split(";"), int(count)) for frames, count in split]


def report(samples: list[tuple[list[str], int]], functions: int) -> str:
    """Return the layers, our functions and those of SQLAlchemy, ranked by the share of time spent in or below them."""
    total = sum(count for _, count in samples)
    layers: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for frames, count in samples:
        layers[layer_of(frames)] += count
        for function in {re.sub(r":\d+\)", ")", frame) for frame in frames if "dodona_server" in frame}:
            inside[function] += count
    by_layer = aligned(["layer", "share, %"], [[name, f"{100 * n / total:.1f}"] for name, n in layers.most_common()])
    by_function = [[name, f"{100 * n / total:.1f}"] for name, n in inside.most_common(functions)]
    return (
        f"{total} samples\n\n{by_layer}\n\n{aligned(['function of ours, with what it calls', 'share, %'], by_function)}"
    )


def record(running: Running, py_spy: str, seconds: float, output: Path) -> None:
    """Sample the server for some seconds, and write the raw stacks to `output`."""
    assert running.server is not None
    process = str(running.server.process.pid)
    command = [py_spy, "record", "--gil", "-p", process, "-d", str(int(seconds)), "-r", str(RATE)]
    subprocess.run([*command, "-f", "raw", "-o", str(output)], check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=[name for name, target in TARGETS.items() if not target.is_peer])
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--functions", type=int, default=40, help="how many of our functions to list [40]")
    parser.add_argument("--py-spy", default=shutil.which("py-spy") or "py-spy", help="the program [the one on PATH]")
    parser.add_argument("--raw", type=Path, help="keep the stacks here")
    options = parser.parse_args()
    target = TARGETS[options.target]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [None]
    postgres = Postgres(cores[0], None) if target.postgres else None
    machine = Machine(cores[0], cores[-1], sys.executable, postgres)
    with tempfile.TemporaryDirectory(prefix="dodona-profile-") as temporary:
        running = Running(target, machine, Path(temporary) / "run")
        seconds = WARM_UP_SECONDS + options.seconds + 3
        load = Load(sys.executable, target.driver, running.address, options.workers, seconds, core=machine.load_core)
        try:
            time.sleep(WARM_UP_SECONDS)
            raw = options.raw or Path(temporary) / "stacks.txt"
            record(running, options.py_spy, options.seconds, raw)
            samples = stacks(raw.read_text().splitlines())
        finally:
            load.stop()
            running.stop()
            if postgres:
                postgres.close()
    print(report(samples, options.functions))


if __name__ == "__main__":
    main()
