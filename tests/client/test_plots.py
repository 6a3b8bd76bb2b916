"""The figures of a study, from the trials of a real one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from dodona import Categorical, Client, Float, Int, Study
from tests.support.processes import environment

SPACE = {
    "lr": Float(1e-4, 1e-1, scale="log"),
    "kind": Categorical(["big", "adam", "sgd"], children={"sgd": {"momentum": Float(0, 1)}}),
    "size": Int(1, 9),
}
# Values and result of each trial; the last one fails.
RUNS = [
    ({"lr": 1e-3, "kind": "adam", "size": 3}, 0.5),
    ({"lr": 1e-2, "kind": "sgd", "momentum": 0.5, "size": 5}, 0.25),
    ({"lr": 1e-1, "kind": "sgd", "momentum": 0.9, "size": 1}, 0.75),
    ({"lr": 1e-4, "kind": "adam", "size": 9}, None),
]


@pytest.fixture
def study(server_url: str) -> Iterator[Study]:
    with Client(server_url) as client:
        study = client.create_study("plots", SPACE, metrics={"loss": "minimize", "accuracy": "maximize"})
        for values, loss in RUNS:
            study.add_trial(values)
            trial = study.ask()
            if loss is None:
                trial.fail("no result")
                continue
            trial.report({"loss": loss * 2, "extra": 1.0}, step=1)
            trial.report({"loss": loss, "extra": 2.0}, step=2)
            trial.complete({"loss": loss, "accuracy": 1 - loss})
        yield study


def test_the_history_has_each_result_and_the_best_so_far(study: Study) -> None:
    figure = study.plot_history()
    trials, best = figure.data
    assert list(trials.x) == list(best.x) == [1, 2, 3]
    assert list(trials.y) == [0.5, 0.25, 0.75]
    assert list(best.y) == [0.5, 0.25, 0.25]
    assert trials.text[1] == "trial 2<br>lr = 0.01<br>kind = sgd<br>momentum = 0.5<br>size = 5"
    assert list(study.plot_history("accuracy").data[1].y) == [0.5, 0.75, 0.75]
    assert figure.layout.title.text == "plots: history of loss"
    with pytest.raises(ValueError, match="the study has no metric 'lss'; it has loss, accuracy"):
        study.plot_history("lss")


def test_curves_have_what_was_reported(study: Study) -> None:
    curves = study.plot_curves("extra").data
    assert [(curve.name, list(curve.x), list(curve.y)) for curve in curves] == [
        (f"trial {number}", [1, 2], [1.0, 2.0]) for number in (1, 2, 3)
    ]


def test_a_slice_shows_each_parameter_where_it_mattered(study: Study) -> None:
    figure = study.plot_slice()
    assert [dots.name for dots in figure.data] == ["lr", "kind", "momentum", "size"]
    assert [list(dots.x) for dots in figure.data] == [
        [1e-3, 1e-2, 1e-1],
        ["adam", "sgd", "sgd"],
        [0.5, 0.9],
        [3, 5, 1],
    ]
    assert list(figure.data[2].y) == [0.25, 0.75]
    kinds = [figure.layout[axis].type for axis in ("xaxis", "xaxis2", "xaxis3", "xaxis4")]
    assert kinds == ["log", "category", "linear", "linear"]
    assert [dots.name for dots in study.plot_slice(["size"]).data] == ["size"]
    with pytest.raises(ValueError, match="no succeeded trial has the parameter 'sise'; they have kind, lr"):
        study.plot_slice(["sise"])


def test_parallel_coordinates_show_what_did_not_matter(study: Study) -> None:
    (lines,) = study.plot_parallel().data
    lr, kind, momentum, size, loss = lines.dimensions
    assert list(lr["values"]) == pytest.approx([-3, -2, -1])
    assert lr.ticktext == ("0.001", "0.01", "0.1")
    assert list(kind["values"]) == [1, 2, 2]
    assert kind.ticktext == ("big", "adam", "sgd")
    assert momentum.ticktext[0] == "–"
    assert momentum["values"][0] == momentum.tickvals[0] < 0.5
    assert list(momentum["values"])[1:] == [0.5, 0.9]
    assert (size.label, list(size["values"])) == ("size", [3, 5, 1])
    assert (loss.label, list(loss["values"])) == ("loss", [0.5, 0.25, 0.75])


def test_a_study_without_results_has_empty_figures(server_url: str) -> None:
    with Client(server_url) as client:
        study = client.create_study("empty", SPACE, goal="minimize")
        for plot in (study.plot_history, study.plot_curves, study.plot_slice, study.plot_parallel):
            assert "empty" in plot().to_html(include_plotlyjs=False)


def test_without_plotly_it_says_what_to_install(study: Study) -> None:
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "import dodona\ntry: dodona.Client().get_study('plots').plot_history()\n"
        "except ImportError as error: print(error)"
    )
    variables = environment(DODONA_URL=study._transport.url)
    said = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("figures need plotly (")
    assert said.stdout.endswith("install it with: pip install 'dodona[plots]'\n")
