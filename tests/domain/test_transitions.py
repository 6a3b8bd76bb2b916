"""The state machine of trials: what verbs do, what the documentation says of it, and that nothing goes past it."""

from __future__ import annotations

import ast
import dataclasses
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dodona_server
from dodona_server.domain.event import SERVER, USER, Actor, ActorKind, EventKind
from dodona_server.domain.states import Ignore, Refuse
from dodona_server.domain.trials.transitions import Draft, Effect, Facts, Step, allowed_step, transition
from dodona_server.domain.trials.trial import FinalResult, Lease, Measurement, TrialState
from dodona_server.domain.trials.trial_states import TRANSITIONS, Verb, diagram, table

PACKAGE = Path(dodona_server.__file__).parent
FINISHED = (TrialState.SUCCEEDED, TrialState.INFEASIBLE)
ADA = Actor(ActorKind.CLIENT, "ada")
DONE = FinalResult(Measurement({"loss": 0.5}))
NOTHING = FinalResult(None, "it was stopped before it measured anything")
RESULTS = [DONE, FinalResult(DONE.final, "loss is nan"), NOTHING]
NEW = Facts(now=1.0, actor=ADA, draft=Draft(1, {"x": 0.5}, {}))

facts = st.builds(
    Facts,
    now=st.floats(1, 9),
    actor=st.sampled_from([ADA, Actor(ActorKind.CLIENT, "bob"), SERVER, USER]),
    draft=st.just(NEW.draft),
    lease=st.none() | st.just(Lease(60.0, 100.0, 60.0)),
    checkpoint=st.sampled_from(["", "one", "two"]),
    result=st.sampled_from(RESULTS),
    max_attempts=st.integers(1, 3),
    study_is_over=st.booleans(),
    reason=st.sampled_from(["", "the study is over"]),
)
sequences = st.lists(st.tuples(st.sampled_from(Verb), facts), max_size=30)


def waiting():
    return allowed_step(None, Verb.CREATE, NEW).trial


def running(**changes):
    return dataclasses.replace(allowed_step(None, Verb.ASSIGN, NEW).trial, **changes)


def test_every_verb_has_an_outcome_in_every_state():
    for verb in Verb:
        assert set(TRANSITIONS[verb]) == {None, *TrialState}


@given(sequences)
def test_no_sequence_of_verbs_changes_a_finished_trial(sequence):
    trial = None
    for verb, known in sequence:
        if verb is Verb.FAIL:
            known = dataclasses.replace(known, result=NOTHING)
        outcome = transition(trial, verb, known)
        if trial is not None and trial.state in FINISHED:
            assert not isinstance(outcome, Step)
        match outcome:
            case Refuse(reason):
                assert reason
            case Step():
                assert all(event.actor == known.actor and event.trial_number == 1 for event in outcome.events)
                changed = trial is None or trial.state is not outcome.trial.state
                named = [event.kind for event in outcome.events if event.kind is not EventKind.TRIAL_LOST]
                assert named == ([f"TRIAL_{outcome.trial.state}"] if changed else [])
                assert (Effect.END in outcome.effects) == (trial is not None and outcome.trial.state in FINISHED)
                assert (outcome.trial.end_time is not None) == (outcome.trial.state in FINISHED)
                # What changed is stored: the effects name it.
                assert outcome.effects or outcome.trial == trial
                trial = outcome.trial


def test_each_arrow_of_the_diagram_is_a_move_of_the_code_and_there_are_no_others():
    trials = [None, waiting(), *(running(state=state) for state in TrialState if state != "REQUESTED")]
    made = set()
    for trial, verb, result, most, over in itertools.product(trials, Verb, RESULTS, (1, 3), (False, True)):
        if verb is not Verb.FAIL or result.infeasible_reason:
            known = dataclasses.replace(NEW, result=result, max_attempts=most, study_is_over=over)
            if isinstance(outcome := transition(trial, verb, known), Step):
                made.add((trial and trial.state, verb, outcome.trial.state))
    drawn = {
        (state, verb, move.to)
        for verb, row in TRANSITIONS.items()
        for state, outcome in row.items()
        if isinstance(outcome, tuple)
        for move in outcome
    }
    assert made == drawn


def test_a_new_trial_is_assigned_to_its_client_or_waits():
    step = transition(None, Verb.ASSIGN, dataclasses.replace(NEW, lease=Lease(60.0)))
    assert (step.trial.state, step.trial.client_id, step.trial.attempt) == (TrialState.ACTIVE, "ada", 1)
    assert (step.trial.create_time, step.trial.start_time, step.trial.lease) == (1.0, 1.0, Lease(60.0))
    assert [(event.kind, event.detail, str(event.actor)) for event in step.events] == [
        (EventKind.TRIAL_ACTIVE, "ada", "client:ada")
    ]
    assert (waiting().state, waiting().attempt, waiting().start_time) == (TrialState.REQUESTED, 0, None)


