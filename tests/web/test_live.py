"""Live pages: a stream that says that something has changed, and answers that pages share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.patience import patience
from tests.support.processes import ServerProcess
from tests.web.conftest import Site
from tests.web.filled import Filled

S = "/studies/p/l/s"


def test_pages_that_heard_of_the_same_change_share_an_answer(site: Site) -> None:
    site.create("s")
    trial = site.start("s")
    told = {"Dodona-Mark": "1-5.000"}
    first = site.client.get(S, headers=told)
    site.finish(trial, val_accuracy=0.8125)
    shared = site.client.get(S, headers=told)
    assert shared.text == first.text
    assert shared.headers["content-security-policy"] == first.headers["content-security-policy"]
    again = site.client.get(S, headers={**told, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    # Another address, a later change and a page without a mark get an answer of their own.
    for address, mark in (
        (S + "?order=oldest", told),
        (S, {"Dodona-Mark": "2-6.000"}),
        (S, {}),
        (S, {"Dodona-Mark": "9" * 99}),
    ):
        assert "0.8125" in site.client.get(address, headers=mark).text


def test_an_error_is_not_kept(site: Site) -> None:
    told = {"Dodona-Mark": "1-5.000"}
    assert site.client.get(S, headers=told).status_code == 404
    assert site.client.get(S + "/changes").status_code == 404


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    started = ServerProcess(tmp_path).start()
    yield started
    started.stop()


@pytest.mark.processes
def test_a_stream_says_what_has_changed_and_does_not_keep_the_server_from_stopping(server: ServerProcess) -> None:
    api = Filled(server.url)
    api.create("s")
    with httpx.stream("GET", server.url + S + "/changes", timeout=patience(60)) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        lines = stream.iter_lines()
        marks = (line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        first = next(marks)
        api.start("s")
        assert next(marks) != first
        server.stop()
        assert not list(marks)
    api.close()
