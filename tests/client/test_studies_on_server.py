"""Studies on a real server: made, refused, found, changed, and read as lists and tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dodona import AlreadyExists, Boolean, Client, Float, Int, InvalidArgument, NotFound, Study, StudyCompleted
from dodona_schemas.vertex import Algorithm
from tests.client.all_kinds import SPACE
from tests.support.patience import patience
from tests.support.processes import environment

EXAMPLE = Path(__file__).parents[2] / "examples" / "ask_tell.py"


@pytest.fixture
def study(client: Client) -> Study:
    return client.create_study("f", SPACE, goal="minimize", max_trials=20, algorithm="random_search")


def test_a_study_has_one_life_in_all_clients(client: Client, study: Study, server_url: str) -> None:
    assert (study.id, study.display_name, study.state, study.space) == ("f", "f", "ACTIVE", SPACE)
    other = Client(server_url, worker="other")
    same = other.create_study("f", SPACE, goal="minimize", max_trials=20, algorithm="random_search")
    assert same.name == study.name
    assert other.get_study("f").spec == study.spec
    assert [found.name for found in other.studies()] == [study.name]
    other.delete_study("f")
    with pytest.raises(NotFound):
        study.refresh()
    with pytest.raises(NotFound):
        client.delete_study("f")


def test_a_name_for_people(client: Client) -> None:
    study = client.create_study("my first study", SPACE, goal="minimize")
    assert client.create_study("my first study", SPACE, goal="minimize").name == study.name
    assert client.get_study("my first study").name == client.get_study(study.id).name == study.name


def test_a_different_spec_is_refused_with_the_difference(client: Client, study: Study) -> None:
    with pytest.raises(AlreadyExists, match=r"lr.*0\.1"):
        client.create_study("f", {**SPACE, "lr": Float(1e-5, 1.0, scale="log")}, goal="minimize", max_trials=20)


def test_the_server_names_what_it_refuses(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="maxNumTrials"):
        client.create_study("g", SPACE, goal="minimize", max_trials=-1)


def test_the_server_knows_which_algorithms_there_are(client: Client) -> None:
    with pytest.raises(InvalidArgument, match=r"algorithm: MAGIC is not available; available are .*RANDOM"):
        client.create_study("m", goal="minimize", algorithm="magic")


def test_best_and_optimal_trials(client: Client, study: Study) -> None:
    assert study.best_trial is None
    study.optimize(lambda trial: abs(trial.number - 5.2), n_trials=8)
    assert study.best_trial is not None
    assert study.best_trial.number == 5
    assert [record.number for record in study.best_trials(3)] == [5, 6, 4]
    assert [record.number for record in study.optimal_trials()] == [5]

    several = client.create_study(
        "g", {"x": Float(0, 1)}, metrics={"a": "minimize", "b": "minimize"}, algorithm="random_search"
    )
    for a, b in [(1, 3), (2, 2), (3, 3)]:
        with several.ask() as trial:
            trial.complete({"a": a, "b": b})
    assert [record.number for record in several.optimal_trials()] == [1, 2]


def test_a_space_grows(client: Client) -> None:
    study = client.create_study("grows", goal="maximize")
    seen_before = client.get_study("grows")
    study.add_parameters({"layers": Int(1, 4)})
    study.add_parameters({"layers": Int(1, 4), "augment": Boolean()})
    assert study.space == {"layers": Int(1, 4), "augment": Boolean()}
    assert type(seen_before.ask().parameters["augment"]) is bool
    with pytest.raises(InvalidArgument, match="layers"):
        study.add_parameters({"layers": Int(1, 5)})


def test_a_long_list_comes_whole(client: Client) -> None:
    study = client.create_study("long", {"x": Int(0, 5000)}, goal="minimize")
    for number in range(1, 1102):
        study.add_trial({"x": number}, number)
    assert [record.parameters["x"] for record in study.trials()] == list(range(1, 1102))
    assert len(study.to_dataframe()) == 1101


def test_the_dataframe(study: Study) -> None:
    study.optimize(lambda trial: float(trial.number), n_trials=3)
    frame = study.to_dataframe()
    assert list(frame["number"]) == [1, 2, 3]
    assert list(frame["metrics_objective"]) == [1.0, 2.0, 3.0]
    assert set(frame["params_augment"]) <= {True, False}
    assert (frame["duration"].dt.total_seconds() >= 0).all()


def test_a_finished_study_goes_on_with_a_larger_budget(client: Client) -> None:
    study = client.create_study("more", {"x": Float(0, 1)}, goal="minimize", max_trials=1, algorithm="random_search")
    with study.ask() as trial:
        trial.complete(1.0)
    with pytest.raises(StudyCompleted):
        study.ask()
    study.set_max_trials(2)
    assert (study.state, study.spec.study_stopping_config.max_num_trials) == ("ACTIVE", 2)
    with study.ask() as trial:
        assert trial.number == 2
        trial.complete(1.0)
    with pytest.raises(InvalidArgument, match="maxNumTrials"):
        study.set_max_trials(0)


def test_trials_come_page_by_page(study: Study) -> None:
    for _ in range(5):
        with study.ask() as trial:
            trial.report(float(trial.number), 1)
    page, more = study.trials_page(2, filter="objective > 1", order_by="objective desc")
    assert [one.metrics["objective"] for one in page] == [5.0, 4.0]
    assert page[0].measurements == ()
    page, more = study.trials_page(2, more, filter="objective > 1", order_by="objective desc", measured=True)
    assert ([one.metrics["objective"] for one in page], more) == ([3.0, 2.0], "")
    assert len(page[0].measurements) == 1


def test_a_spec_is_checked_by_the_server_and_nothing_created(client: Client) -> None:
    spec = {"metrics": [{"metricId": "loss", "goal": "MINIMIZE"}], "algorithm": "RANDOM_SEARCH"}
    checked = client.check_study("new", spec)
    assert checked.algorithm is Algorithm.RANDOM_SEARCH
    with pytest.raises(InvalidArgument, match="BEST_SEARCH"):
        client.check_study("new", {**spec, "algorithm": "BEST_SEARCH"})
    assert list(client.studies()) == []


def test_a_client_learns_what_it_may_do(client: Client) -> None:
    caller = client.caller()
    assert (caller.name, caller.roles) == ("anonymous", ["operator"])
    assert {"suggest_trials", "delete_study"} <= set(caller.calls)


def test_the_example(client: Client, server_url: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        env=environment(DODONA_URL=server_url),
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    study = client.get_study("breast-cancer-svc")
    best = study.best_trial
    assert best is not None
    assert best.metrics["accuracy"] > 0.95
    assert f"best: trial {best.number} with accuracy {best.metrics['accuracy']:.4f}" in done.stdout
    assert (len(study.trials()), study.state) == (15, "COMPLETED")
