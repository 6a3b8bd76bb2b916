"""The figures of a study, from the trials of a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

import dodona_figures
from dodona import Categorical, Client, Float, Int, Study, plots
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
    trials, best, failed = figure.data
    assert list(trials.x) == [1, 2, 3]
    assert list(trials.y) == [0.5, 0.25, 0.75]
    assert (list(best.x), list(best.y)) == ([1, 2, 4], [0.5, 0.25, 0.25])
    assert (list(failed.x), failed.name) == ([4], "failed")
    assert failed.text[0].endswith("<br>no result")
    assert trials.text[1] == "trial 2<br>lr = 0.01<br>kind = sgd<br>momentum = 0.5<br>size = 5"
    assert list(study.plot_history("accuracy").data[1].y) == [0.5, 0.75, 0.75]
    assert study.plot_history(by="time").layout.xaxis.title.text == "time since the first trial (s)"
    assert figure.layout.title.text == "plots: history of loss"
    with pytest.raises(ValueError, match="the study has no metric 'lss'; it has loss, accuracy"):
        study.plot_history("lss")


def test_curves_have_what_was_reported(study: Study) -> None:
    curves = {curve.name: curve for curve in study.plot_curves("extra").data}
    assert list(curves) == ["trial 1", "trial 3", "trial 2", "succeeded", "best trial"]
    assert [list(curves[f"trial {number}"].y) for number in (1, 2, 3)] == [[1.0, 2.0]] * 3
    assert curves["trial 2"].line.color == curves["best trial"].line.color
    assert list(study.plot_curves("extra", smooth=0.5).data[0].y) == pytest.approx([1.0, 5 / 3])
    with pytest.raises(ValueError, match="smooth is 1; it must be from 0 to below 1"):
        study.plot_curves(smooth=1)


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


def test_the_figures_over_two_parameters(study: Study) -> None:
    figure = study.plot_contour("lr", "size")
    surface, trials = figure.data
    assert (list(trials.x), list(trials.y)) == ([1e-3, 1e-2, 1e-1], [3, 5, 1])
    assert (figure.layout.xaxis.type, figure.layout.xaxis.title.text) == ("log", "lr (log)")
    assert len(surface.z) == len(surface.y) > 9
    (ranks,) = study.plot_rank("kind", "size").data
    assert (list(ranks.x), list(ranks.marker.color)) == (["adam", "sgd", "sgd"], [0.5, 0.0, 1.0])


def test_few_trials_have_a_sentence_instead_of_importances(study: Study) -> None:
    figure = study.plot_importance()
    assert figure.data == ()
    assert "There are 3: 21 more are needed." in figure.layout.annotations[0].text


def test_importance_has_intervals() -> None:
    trials = [
        dodona_figures.Trial(n, "SUCCEEDED", {"a": (n * 0.618) % 1, "b": (n * 0.414) % 1}, {"v": (n * 0.618) % 1})
        for n in range(1, 61)
    ]
    space = (dodona_figures.Parameter("a", 0, 1), dodona_figures.Parameter("b", 0, 1))
    shares, totals = plots.importance(dodona_figures.Study("s", (dodona_figures.Metric("v"),), space, trials)).data
    assert list(shares.y) == ["b", "a"]
    assert shares.x[1] > 0.9
    assert totals.x[1] > 0.9
    assert len(shares.error_x.array) == len(shares.error_x.arrayminus) == 2


def test_the_front_and_its_hypervolume(study: Study) -> None:
    others, front = study.plot_pareto().data
    assert list(front.x) == [0.25]
    assert sorted(others.x) == [0.5, 0.75]
    assert study.plot_pareto().layout.yaxis.title.text == "accuracy, maximized"
    assert list(study.plot_hypervolume().data[0].y) == [0.25, 1.0, 1.0]


def test_the_timeline_has_a_bar_for_each_trial(study: Study) -> None:
    bars = {bar.name: bar for bar in study.plot_timeline().data}
    assert [len(bars[name].x) for name in ("succeeded", "failed")] == [3, 1]


def test_several_studies_beside_each_other(study: Study, server_url: str) -> None:
    with Client(server_url) as client:
        other = client.create_study("other", {"x": Float(0, 1)}, metrics={"loss": "minimize"})
        other.add_trial({"x": 0.5}, 0.1)
        lines = plots.compare([study, other], by="compute").data
        assert [(line.name, line.y[-1]) for line in lines] == [("plots", 0.25), ("other", 0.1)]
        assert [list(line.x) for line in plots.edf([study, other]).data] == [[0.25, 0.5, 0.75], [0.1]]
    with pytest.raises(ValueError, match="there is no study to compare"):
        plots.compare([])


def test_figures_of_a_list_of_records(study: Study) -> None:
    records = study.trials()
    assert list(plots.history(records, goal="minimize").data[1].y) == [0.5, 0.25, 0.25]
    assert list(plots.edf(records, goal="minimize").data[0].x) == [0.25, 0.5, 0.75]
    assert [dots.name for dots in plots.slice(records, ["size"], goal="minimize").data] == ["size"]
    with pytest.raises(ValueError, match="records need goal='minimize' or goal='maximize'"):
        plots.history(records)
    with pytest.raises(ValueError, match="no record has a metric"):
        plots.history(records[3:], goal="minimize")


def test_names_are_no_markup(server_url: str) -> None:
    name = "<b>$x$ & <a href='javascript:alert(1)'>"
    with Client(server_url) as client:
        study = client.create_study(name, {name: Float(0, 1), "k": Categorical([name])}, goal="minimize")
        study.add_trial({name: 0.5, "k": name}, 1.0)
        study.add_trial({name: 0.7, "k": name}, 2.0)
        drawn = [
            study.plot_history(), study.plot_curves(), study.plot_slice(), study.plot_contour(), study.plot_rank(),
            study.plot_timeline(), study.plot_edf(), study.plot_importance(), plots.compare([study, study]),
        ]  # fmt: skip
        (lines,) = study.plot_parallel().data
        assert lines.dimensions[1].ticktext == ("<b>$x$ &…rt(1)'>",), "Plotly shows these as they are"
        for figure in drawn:
            shown = json.dumps(figure.to_plotly_json(), default=str)
            assert "<b>" not in shown
            assert "<a" not in shown
            assert "$x" not in shown


def test_a_study_without_results_has_empty_figures(server_url: str) -> None:
    with Client(server_url) as client:
        study = client.create_study("empty", SPACE, goal="minimize")
        plotted = (study.plot_history, study.plot_curves, study.plot_slice, study.plot_parallel, study.plot_edf)
        for plot in (*plotted, study.plot_importance, study.plot_timeline):
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
