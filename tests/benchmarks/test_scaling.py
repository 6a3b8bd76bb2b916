"""benchmarks/scaling.py: simulated fleets keep the books, and the page shows the stored results."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scale.clock import Clock, Lock, Station
from scale.costs import KINDS, Cost, Costs, costs_of
from scale.figures import page
from scale.fleet import Study, fleet
from scale.leases import LEASE_SECONDS, Leases
from scale.scenarios import CORES, load_of, month
from scale.service import Service
from scale.simulation import Fault, Simulation

CALL = Cost(server=0.0004, database=0.0002, rest=0.0003)
SHARED = Cost(server=0.0001, database=0.0003, rest=0.0005)
COSTS = Costs(dict.fromkeys(KINDS, CALL), dict.fromkeys(KINDS, SHARED), [1.0])


def simulation(studies, *, servers=2, cores=2, costs=COSTS, seed=1, faults=()):
    return Simulation(studies, costs, servers=servers, cores=cores, seed=seed, faults=faults)


class TestStation:
    def test_work_waits_for_the_core_that_is_free_first(self):
        station = Station(2)
        assert [station.take(0.0, seconds) for seconds in (3.0, 1.0, 1.0)] == [3.0, 1.0, 2.0]

    def test_work_of_another_thread_delays_only_what_comes_later(self):
        station = Station(1)
        assert station.take(0.0, 5.0) == 5.0
        assert station.take_first(1.0, 1.0) == 2.0
        assert station.take(1.0, 1.0) == 7.0

    @given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), min_size=1, max_size=30), st.integers(1, 4))
    def test_it_has_worked_no_more_than_its_cores_can_and_in_the_end_everything(self, work, cores):
        station, now, total, last = Station(cores), 0.0, 0.0, 0.0
        for pause, seconds in work:
            now += pause
            last = max(last, station.take(now, seconds))
            total += seconds
            assert -1e-9 <= station.worked(now) <= cores * now + 1e-9
        assert station.worked(last) == pytest.approx(total)

    def test_a_restart_forgets_what_is_not_done(self):
        station = Station(1)
        station.take(0.0, 10.0)
        station.restart(4.0)
        assert station.worked(4.0) == 4.0
        assert station.take(4.0, 1.0) == 5.0


class TestLock:
    def test_one_at_a_time_holds_it_in_order_of_arrival(self):
        clock, order = Clock(), []
        lock = Lock(clock)
        for name in "abc":
            lock.acquire(lambda name=name: order.append(name))
        assert order == ["a"]
        clock.now = 2.5
        assert lock.held() == 2.5
        lock.release()
        assert order == ["a", "b"]
        lock.release()
        lock.release()
        clock.now = 10.0
        assert order == ["a", "b", "c"]
        assert lock.held() == 2.5


class TestCosts:
    def row(self, kind, together, batch, **parts):
        return {"kind": kind, "together": together, "batch": batch, "quantiles": [1.0, 3.0], **parts}

    def test_two_sizes_of_a_transaction_give_its_cost_and_that_of_a_call(self):
        # F = 2 ms and C = 1 ms: alone 3 ms, one of ten 1.2 ms.
        rows = [
            self.row(kind, together, 10 if together else 1, server=value, database=value, rest=value)
            for kind in KINDS
            for together, value in ((False, 3.0), (True, 1.2))
        ]
        costs = costs_of(rows)
        for kind in KINDS:
            assert costs.call[kind].server == pytest.approx(0.001)
            assert costs.transaction[kind].database == pytest.approx(0.002)
            assert costs.alone(kind) == pytest.approx(0.009)
        assert costs.spread == [0.5, 1.5]

    def test_no_cost_is_below_zero_if_calls_together_took_longer(self):
        rows = [
            self.row(kind, together, 10 if together else 1, server=value, database=value, rest=value)
            for kind in KINDS
            for together, value in ((False, 1.0), (True, 4.0))
        ]
        assert costs_of(rows).call["ask"] == Cost(0.001, 0.001, 0.001)
        assert costs_of(rows).transaction["ask"] == Cost(0.0, 0.0, 0.0)


class TestService:
    def answers(self, calls, servers=1, studies=1, until=100.0):
        clock, took = Clock(), []
        service = Service(clock, COSTS, servers, 1, random.Random(1))
        for number in range(calls):
            service.call("ask", number % studies, number % servers, lambda _: took.append(clock.now))
        clock.run(until)
        assert service.unanswered == 0
        return took, service

    def test_a_call_alone_takes_the_sum_of_its_costs(self):
        took, _ = self.answers(1)
        assert took == [pytest.approx(COSTS.alone("ask"))]

    def test_calls_of_a_study_that_wait_share_a_transaction(self):
        took, service = self.answers(20)
        assert len(took) == 20
        assert service.transactions < 20

    def test_calls_of_different_studies_do_not(self):
        _, service = self.answers(20, studies=20)
        assert service.transactions == 20

    def test_a_study_on_two_servers_is_changed_by_one_at_a_time(self):
        # The database takes 1 s a call, and has room for both.
        slow = Costs(dict.fromkeys(KINDS, Cost(0, 1, 0)), dict.fromkeys(KINDS, Cost(0, 0, 0)), [1.0])
        for kind, ends in (("ask", [1, 2]), ("report", [1, 1]), ("complete", [1, 1])):
            clock, took = Clock(), []
            service = Service(clock, slow, 2, 2, random.Random(1))
            for home in (0, 1):
                service.call(kind, 0, home, lambda _, clock=clock, took=took: took.append(clock.now))
            clock.run(10)
            assert took == pytest.approx(ends), kind

    def test_calls_of_a_server_that_ends_fail_and_the_next_one_answers(self):
        clock, told = Clock(), []
        service = Service(clock, COSTS, 2, 1, random.Random(1))
        service.call("ask", 0, 0, told.append)
        service.lose_server(0)
        clock.run(1)
        assert told == [False]
        service.call("ask", 0, 0, told.append)
        clock.run(2)
        assert told == [False, True]
        assert service.unanswered == 0

    def test_calls_fail_while_the_database_is_away(self):
        clock, told = Clock(), []
        service = Service(clock, COSTS, 1, 1, random.Random(1))
        service.call("ask", 0, 0, told.append)
        service.lose_database()
        clock.run(1)
        service.start_database()
        service.call("ask", 0, 0, told.append)
        clock.run(2)
        assert told == [False, True]


class TestLeases:
    def test_a_trial_goes_back_to_its_worker_until_another_one_has_it(self):
        leases = Leases([0, 0, 1])
        for worker in range(3):
            leases.begin(worker, 0.0)
        leases.look(LEASE_SECONDS)
        assert leases.expired == 3
        assert leases.renew(0, LEASE_SECONDS)
        # A worker of another study gets none of them; one of the same study gets that of the other.
        leases.begin(2, LEASE_SECONDS)
        assert leases.lost == 0
        leases.begin(0, LEASE_SECONDS)
        assert (leases.regained, leases.lost) == (1, 1)
        assert not leases.renew(1, LEASE_SECONDS)
        assert not leases.end(1, LEASE_SECONDS)

    def test_all_that_run_begin_anew(self):
        leases = Leases([0, 0, 0])
        leases.begin(0, 0.0)
        leases.begin(1, 30.0)
        leases.begin_anew(LEASE_SECONDS)
        leases.look(2 * LEASE_SECONDS - 1)
        assert leases.expired == 0
        leases.look(2 * LEASE_SECONDS)
        assert leases.expired == 2


class TestFleet:
    @given(st.integers(1, 300), st.integers(1, 300))
    def test_every_worker_has_a_study(self, workers, studies):
        studies = min(workers, studies)
        sizes = [study.workers for study in fleet(workers, studies)]
        assert sum(sizes) == workers
        assert min(sizes) >= 1
        assert all(one >= other for one, other in pairwise(sizes))

    @given(st.integers(1, 10**6))
    def test_a_trial_reports_at_most_each_second(self, seed):
        study, rng = Study(1, 3.0, 50), random.Random(seed)
        for seconds, reports in (study.trial(rng), study.running(rng)):
            assert seconds / reports >= 1.0


FAULTS = st.builds(Fault, st.floats(0, 30), st.floats(1, 90), st.integers(0, 2))


class TestSimulation:
    @settings(max_examples=30, deadline=None)
    @given(
        workers=st.integers(1, 60),
        studies=st.integers(1, 6),
        seed=st.integers(0, 1000),
        servers=st.integers(2, 3),
        faults=st.lists(FAULTS, max_size=1),
    )
    def test_all_time_of_workers_is_accounted_for(self, workers, studies, seed, servers, faults):
        run = simulation(fleet(workers, min(workers, studies)), servers=servers, seed=seed, faults=faults)
        outcome = run.run(10, 200)
        assert sum(run.workers.spent()) == pytest.approx(workers * 210)
        assert sum(outcome.shares) == pytest.approx(1)
        assert outcome.regained + outcome.lost <= outcome.expired
        assert max(outcome.server, outcome.database, outcome.lock) <= 1 + 1e-9

    def test_each_trial_is_asked_for_and_completed(self):
        outcome = simulation(fleet(50, 5)).run(0, 3000)
        assert outcome.calls["ask"] == pytest.approx(outcome.calls["complete"], rel=0.02)
        assert outcome.trials == outcome.calls["complete"]

    def test_the_same_seed_gives_the_same_run(self):
        assert simulation(fleet(50, 5)).run(10, 100) == simulation(fleet(50, 5)).run(10, 100)
        assert simulation(fleet(50, 5), seed=2).run(10, 100) != simulation(fleet(50, 5)).run(10, 100)

    def test_a_worker_alone_waits_as_long_as_the_service_works(self):
        outcome = simulation([Study(1, 10.0, 1)]).run(0, 5000)
        assert outcome.wait == pytest.approx((1000 * COSTS.alone("ask"),) * 3)
        # A report, a completion and a suggestion are between two trainings.
        assert outcome.gap[0] == pytest.approx(1000 * sum(map(COSTS.alone, ("report", "complete", "ask"))))

    def test_the_shares_of_time_are_those_of_the_calls(self):
        outcome = simulation(fleet(20, 5), servers=1, cores=1).run(0, 5000)
        calls = sum(outcome.calls.values())
        assert outcome.batch == pytest.approx(1, abs=0.01)
        assert outcome.server == pytest.approx(calls * (CALL.server + SHARED.server), rel=0.01)
        assert outcome.database == pytest.approx(calls * (CALL.database + SHARED.database), rel=0.01)

    def test_a_worker_that_never_reports_is_heard_every_20_seconds_at_least(self):
        study = Study(20, 24 * 3600.0, 1, sigma=0.0)
        outcome = simulation([study]).run(60, 1000)
        assert 20 / 20 <= outcome.calls["heartbeat"] <= 20 / 10
        assert outcome.expired == 0

    def test_with_twice_the_time_the_queue_of_an_overloaded_service_grows(self):
        slow = replace(COSTS, call=dict.fromkeys(KINDS, Cost(server=0.5, database=0.0, rest=0.0)))
        waiting = [simulation(fleet(600, 60), servers=1, costs=slow).run(0, time).unanswered for time in (3, 6)]
        assert waiting[1] > 1.5 * waiting[0] > 0

    def test_a_short_absence_of_servers_loses_no_lease(self):
        outcome = simulation(fleet(200, 5), faults=[Fault(20, 30, 2)]).run(10, 150)
        assert outcome.expired == 0
        assert outcome.gap[2] > 20_000


def test_a_month_is_the_rate_times_thirty_days():
    calls = {"ask": 2.0, "report": 20.0, "heartbeat": 5.0, "complete": 2.0}
    sizes = {"trials": 500.0, "measurements": 150.0, "events": 100.0, "operations": 300.0, "requests": 400.0}
    found = month({"calls": calls}, sizes, dict.fromkeys(KINDS, 1000.0))
    assert found["rows"]["trials"] == 2 * 30 * 86_400
    assert found["gigabytes"]["measurements"] == pytest.approx(20 * 30 * 86_400 * 150 / 1e9)
    assert found["rows"]["events"] == 2 * found["rows"]["trials"]
    assert found["rows"]["operations"] == 2 * 86_400
    assert found["log_a_day"] == pytest.approx(29 * 86_400 * 1000 / 1e9)


class TestStored:
    """The stored results, and the page."""

    measured = json.loads(scaling.MEASURED.read_text())
    simulated = json.loads(scaling.SIMULATED.read_text())

    def test_the_page_shows_them(self):
        text = scaling.PAGE.read_text()
        assert page(text, self.measured, self.simulated) == text

    def test_the_simulation_gives_them_again(self):
        costs = costs_of([row for row in self.measured["calls"] if row["target"] == "dodona-postgres"])
        stored = self.simulated["loads"][0]
        again = load_of(costs, fleet(stored["workers"], stored["studies"]), stored["servers"], (10, stored["seconds"]))
        assert json.loads(json.dumps(again)) == stored
        assert stored["cores"] == CORES
