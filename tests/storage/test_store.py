"""What every store must do: the same class runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from dodona_server.domain.errors import Unavailable
from dodona_server.domain.names import Location, StudyName, TrialName
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Study, StudySpec, StudyState
from dodona_server.domain.trials.trial import Measurement, RankingPosition, Trial, TrialState
from dodona_server.domain.worker import StopOrder
from dodona_server.service.trials.queries import TrialQueries
from dodona_server.storage import operations, requests, workers
from dodona_server.storage.engine.store import Store, Transaction
from dodona_server.storage.operations import SuggestOperation
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.studies import removal, studies
from dodona_server.storage.trials import available, leases, measurements, ranking, trials
from dodona_server.storage.trials.available import Available

T = TypeVar("T")
HERE = Location("p", "l")
SPEC = StudySpec((Metric("loss", Goal.MINIMIZE),), SearchSpace((Parameter("x", Double(0.0, 1.0)),)))


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.close()


def run(store: Store, use_case: Callable[[Transaction], T]) -> T:
    return asyncio.run(store.run(use_case))


def read(store: Store, query: Callable[[Transaction], T]) -> T:
    return asyncio.run(store.read(query))


def add_study(store: Store, study_id: str = "s", spec: StudySpec = SPEC) -> Study:
    return run(store, lambda t: studies.insert(t, StudyName(HERE, study_id), f"the {study_id}", spec, 7, 100.5))


def add_trials(store: Store, study: Study, *added: Trial) -> None:
    run(store, lambda t: trials.insert(t, study, added))


def active(number: int, client_id: str = "w") -> Trial:
    return Trial(number, TrialState.ACTIVE, {"x": 0.25}, client_id, create_time=1.5, start_time=1.5)


def succeeded(number: int, value: float) -> Trial:
    final = Measurement({"loss": value}, 3, 1.25)
    return dataclasses.replace(active(number), state=TrialState.SUCCEEDED, end_time=2.5, final_measurement=final)


class TestStudies:
    def test_a_study_comes_back_as_it_was_kept(self, store):
        study = add_study(store)
        assert study.spec == SPEC
        assert read(store, lambda t: studies.find(t, study.name)) == study
        assert read(store, lambda t: studies.find_displayed(t, HERE, "the s")) == study
        assert read(store, lambda t: studies.find(t, StudyName(HERE, "other"))) is None
        assert read(store, lambda t: studies.find(t, StudyName(Location("q", "l"), "s"))) is None

    def test_pages_follow_the_order_of_creation(self, store):
        added = [add_study(store, study_id) for study_id in ("b", "a", "c")]
        assert read(store, lambda t: studies.page(t, HERE, 0, 2).entries) == added[:2]
        assert read(store, lambda t: studies.page(t, HERE, added[1].key, 2).entries) == added[2:]

    def test_counters_state_and_spec_change(self, store):
        study = add_study(store)
        grown = dataclasses.replace(SPEC, metrics=(Metric("acc", Goal.MAXIMIZE),))
        run(store, lambda t: studies.add_trials(t, study, 3))
        run(store, lambda t: studies.remove_trial(t, study))
        run(store, lambda t: studies.set_spec(t, study, grown, StudyState.ACTIVE))
        run(store, lambda t: studies.set_state(t, study, StudyState.COMPLETED))
        changed = read(store, lambda t: studies.find(t, study.name))
        assert changed == dataclasses.replace(
            study, next_trial_number=4, trial_count=2, revision=2, spec=grown, state=StudyState.COMPLETED
        )

    @pytest.mark.parametrize("algorithm", ["QUASI_RANDOM_SEARCH", "GRID_SEARCH", "SHUFFLED_GRID_SEARCH"])
    def test_a_search_goes_on_with_another_spec(self, store, algorithm):
        study = add_study(store)
        run(store, lambda t: studies.add_trials(t, study, 3, suggested=3))
        spec = dataclasses.replace(SPEC, algorithm=algorithm)
        run(store, lambda t: studies.set_spec(t, study, spec, StudyState.ACTIVE))
        assert read(store, lambda t: studies.find(t, study.name)).position == 3

    def test_deleting_takes_everything_along_and_nothing_else(self, store):
        study, other = add_study(store), add_study(store, "other")
        for one in (study, other):
            add_trials(store, one, active(1))
            run(store, lambda t, one=one: measurements.measure(t, one.key, 1, 1, Measurement({"loss": 1.0})))
        run(store, lambda t: operations.insert(t, study.key, SuggestOperation("op", "w", [1], StudyState.ACTIVE, 1.0)))
        run(store, lambda t: removal.remove(t, study.key))
        assert run(store, lambda t: studies.find(t, study.name)) is None
        while run(store, lambda t: removal.clear_removed(t, 2)):
            pass
        assert read(store, lambda t: studies.page(t, HERE, 0, 9).entries) == [other]
        assert read(store, lambda t: operations.find(t, "p", "l", "op")) is None
        assert len(asyncio.run(TrialQueries(store).page(other.name, 0, 9)).entries[0].measurements) == 1


class TestTrials:
    def test_a_trial_comes_back_as_it_was_kept(self, store):
        study = add_study(store)
        added = [active(1), succeeded(2, 0.5), Trial(3, TrialState.REQUESTED, {"x": 1.0}, create_time=9.0)]
        add_trials(store, study, *added)
        for trial in added:
            assert read(store, lambda t, n=trial.number: trials.find(t, study, n)) == trial
        assert run(store, lambda t: trials.find_named(t, TrialName(study.name, 2))) == (study.key, added[1], False)
        assert run(store, lambda t: trials.find_named(t, TrialName(study.name, 4))) is None
        assert read(store, lambda t: trials.find_numbered(t, study.key, [3, 1, 8])) == [added[2], added[0]]

    def test_unfinished_trials_are_found_by_state_and_client_in_order(self, store):
        study = add_study(store)
        queued = [Trial(number, TrialState.REQUESTED, {}) for number in (5, 6)]
        add_trials(store, study, active(2, "a"), active(1, "a"), active(3, "b"), succeeded(4, 1.0), *queued)

        def unfinished(state, client, limit=9):
            found = run(store, lambda t: trials.unfinished_trials(t, study, state, client, limit))
            return [trial.number for trial in found]

        def there(client):
            return run(store, lambda t: available.find(t, study.name, client))

        assert (there("a"), there("c")) == (Available(own=True, queued=True), Available(own=False, queued=True))
        assert unfinished(TrialState.ACTIVE, "a") == [1, 2]
        assert unfinished(TrialState.ACTIVE, "a", limit=1) == [1]
        assert unfinished(TrialState.ACTIVE, "c") == []
        assert unfinished(TrialState.REQUESTED, "") == [5, 6]
        given = Trial(5, TrialState.ACTIVE, {}, "c", attempt=1, start_time=77.0)
        run(store, lambda t: leases.assign(t, study.key, given))
        assert read(store, lambda t: trials.find(t, study, 5)) == given
        assert there("c").own
        run(store, lambda t: leases.assign(t, study.key, dataclasses.replace(given, number=6)))
        assert not there("c").queued

    def test_a_finished_trial_leaves_the_unfinished_and_enters_the_ranking(self, store):
        study = add_study(store)
        add_trials(store, study, active(1))
        assert read(store, lambda t: trials.any_unfinished(t, study))
        run(store, lambda t: trials.finish(t, study, succeeded(1, 0.5)))
        assert not read(store, lambda t: trials.any_unfinished(t, study))
        assert read(store, lambda t: ranking.ranking(t, study, None, 9)) == [succeeded(1, 0.5)]

    @pytest.mark.parametrize(("goal", "order"), [(Goal.MINIMIZE, [3, 1, 4, 2, 6]), (Goal.MAXIMIZE, [6, 2, 1, 4, 3])])
    def test_the_ranking_is_by_objective_then_number_page_by_page(self, store, goal, order):
        study = add_study(store, spec=dataclasses.replace(SPEC, metrics=(Metric("loss", goal),)))
        values = {1: 1.0, 2: 2.0, 3: -1.0, 4: 1.0, 6: 1e300}
        reason = dataclasses.replace(active(5), state=TrialState.INFEASIBLE, end_time=2.0, infeasible_reason="oom")
        add_trials(store, study, *(succeeded(number, value) for number, value in values.items()), reason)
        for size in (1, 2, 9):
            ranked: list[int] = []
            behind = None
            while page := read(store, lambda t, b=behind, n=size: ranking.ranking(t, study, b, n)):
                ranked += [trial.number for trial in page]
                behind = RankingPosition(values[ranked[-1]], ranked[-1])
            assert ranked == order
        assert read(store, lambda t: ranking.best(t, study)) == order[:1]
        assert len(read(store, lambda t: list(ranking.succeeded(t, study)))) == 5

    def test_all_trials_with_the_best_value_are_best(self, store):
        study = add_study(store)
        assert read(store, lambda t: ranking.best(t, study)) == []
        add_trials(store, study, succeeded(1, 0.5), succeeded(2, 0.25), succeeded(3, 0.25))
        assert read(store, lambda t: ranking.best(t, study)) == [2, 3]

    def test_counts_and_history(self, store):
        study = add_study(store)
        failed = dataclasses.replace(active(4), state=TrialState.INFEASIBLE, end_time=2.0)
        stopping = dataclasses.replace(active(5), state=TrialState.STOPPING)
        add_trials(store, study, *(succeeded(n, n / 10) for n in (1, 2, 3)), failed, stopping, active(6))
        run(store, lambda t: studies.add_trials(t, study, 6))
        counted = read(store, lambda t: ranking.counts(t, studies.find(t, study.name)))
        assert {state: count for state, count in counted.items() if count} == {
            TrialState.SUCCEEDED: 3,
            TrialState.INFEASIBLE: 1,
            TrialState.STOPPING: 1,
            TrialState.ACTIVE: 1,
        }
        assert read(store, lambda t: ranking.history(t, study, 1)) == [(1, 0.1), (2, 0.2), (3, 0.3)]
        assert read(store, lambda t: ranking.history(t, study, 2)) == [(2, 0.2)]

    def test_a_deleted_trial_is_gone_with_its_measurements(self, store):
        study = add_study(store)
        add_trials(store, study, active(1), active(2))
        run(store, lambda t: measurements.measure(t, study.key, 1, 1, Measurement({"loss": 1.0}, 1)))
        run(store, lambda t: trials.delete(t, study, 1))
        assert [trial.number for trial in asyncio.run(TrialQueries(store).page(study.name, 0, 9)).entries] == [2]


class TestMeasurements:
    def test_they_come_back_in_order_with_values_that_json_lacks(self, store):
        study = add_study(store)
        add_trials(store, study, active(1), active(2))
        kept = [
            Measurement({"loss": math.inf, "other": -0.5}, 0, 0.5),
            Measurement({"loss": 1e-300}, 1, 1.0),
            Measurement({"loss": -math.inf}, 2, 0.25),
        ]
        for measurement in reversed(kept):
            run(store, lambda t, m=measurement: measurements.measure(t, study.key, 1, 1, m))
        assert read(store, lambda t: measurements.measured(t, study.key, active(1))) == kept
        first, second = asyncio.run(TrialQueries(store).page(study.name, 0, 9)).entries
        assert (first.measurements, second.measurements) == (kept, [])
        run(store, lambda t: measurements.measure(t, study.key, 2, 1, Measurement({"loss": math.nan}, 1)))
        assert math.isnan(read(store, lambda t: measurements.measured(t, study.key, active(2)))[0].metrics["loss"])

    def test_a_step_is_kept_once_and_moments_without_steps_apart(self, store):
        study = add_study(store)
        add_trials(store, study, active(1))
        for step, elapsed, value in [(1, 1.0, 0.5), (1, 2.0, 0.4), (0, 1.0, 0.3), (0, 2.0, 0.2), (0, 2.0, 0.1)]:
            measurement = Measurement({"loss": value}, step, elapsed)
            run(store, lambda t, m=measurement: measurements.measure(t, study.key, 1, 1, m))
        values = [one.metrics["loss"] for one in read(store, lambda t: measurements.measured(t, study.key, active(1)))]
        assert values == [0.3, 0.1, 0.4]


class TestWorkers:
    def test_a_worker_knows_that_it_is_asked_to_stop_once_it_was_told(self, store):
        study = add_study(store)

        def stop():
            return run(store, lambda t: available.find(t, study.name, "w")).stop

        def told_after_hearing(stop):
            run(store, lambda t: workers.seen(t, study.key, "w", "", 0.0, stop, 1.0))
            return run(store, lambda t: workers.find(t, study, "w")).told

        assert stop() is StopOrder.NONE
        assert not told_after_hearing(StopOrder.NONE)
        run(store, lambda t: workers.order(t, study.key, "w", StopOrder.NOW))
        assert stop() is StopOrder.NOW
        # The order came after the worker's call was looked at, or has changed since.
        assert not told_after_hearing(StopOrder.NONE)
        assert not told_after_hearing(StopOrder.AFTER_TRIAL)
        assert told_after_hearing(StopOrder.NOW)
        run(store, lambda t: workers.order(t, study.key, "w", StopOrder.NONE))
        assert not told_after_hearing(StopOrder.NONE)


class TestRequests:
    def test_an_id_is_unique_in_a_study_or_in_a_location(self, store):
        one, two = add_study(store), add_study(store, "other")
        done = {scope: requests.Done(f"call {index}", "") for index, scope in enumerate([one.key, two.key, HERE])}
        for scope, request in done.items():
            run(store, lambda t, s=scope, d=request: requests.insert(t, s, "r", d))
        for scope, request in done.items():
            assert read(store, lambda t, s=scope: requests.find(t, s, "r")) == request
        assert read(store, lambda t: requests.find(t, one.key, "another")) is None
        run(store, lambda t: requests.set_result(t, one.key, "r", "trials/2"))
        assert read(store, lambda t: requests.find(t, one.key, "r")) == requests.Done("call 0", "trials/2")
        assert read(store, lambda t: requests.find(t, two.key, "r")) == done[two.key]
        assert read(store, lambda t: requests.find_ahead(t, two.name, "r")()) == done[two.key]
        assert read(store, lambda t: requests.find_ahead(t, two.name, "another")()) is None


class TestOperations:
    def test_an_operation_is_found_by_its_id(self, store):
        study = add_study(store)
        operation = SuggestOperation("abc", "w", [1, 2], StudyState.COMPLETED, 5.5)
        run(store, lambda t: operations.insert(t, study.key, operation))
        assert read(store, lambda t: operations.find(t, "p", "l", "abc")) == (study.key, "s", operation)
        assert read(store, lambda t: operations.find(t, "q", "l", "abc")) is None
        assert read(store, lambda t: operations.find_in_study(t, study.key, "abc")) == operation
        assert read(store, lambda t: operations.find_in_study(t, study.key + 1, "abc")) is None

    def test_pages_go_by_id_over_one_study_or_all(self, store):
        study, other = add_study(store), add_study(store, "other")
        for owner, operation_id in ((study, "b"), (other, "c"), (study, "a")):
            operation = SuggestOperation(operation_id, "w", [], StudyState.ACTIVE, 1.0)
            run(store, lambda t, key=owner.key, o=operation: operations.insert(t, key, o))

        def page(study_id, after, limit):
            found = read(store, lambda t: operations.page(t, "p", "l", study_id, after, limit))
            return [operation.operation_id for _, _, operation in found]

        assert (page(None, "", 2), page(None, "b", 2), page("s", "", 9)) == (["a", "b"], ["c"], ["a", "b"])
        run(store, lambda t: operations.delete(t, "a"))
        assert page("s", "", 9) == ["b"]


class TestTransactions:
    def test_a_use_case_that_raises_has_changed_nothing_and_harms_no_other(self, store):
        def spoiled(transaction: Transaction) -> None:
            studies.insert(transaction, StudyName(HERE, "bad"), "bad", SPEC, 1, 1.0)
            raise ValueError("no")

        async def together() -> list[object]:
            good = [
                store.run(lambda t, i=i: studies.insert(t, StudyName(HERE, f"s{i}"), f"s{i}", SPEC, 1, 1.0))
                for i in range(20)
            ]
            return await asyncio.gather(*good[:10], store.run(spoiled), *good[10:], return_exceptions=True)

        results = asyncio.run(together())
        assert [type(result) for result in results].count(Study) == 20
        assert isinstance(results[10], ValueError)
        names = {study.name.study_id for study in read(store, lambda t: studies.page(t, HERE, 0, 99).entries)}
        assert names == {f"s{i}" for i in range(20)}

    def test_concurrent_use_cases_that_hold_the_study_count_one_by_one(self, store):
        study = add_study(store)

        def count(transaction: Transaction) -> int:
            held = studies.find(transaction, study.name, lock=True)
            studies.add_trials(transaction, held, 1)
            return held.next_trial_number

        async def together() -> list[int]:
            return await asyncio.gather(*(store.run(count) for _ in range(50)))

        assert sorted(asyncio.run(together())) == list(range(1, 51))

    def test_a_query_cannot_write(self, store):
        study = add_study(store)
        with pytest.raises(Exception, match=r"(?i)read.?only"):
            read(store, lambda t: removal.remove(t, study.key))
        assert read(store, lambda t: studies.find(t, study.name)) == study

    def test_what_was_acknowledged_is_there_when_the_database_is_opened_again(self, database_url):
        first = open_store(database_url)
        study = add_study(first)
        first.close()
        second = open_store(database_url)
        assert read(second, lambda t: studies.find(t, study.name)) == study
        second.close()

    def test_a_closed_store_asks_to_come_back_later(self, database_url):
        closed = open_store(database_url)
        closed.close()
        with pytest.raises(Unavailable):
            add_study(closed)
