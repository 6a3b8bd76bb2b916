"""Replay stored learning curves under our stopping rules and those of peers: the epochs they use, and what they lose.

    python benchmarks/early_stopping.py run runs.jsonl --taskset CURVES.npz --seeds 20
    python benchmarks/early_stopping.py model runs.jsonl --taskset CURVES.npz --seeds 3
    python benchmarks/early_stopping.py report runs.jsonl --page docs/early-stopping.md
    python benchmarks/early_stopping.py shares --taskset CURVES.npz --page docs/early-stopping.md
    python benchmarks/early_stopping.py learned --taskset CURVES.npz --page docs/early-stopping.md
    python benchmarks/early_stopping.py picture docs/images

It needs the extras `bench`, `keras` and `ray`. A run continues where an earlier one stopped. Time is simulated; see
`replays/simulation.py`. `curves/README.md` says what the curves are, and which of them rules were not chosen with.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import time
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curves.tables import CurveTable, read
from markdown_tables import placed
from replays import learned, pictures, report, runs, shares
from replays.policies import POLICIES, RULES
from replays.runs import Search

REFERENCES = {"shares": shares.table, "learned": learned.table}
PICTURED = "keras_recurrent_digits val_accuracy"


def main() -> None:
    given = _parser().parse_args()
    warnings.simplefilter("ignore")
    given.do(given)


def measure(given: argparse.Namespace) -> None:
    """Run the random searches that the file lacks."""
    policies = given.policies.split(";") if given.policies else list(POLICIES)[:-1]
    tables = _tables(given)
    _run(given, tables, runs.planned(tables, policies, given.workers, given.seeds))


def measure_models(given: argparse.Namespace) -> None:
    """Run the searches with a model that the file lacks."""
    tables = _tables(given)
    _run(given, tables, runs.planned_with_models(tables, given.seeds))


def _tables(given: argparse.Namespace) -> list[CurveTable]:
    groups, held_back = (
        given.groups.split(","),
        {"choosing": (False,), "held-back": (True,)}.get(given.tables, (False, True)),
    )
    return [table for table in read(given.taskset) if table.group in groups and table.held_back in held_back]


def _run(given: argparse.Namespace, tables: Iterable[CurveTable], searches: Iterable[Search]) -> None:
    by_name = {table.name: table for table in tables}
    done = {tuple(record[part] for part in Search._fields) for record in load([given.runs])}
    end = time.monotonic() + 60 * given.minutes
    with given.runs.open("a") as file:
        for search in itertools.takewhile(lambda _: time.monotonic() < end, searches):
            if search not in done:
                file.write(json.dumps(runs.run(search, by_name[search.table])) + "\n")
                file.flush()


def load(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the records of all files; those with the ending .gz are compressed."""
    lines: list[str] = []
    for path in paths:
        if path.exists():
            text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
            lines += text.splitlines()
    return [json.loads(line) for line in lines]


def write(given: argparse.Namespace) -> None:
    """Print the tables, or write them into a page."""
    _show(given, report.tables(load(given.runs)))


def write_reference(given: argparse.Namespace) -> None:
    """Print what is lost by a reference that knows more than a rule can, or write it into a page."""
    _show(given, {given.reference: REFERENCES[given.reference](read(given.taskset), given.seeds)})


def _show(given: argparse.Namespace, tables: dict[str, str]) -> None:
    if given.page:
        given.page.write_text(placed(given.page.read_text(), tables))
    else:
        print("\n\n".join(f"{name}\n\n{table}" for name, table in tables.items()))


def draw(given: argparse.Namespace) -> None:
    """Draw the curves of a study and where each rule stops them."""
    table = next(table for table in read() if table.name == PICTURED)
    rules = {name: rule for name, rule in RULES.items() if name != "asha"}
    pictures.draw(table, rules, "val_accuracy", given.folder / "early_stopping.svg")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, do in (("run", measure), ("model", measure_models)):
        run = commands.add_parser(name)
        run.add_argument("runs", type=Path)
        run.add_argument("--taskset", type=Path, help="the curves of TaskSet; they are left out if not given")
        run.add_argument("--groups", default="taskset,trainings,networks,synthetic")
        run.add_argument(
            "--tables", choices=("all", "choosing", "held-back"), default="all", help="see curves/README.md"
        )
        run.add_argument("--seeds", type=int, default=20)
        run.add_argument("--minutes", type=float, default=1e9)
        run.set_defaults(do=do)
        if name == "run":
            run.add_argument("--policies", help="names with semicolons; all if not given")
            run.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    show = commands.add_parser("report")
    show.add_argument("runs", type=Path, nargs="+")
    show.add_argument("--page", type=Path)
    show.set_defaults(do=write)
    for name in REFERENCES:
        reference = commands.add_parser(name)
        reference.add_argument("--taskset", type=Path, help="the curves of TaskSet; they are left out if not given")
        reference.add_argument("--seeds", type=int, default=100)
        reference.add_argument("--page", type=Path)
        reference.set_defaults(do=write_reference, reference=name)
    pictured = commands.add_parser("picture")
    pictured.add_argument("folder", type=Path)
    pictured.set_defaults(do=draw)
    return parser


if __name__ == "__main__":
    main()
