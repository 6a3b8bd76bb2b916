"""What the pages show."""

from __future__ import annotations

import re

import pytest

from dodona_server.service.views import dashboard
from dodona_server.web.pages import pages, studies_page, study_page, trial_page
from tests.web.conftest import ACCURACY, RATE, Site

MEASUREMENT = {"metrics": [{"metricId": "val_accuracy", "value": 0.5}, {"metricId": "loss", "value": 1.25}]}


def test_without_a_study_the_first_page_says_how_to_make_one(site: Site) -> None:
    page = site.page("/")
    assert "No study yet" in page.text
    assert 'dodona.Client("http://localhost")' in page.text
    assert not page.live


def test_the_first_page_lists_the_studies_of_all_locations_newest_first(site: Site) -> None:
    site.create("older", 20)
    site.start("older")
    elsewhere = {"displayName": "Newer one", "studyId": "newer", "studySpec": {"metrics": [ACCURACY]}}
    assert site.client.post("/v1/projects/q/locations/m/studies", json=elsewhere).status_code == 200
    page = site.page("/")
    assert page.text.index("Newer one") < page.text.index("older")
    assert page.all("a", href="/studies/q/m/newer")
    assert page.all("a", href="/studies/p/l/older")
    assert "0 of 20" in page.text
    assert page.all("svg", **{"aria-label": "0 of 20 trials finished"})
    assert page.live


def test_an_empty_study(site: Site) -> None:
    site.create("mnist", 30)
    page = site.study("mnist")
    assert "mnist Active" in page.text
    assert "val_accuracy maximized Random search" in page.text
    assert "0 of 30 trials finished" in page.text
    assert "No trial yet" in page.text
    assert 'client.get_study("mnist")' in page.text
    assert [found["aria-labelledby"] for found in page.all("div", role="region")] == ["space-title"]
    assert page.live


def test_a_study_before_its_first_result(site: Site) -> None:
    site.create("mnist")
    site.start("mnist")
    page = site.study("mnist")
    assert "0 trials finished" in page.text
    assert "1 running" in page.text
    assert "No trial has succeeded yet" in page.text
    assert "Running" in page.text
    assert "worker-1" in page.text
    assert not page.all("svg", **{"class": "chart"})
    assert "Running now" in page.text
    assert page.all("button", **{"aria-label": "Stop trial 1"})


def test_a_study_on_its_way(site: Site) -> None:
    site.create("mnist", 10)
    site.finish(site.start("mnist"), val_accuracy=0.91)
    site.finish(site.start("mnist"), val_accuracy=0.987346)
    site.post(site.start("mnist") + ":complete", {"trialInfeasible": True, "infeasibleReason": "out of memory"})
    site.start("mnist", "worker-2")
    site.post("/mnist/trials", {"parameters": [{"parameterId": "learning_rate", "value": 0.001}]})
    assert site.page("/").all("svg", **{"aria-label": "3 of 10 trials finished"})
    page = site.study("mnist")
    assert "3 of 10 trials finished" in page.text
    for count in ("2 succeeded", "1 failed", "1 running", "1 queued"):
        assert count in page.text
    assert "Best so far 0.98735 val_accuracy of trial 2," in page.text
    assert page.all("span", **{"class": "value", "title": "0.987346"})
    assert "out of memory" in page.text
    assert len(page.all("circle")) == 2
    assert "Trial 1: 0.91" in page.text
    assert page.listed == [5, 4, 3, 2, 1]
    assert "1 out of memory trial 3" in page.text
    assert page.live


def test_a_study_whose_trials_all_failed_leads_to_the_reasons(site: Site) -> None:
    site.create("mnist")
    site.post(site.start("mnist") + ":complete", {"trialInfeasible": True, "infeasibleReason": "out of memory"})
    page = site.study("mnist")
    assert "No trial has succeeded yet: 1 has failed. Show the reasons" in page.text
    assert page.all("a", href="#failures")
    assert page.all("section", id="failures")


def test_a_completed_study_no_longer_refreshes(site: Site) -> None:
    site.create("mnist", 1)
    site.finish(site.start("mnist"), val_accuracy=0.9)
    page = site.study("mnist")
    assert "mnist Completed" in page.text
    assert "Completed: the budget is used up" in page.text
    assert not page.live


