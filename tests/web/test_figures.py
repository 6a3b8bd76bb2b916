"""The data of figures, and the page that compares studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dodona_server.app import create_app
from dodona_server.domain.access.roles import Principal, Role
from dodona_server.domain.errors import NotFound
from dodona_server.service.views import samples
from dodona_server.storage.schema.opening import open_store
from dodona_server.web.pages.compare_page import studies_of
from tests.support.app_client import AppClient
from tests.web.conftest import ACCURACY, RATE, Site
from tests.web.filled import BIG, add_big_study

KINDS = ["history", "curves", "parallel", "slices", "contour", "rank", "importance", "edf", "timeline"]
LATENCY = {"metricId": "latency", "goal": "MINIMIZE"}
DROPOUT = {"parameterId": "dropout", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}


def figure(site: Site, kind: str, query: str = "", study: str = "s") -> Any:
    answer = site.client.get(f"/studies/p/l/{study}/figures/{kind}?{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


@pytest.fixture
def filled(site: Site) -> Site:
    """A study with results, a failure and a running trial, of two parameters and two metrics."""
    site.create("s", metrics=[ACCURACY, LATENCY], parameters=[RATE, DROPOUT])
    for value in (0.5, 0.75, 0.625):
        trial = site.start("s")
        for step in (1, 2):
            metrics = [{"metricId": "val_accuracy", "value": value * step / 2}]
            site.post(f"{trial}:addTrialMeasurement", {"measurement": {"stepCount": step, "metrics": metrics}})
        site.finish(trial, val_accuracy=value, latency=10 * value)
    failed = site.start("s")
    site.post(f"{failed}:complete", {"trialInfeasible": True, "infeasibleReason": "out of memory"})
    site.start("s", "worker-2")
    return site


def test_a_history_has_results_the_best_so_far_and_failures(filled: Site) -> None:
    found = figure(filled, "history")
    history = found["figure"]
    assert (found["trials"], found["read"], found["note"]) == (5, 5, "")
    assert history["points"]["numbers"] == [1, 2, 3]
    assert history["points"]["y"] == [0.5, 0.75, 0.625]
    assert history["best"]["numbers"] == [1, 2]
    assert history["failed"]["reasons"] == ["out of memory"]
    assert figure(filled, "history", "metric=latency")["figure"]["best"]["numbers"] == [1]
    assert figure(filled, "history", "by=compute")["figure"]["x_unit"] == "s"
    assert figure(filled, "history", "by=nonsense")["figure"]["by"] == "trial"


def test_every_figure_has_data(filled: Site) -> None:
    for kind in [*KINDS, "pareto", "hypervolume"]:
        found = figure(filled, kind)
        assert found["kind"] == kind
        assert found["names"] == ["learning_rate", "dropout"]
        assert found["figure"] is not None, found["note"]
    curves = figure(filled, "curves")["figure"]["lines"]
    assert [line["y"] for line in curves] == [[0.25, 0.5], [0.375, 0.75], [0.3125, 0.625]]
    assert {bar["worker"] for bar in figure(filled, "timeline")["figure"]["bars"]} == {"worker-1", "worker-2"}
    assert figure(filled, "contour", "x=dropout")["figure"]["x_axis"]["name"] == "dropout"
    assert figure(filled, "pareto")["figure"]["front"] == [2, 3, 1]


def test_a_lost_attempt_is_in_the_timeline(site: Site) -> None:
    site.create("s")
    trial = site.start("s", "one")
    site.post(f"{trial}:release", {"clientId": "one"})
    assert site.start("s", "two") == trial
    site.finish(trial, val_accuracy=0.5)
    bars = figure(site, "timeline")["figure"]["bars"]
    assert [(bar["worker"], bar["attempt"], bar["outcome"]) for bar in bars] == [
        ("one", 1, "lost"),
        ("two", 2, "succeeded"),
    ]


def test_a_figure_that_cannot_be_says_why(site: Site) -> None:
    site.create("s")
    for kind in KINDS:
        assert figure(site, kind)["kind"] == kind
    site.add("s", 0.5)
    assert "needs two parameters" in figure(site, "contour")["note"]
    assert "no metric 'none'" in figure(site, "history", "metric=none")["note"]
    assert "objective" in figure(site, "pareto")["note"]
    assert site.client.get("/studies/p/l/s/figures/none").status_code == 404
    assert site.client.get("/studies/p/l/none/figures/history").status_code == 404


def test_data_is_sent_again_only_if_it_has_changed(filled: Site) -> None:
    path = "/studies/p/l/s/figures/history"
    tag = filled.client.get(path).headers["etag"]
    assert filled.client.get(path, headers={"If-None-Match": tag}).status_code == 304
    filled.finish(filled.start("s"), val_accuracy=0.9, latency=1)
    assert filled.client.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_figures_of_a_large_study_show_some_of_its_trials(tmp_path: Path) -> None:
    add_big_study(tmp_path / "big.db")
    with AppClient(create_app(open_store(f"sqlite:///{tmp_path / 'big.db'}")), base_url="http://localhost") as client:
        site = Site(client)
        found = figure(site, "history", "by=compute", study="big")
        history = found["figure"]
        assert found["trials"] == BIG
        assert found["read"] < samples.MOST + samples.PARTS + samples.MOST_RUNNING
        # All trials ran for a second each, and the best of all is among them.
        assert history["best"]["end"] == pytest.approx(BIG, rel=0.01)
        assert history["best"]["y"][-1] == pytest.approx(1 / 100_003, rel=1e-5)
        for kind in KINDS:
            answer = client.get(f"/studies/p/l/big/figures/{kind}")
            assert answer.status_code == 200
            assert int(answer.headers["content-length"]) < 50_000, kind


def test_studies_are_compared(site: Site) -> None:
    for name, values in (("one", (0.5, 0.75)), ("two", (0.625,))):
        site.create(name)
        for value in values:
            site.add(name, value)
    page = site.page("/compare?study=p/l/one&study=p/l/two&study=p/l/one")
    assert "0.75 of trial 2" in page.text
    assert "learning_rate" in page.text
    assert len(page.all("path", **{"class": "line series-1"})) == 1
    data = site.client.get("/compare/data?study=p/l/one&study=p/l/two").json()["figure"]
    assert [one["best"]["y"] for one in data["studies"]] == [[0.5, 0.75], [0.625]]
    assert [one["trials"] for one in data["studies"]] == [2, 1]
    listed = site.page("/")
    assert {found["value"] for found in listed.all("input", name="study")} == {"p/l/one", "p/l/two"}


def test_what_cannot_be_compared_is_told(site: Site) -> None:
    site.create("one")
    site.create("two", metrics=[LATENCY])
    assert "Select two or more studies" in site.page("/compare").text
    assert "Select two or more studies" in site.page("/compare?study=p/l/one").text
    assert "cannot be compared" in site.page("/compare?study=p/l/one&study=p/l/two").text
    assert "is not a path of a study" in site.page("/compare?study=one", 404).text
    assert "12 at most" in site.page("/compare?" + "&".join(f"study=p/l/{index}" for index in range(13)), 404).text


def test_studies_of_other_projects_are_not_compared() -> None:
    viewer = Principal("someone", (("p", Role.VIEWER),))
    assert [name.study_id for name in studies_of(["p/l/one", "p/l/one"], viewer)] == ["one"]
    with pytest.raises(NotFound, match="projects/q does not exist"):
        studies_of(["p/l/one", "q/l/two"], viewer)
