"""Studies that are sent to other processes, and the names under which they are found."""

from __future__ import annotations

import logging
import multiprocessing
import pickle

import pytest
from joblib import Parallel, delayed

from dodona import Client, DodonaError, Float, NotFound, Study, StudyCompleted

SPACE = {"x": Float(0, 1)}


def work(study: Study) -> tuple[str, list[int]]:
    numbers = []
    while True:
        try:
            trial = study.ask()
        except StudyCompleted:
            return study.name, numbers
        with trial:
            trial.complete(trial.parameters["x"])
        numbers.append(trial.number)


def test_a_study_is_worked_at_by_processes_that_it_was_sent_to(server_url: str) -> None:
    client = Client(server_url, worker="parent")
    study = client.create_study("s", SPACE, goal="minimize", max_trials=6, algorithm="random_search")
    with study.ask() as trial:
        trial.complete(1.0)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        worked = pool.map(work, [study, study])
    assert {name for name, _ in worked} == {study.name}
    assert sorted(number for _, numbers in worked for number in numbers) == [2, 3, 4, 5, 6]
    study.set_max_trials(8)
    worked = Parallel(2)(delayed(work)(study) for _ in range(2))
    assert sorted(number for _, numbers in worked for number in numbers) == [7, 8]
    assert "parent" not in {one.worker for one in study.trials() if one.number > 1}


def test_the_token_goes_along_and_is_never_shown(server_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client(server_url, token="a-secret-token")
    study = client.create_study("s", SPACE, goal="minimize")
    again = pickle.loads(pickle.dumps(study))
    assert again.display_name == "s"
    assert again.best_trial is None
    assert b"a-secret-token" in pickle.dumps(study)
    for one in (client, study, again, study._session.address):
        assert "a-secret-token" not in repr(one) + str(one)
    assert "a-secret-token" not in caplog.text


def test_a_token_of_the_environment_stays_there(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODONA_TOKEN", "a-secret-token")
    for client in (Client(server_url), Client(server_url, token="a-secret-token")):
        assert b"a-secret-token" not in pickle.dumps(client)
        assert pickle.loads(pickle.dumps(client)).worker != client.worker


def test_a_trial_stays_with_the_process_that_asked_for_it(server_url: str) -> None:
    trial = Client(server_url).create_study("s", SPACE, goal="minimize").ask()
    with pytest.raises(TypeError, match="trial 1 belongs to the process that asked for it"):
        pickle.dumps(trial)


def test_a_study_is_found_by_all_of_its_names(server_url: str) -> None:
    client = Client(server_url)
    study = client.create_study("of people", SPACE, goal="minimize")
    for name in (study.id, study.name, study.display_name):
        assert client.get_study(name).name == study.name
    with pytest.raises(ValueError, match=r"use Client\(project='p', location='l'\)\.get_study\('s'\)"):
        client.get_study("projects/p/locations/l/studies/s")
    client.delete_study(study.name)
    with pytest.raises(NotFound):
        client.delete_study(study.name)


@pytest.mark.parametrize("name", [".", "..", "", "a/b", "studies/s", "s/trials/1", "s?x=1", "projects/p/studies/s"])
def test_what_no_study_is_called_is_not_found(server_url: str, name: str) -> None:
    client = Client(server_url)
    client.create_study("s", SPACE, goal="minimize")
    for call in (client.get_study, client.delete_study):
        with pytest.raises(DodonaError) as caught:
            call(name)
        assert isinstance(caught.value, NotFound)
    assert client.get_study("s").display_name == "s"


@pytest.mark.parametrize("name", [".", ".."])
def test_an_artifact_is_no_folder(server_url: str, name: str) -> None:
    study = Client(server_url).create_study("s", SPACE, goal="minimize")
    with study.ask() as trial:
        for call in (trial.artifacts.find, trial.artifacts.delete):
            with pytest.raises(DodonaError, match="not a valid id"):
                call(name)
        trial.fail("nothing to see")