def test_a_lost_trial_waits_until_it_was_lost_too_often():
    late = Facts(now=9.0, actor=SERVER, max_attempts=2)
    first = transition(running(lease=Lease(1.0)), Verb.EXPIRE, late)
    assert (first.trial.state, first.trial.lost_attempts, first.trial.lost_client_id) == ("REQUESTED", 1, "ada")
    assert (first.trial.client_id, first.trial.start_time, first.trial.lease) == ("", None, None)
    assert [(event.kind, event.detail, str(event.actor)) for event in first.events] == [
        (EventKind.TRIAL_LOST, "ada", "server"),
        (EventKind.TRIAL_REQUESTED, "", "server"),
    ]
    last = transition(running(lost_attempts=1), Verb.EXPIRE, late)
    reason = "its worker was lost in 2 attempts, all that maxAttempts allows; at last ada"
    assert (last.trial.state, last.trial.infeasible_reason, last.trial.end_time) == ("INFEASIBLE", reason, 9.0)
    assert last.effects == [Effect.END]


@pytest.mark.parametrize(("verb", "word"), [(Verb.EXPIRE, "lost"), (Verb.RELEASE, "released")])
def test_a_trial_that_nobody_will_ask_for_ends(verb, word):
    over = Facts(now=9.0, actor=SERVER, max_attempts=9, study_is_over=True)
    assert f"was {word} when the study was over" in transition(running(), verb, over).trial.infeasible_reason
    stopping = running(state=TrialState.STOPPING)
    assert transition(stopping, verb, dataclasses.replace(over, result=DONE)).trial.final_measurement == DONE.final
    assert transition(stopping, verb, over).trial.infeasible_reason == NOTHING.infeasible_reason


def test_its_worker_may_take_a_lost_trial_back():
    lost = transition(running(), Verb.EXPIRE, Facts(now=5.0, actor=SERVER, max_attempts=3)).trial
    back = transition(lost, Verb.RECLAIM, Facts(now=6.0, actor=ADA))
    assert back.trial == running(start_time=6.0)
    assert back.effects == [Effect.RECLAIM]


def test_a_report_renews_a_lease_only_after_a_part_of_it():
    report = Facts(now=5.0, actor=ADA)
    fresh, older = (running(lease=Lease(10.0, 15.0, left)) for left in (8.5, 7.5))
    assert transition(fresh, Verb.MEASURE, report).effects == []
    assert transition(older, Verb.MEASURE, report).trial.lease.left == 10.0
    assert transition(fresh, Verb.HEARTBEAT, report).effects == [Effect.RENEW_LEASE]
    there = dataclasses.replace(report, checkpoint="there")
    assert transition(fresh, Verb.MEASURE, there).effects == [Effect.KEEP_CHECKPOINT]
    assert transition(running(checkpoint="there"), Verb.MEASURE, there).effects == []


def test_a_client_that_asks_again_keeps_its_attempt():
    again = transition(running(), Verb.ASSIGN, dataclasses.replace(NEW, now=5.0, lease=Lease(60.0)))
    assert again.trial == running(lease=Lease(60.0))
    assert (again.events, again.effects) == ([], [Effect.ASSIGN])
    assert transition(running(state=TrialState.STOPPING), Verb.ASSIGN, NEW) == Refuse("it is being stopped")


def test_a_finished_trial_ignores_or_refuses():
    ended = transition(running(), Verb.SUCCEED, Facts(now=5.0, actor=ADA, result=DONE)).trial
    assert (ended.state, ended.final_measurement, ended.end_time) == (TrialState.SUCCEEDED, DONE.final, 5.0)
    assert transition(ended, Verb.STOP, NEW) == Ignore()
    assert isinstance(transition(ended, Verb.FAIL, NEW), Refuse)


def test_the_documentation_shows_the_state_machine_as_it_is():
    documented = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    assert f"```mermaid\n{diagram()}\n```\n\n{table()}\n\n" in documented


def calls():
    """All calls in the server's code: the module, the name that is called, and the names of the keywords."""
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield module, ast.unparse(node.func), {keyword.arg for keyword in node.keywords}


def test_only_the_state_machine_makes_a_trial_of_another_state():
    replacing = {module for module, name, keywords in calls() if name.endswith("replace") and "state" in keywords}
    # A study has a state too.
    assert replacing == {"domain/trials/transitions.py", "domain/studies/study.py"}
    # Answers have a class of that name too, and algorithms see points that are no trials yet.
    elsewhere = ("api/", "algorithms/", "service/computing/")
    making = {module for module, name, _ in calls() if name == "Trial" and not module.startswith(elsewhere)}
    assert making == {"domain/trials/transitions.py", "storage/trials/rows.py"}


def test_only_a_step_is_written():
    writes = ("leases.assign", "leases.reclaim", "leases.requeue", "trials.set_stopping", "trials.set_checkpoint")
    text = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in (PACKAGE / "service").rglob("*.py")}
    for write in (*writes, "leases.extend_lease"):
        assert [module for module, code in text.items() if write in code] == ["service/saving.py"]
    assert [module for module, code in text.items() if "trials.finish(" in code] == ["service/trials/ending.py"]
