"""What is done to trials, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

import pytest

from dodona_server.domain.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from dodona_server.domain.names import TrialName
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.service.following.feed import Feed
from dodona_server.service.following.watcher import Watcher
from dodona_server.service.trials.attempts import Attempt
from dodona_server.service.trials.reports import Report
from dodona_server.storage.engine.store import Transaction
from tests.service.conftest import NAME, Services

FIRST = TrialName(NAME, 1)


def loss(value: float, step: int = 0) -> Measurement:
    return Measurement({"loss": value}, step)


def test_the_last_measurement_is_the_final_one(services: Services) -> None:
    services.study()
    services.suggest()
    for step in (1, 2):
        services.run(services.trials.measure(FIRST, Report(loss(1.0 / step, step))))
    assert [one.step for one in services.trial(1).measurements or ()] == [1, 2]
    ended = services.run(services.trials.complete(FIRST, None))
    assert (ended.state, ended.final_measurement) == (TrialState.SUCCEEDED, loss(0.5, 2))


def test_reports_of_several_trials_are_taken_all_or_none(services: Services) -> None:
    services.study()
    services.suggest(count=2)
    reports = [(FIRST, Report(loss(1.0, 1))), (TrialName(NAME, 3), Report(loss(1.0, 1)))]
    with pytest.raises(NotFound):
        services.run(services.trials.measure_all(NAME, reports))
    assert list(services.trial(1).measurements or ()) == []


def test_a_finished_trial_takes_the_same_end_again_and_no_other(services: Services) -> None:
    services.study()
    services.suggest()
    ended = services.run(services.trials.complete(FIRST, loss(1.0)))
    assert services.run(services.trials.complete(FIRST, loss(1.0))) == ended
    with pytest.raises(FailedPrecondition):
        services.run(services.trials.complete(FIRST, loss(2.0)))
    with pytest.raises(FailedPrecondition):
        services.run(services.trials.measure(FIRST, Report(loss(1.0, 1))))


def test_a_measurement_lacks_no_metric(services: Services) -> None:
    services.study()
    services.suggest()
    with pytest.raises(InvalidArgument) as refused:
        services.run(services.trials.measure(FIRST, Report(Measurement({}))))
    assert refused.value.field == "measurement.metrics"
    ended = services.run(services.trials.complete(FIRST, Measurement({"accuracy": 1.0})))
    assert ended.state is TrialState.INFEASIBLE
    assert "loss" in ended.infeasible_reason


def test_a_released_trial_goes_to_the_next_worker(services: Services) -> None:
    services.study()
    services.suggest("one")
    assert services.run(services.trials.release(FIRST, Attempt(1, "one"))).state is TrialState.REQUESTED
    (again,) = services.suggest("two")
    assert (again.number, again.attempt, again.client_id) == (1, 2, "two")


def test_calls_that_are_refused_make_no_other_run_again(services: Services) -> None:
    services.study()
    services.suggest("one", count=2)
    services.run(services.trials.complete(FIRST, loss(1.0)))
    second, missing = TrialName(NAME, 2), TrialName(NAME, 9)
    run, runs = services.store.run, []

    async def counted(use_case: Callable[[Transaction], Any], about: Hashable = None) -> Any:
        def once(transaction: Transaction) -> Any:
            runs.append(about)
            return use_case(transaction)

        return await run(once, about)

    services.store.run = counted  # type: ignore[method-assign,assignment]

    async def together() -> list[Any]:
        calls = [
            call
            for step in range(1, 21)
            for call in (
                services.trials.measure(second, Report(loss(1.0, step))),
                services.trials.complete(FIRST, loss(2.0)),
                services.trials.measure(second, Report(loss(1.0, step), Attempt(7, "one"))),
                services.trials.heartbeat(missing),
                services.trials.release(FIRST),
                services.trials.update_metadata(second, {"step": str(step)}),
            )
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = services.run(together())
    kinds = [Trial, FailedPrecondition, Aborted, NotFound, FailedPrecondition, Trial]
    assert [type(answer) for answer in answers] == kinds * 20
    assert len(runs) == len(answers)
    assert len(services.trial(2).measurements or ()) == 20


def test_events_say_who_caused_them(services: Services) -> None:
    services.study(max_attempts=1)
    services.suggest("one", count=2, lease_seconds=0.1)
    services.run(services.trials.stop(FIRST))
    services.run(services.trials.complete(FIRST, loss(1.0)))
    services.expire(2)
    services.run(services.studies.move(NAME, StudyVerb.PAUSE))
    page = services.run(Feed(services.store, Watcher(services.store, services.stopping)).page(NAME, 0, 99))
    assert [(event.kind.value, event.trial_number, str(event.actor)) for event in page.entries] == [
        ("STUDY_CREATED", None, "user"),
        ("TRIAL_ACTIVE", 1, "client:one"),
        ("TRIAL_ACTIVE", 2, "client:one"),
        ("TRIAL_STOPPING", 1, "user"),
        ("TRIAL_SUCCEEDED", 1, "client:one"),
        ("TRIAL_LOST", 2, "server"),
        ("TRIAL_INFEASIBLE", 2, "server"),
        ("STUDY_PAUSED", None, "user"),
    ]


class TestLeases:
    def test_a_worker_that_gives_no_sign_of_life_loses_its_trial_to_the_next(self, services: Services) -> None:
        services.study()
        (lost,) = services.suggest("one", lease_seconds=0.1)
        services.expire(1)
        (again,) = services.suggest("two")
        assert (again.number, again.attempt, again.parameters) == (1, 2, lost.parameters)
        with pytest.raises(Aborted):
            services.run(services.trials.measure(FIRST, Report(loss(1.0, 1), Attempt(1, "one"))))
        with pytest.raises(Aborted):
            services.run(services.trials.complete(FIRST, loss(1.0), Attempt(1, "one")))
        assert services.trial(1).state is TrialState.ACTIVE

    def test_who_comes_back_before_anybody_asked_has_it_still(self, services: Services) -> None:
        services.study()
        services.suggest("one", lease_seconds=0.1)
        services.expire(1)
        assert services.run(services.trials.heartbeat(FIRST, Attempt(1, "one"))).state is TrialState.ACTIVE
        assert [trial.number for trial in services.suggest("two")] == [2]

    def test_a_trial_that_loses_every_worker_is_infeasible(self, services: Services) -> None:
        services.study(max_attempts=1)
        services.suggest("one", lease_seconds=0.1)
        services.expire(1)
        assert [trial.number for trial in services.suggest("two")] == [2]
        assert services.trial(1).state is TrialState.INFEASIBLE
