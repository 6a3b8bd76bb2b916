"""Studies of the server as figures take them."""

from __future__ import annotations

import pytest

from dodona_figures import Attempt, Metric, Parameter
from dodona_server.domain.event import Event, EventKind
from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Scale, SearchSpace
from dodona_server.domain.space import Parameter as Declared
from dodona_server.domain.studies.study import Goal, Safety, Study, StudySpec, StudyState
from dodona_server.domain.studies.study import Metric as Objective
from dodona_server.domain.trials.trial import STOPPING_REASON, Measurement, Trial, TrialState
from dodona_server.web.figures.conversion import figured

RATE = Declared("rate", Double(1e-5, 1e-1, Scale.LOG))
SPACE = SearchSpace(
    (
        Declared(
            "kind",
            Categorical(("adam", "sgd", "lion")),
            (
                Branch(("sgd",), Declared("momentum", Double(0.0, 0.9))),
                Branch(("lion",), Declared("momentum", Double(0.5, 1.0))),
            ),
        ),
        RATE,
        Declared("units", Integer(8, 64)),
        Declared("size", Discrete((16, 32.5), Scale.LOG)),
    )
)
SPEC = StudySpec((Objective("loss", Goal.MINIMIZE), Objective("memory", Goal.MINIMIZE, Safety(9.0))), SPACE)
STUDY = Study(1, StudyName(Location("p", "l"), "s"), "", SPEC, 0, StudyState.ACTIVE, 5.0, "", 3, 2, 1)


def test_each_parameter_is_once_with_its_conditions() -> None:
    found = figured(STUDY, [])
    assert (found.name, found.created) == ("s", 5.0)
    assert found.metrics == (Metric("loss", "minimize"), Metric("memory", "minimize", constraint=True))
    assert found.parameters == (
        Parameter("kind", choices=("adam", "sgd", "lion")),
        Parameter("momentum", 0.0, 1.0, conditions=(("kind", ("sgd",)), ("kind", ("lion",)))),
        Parameter("rate", 1e-5, 1e-1, "log"),
        Parameter("units", 8, 64, whole=True),
        Parameter("size", 16, 32.5, "log", (16, 32.5)),
    )


def test_a_trial_has_its_reports_and_why_it_was_stopped() -> None:
    reports = [Measurement({"loss": 2.0}, 1, 0.5), Measurement({"loss": 1.0}, 9, predicted=True)]
    trial = Trial(
        1,
        TrialState.SUCCEEDED,
        {"rate": 0.1, "tuner/epochs": 9},
        "w",
        start_time=1.0,
        end_time=3.0,
        final_measurement=reports[0],
        metadata={STOPPING_REASON: "too slow"},
        measurements=reports,
        stopped=True,
    )
    (found,) = figured(STUDY, [trial]).trials
    assert (found.mark, found.reason, found.seconds, found.step, found.worker) == ("stopped", "too slow", 2.0, 1, "w")
    assert found.parameters == {"rate": 0.1}
    assert [(one.step, one.elapsed) for one in found.reports] == [(1, 0.5)], "nobody measured a predicted one"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (EventKind.TRIAL_LOST, "lost"),
        (EventKind.TRIAL_REQUESTED, "lost"),
        (EventKind.TRIAL_SUCCEEDED, "succeeded"),
        (EventKind.TRIAL_INFEASIBLE, "failed"),
        (None, "running"),
    ],
)
def test_attempts_are_those_of_the_events(kind: EventKind | None, outcome: str) -> None:
    events = [
        Event(EventKind.STUDY_CREATED, 0.0),
        Event(EventKind.TRIAL_ACTIVE, 1.0, 1, "a"),
        Event(EventKind.TRIAL_LOST, 4.0, 1, "a"),
        Event(EventKind.TRIAL_REQUESTED, 4.0, 1),
        Event(EventKind.TRIAL_ACTIVE, 5.0, 1, "b"),
        *([] if kind is None else [Event(kind, 7.0, 1)]),
    ]
    (found,) = figured(STUDY, [Trial(1, TrialState.ACTIVE, {}, "b")], events).trials
    assert found.attempts == [
        Attempt("a", 1.0, 4.0, "lost"),
        Attempt("b", 5.0, None if kind is None else 7.0, outcome),  # type: ignore[arg-type]
    ]
