"""The statements of the trial loop use the indexes, on an SQLite database without statistics too."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import sqlite

from dodona_server.domain.study import Goal
from dodona_server.storage import trials
from dodona_server.storage.opening import open_store

BEST = trials._BEST_OBJECTIVE[Goal.MINIMIZE]


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (trials._UNFINISHED, "ix_trials_unfinished (study_key=? AND state=? AND client_id=?)"),
        (trials._ANY_UNFINISHED, "ix_trials_unfinished"),
        (trials._COUNT_UNFINISHED, "ix_trials_unfinished"),
        (trials._WITH_OBJECTIVE, "ix_trials_objective (study_key=? AND objective=?)"),
        (BEST, "ix_trials_objective"),
        (trials._RANKING[Goal.MAXIMIZE], "ix_trials_objective"),
        (trials._COUNT_SUCCEEDED, "ix_trials_objective"),
        (trials._HISTORY, "ix_trials_objective"),
    ],
)
def test_nothing_walks_through_all_trials(tmp_path, statement, index):
    store = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    compiled = statement.compile(dialect=sqlite.dialect())
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", (1,) * len(compiled.positiontup or ()))
        plan = [row[3] for row in rows]
    store.close()
    assert any(index in step for step in plan), plan
    assert not any(step.endswith("PRIMARY KEY (study_key=?)") for step in plan), plan