def test_a_study_with_several_metrics(site: Site) -> None:
    latency = {"metricId": "latency_ms", "goal": "MINIMIZE"}
    site.create("ranker", metrics=[ACCURACY, latency])
    for accuracy, milliseconds in ((0.9, 35.5), (0.8, 20.0), (0.85, 50.0)):
        site.finish(site.start("ranker"), val_accuracy=accuracy, latency_ms=milliseconds)
    page = site.study("ranker")
    assert "val_accuracy maximized latency_ms minimized" in page.text
    assert "Pareto front 2 trials that no other trial beats in all objectives" in page.text
    assert "Trial val_accuracy latency_ms 1 0.9 35.5 2 0.8 20 " in page.text
    assert "History of val_accuracy" in page.text
    assert "Parallel coordinates" not in page.text
    other = site.study("ranker?metric=latency_ms")
    assert "History of latency_ms" in other.text
    assert other.all("svg", **{"aria-label": "latency_ms of 3 trials; the best is 20, of trial 2"})
    trial = site.page("/studies/p/l/ranker/trials/1")
    assert "val_accuracy maximized 0.9" in trial.text
    assert "latency_ms minimized 35.5" in trial.text


def test_a_front_of_three_objectives_compares_fewer_trials(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_page, "MAX_COMPARED", 5)
    site.create("three", metrics=[{"metricId": name} for name in "abc"])
    for number in range(8):
        site.finish(site.start("three"), a=number, b=-number, c=0)
    page = site.study("three")
    assert "5 trials that no other drawn trial beats in all objectives" in page.text


def test_a_study_says_what_it_is_set_to(site: Site) -> None:
    stopping = {"maxNumTrials": 9, "maxFailedTrials": 2, "maxDurationNoProgress": "7200s"}
    spec = {"studyStoppingConfig": stopping, "ashaStoppingSpec": {"minResource": 2}, "algorithm": 0}
    site.create("mnist", **spec)
    text = site.study("mnist").text
    assert "Algorithm Gaussian process bandit (default)" in text
    assert "The study ends after 9 trials. It ends after 2 h 00 min without a better result." in text
    assert "It ends after 2 failed trials." in text
    assert "ASHA: rungs begin at step 2, each 3 times the one before." in text
    assert "learning_rate double 1e-5 to 0.1 linear" in text


def test_the_list_of_studies_can_be_searched_and_sorted(site: Site) -> None:
    for name in ("beta", "Alpha", "100% gamma_1"):
        site.create(name.split()[-1].lower(), display_name=name)
    site.post("/beta:pause", {})
    site.add("alpha", 0.75)
    names = [
        found["href"].rpartition("/")[2] for found in site.page("/?order=name").all("a") if "/p/l/" in found["href"]
    ]
    assert names == ["gamma_1", "alpha", "beta"]
    assert "0.75" in site.page("/?q=ALPH").text
    assert "1–1 of 1 study" in site.page("/?q=%25").text
    assert "1–1 of 1 study" in site.page("/?q=a_1").text
    assert "No study matches" in site.page("/?q=a%25a").text
    assert "1–1 of 1 study" in site.page("/?state=INACTIVE").text
    assert "1–3 of 3 studies" in site.page("/?state=X&order=Y&page=Z").text


def test_studies_come_in_pages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_STUDIES", 2)
    monkeypatch.setattr(studies_page, "MAX_STUDIES", 2)
    for number in range(5):
        site.create(f"s{number}")
    assert "1–2 of 5 studies Next" in site.page("/").text
    second = site.page("/?page=2")
    assert "3–4 of 5 studies Previous Next" in second.text
    assert second.all("a", href="/", rel="prev")
    assert "5–5 of 5 studies Previous" in site.page("/?page=3").text


