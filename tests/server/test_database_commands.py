"""`dodona db` as people meet it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from dodona_server.storage.schema import administration as schema
from dodona_server.storage.schema.opening import open_store
from tests.storage.conftest import plain_engine
from tests.storage.stored.write import load
from tests.support.patience import patience
from tests.support.processes import environment


def db(command, url):
    """Runs `dodona db COMMAND` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dodona_server", "db", command, "--database-url", url],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=patience(60),
    )


def test_a_database_from_empty_to_current(tmp_path, postgres_url):
    empty = db("current", postgres_url)
    assert (empty.returncode, empty.stdout) == (0, "empty\n")
    old = db("check", postgres_url)
    assert old.returncode == 1
    assert old.stderr == f"the schema is empty, this version needs {schema.head()}: dodona db upgrade\n"
    upgraded = db("upgrade", postgres_url)
    assert (upgraded.returncode, upgraded.stdout) == (0, f"empty -> {schema.head()}\n")
    assert db("upgrade", postgres_url).stdout == f"{schema.head()}, unchanged\n"
    assert db("check", postgres_url).returncode == 0


def test_an_old_database_is_upgraded(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    engine = plain_engine(url)
    load(engine, "0001")
    engine.dispose()
    old = db("check", url)
    assert old.returncode == 1
    assert old.stderr == f"the schema is 0001, this version needs {schema.head()}: dodona db upgrade\n"
    assert db("upgrade", url).stdout == f"0001 -> {schema.head()}\n"
    assert db("current", url).stdout == f"{schema.head()}\n"


def test_a_file_that_is_not_there_is_not_made(tmp_path):
    ended = db("current", f"sqlite:///{tmp_path / 'x.db'}")
    assert ended.returncode == 2
    assert ended.stderr == f"dodona: there is no file {tmp_path / 'x.db'}\n"
    assert list(tmp_path.iterdir()) == []


def test_vacuum_gives_the_space_back(tmp_path):
    path = tmp_path / "x.db"
    url = f"sqlite:///{path}"
    open_store(url).close()
    with sqlite3.connect(path) as connection:
        row = ("", "", "1", "1", "{}", 1, "ACTIVE", "", 0.0, 1, 0, 1, "x" * 2_000_000)
        names = "project,location,study_id,display_name,spec,seed,state,inactive_reason,create_time,"
        names += "next_trial_number,trial_count,revision,metadata"
        connection.execute(f"INSERT INTO studies ({names}) VALUES ({','.join('?' * 13)})", row)
    connection.close()
    before = path.stat().st_size
    ended = db("vacuum", url)
    assert (ended.returncode, ended.stdout) == (0, "cleared 1 deleted studies\n"), ended.stderr
    assert path.stat().st_size < before / 4
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT action, target FROM audit").fetchall() == [("vacuum", "1 deleted studies")]
    connection.close()


def test_vacuum_keeps_off_a_database_that_is_served(tmp_path):
    url = f"sqlite:///{tmp_path / 'x.db'}"
    store = open_store(url)
    ended = db("vacuum", url)
    store.close()
    assert ended.returncode == 2
    assert "in use by another server" in ended.stderr


@pytest.mark.parametrize("command", ["current", "check"])
def test_a_database_that_does_not_answer_is_one_line(command):
    ended = db(command, "postgresql://nobody:hidden@127.0.0.1:1/x")
    assert ended.returncode == 2
    assert ended.stderr.startswith("dodona: the database cannot be used: connection")
    assert "hidden" not in ended.stderr
