"""benchmarks/early_stopping.py: the replay decides as the server does, and the whole benchmark runs."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import early_stopping
from curves import synthetic, tables
from curves.tables import CurveTable
from dodona_server.app import create_app
from dodona_server.domain.space import Double, Parameter, SearchSpace
from dodona_server.domain.trials.continuation import without_tuner_values
from dodona_server.storage.schema.opening import open_store
from replays import figures, learned, shares
from replays.baselines import FullTraining, TopAfter
from replays.choosing import nearest
from replays.policies import ALGORITHMS, FULL, OURS, RULES
from replays.rules import RulePolicy
from replays.simulation import Board, simulate
from tests.api.conftest import Api
from tests.support.app_client import AppClient

SPECS = {
    "median": {"medianAutomatedStoppingSpec": {}},
    "convex": {"convexAutomatedStoppingSpec": {}},
    "asha": {"ashaStoppingSpec": {}},
    "asha, minResource 3": {"ashaStoppingSpec": {"minResource": 3}},
    "no_progress, 10 epochs": {"noProgressStoppingSpec": {"patience": 10}},
}


def table(values, seconds=None):
    values = np.array(values, float)
    space = SearchSpace((Parameter("u", Double(0.0, 1.0)),))
    unit = np.linspace(0, 1, len(values))[:, None]
    seconds = np.ones(len(values)) if seconds is None else np.array(seconds, float)
    return CurveTable("t", "synthetic", space, unit, values, seconds, maximized=True, held_back=True)


def in_order(board):
    return len(board.rows)


@pytest.fixture
def served(tmp_path):
    with AppClient(create_app(open_store(f"sqlite:///{tmp_path / 'd.db'}")), base_url="http://localhost") as client:
        yield Api(client)


class TestReplay:
    @pytest.mark.parametrize("name", SPECS)
    def test_each_trial_stops_at_the_same_step_as_on_the_server(self, served, name):
        _, losses, _ = synthetic.losses(3, configurations=10)
        losses[2, 20:], losses[7, 4] = math.nan, math.nan
        curves = table(-losses[:, :40])
        metrics = [{"metricId": "v", "goal": "MAXIMIZE"}]
        parameters = [{"parameterId": "u", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}]
        spec = {"algorithm": "RANDOM_SEARCH", "metrics": metrics, "parameters": parameters, **SPECS[name]}
        served.post("/studies", {"studyId": "s", "studySpec": spec})
        reached = []
        for row in curves.values:
            trial = f"/studies/s/trials/{served.suggest()[0]['id']}"
            for step, value in enumerate(row, 1):
                told = float(value) if math.isfinite(value) else "NaN"
                measurement = {"stepCount": step, "metrics": [{"metricId": "v", "value": told}]}
                state = served.post(f"{trial}:addTrialMeasurement", {"measurement": measurement})["state"]
                if state == "STOPPING":
                    break
            reached.append(step)
            final = {"metrics": [{"metricId": "v", "value": float(np.nanmax(row[:step]))}]}
            served.post(f"{trial}:complete", {"finalMeasurement": final})
        assert simulate(curves, RulePolicy(RULES[name]), in_order).board.reached == reached
        assert min(reached) < 40


class TestSimulation:
    def test_epochs_take_their_own_time_and_idle_workers_are_counted(self):
        curves = table([[1, 2], [5, 1], [3, 4]], seconds=[1, 2, 4])
        outcome = simulate(curves, FullTraining(), in_order, workers=2, timed=True)
        # The first worker is free at 2 and trains the third trial until 10; the second one ends at 4.
        assert (outcome.steps, outcome.time, outcome.idle) == (6, 10, pytest.approx(6 / 20))
        assert outcome.improvements == [(1, 1.0), (2, 5.0)]

    def test_the_best_after_an_epoch_are_trained_to_the_end(self):
        curves = table([[1, 9, 9], [4, 5, 6], [3, 4, 4], [math.nan, 7, 7]])
        outcome = simulate(curves, TopAfter(1, best=0.5, size=4), in_order, workers=3)
        assert outcome.board.reached == [1, 3, 3, 1]
        assert outcome.best_at(outcome.steps) == 6

    @pytest.mark.parametrize("name", ALGORITHMS)
    def test_algorithms_with_rungs_continue_trials_where_they_paused(self, name):
        _, losses, _ = synthetic.losses(3, configurations=90)
        curves, policy = table(-losses), OURS[name]()
        outcome = simulate(curves, policy, in_order, workers=4)
        assert len(set(outcome.board.reached)) > 1
        assert max(outcome.board.reached) == 50
        assert outcome.steps == sum(outcome.board.reached) < 90 * 50
        # Algorithms learn from the parameters of the configurations whose curves they get.
        configurations = [curves.parameters(row) for row in range(90)]
        assert all(without_tuner_values(one.parameters) in configurations for one in policy.trainings)

    def test_a_search_ends_with_its_epochs(self):
        outcome = simulate(table([[1, 2], [3, 4]]), FullTraining(), in_order, steps=3)
        assert outcome.steps == 3
        assert (outcome.steps_to(3), outcome.steps_to(4)) == (3, None)

    def test_a_configuration_is_chosen_once(self):
        board = Board(table([[1], [2], [3]]), 3)
        board.add(nearest(board, np.array([0.4])))
        assert (board.rows, nearest(board, np.array([0.4]))) == ([1], 0)


class TestCurves:
    def test_the_stored_trainings_are_whole(self):
        stored = [one for one in tables.read() if one.group in ("trainings", "networks")]
        assert {one.name.split(" ")[0] for one in stored if one.held_back} == set(tables.HELD_BACK)
        assert Counter(one.group for one in stored) == {"trainings": 14, "networks": 34}
        for one in stored:
            assert one.values.shape == (len(one.unit), 50)
            assert len(one.values) >= 50
            assert one.seconds.min() > 0
            row = int(np.nanargmax(one.bests()))
            assert one.space.check(one.parameters(row)) == one.parameters(row)
            assert one.place(one.parameters(row)) == pytest.approx(one.unit[row])

    def test_synthetic_curves_are_the_same_each_time_and_some_diverge(self):
        assert all(
            np.array_equal(*pair, equal_nan=True) for pair in zip(synthetic.losses(3), synthetic.losses(3), strict=True)
        )
        assert any(np.isnan(synthetic.losses(seed)[1]).any() for seed in tables.SYNTHETIC)


class TestShares:
    # The third trial starts late, and ends best.
    BESTS = np.maximum.accumulate(
        [[0.4] * 50, [0.3] * 50, [0.1] * 20 + [0.9] * 30, [0.2] * 50],
        axis=1,
    )

    @pytest.mark.parametrize(
        ("schedule", "used", "reached"),
        [
            (shares.Schedule(3, 0.5, 0.0), (4 * 3 + 2 * 47) / 200, 0.4),
            (shares.Schedule(10, 1.0, 0.0), 1.0, 0.9),
            # Three of the four after step 10, and two after step 19.
            (shares.Schedule(10, 0.75, 0.3), (4 * 10 + 3 * 4 + 3 * 5 + 2 * 31) / 200, 0.4),
        ],
    )
    def test_the_best_share_continues(self, schedule, used, reached):
        assert shares.outcome(schedule, self.BESTS) == (pytest.approx(used), reached)

    def test_the_shares_that_lose_least_are_found_for_each_set_of_tables(self):
        rng = np.random.default_rng(0)
        # What is best at first is best at the end: few epochs are enough.
        values = rng.random((20, 1)) * np.linspace(0.5, 1.0, 50)
        found = shares.table([table(values), replace(table(-values), held_back=False)], seeds=2)
        assert found.count("0.0%") == 2 * len(shares.USED)
        assert "1 tables held back" in found


class TestLearned:
    def test_the_model_finds_trials_that_start_late_and_ranks_do_not(self):
        rng = np.random.default_rng(0)

        def late_starters(name, held_back):
            # Those that climb are the worst at first, and the best at the end.
            climbs = np.arange(80) % 10 == 0
            start, slope = rng.random(80) - 2.0 * climbs, np.where(climbs, 0.1, 0.001)
            return replace(table(start[:, None] + slope[:, None] * np.arange(50)), name=name, held_back=held_back)

        tables = [late_starters(f"{number} val_loss", held_back=number == 7) for number in range(8)]
        rows = learned.table(tables, seeds=10).splitlines()[2:]
        assert len(rows) == 2 * len(learned.STEPS)
        assert all(row.count("100.0% / 0.0%") == len(learned.SHARES) for row in rows)

    def test_features_of_diverged_trials_are_finite(self):
        values = np.random.default_rng(0).random((20, 5))
        values[3, 2:], values[4] = math.nan, math.nan
        found = learned.features(values, np.linspace(0, 1, 20)[:, None], 50)
        assert np.isfinite(found).all()
        assert found[4, 0] == found[:, 0].min()


class TestLeads:
    @staticmethod
    def search(policy, found, name):
        return {"policy": policy, "chooser": "random", "table": name, "seed": 0, "found": found}

    def test_a_lead_is_how_often_a_policy_is_ahead_less_how_often_behind(self):
        ends = {"a": (0.1, 0.2), "b": (0.1, 0.2), "c": (0.2, 0.1), "d": (0.1, 0.1)}
        records = [
            self.search(policy, [(10, 0.5), (600, loss)], name)
            for name, losses in ends.items()
            for policy, loss in zip(("ours", "theirs"), losses, strict=True)
        ]
        lead, low, high = figures.leads(records, "ours", "theirs", 1000)
        assert lead == 0.25
        assert low < lead < high
        assert figures.leads(records, "ours", "theirs", 500) == (0.0, 0.0, 0.0)
        assert figures.leads(records, "theirs", "ours", 1000)[0] == -0.25


class TestBenchmark:
    def test_it_runs_continues_and_writes_its_tables_into_a_page(self, tmp_path, monkeypatch):
        path, page = tmp_path / "runs.jsonl", tmp_path / "page.md"
        few = [one for one in tables.read() if one.name in ("synthetic 100", "synthetic 101")]
        monkeypatch.setattr(early_stopping, "read", lambda _: few)
        policies = [FULL, "1 epoch, then the top 20%", next(iter(OURS))]
        for _ in range(2):
            call(monkeypatch, "run", path, "--seeds", 1, "--workers", 1, 8, "--policies", ";".join(policies))
        records = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(records) == len({(*record.values(),)[:6] for record in records}) >= 2 * 3 * 3
        assert {record["share"] for record in records if record["policy"] == FULL and record["kind"] == "trials"} == {
            1.0
        }
        places = ("alone", "groups", "workers", "equal", "leads")
        page.write_text("".join(f"<!-- {name} -->\n<!-- end -->\n" for name in places))
        call(monkeypatch, "report", path, "--page", page)
        written = page.read_text()
        assert all(written.count(f" {policy} |") + written.count(f" `{policy}` |") >= 3 for policy in policies)

    def test_the_picture_has_a_panel_for_each_rule(self):
        assert early_stopping.PICTURED in {one.name for one in tables.read()}


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["early_stopping.py", *map(str, arguments)])
    early_stopping.main()
