"""What must hold after any fault, read from the database itself and from the workers' own journals."""

from __future__ import annotations

import collections
import json
from pathlib import Path

import sqlalchemy as sa


def violations(url: str, folder: Path, budget: int, *, allowed_infeasible: bool) -> list[str]:
    """Each promise that was broken, in words.

    Args:
        url: of the database.
        folder: of the journals.
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
        steps = connection.execute(sa.text("SELECT number, attempt, step FROM measurements")).all()
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
    found += _against_journals(folder, {trial["number"]: trial for trial in trials}, steps)
    return found


def _against_journals(folder: Path, kept: dict[int, sa.RowMapping], steps: object) -> list[str]:
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
        final = trial and trial["final_measurement"] and json.loads(trial["final_measurement"])[2]["objective"]
        if trial is None or trial["state"] != "SUCCEEDED" or final != value or trial["attempt"] != attempt:
            found.append(f"the acknowledged result {value} of trial {number}, attempt {attempt}, is not there: {trial}")
    for number, trial in kept.items():
        measured = sorted(step for owner, attempt, step in steps if (owner, attempt) == (number, trial["attempt"]))
        if trial["state"] == "SUCCEEDED" and measured != [1, 2, 3, 4]:
            found.append(f"trial {number} has the steps {measured}")
    return found


def _driver(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else "postgresql+psycopg"
