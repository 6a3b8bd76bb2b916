"""How a script ends that meets an error which a person can mend."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dodona
from dodona import Client, Float
from dodona._border import short_traceback
from tests.support.processes import ServerProcess, environment

CREATE = """
import dodona
client = dodona.Client(retry=dodona.Retry(first_patience_seconds=0.1))
study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
"""


def last_words(script: str, **variables: str) -> list[str]:
    """What a script that fails says, line by line, without the log."""
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    return ended.stderr[ended.stderr.index("Traceback") :].splitlines()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, DODONA_TOKEN="the-long-token-of-the-server").start()
    yield server
    server.stop()


def test_an_address_without_a_server() -> None:
    words = last_words(CREATE, DODONA_URL="http://127.0.0.1:9")
    assert len(words) <= 5
    assert words[-1].startswith("dodona.ServerUnreachable: no server answered at http://127.0.0.1:9 ")


def test_another_spec(server_url: str) -> None:
    Client(server_url).create_study("s", {"x": Float(0, 2)}, goal="minimize")
    words = last_words(CREATE, DODONA_URL=server_url)
    assert len(words) <= 5
    assert words[-1].startswith("dodona.AlreadyExists: ")


def test_arguments_that_make_no_sense(server_url: str) -> None:
    for wrong in ('goal="best"', 'goal="minimize", max_trials="many"', "spec=3"):
        words = last_words(f"import dodona\ndodona.Client('{server_url}').create_study('s', {wrong})")
        assert len(words) <= 5
        assert words[-1].startswith("ValueError: ")
    words = last_words("import dodona\ndodona.Client('nowhere')")
    assert len(words) <= 5
    assert words[-1].startswith("ValueError: 'nowhere' is no address of a server")


def test_what_the_users_own_code_raises_keeps_its_frames(server_url: str) -> None:
    script = CREATE + "def objective(trial):\n    raise ValueError('mine')\nstudy.optimize(objective)\n"
    words = last_words(script, DODONA_URL=server_url)
    assert any("in objective" in line for line in words)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (None, "this server needs its token: set DODONA_TOKEN"),
        ("another-token", "the token is not this server's: set DODONA_TOKEN"),
    ],
)
def test_a_missing_token_and_a_wrong_one(guarded: ServerProcess, token: str | None, message: str) -> None:
    with pytest.raises(dodona.Unauthenticated, match=message):
        Client(guarded.url, token=token).get_study("s")


def test_all_errors_go_by_the_name_under_which_they_are_imported() -> None:
    assert str(dodona.NotFound) == "<class 'dodona.NotFound'>"
    assert {getattr(dodona, one.__name__) for one in dodona.ApiError.__subclasses__()} == set(
        dodona.ApiError.__subclasses__()
    )


def test_a_value_error_of_another_package_keeps_its_frames() -> None:
    @short_traceback
    def function() -> None:
        json.loads("{")

    with pytest.raises(json.JSONDecodeError) as caught:
        function()
    assert caught.traceback[-1].path.name == "decoder.py"
