"""No sequence of calls changes a finished trial: the services themselves, on a real database."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dodona_server.domain.errors import DodonaError
from dodona_server.domain.event import Event
from dodona_server.domain.names import StudyName, TrialName
from dodona_server.domain.studies.study_states import StudyVerb
from dodona_server.domain.trials.trial import Measurement, Trial, TrialState
from dodona_server.domain.trials.trial_states import TRANSITIONS
from dodona_server.service.following.feed import Feed
from dodona_server.service.following.watcher import Watcher
from dodona_server.service.suggestions.request import SuggestRequest
from dodona_server.service.trials.attempts import Attempt
from dodona_server.service.trials.reports import Report
from dodona_server.storage.schema.opening import open_store
from tests.service.conftest import HERE, Services

FINISHED = (TrialState.SUCCEEDED, TrialState.INFEASIBLE)
MOVES = {
    (state, move.to)
    for row in TRANSITIONS.values()
    for state, outcome in row.items()
    if isinstance(outcome, tuple)
    for move in outcome
}
Call = Callable[[Services, TrialName], Any]
attempts = st.none() | st.builds(Attempt, st.integers(1, 3), st.sampled_from(["", "one", "two"]))
losses = st.sampled_from([0.5, 0.25, float("nan")]).map(lambda value: Measurement({"loss": value}))


def suggest(client: str, running: list[int] | None) -> Call:
    request = SuggestRequest(client, 1, running=running, lease_seconds=60.0)
    return lambda services, name: services.suggestions.suggest(name.study, request)


def move(verb: StudyVerb) -> Call:
    return lambda services, name: services.studies.move(name.study, verb)


def measure(measurement: Measurement, attempt: Attempt | None) -> Call:
    return lambda services, name: services.trials.measure(name, Report(measurement, attempt))


calls = st.one_of(
    # A client that runs none of its trials has lost them.
    st.builds(suggest, st.sampled_from(["one", "two"]), st.none() | st.just([])),
    st.builds(suggest, st.just("one"), st.just([])),
    st.builds(move, st.sampled_from(StudyVerb)),
    st.builds(measure, losses, attempts),
    st.builds(lambda attempt: lambda services, name: services.trials.heartbeat(name, attempt), attempts),
    st.builds(lambda attempt: lambda services, name: services.trials.release(name, attempt), attempts),
    st.just(lambda services, name: services.trials.stop(name)),
    st.builds(
        lambda given, attempt: lambda services, name: services.trials.complete(name, given, attempt),
        st.none() | losses,
        attempts,
    ),
    st.builds(
        lambda reason, attempt: lambda services, name: services.trials.fail(name, reason, attempt),
        st.sampled_from(["", "out of memory"]),
        attempts,
    ),
)


@pytest.fixture(scope="module")
def services(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    path = shutil.copy(_sqlite_template, tmp_path_factory.mktemp("sequences"))
    store = open_store(f"sqlite:///{path}")
    made = Services(store)
    yield made
    made.close()
    store.close()


def seen(services: Services, name: TrialName) -> tuple[Trial, list[Event]]:
    """The trial as it is, and the events about it."""
    page = services.run(Feed(services.store, Watcher(services.store, services.stopping)).page(name.study, 0, 1000))
    trial = services.run(services.queries.get(name))
    return trial, [event for event in page.entries if event.trial_number == name.number]


@settings(max_examples=60)
@given(sequence=st.lists(calls, max_size=15))
def test_no_sequence_of_calls_changes_a_finished_trial(services: Services, sequence: list[Call]) -> None:
    study = services.study(uuid.uuid4().hex, max_attempts=2)
    name = TrialName(StudyName(HERE, study.name.study_id), 1)
    services.run(suggest("one", None)(services, name))
    trial, events = seen(services, name)
    for call in sequence:
        try:
            services.run(call(services, name))
        except DodonaError:
            refused = True
        else:
            refused = False
        before, events_before = trial, events
        trial, events = seen(services, name)
        if before.state in FINISHED:
            assert (repr(trial), events) == (repr(before), events_before)
        # A call may do two moves: its trial comes back and ends, or is lost and assigned again.
        between = {to for state, to in MOVES if state is before.state} | {before.state}
        assert any((state, trial.state) in MOVES or state is trial.state for state in between)
        if refused:
            assert (trial.state, events) == (before.state, events_before)
        if trial.state is not before.state:
            assert events[-1].kind.value == f"TRIAL_{trial.state}"
