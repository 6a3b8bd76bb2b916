"""What people look for and change: filters, notes, the archive, workers, files and the server itself."""

from __future__ import annotations

import urllib.parse
from typing import Any

import pytest

from dodona_server.domain.space import Categorical, Discrete, Double, Parameter, Scale, SearchSpace
from dodona_server.service.views.nearest import distance
from tests.web.conftest import Site

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 16
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def filled(site: Site) -> Site:
    """A study with four succeeded trials and one that runs."""
    site.create("mnist")
    for value, rate in ((0.5, 0.001), (0.9, 0.01), (0.7, 0.05), (0.6, 0.02)):
        site.add("mnist", value, rate)
    site.start("mnist", "gpu-1")
    return site


def put(site: Site, name: str, content: bytes) -> None:
    path = f"/v1/projects/p/locations/l/studies/mnist/trials/1/artifacts/{name}"
    assert site.client.put(path, content=content).status_code == 200


class TestTrials:
    def test_are_filtered_and_sorted_by_any_column(self, filled: Site) -> None:
        query = urllib.parse.urlencode({"filter": "val_accuracy > 0.55", "sort": "parameters.learning_rate desc"})
        page = filled.page(f"/studies/p/l/mnist?{query}")
        assert page.listed == [3, 4, 2]
        assert "3 trials match" in page.text
        (sorted_head,) = [one for one in page.all("th", scope="col") if "aria-sort" in one]
        assert (sorted_head["title"], sorted_head["aria-sort"]) == ("learning_rate", "descending")

    def test_a_wrong_filter_is_said_beside_its_field(self, filled: Site) -> None:
        page = filled.page("/studies/p/l/mnist?filter=lr+%3C+1")
        assert "'lr' at character 1 is not a column; the columns are trial, state" in page.text
        assert page.listed == [5, 4, 3, 2, 1]

    def test_come_in_pages_of_the_filter(self, filled: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dodona_server.web.pages.trial_table.MAX_ROWS", 2)
        page = filled.page("/studies/p/l/mnist?filter=trial+%3C+5&sort=trial")
        assert page.listed == [1, 2]
        assert page.next_page.listed == [3, 4]
        assert page.next_page.next_page is None

    def test_have_the_chosen_columns_alone(self, filled: Site) -> None:
        page = filled.page("/studies/p/l/mnist?column=attempt&column=tags&sort=trial")
        heads = [one["title"] for one in page.all("th", scope="col") if "title" in one]
        assert heads[-5:] == ["Trial", "State", "val_accuracy", "Attempt", "Tags"]
        # Each choice keeps the others.
        assert any("column=attempt" in one["href"] and "sort=trial+desc" in one["href"] for one in page.all("a"))


class TestStudies:
    def test_are_found_by_tag_project_and_archive(self, site: Site) -> None:
        for name in ("one", "two", "three"):
            site.create(name)
        site.post("/one:updateMetadata", {"metadata": {"dodona/tags": "paper,draft", "dodona/note": "look here"}})
        site.post("/two:archive")
        assert "one" in site.page("/?tag=paper").text
        assert "three" not in site.page("/?tag=paper").text
        assert "No study matches." in site.page("/?tag=pap").text
        listed = site.page("/").text
        assert "three" in listed
        assert "p/l/two" not in listed
        assert "p/l/two" in site.page("/?archived=yes").text
        assert "No study matches." in site.page("/?project=other").text
        page = site.study("one")
        assert "look here" in page.text
        assert "paper" in page.text
        assert "Archived" in site.study("two").text

    def test_show_their_progress(self, filled: Site) -> None:
        page = filled.page("/")
        assert len(page.all("svg", **{"class": "spark"})) == 1
        assert "4 11 running" in page.text  # a worker, and what it runs

    def test_say_what_happened_page_by_page(self, filled: Site) -> None:
        filled.post("/mnist:pause", {"reason": "the data moves"})
        page = filled.study("mnist")
        assert "paused the data moves by a user" in page.text
        assert "succeeded trial 4" in page.text
        for _ in range(20):
            filled.add("mnist", 0.1)
        page = filled.study("mnist")
        (earlier,) = [one["href"] for one in page.all("a") if "events=" in one["href"]]
        assert "created" in filled.page(earlier.partition("#")[0]).text


class TestWorkers:
    def test_are_listed_with_what_they_run(self, filled: Site) -> None:
        page = filled.page("/workers")
        assert "gpu-1 Running mnist trial 5 since" in page.text
        assert filled.page("/workers?study=p/l/mnist").live
        assert filled.page("/workers?study=p/l/none", 404)

    def test_of_nobody(self, site: Site) -> None:
        assert "No worker is active" in site.page("/workers").text

    def test_the_server_says_what_it_measures(self, filled: Site) -> None:
        page = filled.page("/server")
        assert "SQLite 3." in page.text
        assert "1 running, 0 queued, 4 succeeded, 0 failed" in page.text
        assert "RANDOM_SEARCH" in page.text


class TestTrial:
    def test_is_compared_with_the_best_and_the_nearest(self, filled: Site) -> None:
        page = filled.page("/studies/p/l/mnist/trials/4")
        assert "Parameter This trial Best: trial 2 learning_rate 0.02 0.01" in page.text
        assert "best 0.9" in page.text
        near = page.text.partition("Nearest trials")[2]
        assert near.index(" 2 Succeeded 0.9") < near.index(" 3 Succeeded 0.7")

    def test_lists_its_attempts(self, filled: Site) -> None:
        filled.post("/mnist/trials/5:release", {"attempt": 1})
        filled.start("mnist", "gpu-2")
        attempts = filled.page("/studies/p/l/mnist/trials/5").text.partition("Attempts")[2]
        assert "1 gpu-1" in attempts
        assert "returned to the queue" in attempts
        assert "2 gpu-2" in attempts

    @pytest.mark.parametrize(
        ("name", "content", "words"),
        [
            ("notes.txt", b"<script>alert(1)</script>", "<script>alert(1)</script>"),
            ("table.csv", b"a,b\n1,<b>2</b>\n", "a b 1 <b>2</b>"),
            ("model.bin", b"\0\xff\xfe", "No preview"),
            ("page.svg", SVG, "<script>alert(1)</script>"),
        ],
    )
    def test_shows_files_as_text(self, filled: Site, name: str, content: bytes, words: str) -> None:
        put(filled, name, content)
        page = filled.page(f"/studies/p/l/mnist/trials/1/files/{name}")
        assert words in page.text
        assert all("src" in one for one in page.all("script"))
        assert filled.client.get(f"/studies/p/l/mnist/trials/1/images/{name}").status_code == 404

    def test_shows_images_of_safe_kinds(self, filled: Site) -> None:
        put(filled, "plot.png", PNG)
        assert filled.page("/studies/p/l/mnist/trials/1").all("img", alt="plot.png")
        answer: Any = filled.client.get("/studies/p/l/mnist/trials/1/images/plot.png")
        assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
        assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_distance_is_measured_in_the_unit_cube() -> None:
    space = SearchSpace(
        (
            Parameter("rate", Double(0.001, 1.0, scale=Scale.LOG)),
            Parameter("kind", Categorical(("a", "b"))),
            Parameter("units", Discrete((1.0, 3.0))),
        )
    )
    one = {"rate": 0.001, "kind": "a", "units": 1.0}
    assert distance(space, one, one) == 0
    assert distance(space, one, {"rate": 1.0, "kind": "b", "units": 3.0}) == pytest.approx(1)
    assert distance(space, {"rate": 0.001}, {"rate": 0.01}) == pytest.approx(1 / 3)
    assert distance(space, {"kind": "a"}, {}) == 1
