"""The statements of the trial loop use the indexes at 50 000 trials, whatever the planner knows about the tables.

Each use of the store is run, and every statement that it sends is explained: a statement that is changed or added
is judged without anybody listing it here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from dodona_server.storage.engine.store import Store
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import studies
from dodona_server.storage.trials import ranking, sampled, trials
from tests.storage.crowded import BIG, BIG_KEY, SPEC, THEN, fill, leave_without_statistics
from tests.storage.plans import Sent, generic_plan, nodes, plan_for, postgres_faults, query_plan, sent, sqlite_faults
from tests.storage.uses import ENDED, RUN, USES, Use
from tests.support.postgres import fresh_database


@dataclasses.dataclass(frozen=True)
class Crowded:
    """A store that `fill` has filled, and whether its database has statistics."""

    store: Store
    vacuumed: bool


@pytest.fixture(scope="module")
def sqlite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('plans') / 'x.db'}")
    with store.engine.begin() as transaction:
        fill(transaction)
    yield store
    store.close()


@pytest.fixture(scope="module")
def postgres_store(_postgres: sa.URL) -> Iterator[Store]:
    with fresh_database(_postgres) as url:
        store = open_store(url)
        with store.engine.begin() as transaction:
            fill(transaction)
        yield store
        store.close()


# In this order: statistics, once gathered, stay.
@pytest.fixture(
    scope="module",
    params=[("sqlite", False), ("sqlite", True), ("postgresql", False), ("postgresql", True)],
    ids=["sqlite", "sqlite-vacuumed", "postgresql", "postgresql-vacuumed"],
)
def crowded(request: pytest.FixtureRequest) -> Crowded:
    kind, vacuumed = request.param
    store: Store = request.getfixturevalue("sqlite_store" if kind == "sqlite" else "postgres_store")
    if vacuumed:
        gather_statistics(store)
    assert has_statistics(store) is vacuumed
    return Crowded(store, vacuumed)


def gather_statistics(store: Store) -> None:
    """Does what `dodona db vacuum` does, which also lets PostgreSQL read an index alone."""
    if store.engine.dialect.name == "sqlite":
        with store.engine.begin() as transaction:
            transaction.exec_driver_sql("ANALYZE")
    else:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM (ANALYZE)")


def has_statistics(store: Store) -> bool:
    with store.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            known = "SELECT count(*) FROM pg_stats WHERE tablename = 'trials'"
        else:
            known = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'"
        return bool(connection.exec_driver_sql(known).scalar_one())


def faults(crowded: Crowded, use: Use) -> list[str]:
    """What is wrong with the plans of the statements of a use, which is undone."""
    found: list[str] = []
    with crowded.store.engine.connect() as transaction:
        study = studies.find(transaction, BIG)
        assert study is not None
        assert study.key == BIG_KEY
        statements = sent(transaction, use, study)
        transaction.rollback()
        for one in statements:
            if transaction.dialect.name == "sqlite":
                wrong = sqlite_faults(transaction, one)
            else:
                wrong = postgres_faults(transaction, one, crowded.vacuumed)
            found += [f"{fault} in {' '.join(one.statement.split())}" for fault in wrong]
            transaction.rollback()
    assert statements
    return found


@pytest.mark.parametrize("name", USES)
def test_nothing_walks_through_a_table(crowded, name):
    assert faults(crowded, USES[name]) == []


@pytest.mark.parametrize(
    "use",
    [ranking.counts, lambda t, s: ranking.history(t, s, 1), lambda t, s: sampled.best_of_parts(t, s, 300)],
    ids=["counts", "history", "best of parts"],
)
def test_what_goes_over_a_whole_study_reads_an_index_alone(crowded, use):
    with crowded.store.engine.connect() as transaction:
        study = studies.find(transaction, BIG)
        assert study is not None
        for one in sent(transaction, use, study):
            if transaction.dialect.name == "sqlite":
                steps = [step for step in query_plan(transaction, one) if " trials " in step]
                assert re.match(r"SEARCH trials USING COVERING INDEX ix_trials_\w+ \(study_key=\?", steps[0]), steps
            else:
                used = {node["Node Type"] for node in nodes(plan_for(transaction, one, ""))}
                assert "Seq Scan" not in used
                assert not crowded.vacuumed or "Index Only Scan" in used
        transaction.rollback()


@pytest.mark.parametrize("table", ["trials", "measurements", "curves", "operations", "events"])
def test_a_deleted_study_is_looked_up_in_what_refers_to_it(crowded, table):
    # What a database asks for itself before it deletes a row that others may refer to.
    one = Sent(f"SELECT 1 FROM {table} WHERE study_key = {BIG_KEY + 1000} LIMIT 1", (), alone=False)
    with crowded.store.engine.connect() as transaction:
        if transaction.dialect.name == "sqlite":
            assert sqlite_faults(transaction, one) == []
        else:
            assert [node for node in nodes(plan_for(transaction, one, "")) if node["Node Type"] == "Seq Scan"] == []
        transaction.rollback()


# Uses of the trial loop that a bad plan would make read the whole study each time.
LOOP = (
    "available",
    "own",
    "queued",
    "any unfinished",
    "pending",
    "trial",
    "trial by name",
    "trials by number",
    "extend lease",
)


@pytest.mark.parametrize("name", LOOP)
def test_plans_that_postgresql_makes_for_a_young_study_and_keeps_serve_a_large_one(young, name):
    # Each connection keeps the plans that it makes in its first seconds until the tables are analyzed.
    with young.engine.connect() as transaction:
        study = studies.find(transaction, BIG)
        assert study is not None
        scans = [
            (node["Node Type"], node.get("Index Name"), node.get("Index Cond", ""))
            for one in sent(transaction, USES[name], study)
            for node in nodes(generic_plan(transaction, one))
            if node.get("Relation Name") == "trials" and node["Node Type"] != "ModifyTable"
        ]
        transaction.rollback()
    assert scans
    assert [scan for scan in scans if scan[1] != "ix_trials_unfinished" and "number" not in scan[2]] == []


@pytest.fixture(scope="module", params=[20, 300], ids=["of 20 trials", "of 300 trials"])
def young(_postgres: sa.URL, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A database with one study of a few trials, which nobody has analyzed."""
    with fresh_database(_postgres) as url:
        store = open_store(url)
        with store.engine.begin() as transaction:
            leave_without_statistics(transaction)
            study = studies.insert(transaction, BIG, "young", SPEC, 7, THEN)
            finished = [dataclasses.replace(ENDED, number=number + 1) for number in range(request.param)]
            trials.insert(transaction, study, [*finished, RUN])
        yield store
        store.close()
