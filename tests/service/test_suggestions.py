"""Who is handed which trials."""

from __future__ import annotations

import pytest

from dodona_server.domain.errors import InvalidArgument, NotFound
from dodona_server.domain.names import TrialName
from dodona_server.domain.studies.budget import StoppingConfig
from dodona_server.domain.studies.study import StudyState
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.domain.trials.trial import Measurement, TrialState
from dodona_server.service.suggestions.suggest import MAX_WAIT_SECONDS
from tests.service.conftest import NAME, Services


def numbers(trials):
    return [trial.number for trial in trials]


def test_a_worker_gets_its_own_trials_first_then_queued_ones_then_new_ones(services: Services) -> None:
    services.study()
    assert numbers(services.suggest("one")) == [1]
    queued = services.run(services.trials.create(NAME, {"x": 0.5}, None, None))
    assert queued.state is TrialState.REQUESTED
    handed = services.suggest("one", count=3)
    assert numbers(handed) == [1, 2, 3]
    assert handed[1].parameters == {"x": 0.5}
    assert {(trial.state, trial.client_id) for trial in handed} == {(TrialState.ACTIVE, "one")}
    assert numbers(services.suggest("two")) == [4]


def test_the_same_request_gets_the_same_trials(services: Services) -> None:
    services.study()
    first = services.answer("w", request_id="r")
    services.run(services.trials.complete(TrialName(NAME, 1), Measurement({"loss": 1.0})))
    again = services.answer("w", request_id="r")
    assert again.name == first.name
    assert numbers(again.trials) == [1]
    assert numbers(services.suggest("w")) == [2]


def test_a_study_whose_budget_is_used_up_is_completed_once_nothing_runs(services: Services) -> None:
    services.study(stopping=StoppingConfig(max_num_trials=1))
    services.suggest("one")
    nothing = services.answer("two")
    assert list(nothing.trials) == []
    assert services.run(services.studies.get(NAME)).state is StudyState.ACTIVE
    services.run(services.trials.complete(TrialName(NAME, 1), Measurement({"loss": 1.0})))
    assert services.answer("two").study_state is StudyState.COMPLETED
    assert services.run(services.studies.get(NAME)).state is StudyState.COMPLETED


def test_a_paused_study_hands_out_nothing_until_it_goes_on(services: Services) -> None:
    services.study()
    services.run(services.studies.move(NAME, StudyVerb.PAUSE, "for now"))
    assert services.suggest() == []
    services.run(services.studies.move(NAME, StudyVerb.RESUME))
    assert numbers(services.suggest()) == [1]


def test_a_call_that_waits_is_answered_when_the_server_stops(services: Services) -> None:
    services.study(stopping=StoppingConfig(max_num_trials=1))
    services.suggest("one")
    services.stopping.set()
    assert services.suggest("two", wait=MAX_WAIT_SECONDS) == []


@pytest.mark.parametrize("wait", [-1.0, MAX_WAIT_SECONDS + 1, float("nan")])
def test_a_wait_out_of_range_is_refused(services: Services, wait: float) -> None:
    services.study()
    with pytest.raises(InvalidArgument) as refused:
        services.suggest(wait=wait)
    assert refused.value.field == "wait"


def test_without_the_study_there_is_nothing(services: Services) -> None:
    with pytest.raises(NotFound, match="studies/s does not exist"):
        services.suggest()