def test_a_parameter_that_a_trial_does_not_have_is_a_dash(site: Site) -> None:
    momentum = {"parameterId": "momentum", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
    branch = {"parentCategoricalValues": {"values": ["sgd"]}, "parameterSpec": momentum}
    optimizer = {
        "parameterId": "optimizer",
        "categoricalValueSpec": {"values": ["adam", "sgd"]},
        "conditionalParameterSpecs": [branch],
    }
    site.create("mnist", parameters=[optimizer])
    site.post("/mnist/trials", {"parameters": [{"parameterId": "optimizer", "value": "adam"}]})
    sgd = [{"parameterId": "optimizer", "value": "sgd"}, {"parameterId": "momentum", "value": 0.75}]
    site.post("/mnist/trials", {"parameters": sgd})
    page = site.study("mnist")
    assert "2 Queued – sgd 0.75" in page.text
    assert "1 Queued – adam –" in page.text
    assert "momentum if optimizer is sgd double 0 to 1" in page.text
    assert "momentum" not in site.page("/studies/p/l/mnist/trials/1").text


def test_any_trial_can_be_reached(site: Site) -> None:
    site.create("many")
    for number in range(1, 61):
        site.add("many", 0.9 if number == 33 else number / 1000)
    site.post(site.start("many") + ":complete", {"trialInfeasible": True})
    page = site.study("many")
    assert page.listed == list(range(61, 36, -1))
    assert page.next_page.listed == list(range(36, 11, -1))
    assert page.next_page.next_page.listed == list(range(11, 0, -1))
    assert page.next_page.next_page.next_page is None
    assert site.study("many?order=oldest&from=59").listed == [59, 60, 61]
    best = site.study("many?order=best")
    assert best.listed == [33, *range(60, 36, -1)]
    assert best.next_page.listed == [36, 35, 34, *range(32, 10, -1)]
    assert site.study("many?order=worst").listed == list(range(1, 26))
    assert site.study("many?trials=infeasible").listed == [61]
    assert site.study("many?trials=unfinished").listed == []
    assert site.study("many?trials=succeeded&from=20").listed == list(range(20, 0, -1))
    assert site.study("many?order=what&trials=ever&from=x&after=y&y=z").listed == page.listed


def test_parameters_are_compared(site: Site) -> None:
    depth = {"parameterId": "depth", "integerValueSpec": {"minValue": 1, "maxValue": 4}}
    site.create("mnist", parameters=[RATE, depth])
    for accuracy in (0.5, 0.75, 0.625):
        site.finish(site.start("mnist"), val_accuracy=accuracy)
    page = site.study("mnist")
    assert page.all("svg", **{"aria-label": "Parameters and val_accuracy of 3 trials"})
    assert len(page.all("path", **{"class": "line across best"})) == 1


def test_a_choice_keeps_the_others(site: Site) -> None:
    site.create("mnist")
    site.add("mnist", 0.5)
    site.add("mnist", 0.6)
    page = site.study("mnist?y=log&trials=succeeded")
    chosen = {found["href"] for found in page.all("a", **{"aria-current": "true"})}
    assert "/studies/p/l/mnist?trials=succeeded&y=log" in chosen
    assert page.all("a", href="/studies/p/l/mnist?trials=succeeded&order=oldest&y=log#trials")


def test_a_long_history_is_thinned_and_keeps_the_best(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "MAX_HISTORY", 20)
    site.create("many")
    for number in range(1, 101):
        site.add("many", 0.9 if number == 33 else number / 1000)
    page = site.study("many")
    dots = [found["href"].rpartition("/")[2] for found in page.all("a", tabindex="-1")]
    assert len(dots) <= 21
    assert "33" in dots
    assert f"{len(dots)} of 100 trials are drawn" in page.text


def test_a_far_worse_trial_is_said_to_stand_at_the_edge(site: Site) -> None:
    site.create("mnist")
    for number in range(20):
        site.add("mnist", -1e6 if number == 7 else 0.9 + number / 1000)
    page = site.study("mnist")
    assert "1 far worse trial is drawn at the lower edge." in page.text
    assert len(page.all("circle", **{"class": "beyond"})) == 1


def test_a_trial_with_measurements(site: Site) -> None:
    site.create("mnist")
    trial = site.start("mnist")
    for step in (1, 2, 3):
        measurement = {"stepCount": str(step), "elapsedDuration": f"{10 * step}s", **MEASUREMENT}
        site.post(f"{trial}:addTrialMeasurement", {"measurement": measurement})
    running = site.page("/studies/p/l" + trial)
    assert running.live
    assert (
        "Trial 1 Running Stop Add its result Clone Note and tags Delete worker worker-1 attempt 1 started"
        in running.text
    )
    assert "Not yet." in running.text
    assert "3 30 s 0.5 1.25" in running.text
    assert [found["aria-label"] for found in running.all("svg", **{"class": "chart small"})] == [
        "val_accuracy over 3 measurements",
        "loss over 3 measurements",
    ]
    site.post(f"{trial}:complete", {})
    assert not site.page("/studies/p/l" + trial).live


def test_a_trial_that_was_stopped_says_why(site: Site) -> None:
    space = [{"parameterId": "x", "doubleValueSpec": {"maxValue": 1}}]
    rule = {"noProgressStoppingSpec": {"patience": 2}}
    spec = {"metrics": [ACCURACY], "parameters": space, "algorithm": "RANDOM_SEARCH", **rule}
    study = {"displayName": "stops", "studyId": "stops", "studySpec": spec}
    assert site.client.post("/v1/projects/p/locations/l/studies", json=study).status_code == 200
    for value in (0.9, 0.5):
        trial = site.start("stops", f"worker-{value}")
        for step in (1, 2, 3):
            one = {"stepCount": step, "metrics": [{"metricId": "val_accuracy", "value": value}]}
            site.post(f"{trial}:addTrialMeasurement", {"measurement": one})
    page = site.page("/studies/p/l" + trial)
    assert "Stopped early: no improvement from step 1 to step 3; best so far 0.5" in page.text
    site.post(f"{trial}:complete", {})
    study = site.study("stops")
    assert "2 Stopped early 0.5" in study.text
    site.finish("/stops/trials/1", val_accuracy=0.9)
    study = site.study("stops")
    assert "Learning curves the best trial stopped early" in study.text
    assert study.all("path", **{"class": "line curve best"})
    assert "2 succeeded, 1 of them stopped early" in study.text
    assert site.study("stops?trials=stopped").listed == [2]
    assert study.all("path", **{"class": "line curve stopped"})


def test_a_metric_that_is_not_a_number_has_no_curve(site: Site) -> None:
    site.create("mnist")
    trial = site.start("mnist")
    broken = {"metrics": [{"metricId": "val_accuracy", "value": "NaN"}]}
    site.post(f"{trial}:addTrialMeasurement", {"measurement": broken})
    site.post(f"{trial}:complete", {"finalMeasurement": broken})
    page = site.page("/studies/p/l" + trial)
    assert "Failed: the final value of the metric 'val_accuracy' is nan" in page.text
    assert "NaN" in page.text
    assert not page.all("svg", **{"class": "chart small"})


def test_many_measurements_are_thinned(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_page, "MAX_MEASUREMENTS_LISTED", 10)
    site.create("mnist")
    trial = site.start("mnist")
    for step in range(1, 31):
        site.post(f"{trial}:addTrialMeasurement", {"measurement": {"stepCount": str(step), **MEASUREMENT}})
    page = site.page("/studies/p/l" + trial)
    assert "10 of 30, evenly chosen." in page.text
    assert len(page.all("th", scope="row")) == 10 + 1  # and an attempt


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/studies/p/l/none", "projects/p/locations/l/studies/none does not exist"),
        ("/studies/p/l/mnist/trials/7", "projects/p/locations/l/studies/mnist/trials/7 does not exist"),
        ("/studies/p/l/mnist/trials/seven", "trials are numbered from 1 on"),
        ("/studies/p/l/a%20b", "'a b' is not a valid id"),
        ("/studies/p", "there is no page at /studies/p"),
        ("/static/0/secret.txt", "there is no file secret.txt"),
    ],
)
def test_what_is_not_there_is_a_page_that_says_so(site: Site, path: str, sentence: str) -> None:
    site.create("mnist")
    page = site.page(path, 404)
    assert "Not found" in page.text
    assert sentence in page.text
    assert not page.live


