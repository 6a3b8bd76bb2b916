"""Files of trials through the client: whole, checked, and sent again when the network fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import dodona
from dodona import Artifact, Client, NotFound
from dodona._artifacts import MAX_FETCHES, sha256_of
from tests.client.network import Network, connected

CONTENT = bytes(range(256)) * 20_000
Connect = Callable[..., tuple[Client, Network]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def connect(server_url: str) -> Iterator[Connect]:
    """A client over a network that fails as it is told, with a real server at the other end."""
    wire = httpx.HTTPTransport()
    made = []

    def answer(request: httpx.Request) -> httpx.Response:
        url = httpx.URL(server_url)
        request.url = request.url.copy_with(host=url.host, port=url.port)
        request.headers["Host"] = url.netloc.decode()
        return wire.handle_request(request)

    def make(*faults: str | int) -> tuple[Client, Network]:
        network = Network(answer, faults)
        made.append(connected(network))
        return made[-1], network

    yield make
    for client in made:
        client.close()
    wire.close()


def study_of(client: Client) -> dodona.Study:
    return client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", algorithm="random_search")


def test_a_file_goes_with_its_trial(server_url: str, source: Path, tmp_path: Path) -> None:
    with Client(server_url) as client:
        study = study_of(client)
        with study.ask() as trial:
            saved = trial.artifacts.save("weights.h5", source)
            trial.artifacts.save("empty", "/dev/null")
            trial.complete(1.0)
        assert saved == Artifact(1, "weights.h5", len(CONTENT), sha256_of(source).hex(), 1)
        assert [one.name for one in trial.artifacts] == ["empty", "weights.h5"]
        files = study.artifacts(1)
        there = files.load("weights.h5", tmp_path / "there")
        assert there.read_bytes() == CONTENT
        # Other accounts may read it, if they may read what else the user writes there.
        assert there.stat().st_mode == source.stat().st_mode
        assert files.load("empty", str(tmp_path / "there")).read_bytes() == b""
        assert files.find("weights.h5") == saved
        assert [one.name for one in study.all_artifacts()] == ["empty", "weights.h5"]
        files.delete("empty")
        with pytest.raises(NotFound, match="empty does not exist"):
            files.load("empty", tmp_path / "other")
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["model.h5", "there"]


def test_it_is_sent_and_fetched_until_it_is_there(connect: Connect, source: Path, tmp_path: Path) -> None:
    client, network = connect()
    trial = study_of(client).ask()
    network.faults = ["refuse", 503, "drop"]
    trial.artifacts.save("a", source)
    network.faults = ["refuse", "drop", 502]
    trial.artifacts.load("a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == CONTENT
    assert [call.partition(" ")[0] for call in network.calls[-8:]] == ["PUT"] * 4 + ["GET"] * 4
    assert [one.name for one in trial.artifacts] == ["a"]


def test_what_arrives_otherwise_than_it_was_sent_is_fetched_again(source: Path, tmp_path: Path) -> None:
    digest = {"Content-Digest": "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"}
    answers = [b"hel1o", b"hello"]
    network = Network(lambda _: httpx.Response(200, content=answers.pop(0), headers=digest))
    with connected(network) as client:
        files = dodona.Artifacts(client._transport, "studies/s/trials/1")
        (tmp_path / "there").write_bytes(b"before")
        assert files.load("a", tmp_path / "there").read_bytes() == b"hello"
        answers[:] = [b"never"] * MAX_FETCHES
        with pytest.raises(dodona.ServerError, match="a did not match its digest in 3 downloads"):
            files.load("a", tmp_path / "there")
    assert (tmp_path / "there").read_bytes() == b"hello"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.h5", "there"]


def test_who_has_lost_the_trial_cannot_save(server_url: str, source: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Client(server_url) as client, caplog.at_level(logging.ERROR, "dodona"):
        study = study_of(client)
        first = study.ask()
        first.release()
        second = study.ask("other")
        assert second.number == first.number
        second.artifacts.save("a", source)
        for change in (lambda: first.artifacts.save("a", source), lambda: first.artifacts.delete("a")):
            with pytest.raises(dodona.Aborted, match=r"attempt 1 of .* was lost"):
                change()
        assert second.artifacts.find("a").attempt == 2
        second.complete(1.0)


def test_what_cannot_be_read_or_written_here_is_said(server_url: str, tmp_path: Path, source: Path) -> None:
    with Client(server_url) as client:
        trial = study_of(client).ask()
        with pytest.raises(FileNotFoundError):
            trial.artifacts.save("a", tmp_path / "nothing")
        trial.artifacts.save("a", source)
        with pytest.raises(FileNotFoundError):
            trial.artifacts.load("a", tmp_path / "no folder" / "b")
        with pytest.raises(dodona.InvalidArgument, match="not a valid id"):
            trial.artifacts.save("a name", source)
        trial.complete(1.0)
