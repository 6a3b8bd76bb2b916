"""The geometry of parallel coordinates."""

from __future__ import annotations

import re

from dodona_server.domain.names import Location, StudyName
from dodona_server.domain.space import Branch, Categorical, Discrete, Double, Integer, Parameter, Scale, SearchSpace
from dodona_server.domain.studies.study import Goal, Metric, Study, StudySpec, StudyState
from dodona_server.web.figures.parallel import MAX_AXES, parallel_chart

MOMENTUM = Parameter("momentum", Double(0.0, 1.0))
OPTIMIZER = Parameter("optimizer", Categorical(("adam", "sgd")), (Branch(("sgd",), MOMENTUM),))
RATE = Parameter("rate", Double(1e-4, 1e-1, Scale.LOG))
LAYERS = Parameter("layers", Integer(1, 3))


def study(*parameters: Parameter, goal: Goal = Goal.MAXIMIZE) -> Study:
    spec = StudySpec((Metric("score", goal),), SearchSpace(parameters))
    name = StudyName(Location("p", "l"), "s")
    return Study(1, name, "s", spec, 7, StudyState.ACTIVE, 0.0, "", 1, 0, 1)


def places(path: str) -> list[tuple[str, float, float]]:
    return [(move, float(x), float(y)) for move, x, y in re.findall(r"([ML])([\d.]+) ([\d.]+)", path)]


def test_each_trial_is_a_line_through_its_values_and_the_best_is_drawn_last() -> None:
    points = {
        1: ({"rate": 1e-4, "layers": 1}, 0.5),
        2: ({"rate": 1e-1, "layers": 3}, 0.9),
        3: ({"rate": 1e-2, "layers": 2}, 0.7),
    }
    chart = parallel_chart(study(RATE, LAYERS), points)
    assert chart is not None
    assert [(line.key, line.rank) for line in chart.lines] == [(1, "other"), (3, "good"), (2, "best")]
    first = places(chart.lines[0].path)
    assert [(move, x) for move, x, _ in first] == [("M", 0), ("L", 50), ("L", 100)]
    assert all(y > 90 for _, _, y in first)
    assert all(y < 10 for _, _, y in places(chart.lines[2].path))
    assert [axis.name for axis in chart.axes] == ["rate", "layers", "score"]
    assert [tick.label for tick in chart.axes[1].ticks] == ["1", "2", "3"]
    assert [tick.label for tick in chart.axes[0].ticks] == ["0.0001", "0.001", "0.01", "0.1"]


def test_less_is_better_if_it_is_minimized() -> None:
    points = {number: ({"rate": 1e-2, "layers": 1}, float(number)) for number in range(1, 11)}
    chart = parallel_chart(study(RATE, LAYERS, goal=Goal.MINIMIZE), points)
    assert chart is not None
    assert chart.lines[-1].key == 1


def test_a_line_has_a_gap_at_a_parameter_that_its_trial_lacks() -> None:
    points = {
        1: ({"optimizer": "adam"}, 0.5),
        2: ({"optimizer": "sgd", "momentum": 0.5}, 0.6),
        3: ({"optimizer": "gone", "momentum": 0.5}, 0.7),
    }
    chart = parallel_chart(study(OPTIMIZER), points)
    assert chart is not None
    moves = {line.key: [(move, x) for move, x, _ in places(line.path)] for line in chart.lines}
    assert moves[1] == [("M", 0), ("M", 100)]
    assert moves[2] == [("M", 0), ("L", 50), ("L", 100)]
    assert moves[3] == [("M", 50), ("L", 100)]
    assert [tick.label for tick in chart.axes[0].ticks] == ["adam", "sgd"]


def test_what_one_axis_could_show_and_few_trials_have_no_chart() -> None:
    assert parallel_chart(study(RATE), {number: ({"rate": 0.01}, 0.5) for number in range(9)}) is None
    assert parallel_chart(study(RATE, LAYERS), {1: ({"rate": 0.01, "layers": 1}, 0.5)}) is None


def test_many_parameters_and_long_names_are_cut() -> None:
    many = [Parameter(f"a_very_long_name_{number}", Discrete((1, 2))) for number in range(20)]
    values = {one.id: 1 for one in many}
    chart = parallel_chart(study(*many), dict.fromkeys(range(3), (values, 0.5)))
    assert chart is not None
    assert len(chart.axes) == MAX_AXES
    assert chart.omitted == 20 - MAX_AXES + 1
    assert chart.axes[0].label == "a_very…name_0"
    assert [tick.label for tick in chart.axes[0].ticks] == ["1", "2"]
