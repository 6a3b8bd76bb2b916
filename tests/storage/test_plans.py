"""The statements of the trial loop use the indexes at 50 000 trials, whatever the planner knows about the tables.

Each use of the store is run, and every statement that it sends is explained: a statement that is changed or added
is judged without anybody listing it here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from dodona_server.domain.artifact import Artifact
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import TrialName
from dodona_server.domain.studies.study import Goal, Metric, Study, StudyState
from dodona_server.domain.studies.study_list import StudyFilter
from dodona_server.domain.trials.curve import CurvePoint, first_point
from dodona_server.domain.trials.listing import Among, Listing, Order
from dodona_server.domain.trials.trial import Lease, Measurement, RankingPosition, Trial, TrialState
from dodona_server.domain.worker import StopOrder
from dodona_server.storage import events, operations, requests, workers
from dodona_server.storage.artifacts import artifacts
from dodona_server.storage.engine import statement
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import deleted_studies, removal, studies, study_list
from dodona_server.storage.trials import (
    available,
    curves,
    ended_curves,
    leases,
    listing,
    measurements,
    ranking,
    sampled,
    trials,
)
from tests.storage.crowded import BIG, BIG_KEY, LEASED, QUEUED, RUNNING, SPEC, THEN, TRIALS, fill
from tests.support.postgres import fresh_database

BIG_TABLES = {"trials", "measurements", "curves", "operations", "events", "requests", "artifacts"}
MIDDLE = RankingPosition(0.5, 501)
RESULT = Measurement({"loss": 0.5}, 3, 1.5)
RUN = Trial(RUNNING, TrialState.ACTIVE, {"x": 0.5}, "worker-1", attempt=1, lease=Lease(60.0))
ENDED = dataclasses.replace(RUN, state=TrialState.SUCCEEDED, end_time=THEN, final_measurement=RESULT)
OPERATION = SuggestOperation("f" * 32, "worker-1", [1], StudyState.ACTIVE, THEN)
DONE = requests.Done("report", "")
POINT = CurvePoint(3.0, 0.5, 0.25, 3)
FILE = Artifact(RUNNING, "model.h5", "blob", 1, 9, "00", THEN)
Use = Callable[[Transaction, Study], Any]


def maximized(study: Study) -> Study:
    spec = dataclasses.replace(SPEC, metrics=(Metric("loss", Goal.MAXIMIZE),))
    return dataclasses.replace(study, spec=spec)


def expect(count: int, found: Sequence[object]) -> None:
    assert len(found) == count


# What the calls of workers do, and what the lists and pages read.
USES: dict[str, Use] = {
    "study": lambda t, s: studies.find(t, s.name, lock=True),
    "study, ahead": lambda t, s: studies.find_ahead(t, s.name)(),
    "study by display name": lambda t, s: studies.find_displayed(t, s.name.parent, s.display_name),
    "studies": lambda t, s: studies.page(t, s.name.parent, 500, 10),
    "list of studies": lambda t, s: study_list.page(t, StudyFilter(), 0, 50),
    "spec": lambda t, s: studies.find_spec(t, s.key),
    "studies due": lambda t, s: studies.due(t, THEN, 20),
    "any removed": lambda t, s: removal.any_removed(t),
    "deleted studies": lambda t, s: deleted_studies.of_location(t, s.name.parent),
    "deleted studies to purge": lambda t, s: deleted_studies.overdue(t, THEN, 20),
    "restore": lambda t, s: (
        deleted_studies.hold(t, s, THEN, THEN),
        deleted_studies.bring_back(t, deleted_studies.find(t, s.name.parent, s.key), s.name, s.display_name),
    ),
    "count trials": lambda t, s: studies.add_trials(t, s, 1, 1),
    "available": lambda t, s: available.find(t, s.name, "worker-1"),
    "own": lambda t, s: trials.unfinished_trials(t, s, TrialState.ACTIVE, "worker-1", 5),
    "queued": lambda t, s: trials.unfinished_trials(t, s, TrialState.REQUESTED, "", 5),
    "run elsewhere": lambda t, s: leases.run_elsewhere(t, s, "worker-1"),
    "heard": lambda t, s: leases.heard(t, s.key),
    "last event": lambda t, s: events.last_key(t),
    "projects of later events": lambda t, s: events.projects_after(t, events.last_key(t) - 5, 1000),
    "unfinished, for figures": lambda t, s: sampled.unfinished_numbers(t, s, 200),
    "leases run out": lambda t, s: leases.run_out(t, 100),
    "leases run out, looked at": lambda t, s: leases.run_out(t, 100, lock=False),
    "begin anew": lambda t, s: leases.begin_anew(t),
    "any unfinished": lambda t, s: trials.any_unfinished(t, s),
    "any queued": lambda t, s: trials.any_queued(t, s),
    "pending": lambda t, s: trials.pending(t, s),
    "trial": lambda t, s: trials.find(t, s, RUNNING, lock=True),
    "trial by name": lambda t, s: trials.find_named(t, TrialName(s.name, RUNNING)),
    "trials by number": lambda t, s: trials.find_numbered(t, s.key, [1, 500, 40_000]),
    "insert": lambda t, s: trials.insert(t, s, [dataclasses.replace(RUN, number=TRIALS + 99)], lease_seconds=60.0),
    "assign": lambda t, s: leases.assign(t, s.key, RUN),
    "extend lease": lambda t, s: leases.extend_lease(t, s.key, dataclasses.replace(RUN, number=LEASED)),
    "requeue": lambda t, s: leases.requeue(t, s.key, RUN),
    "reclaim": lambda t, s: leases.reclaim(t, s.key, dataclasses.replace(RUN, number=QUEUED)),
    "checkpoint": lambda t, s: trials.set_checkpoint(t, s.key, dataclasses.replace(RUN, checkpoint="there")),
    "stop": lambda t, s: trials.set_stopping(t, s.key, dataclasses.replace(RUN, state=TrialState.STOPPING)),
    "worker seen": lambda t, s: workers.seen(t, s.key, "worker-1", "", 1.0, StopOrder.NOW, THEN),
    "compute": lambda t, s: workers.compute_seconds(t, s, THEN),
    "worker counted": lambda t, s: workers.count(t, s.key, "worker-1", TrialState.SUCCEEDED, 1.0),
    "workers": lambda t, s: workers.listed(t, None, s, 0.0, 0, 20),
    "unfinished numbers": lambda t, s: trials.unfinished_numbers(t, s, TrialState.ACTIVE, "worker-1", 3),
    "running": lambda t, s: trials.running(t, s),
    "parameters": lambda t, s: trials.set_parameters(t, s.key, trials.find(t, s, QUEUED)),
    "metadata": lambda t, s: trials.set_metadata(t, s.key, RUNNING, {"a": "b"}),
    "finish": lambda t, s: trials.finish(t, s, ENDED),
    "delete": lambda t, s: trials.delete(t, s, 500),
    "measure": lambda t, s: measurements.measure(t, s.key, RUNNING, 1, RESULT),
    "measured": lambda t, s: measurements.measured(t, s.key, dataclasses.replace(RUN, number=500)),
    "last steps": lambda t, s: measurements.last_steps(t, s.key, [500, 40_000]),
    "thin": lambda t, s: measurements.thin(t, s.key, dataclasses.replace(RUN, number=500), 2),
    "curve": lambda t, s: curves.last(t, s.key, 500),
    "first of a curve": lambda t, s: curves.put(t, s.key, RUNNING, None, first_point(1.0, 0.5)),
    "again in a curve": lambda t, s: curves.put(t, s.key, 500, POINT, POINT.after(2.0, 0.5)),
    "best at": lambda t, s: curves.best_at(t, s.key, 500, 2.0),
    "bests at": lambda t, s: expect(curves.COMPARED, curves.bests_at(t, s.key, TRIALS, 3.0)),
    "bests where nobody was": lambda t, s: expect(0, curves.bests_at(t, s.key, RUNNING, 99.0)),
    "means at": lambda t, s: expect(231, curves.means_at(t, s.key, TRIALS, 3.0)),
    "means where nobody was": lambda t, s: expect(0, curves.means_at(t, s.key, RUNNING, 99.0)),
    "spans of curves": lambda t, s: expect(curves.COMPARED, curves.spans(t, s.key)),
    "following in a curve": lambda t, s: curves.following(t, s.key, 500, 2.0),
    "bests until": lambda t, s: expect(curves.COMPARED, curves.bests_until(t, s.key, 3.0)),
    "any better": lambda t, s: curves.any_better(t, s.key, 0.5),
    "curves of completed trials": lambda t, s: ended_curves.completed(t, s.key, Goal.MINIMIZE, 6),
    "values of completed trials": lambda t, s: ended_curves.values_at(t, s, [0.5, 1.0, 2.0, 3.0]),
    "curves of stopped trials": lambda t, s: expect(ended_curves.BEST_STOPPED, ended_curves.stopped(t, s)),
    "predicted": lambda t, s: trials.set_predicted(t, s, 3, RESULT),
    "page of the succeeded": lambda t, s: next(ranking.succeeded(t, s)),
    "best": lambda t, s: ranking.best(t, s),
    "best, maximized": lambda t, s: ranking.best(t, maximized(s)),
    "first page of the ranking": lambda t, s: ranking.ranking(t, s, None, 20),
    "page of the ranking": lambda t, s: ranking.ranking(t, s, MIDDLE, 20),
    "page of the ranking, maximized": lambda t, s: ranking.ranking(t, maximized(s), MIDDLE, 20),
    "first page": lambda t, s: trials.page(t, s, 0, 20),
    "page": lambda t, s: trials.page(t, s, 40_000, 20),
    "page, briefly": lambda t, s: trials.page_briefly(t, s, 40_000, 20),
    "numbered": lambda t, s: trials.numbered(t, s.key, [1, 500, 40_000]),
    "trial, briefly": lambda t, s: trials.find_brief(t, s, RUNNING),
    "first listed of the ranking": lambda t, s: ranking.listed(t, s, None, 20),
    "listed of the ranking": lambda t, s: ranking.listed(t, s, MIDDLE, 20),
    **{
        f"{order} trials, {among}": lambda t, s, order=order, among=among: listing.page(
            t, s, Listing(among, order, 25_000), 20
        )
        for order in (Order.NEWEST, Order.OLDEST)
        for among in Among
    },
    "best trials": lambda t, s: listing.page(t, s, Listing(order=Order.BEST), 20),
    "best trials, maximized": lambda t, s: listing.page(t, maximized(s), Listing(order=Order.BEST), 20),
    "worst trials after": lambda t, s: listing.page(t, s, Listing(order=Order.WORST, after=MIDDLE), 20),
    "results": lambda t, s: ranking.results(t, s, [1, 500, 40_000]),
    "running trials": lambda t, s: expect(20, listing.running(t, s, 20)),
    "shown trials": lambda t, s: listing.numbered(t, s, [1, 500, 40_000]),
    "failures": lambda t, s: expect(500, listing.failures(t, s, 500)),
    "last measurement": lambda t, s: measurements.last(t, s.key, 500),
    "sample of measurements": lambda t, s: measurements.sample(t, s.key, 500, 3, 60),
    "sizes of measurements": lambda t, s: measurements.fitting(t, s.key, [500, 40_000]),
    "finished": lambda t, s: trials.finished(t, s, 40_000, 20),
    "operation of a study": lambda t, s: operations.find_in_study(t, s.key, "nonesuch"),
    "operation": lambda t, s: operations.find(t, "p", "l", "x"),
    "operations": lambda t, s: operations.page(t, "p", "l", None, "", 20),
    "operations of a study": lambda t, s: operations.page(t, "p", "l", s.name.study_id, "", 20),
    "insert operation": lambda t, s: operations.insert(t, s.key, OPERATION),
    "delete operation": lambda t, s: operations.delete(t, "x"),
    "new request": lambda t, s: requests.insert(t, s.key, "another", DONE, THEN),
    "request done": lambda t, s: requests.find(t, s.key, "r500"),
    "request of a study by name": lambda t, s: requests.find_ahead(t, s.name, "r500")(),
    "request of a location": lambda t, s: requests.find(t, s.name.parent, "r500"),
    "request done again": lambda t, s: requests.set_result(t, s.key, "r500", "trials/5"),
    "count unfinished": lambda t, s: trials.count_unfinished(t, s),
    "parameters from": lambda t, s: trials.parameters_from(t, s, s.next_trial_number - 3, 10),
    "append event": lambda t, s: events.append(t, s.key, [Event(EventKind.TRIAL_ACTIVE, THEN, 1)]),
    "number events": lambda t, s: events.number(t, s),
    "events": lambda t, s: events.page(t, s.key, 40_000, 20),
    "newest events": lambda t, s: events.newest(t, [s.key]),
    "artifacts of a trial": lambda t, s: artifacts.of_trial(t, s.key, 500),
    "count artifacts": lambda t, s: artifacts.count(t, s.key, 500),
    "artifact": lambda t, s: artifacts.find(t, s.key, 500, "model.h5", lock=True),
    "artifacts of a study": lambda t, s: artifacts.page(t, s.key, (40_000, "model.h5"), 20),
    "reserve artifact": lambda t, s: artifacts.reserve(t, s.key, FILE, THEN),
    "keep artifact": lambda t, s: artifacts.keep(t, dataclasses.replace(FILE, key=10 * TRIALS)),
    "discard artifact": lambda t, s: artifacts.discard(t, dataclasses.replace(FILE, key=500), THEN),
    "discard artifacts of a trial": lambda t, s: artifacts.discard_of_trial(t, s.key, 500, THEN),
    "discard artifacts of a study": lambda t, s: artifacts.discard_of_study(t, s.key, 100),
    "discarded blobs": lambda t, s: artifacts.discarded_blobs(t, THEN, 100),
    "forget blobs": lambda t, s: artifacts.forget(t, [500]),
    "purge requests": lambda t, s: requests.purge(t, THEN + 1000, 100),
    "purge operations": lambda t, s: operations.purge(t, operations.oldest_id(THEN + 1000), 100),
    "clear removed": lambda t, s: removal.clear_removed(t, 100),
}
# How many steps of SQLite's machine, and rows that PostgreSQL reads, one statement may take: some for each row that it
# answers with, whereas one that walks through a table takes several for each of 50 000 rows.
MAX_STEPS = 25_000
MAX_ROWS_READ = 1_000


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


@dataclasses.dataclass
class Sent:
    """A statement that was sent, by the driver alone or by SQLAlchemy, and how many steps SQLite took to answer it."""

    statement: str
    parameters: Any
    alone: bool
    steps: int = 0

    def explained(self, transaction: Transaction, how: str) -> Any:
        """What the database answers to the statement behind the words `how`."""
        text = f"{how} {self.statement}"
        if self.alone:
            return statement.send(transaction, text, self.parameters, answers=True)
        return transaction.exec_driver_sql(text, self.parameters).all()


def sent(transaction: Transaction, use: Use, study: Study) -> list[Sent]:
    """The statements that a use sends."""
    statements: list[Sent] = []

    def keep(_c: Any, _cursor: Any, text: str, parameters: Any, _context: Any, many: bool) -> None:
        statements.append(Sent(text, parameters[0] if many else parameters, alone=False))

    def keep_and_send(to: Transaction, text: str, parameters: Any, *, answers: bool) -> Any:
        statements.append(Sent(text, parameters, alone=True))
        return send(to, text, parameters, answers=answers)

    def keep_and_stream(to: Transaction, text: str, parameters: Any) -> Any:
        statements.append(Sent(text, parameters, alone=True))
        return stream(to, text, parameters)

    def step() -> None:
        # Also when rows are fetched, until the next statement is sent.
        statements[-1].steps += 100

    send, stream = statement.send, statement.stream
    event.listen(transaction, "before_cursor_execute", keep)
    driver: Any = transaction.connection.driver_connection
    if transaction.dialect.name == "sqlite":
        driver.set_progress_handler(step, 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statement, "send", keep_and_send)
        patch.setattr(statement, "stream", keep_and_stream)
        use(transaction, study)
    if transaction.dialect.name == "sqlite":
        driver.set_progress_handler(None, 0)
    event.remove(transaction, "before_cursor_execute", keep)
    return statements


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


def sqlite_faults(transaction: Transaction, one: Sent) -> list[str]:
    plan = query_plan(transaction, one)
    wrong = [step for step in plan if (scanned := re.match(r"SCAN (\w+)", step)) and scanned[1] in BIG_TABLES]
    if one.steps > MAX_STEPS:
        wrong.append(f"{one.steps} steps by {plan}")
    return wrong


def query_plan(transaction: Transaction, one: Sent) -> list[str]:
    return [row[3] for row in one.explained(transaction, "EXPLAIN QUERY PLAN")]


def postgres_faults(transaction: Transaction, one: Sent, vacuumed: bool) -> list[str]:
    if one.statement.startswith("INSERT"):
        return []
    plans = [generic_plan(transaction, one), plan_for(transaction, one, "")]
    wrong = [
        f"a sequential scan of {node['Relation Name']}"
        for plan in plans
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG_TABLES
    ]
    # Without statistics PostgreSQL may think that a study has few trials, and read and sort them all.
    if vacuumed and one.statement.startswith("SELECT"):
        measured = plan_for(transaction, one, "ANALYZE, ")
        wrong += [f"{read:.0f} rows by {name}" for name, read in rows_read(measured) if read > MAX_ROWS_READ]
    return wrong


def plan_for(transaction: Transaction, one: Sent, how: str) -> dict[str, Any]:
    """The plan for the parameters that were sent."""
    plan: dict[str, Any] = one.explained(transaction, f"EXPLAIN ({how}FORMAT JSON)")[0][0][0]["Plan"]
    return plan


def generic_plan(transaction: Transaction, one: Sent) -> dict[str, Any]:
    """The plan for any parameters: the driver prepares statements that come often, and PostgreSQL may then take it."""
    names = list(one.parameters)
    text = one.statement
    if not one.alone:
        text = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", text).replace("%%", "%")
    nothing = f"({', '.join(['NULL'] * len(names))})" if names else ""
    for prepared in ("SET LOCAL plan_cache_mode = force_generic_plan", f"PREPARE judged AS {text}"):
        transaction.exec_driver_sql(prepared.replace("%", "%%"))
    explain = f"EXPLAIN (FORMAT JSON) EXECUTE judged{nothing}"
    plan: dict[str, Any] = transaction.exec_driver_sql(explain).scalar_one()[0]["Plan"]
    transaction.exec_driver_sql("DEALLOCATE judged")
    return plan


def rows_read(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Each table and index of a plan that was run, and how many of its rows were read."""
    for node in nodes(plan):
        name = node.get("Index Name", node.get("Relation Name"))
        if name is not None:
            dropped = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
            yield f"{node['Node Type']} {name}", (node["Actual Rows"] + dropped) * node["Actual Loops"]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


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
            study = studies.insert(transaction, BIG, "young", SPEC, 7, THEN)
            finished = [dataclasses.replace(ENDED, number=number + 1) for number in range(request.param)]
            trials.insert(transaction, study, [*finished, RUN])
        yield store
        store.close()
