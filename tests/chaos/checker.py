"""The invariants after any fault, read from the database and from the workers' journals."""

from __future__ import annotations

import collections
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tests.chaos.worker import STEPS, measured, result


def violations(url: str, folder: Path, budget: int, *, allowed_infeasible: bool) -> list[str]:
    """Return a text for each broken promise.

    Args:
        url: the database's URL.
        folder: the folder with the journals.
        budget: how many trials the study may have.
        allowed_infeasible: whether workers were killed so often that trials may have lost all their attempts.
    """
    engine = sa.create_engine(sa.make_url(url).set(drivername=_driver(url)))
    with engine.connect() as connection:
        trials = connection.execute(sa.text("SELECT * FROM trials ORDER BY number")).mappings().all()
        study = connection.execute(sa.text("SELECT * FROM studies")).mappings().one()
        endings = connection.execute(
            sa.text("SELECT trial_number, kind FROM events WHERE kind IN ('TRIAL_SUCCEEDED', 'TRIAL_INFEASIBLE')")
        ).all()
        steps = connection.execute(sa.text("SELECT number, attempt, step, metrics FROM measurements")).all()
    engine.dispose()
    found = []
    numbers = [trial["number"] for trial in trials]
    if numbers != list(range(1, budget + 1)):
        found.append(f"the budget of {budget} does not hold: the trials are {numbers}")
    if study["state"] != "COMPLETED":
        found.append(f"the study is {study['state']}")
    for trial in trials:
        if trial["state"] not in ("SUCCEEDED", "INFEASIBLE"):
            found.append(f"trial {trial['number']} is left {trial['state']}")
        if trial["state"] == "INFEASIBLE" and not allowed_infeasible:
            found.append(f"trial {trial['number']} is infeasible: {trial['infeasible_reason']}")
        if trial["lease_expiry"] is not None:
            found.append(f"trial {trial['number']} is finished and still leased")
    ended = collections.Counter(number for number, _ in endings)
    found += [f"trial {number} has ended {times} times" for number, times in ended.items() if times != 1]
    kept = {trial["number"]: trial for trial in trials}
    found += _against_parameters(kept, steps)
    found += _against_journals(folder, kept)
    return found


def _against_parameters(kept: dict[int, sa.RowMapping], steps: Sequence[sa.Row[Any]]) -> list[str]:
    """Yield measurements that no worker can have reported for its trial."""
    found = []
    values = {number: json.loads(trial["parameters"])["x"] for number, trial in kept.items()}
    for number, trial in kept.items():
        if trial["state"] != "SUCCEEDED":
            continue
        if (final := _final(trial)) != result(values[number]):
            found.append(f"trial {number} has the result {final} of another or of none: {trial}")
        reported = sorted(step for owner, attempt, step, _ in steps if (owner, attempt) == (number, trial["attempt"]))
        if reported != list(range(1, STEPS + 1)):
            found.append(f"trial {number} has the steps {reported}")
    for number, attempt, step, metrics in steps:
        if json.loads(metrics)["objective"] != measured(values[number], step):
            found.append(f"step {step} of attempt {attempt} of trial {number} is {metrics}")
    return found


def _final(trial: sa.RowMapping) -> float | None:
    final = trial["final_measurement"]
    return final and json.loads(final)[2]["objective"]


def _against_journals(folder: Path, kept: dict[int, sa.RowMapping]) -> list[str]:
    found = []
    done: dict[int, tuple[int, float]] = {}
    begun: collections.Counter[tuple[int, int]] = collections.Counter()
    for path in folder.glob("journal-*"):
        for line in path.read_text().splitlines():
            kind, number, attempt, value = line.split()
            if kind == "begun":
                begun[int(number), int(attempt)] += 1
            if kind != "done":
                continue
            if int(number) in done:
                found.append(f"trial {number} was acknowledged twice")
            done[int(number)] = (int(attempt), float(value))
    found += [f"attempt {attempt} of trial {number} ran twice" for (number, attempt), n in begun.items() if n > 1]
    for number, (attempt, value) in done.items():
        trial = kept.get(number)
        final = trial and _final(trial)
        if trial is None or trial["state"] != "SUCCEEDED" or final != value or trial["attempt"] != attempt:
            found.append(f"the acknowledged result {value} of trial {number}, attempt {attempt}, is not there: {trial}")
    return found


def _driver(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"
