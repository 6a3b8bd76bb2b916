"""Measure the pages of a study beside optuna-dashboard, on the same data, in Debian's Chromium.

For each size, interleaved and repeated:

    first      seconds from the start of the navigation to the history with all that it shows; scripts come from the
               browser's cache, as on every visit but the first
    drawn      the same to the figure that can be zoomed; optuna-dashboard has no other
    bytes      that page and its data, without the cached scripts
    update     bytes an update, while a trial ends each second
    cpu        CPU milliseconds of the server a second, for one open page, beyond what the trials cost

`--pages 100` also measures how much open pages of a running study slow the trial loop down: workers in one process,
pages in another one, each page with its stream, its refreshes and the data of its first figure.

    pip install -e '.[server,bench,dev]' optuna-dashboard
    python benchmarks/dashboard.py --sizes 100 1000 10000 100000 --pages 100 --repeats 3
    python benchmarks/dashboard.py --help
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from playwright.sync_api import Error as BrowserError

from dashboard_data import STUDY, copy_to_optuna, make_dodona
from load import RawSession
from markdown_tables import aligned, placed
from open_pages import watch
from processes import HERE, Load, Server, cpu_seconds, environment, pinned, processor
from targets import SERVES

PAGE_OF_STUDY = "/studies/default/local/benchmark"
# When the plot of the history is complete, as JavaScript.
OURS_FIRST = "document.querySelector('#history .dots a') || document.querySelector('#history canvas')"
OURS_DRAWN = "document.querySelector('#history canvas')"
PEER_DRAWN = "document.querySelectorAll('#plot-history .point').length >= {trials}"
SCRIPTS = re.compile(r"/static/")
# What a first visit to a study leaves in the browser's cache.
CACHED = """Promise.all(['figures.js', 'echarts.min.js'].map((name) =>
  fetch(document.querySelector('script[type=module]').src.replace('app.js', name)).then((answer) => answer.blob())))"""
UPDATE_SECONDS, REST_SECONDS = 20.0, 3.0
WARM_UP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """One page that was opened: NaN for what did not come in time."""

    target: str
    trials: int
    repeat: int
    first: float
    drawn: float
    bytes: float
    update: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Slowed:
    """The trial loop without and with open pages: cycles a second, and what the pages received in all."""

    pages: int
    repeat: int
    alone: float
    beside: float
    told: int
    refreshed: int


class Traffic:
    """The bytes that a page receives, without scripts and style sheets: whole answers, and what a stream sends."""

    def __init__(self, session: CDPSession) -> None:
        self.bytes = 0.0
        self._scripts: set[str] = set()
        self._streams: set[str] = set()
        session.send("Network.enable")
        session.on("Network.responseReceived", self._begin)
        session.on("Network.dataReceived", lambda event: self._count(event, event["requestId"] in self._streams))
        session.on("Network.loadingFinished", lambda event: self._count(event, event["requestId"] not in self._scripts))

    def _begin(self, event: dict[str, Any]) -> None:
        if SCRIPTS.search(event["response"]["url"]):
            self._scripts.add(event["requestId"])
        if event["type"] == "EventSource":
            self._streams.add(event["requestId"])

    def _count(self, event: dict[str, Any], counts: bool) -> None:
        self.bytes += event["encodedDataLength"] if counts else 0.0


@contextmanager
def served(target: str, folder: Path, database: Path, core: int | None) -> Iterator[Server]:
    """A server on a copy of a database."""
    folder.mkdir(parents=True)
    copy = folder / database.name
    # A copy of the file alone would lack what is still in the log beside it.
    with closing(sqlite3.connect(database)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    if target == "dodona":
        command = [sys.executable, "-m", "dodona_server", "serve", "--port={port}", f"--database-url=sqlite:///{copy}"]
        server = Server(command, folder, core, SERVES)
    else:
        program = str(Path(sys.executable).parent / "optuna-dashboard")
        server = Server([program, f"sqlite:///{copy}", "--port={port}", "--quiet"], folder, core)
    try:
        yield server
    finally:
        server.stop()


def opened(
    browser: Browser, target: str, trials: int, repeat: int, server: Server, database: Path, patience: float
) -> Opened:
    """Open the page of the study, and watch it while trials end."""
    address = f"http://127.0.0.1:{server.port}"
    path = PAGE_OF_STUDY if target == "dodona" else "/dashboard/studies/1"
    first, drawn = (OURS_FIRST, OURS_DRAWN) if target == "dodona" else (PEER_DRAWN.format(trials=trials),) * 2
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(1000 * patience)
    try:
        # The first visit fills the browser's cache with the scripts; a list of studies has the same ones.
        page.goto(address + ("/" if target == "dodona" else "/dashboard"))
        if target == "dodona":
            page.evaluate(CACHED)
        page.wait_for_timeout(1000)
        traffic = Traffic(context.new_cdp_session(page))
        page.goto(address + path, wait_until="commit")
        first_seconds = _when(page, first)
        drawn_seconds = _when(page, drawn)
        page.wait_for_timeout(1000)
        whole = traffic.bytes
        update, cpu = _followed(page, target, server, database, traffic)
        return Opened(target, trials, repeat, first_seconds, drawn_seconds, whole, update, cpu)
    except BrowserError as error:
        _say(f"{target}, {trials} trials: {error}")
        return Opened(target, trials, repeat, *[math.nan] * 5)
    finally:
        context.close()


def _when(page: Page, condition: str) -> float:
    """Return when the condition held, in seconds since the start of the navigation."""
    found: float = page.wait_for_function(f"() => ({condition}) && performance.now()", polling="raf").json_value()
    return found / 1000


def _followed(page: Page, target: str, server: Server, database: Path, traffic: Traffic) -> tuple[float, float]:
    """Return the bytes an update, and the CPU milliseconds a second of the open page."""
    before, used = traffic.bytes, cpu_seconds(server.process)
    updates = _trials(page, target, server, database)
    page.wait_for_timeout(1000 * REST_SECONDS)
    received, with_page = traffic.bytes - before, cpu_seconds(server.process) - used
    page.goto("about:blank")
    used = cpu_seconds(server.process)
    _trials(page, target, server, database)
    page.wait_for_timeout(1000 * REST_SECONDS)
    alone = cpu_seconds(server.process) - used
    return received / updates, 1000 * max(0.0, with_page - alone) / (UPDATE_SECONDS + REST_SECONDS)


def _trials(page: Page, target: str, server: Server, database: Path) -> int:
    """End a trial each second."""
    session = RawSession(server.port, STUDY, "worker-0") if target == "dodona" else None
    study = None
    if session is None:
        import optuna

        study = optuna.load_study(study_name="benchmark", storage=f"sqlite:///{database}")
    count = 0
    ends = time.monotonic() + UPDATE_SECONDS
    while time.monotonic() < ends:
        if session is not None:
            list(session.cycle())
        else:
            assert study is not None
            trial = study.ask()
            study.tell(trial, trial.suggest_float("rate", 1e-5, 0.1, log=True))
        count += 1
        page.wait_for_timeout(1000)
    return count


def slowed(pages: int, repeat: int, database: Path, folder: Path, options: argparse.Namespace) -> Slowed:
    """Measure the trial loop without and with open pages."""
    rates, told, refreshed = [], 0, 0
    for with_pages in (False, True) if repeat % 2 == 0 else (True, False):
        with served("dodona", folder / f"loop-{repeat}-{with_pages}", database, options.server_core) as server:
            watching = _watch(server.port, pages, options) if with_pages else None
            load = Load(
                sys.executable,
                "raw",
                f"127.0.0.1:{server.port}{STUDY}",
                options.workers,
                WARM_UP_SECONDS + options.seconds,
                core=options.load_core,
            )
            calls = load.calls()
            load.stop()
            begins = max(call.ended for call in calls) - options.seconds
            rates.append(
                (with_pages, sum(call.kind == "complete" and call.ended > begins for call in calls) / options.seconds)
            )
            if watching is not None:
                assert watching.stdin is not None
                told, refreshed = json.loads(watching.communicate("\n")[0].splitlines()[-1])
    found = dict(rates)
    return Slowed(pages, repeat, found[False], found[True], told, refreshed)


def _watch(port: int, pages: int, options: argparse.Namespace) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "dashboard.py"), "--watch", str(port), "--pages", str(pages)]
    with pinned(options.load_core):
        watching = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True
        )
    assert watching.stdout is not None
    if watching.stdout.readline().strip() != "ready":
        raise RuntimeError("the pages did not open")
    return watching


def tables(runs: list[Opened], loops: list[Slowed]) -> dict[str, str]:
    """Return the tables of the results in Markdown: medians over the repeats."""
    found = {}
    if runs:
        head = ["trials", "target", "first plot, s", "drawn, s", "kB", "kB an update", "CPU ms/s a page"]
        cells = dict.fromkeys((run.trials, run.target) for run in runs)
        rows = []
        for trials, target in cells:
            group = [run for run in runs if (run.trials, run.target) == (trials, target)]
            texts = [
                _median([getattr(run, name) / (1000 if name in ("bytes", "update") else 1) for run in group], digits)
                for name, digits in (("first", 2), ("drawn", 2), ("bytes", 0), ("update", 1), ("cpu", 1))
            ]
            rows.append([str(trials), target, *texts])
        found["dashboard"] = aligned(head, rows)
    if loops:
        head = ["open pages", "cycles/s without", "with", "ratio"]
        ratio = _median([loop.beside / loop.alone for loop in loops], 3)
        row = [
            str(loops[0].pages),
            _median([loop.alone for loop in loops], 0),
            _median([loop.beside for loop in loops], 0),
            ratio,
        ]
        found["pages"] = aligned(head, [row])
    return found


def _median(values: list[float], digits: int) -> str:
    value = statistics.median(values)
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def measure(options: argparse.Namespace, folder: Path) -> tuple[list[Opened], list[Slowed]]:
    """Run everything, with the repeats of each cell as far apart as possible."""
    databases = {}
    for trials in options.sizes:
        databases["dodona", trials] = folder / f"dodona-{trials}.db"
        databases["optuna-dashboard", trials] = folder / f"optuna-{trials}.db"
        _say(f"writing {trials} trials")
        make_dodona(databases["dodona", trials], trials)
        copy_to_optuna(databases["dodona", trials], databases["optuna-dashboard", trials])
    runs: list[Opened] = []
    loops: list[Slowed] = []
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for repeat in range(options.repeats):
            for (target, trials), database in list(databases.items())[:: 1 if repeat % 2 == 0 else -1]:
                where = folder / f"{target}-{trials}-{repeat}"
                with served(target, where, database, options.server_core) as server:
                    runs.append(
                        opened(browser, target, trials, repeat, server, where / database.name, options.patience)
                    )
                _say(str(runs[-1]))
        browser.close()
    if options.pages:
        start = folder / "dodona-loop.db"
        make_dodona(start, 1000)
        for repeat in range(options.repeats):
            loops.append(slowed(options.pages, repeat, start, folder, options))
            _say(str(loops[-1]))
    return runs, loops


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parsed() -> argparse.Namespace:
    """Return the options of the command line."""
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--patience", type=float, default=120, help="seconds after which a plot does not count")
    parser.add_argument("--pages", type=int, default=0, help="open pages beside the trial loop; 0 to leave it out")
    parser.add_argument("--workers", type=int, default=16, help="of the trial loop")
    parser.add_argument("--seconds", type=float, default=15, help="of the trial loop")
    parser.add_argument("--server-core", type=int, default=0 if cores > 1 else None)
    parser.add_argument("--load-core", type=int, default=1 if cores > 1 else None)
    parser.add_argument("--json", type=Path, help="a file for all runs")
    parser.add_argument("--page", type=Path, help="a page of the documentation whose tables are replaced")
    parser.add_argument("--watch", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parsed()
    if options.watch:
        asyncio.run(watch(options.watch, PAGE_OF_STUDY, options.pages))
        return
    with tempfile.TemporaryDirectory() as folder:
        runs, loops = measure(options, Path(folder))
    found = tables(runs, loops)
    conditions = {name: version(name) for name in ("dodona", "optuna", "optuna-dashboard")} | {"processor": processor()}
    print("\n\n".join([json.dumps(conditions), *found.values()]))
    if options.json:
        results = {
            "conditions": conditions,
            "pages": [asdict(run) for run in runs],
            "loop": [asdict(one) for one in loops],
        }
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    if options.page:
        options.page.write_text(placed(options.page.read_text(), found))


if __name__ == "__main__":
    main()