def test_the_files_of_a_page_are_there_for_good(site: Site) -> None:
    site.create("mnist")
    page = site.study("mnist")
    links = [found["href"] for found in page.all("link")] + [found["src"] for found in page.all("script")]
    for path in links:
        response = site.client.get(path)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]
        assert re.fullmatch(r"/static/[0-9a-f]{12}/[\w.]+\.(css|js|svg)", path)


@pytest.mark.processes
def test_a_trial_says_what_its_suggestion_knew(site: Site) -> None:
    site.create("s", algorithm="GP_BANDIT")
    site.start("s")
    page = site.page("/studies/p/l/s/trials/1")
    assert "fresh suggestion from 0 results" in page.text
    assert "Why this trial Reason: initial design." in page.text


@pytest.mark.processes
def test_a_trial_that_continues_another_says_which_epochs_it_trains(site: Site) -> None:
    site.create("s", algorithm="PBT", algorithmOptions={"population": 2, "interval": 5})
    for _ in range(2):
        site.finish(site.start("s"), val_accuracy=0.5)
    site.finish(site.start("s"), val_accuracy=0.9)
    page = site.page("/studies/p/l/s/trials/3")
    assert "epochs 6 to 10, continuing trial 1" in page.text
    assert "tuner/" not in page.text
    study = site.study("s")
    assert "Best so far 0.9 val_accuracy of trial 3" in study.text
    assert "; epochs 6 to 10, continuing trial 1" in study.text
    assert "tuner/" not in study.text


def test_the_form_of_a_study_names_algorithms_as_the_study_does(site: Site) -> None:
    text = site.page("/new").text
    for name in ("CMA-ES", "Freeze-thaw", "Gaussian process bandit", "NSGA-II", "Random search"):
        assert name in text
