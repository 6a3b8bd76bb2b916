"""`dodona serve` as people and service managers meet it: a process, its exit code and what it says."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

import dodona
from dodona_server.service.computing.forking import POOL_PROCESS
from tests.support.patience import patience
from tests.support.processes import SERVE, ServerProcess, environment

STUDIES = "/v1/projects/default/locations/local/studies"


def run(folder, *arguments, **variables):
    """Runs `dodona` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "dodona_server", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=patience(60),
    )


def refusal(folder, *arguments, **variables):
    """The one line with which `dodona serve` gives up."""
    ended = run(folder, "serve", *arguments, **variables)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    match = re.fullmatch(r"dodona: (.+)\n", ended.stderr)
    assert match, ended.stderr
    return match[1]


def study(name):
    """The body that creates a study."""
    parameter = {"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
    spec = {"metrics": [{"metricId": "f", "goal": "MINIMIZE"}], "parameters": [parameter]}
    return {"displayName": name, "studySpec": spec}


def kept(server):
    """The names of the studies that the database holds, as a new server finds them."""
    server.start()
    with dodona.Client(server.url) as client:
        return {study.display_name for study in client.studies()}


class TestRefusals:
    def test_a_port_that_is_taken(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert (
                refusal(tmp_path, "--port", str(port)) == f"cannot listen on 127.0.0.1:{port}: Address already in use"
            )
        assert list(tmp_path.iterdir()) == []

    def test_an_address_of_another_machine(self, tmp_path):
        # 192.0.2.0/24 is kept for documentation: no machine has it.
        said = refusal(tmp_path, "--host", "192.0.2.1", DODONA_TOKEN="a long random secret")
        assert said == "cannot listen on 192.0.2.1:8080: Cannot assign requested address"

    @pytest.mark.parametrize("port", ["many", "65536", "-1"])
    def test_a_port_that_is_none(self, tmp_path, port):
        assert refusal(tmp_path, DODONA_PORT=port).startswith(f"--port (DODONA_PORT): '{port}': Input should be ")

    def test_a_database_that_another_server_has_open(self, server, tmp_path):
        said = refusal(tmp_path / "server", "--port", "0")
        assert said.startswith("the database dodona.db is in use by another server")
        assert httpx.get(f"{server.url}/readyz").status_code == 200

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("mysql://someone:hidden@host/db", "the database URL begins with 'mysql'"),
            ("someone:hidden@host", "the database URL cannot be read"),
            ("sqlite://", "the database URL names no file"),
            ("sqlite:///no/such/folder/x.db", "the database no/such/folder/x.db cannot be opened"),
            ("postgresql://someone:hidden@127.0.0.1:1/db", "the database postgresql"),
            ("postgresql://someone@127.0.0.1:1/db?password=hidden", "the database postgresql"),
            ("postgresql://someone@127.0.0.1:1/db?password=hidden&password=hidden", "the database postgresql"),
            ("postgresql://someone@127.0.0.1:1/db?sslmode=prefer&sslpassword=hidden", "the database postgresql"),
            ("postgresql://someone@127.0.0.1:1/db?pasword=hidden", "the database postgresql"),
            ("postgresql://someone@host:hidden/db", "the database URL cannot be read"),
            ("postgresql://someone:p@hidden@host/db", "the database URL has more than one @"),
        ],
    )
    def test_a_database_that_cannot_be_used(self, tmp_path, url, reason):
        said = refusal(tmp_path, "--port", "0", DODONA_DATABASE_URL=url)
        assert said.startswith(reason)
        assert "hidden" not in said
        ended = run(tmp_path, "db", "current", DODONA_DATABASE_URL=url)
        assert ended.returncode == 2
        assert "hidden" not in ended.stdout + ended.stderr

    @pytest.mark.parametrize(
        ("token", "problem"),
        [
            ("x", "it has 1 characters, and needs 20 or more"),
            ("s3cret-s3cret-s", "it has 15 characters"),
            ("s3cret-s3cret-s3cret ", "no spaces at its ends"),
            ("s3cret-s3cret-s3crét", "ASCII characters"),
        ],
    )
    def test_a_token_that_can_be_guessed_or_cannot_be_sent(self, tmp_path, token, problem):
        said = refusal(tmp_path, "--port", "0", DODONA_TOKEN=token)
        assert said.startswith("DODONA_TOKEN: ")
        assert problem in said
        assert "s3cr" not in said

    def test_a_map_of_roles_that_is_none(self, tmp_path):
        assert "oidc_roles" in refusal(tmp_path, "--port", "0", DODONA_OIDC_ROLES="editor")

    def test_a_postgresql_without_the_database(self, tmp_path, postgres_url):
        url = re.sub(r"/dodona_test_\w+", "/no_such_database", postgres_url)
        assert 'database "no_such_database" does not exist' in refusal(tmp_path, "--port", "0", "--database-url", url)

    def test_a_file_that_is_no_database(self, tmp_path):
        (tmp_path / "dodona.db").write_text("a letter, and not a short one\n" * 100)
        assert refusal(tmp_path, "--port", "0") == "the database dodona.db cannot be opened: file is not a database"

    def test_a_schema_newer_than_the_code(self, server, tmp_path):
        server.stop()
        with sqlite3.connect(tmp_path / "server" / "dodona.db") as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
        said = refusal(tmp_path / "server", "--port", "0")
        assert said == "the database's schema '9999' is newer than this server knows; install a newer dodona"

    def test_a_place_for_artifacts_that_nothing_knows(self, tmp_path):
        said = refusal(tmp_path, "--port", "0", "--artifacts", "nosuch://me:hidden@host/x")
        assert said.startswith("the artifact store cannot be used: Protocol not known: nosuch")
        assert "hidden" not in said


class TestFirstStart:
    def test_beyond_loopback_it_prints_a_token_once(self, tmp_path):
        for _ in range(2):
            server = ServerProcess(tmp_path, command=SERVE, DODONA_HOST="0.0.0.0").start()
            try:
                (token,) = re.findall(r"dod_[0-9a-f]{12}_[0-9a-f]{40}", server.log.read_text())
                assert httpx.get(server.url + STUDIES).status_code == 401
                assert httpx.get(server.url + STUDIES, headers={"Authorization": f"Bearer {token}"}).status_code == 200
            finally:
                server.stop()

    def test_a_file_has_the_token(self, tmp_path):
        (tmp_path / "token").write_text("a token in a file of Docker\n")
        server = ServerProcess(
            tmp_path, command=SERVE, DODONA_HOST="0.0.0.0", DODONA_TOKEN_FILE=str(tmp_path / "token")
        ).start()
        try:
            assert "dod_" not in server.log.read_text()
            bearer = {"Authorization": "Bearer a token in a file of Docker"}
            assert httpx.get(server.url + STUDIES, headers=bearer).status_code == 200
        finally:
            server.stop()
        said = refusal(tmp_path, "--port", "0", DODONA_TOKEN_FILE="nowhere")
        assert said.startswith("DODONA_TOKEN_FILE: ")

    def test_an_insecure_server_says_so(self, tmp_path):
        server = ServerProcess(tmp_path, command=SERVE, DODONA_HOST="0.0.0.0", DODONA_INSECURE="1").start()
        try:
            assert "INSECURE: everyone who reaches this server may do everything" in server.log.read_text()
            assert httpx.get(server.url + STUDIES, headers={"Host": "anywhere"}).status_code == 200
        finally:
            server.stop()


class TestTokens:
    """`dodona tokens` and `dodona users`, on a database and over the API."""

    @pytest.fixture(scope="class")
    def started(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("tokens")
        server = ServerProcess(folder, command=SERVE, DODONA_TOKEN="the token of the settings").start()
        yield server
        server.stop()

    @pytest.fixture(params=["database", "api"])
    def command(self, request, started):
        over = (
            {"DODONA_URL": started.url, "DODONA_TOKEN": "the token of the settings"} if request.param == "api" else {}
        )

        def said(*arguments, stdin=""):
            ended = subprocess.run(
                [sys.executable, "-m", "dodona_server", *arguments],
                cwd=started.folder,
                env=environment(**over),
                capture_output=True,
                text=True,
                input=stdin,
                timeout=patience(60),
            )
            assert ended.returncode == 0, ended.stderr
            return ended.stdout

        return said

    def test_a_token_is_made_listed_rotated_and_revoked(self, started, command):
        def status(token):
            path = started.url + STUDIES.replace("default", "p")
            return httpx.get(path, headers={"Authorization": f"Bearer {token}"}).status_code

        made = command("tokens", "create", "look", "--role", "viewer", "--project", "p", "--expires", "1h").strip()
        assert status(made) == 200
        line = next(one for one in command("tokens", "list").splitlines() if made.split("_")[1] in one)
        assert re.match(r"\w{12} +look +p +viewer +20", line)
        rotated = command("tokens", "rotate", made).strip()
        assert [status(made), status(rotated)] == [200, 200]
        command("tokens", "revoke", rotated)
        until = time.monotonic() + patience(10)
        while status(rotated) == 200:
            assert time.monotonic() < until
            time.sleep(0.1)

    def test_users_are_added_and_get_roles(self, command):
        name = f"ada-{time.time_ns()}"
        command("users", "create", name, "--role", "editor", "--project", "p", stdin="a long password\n")
        command("users", "role", name, "viewer", "--project", "q")
        command("users", "password", name, stdin="another password\n")
        line = next(one for one in command("users", "list").splitlines() if name in one)
        assert "editor in p, viewer in q" in line
        command("users", "delete", name)
        assert name not in command("users", "list")


class TestWhatItSays:
    def test_help_names_the_options_and_their_variables(self, tmp_path):
        assert "serve" in run(tmp_path, "--help").stdout
        said = run(tmp_path, "serve", "--help", NO_COLOR="1", COLUMNS="200")
        assert said.returncode == 0
        for name in ("host", "port", "database-url", "artifacts"):
            assert f"--{name}" in said.stdout
            assert f"DODONA_{name.upper().replace('-', '_')}" in said.stdout
        assert "DODONA_TOKEN" in said.stdout

    def test_an_option_that_is_none_is_a_usage_error(self, tmp_path):
        said = run(tmp_path, "serve", "--prot", "1")
        assert said.returncode == 2
        assert "No such option" in said.stderr
        assert "Traceback" not in said.stderr

    def test_the_log_names_the_database_and_the_address(self, server, tmp_path):
        said = server.log.read_text()
        assert "database: sqlite:///dodona.db\n" in said
        assert f"listening on {server.url}\n" in said
        assert (tmp_path / "server" / "dodona.db").is_file()

    def test_a_process_for_the_algorithms_runs_once_there_is_a_study(self, server):
        def fits() -> bool:
            return any(POOL_PROCESS in child.cmdline() for child in psutil.Process(server.process.pid).children())

        assert not fits()
        with dodona.Client(server.url) as client:
            client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
        deadline = time.monotonic() + patience(10)
        while not fits():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def test_no_process_outlives_it(self, server):
        with dodona.Client(server.url) as client:
            client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize").ask()
        started = psutil.Process(server.process.pid).children(recursive=True)
        server.kill()
        assert len(started) >= 2
        assert psutil.wait_procs(started, timeout=patience(10))[1] == []

    def test_what_it_creates_is_for_its_user_alone(self, tmp_path):
        # As people start it.
        command = [Path(sys.executable).with_name("dodona"), "serve"]
        (tmp_path / "server").mkdir()
        server = ServerProcess(tmp_path / "server", command=command).start()
        with dodona.Client(server.url) as client:
            study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize")
            with study.ask() as trial:
                weights = server.folder.parent / "weights"
                weights.write_bytes(b"w")
                trial.artifacts.save("weights", weights)
                trial.complete(1.0)
        created = [path for path in server.folder.rglob("*") if path != server.log]
        assert {path.suffix for path in created} >= {".db", ".db-wal", ".lock", ".artifacts"}
        for path in created:
            assert path.stat().st_mode & 0o077 == 0, path
        server.stop()

    def test_the_log_hides_a_password_in_the_query(self, tmp_path, postgres_url):
        server = ServerProcess(tmp_path, f"{postgres_url}&password=hidden", SERVE).start()
        server.stop()
        said = server.log.read_text()
        assert "password=..." in said
        assert "hidden" not in said

    def test_a_flag_wins_over_its_variable(self, tmp_path):
        command = [sys.executable, "-m", "dodona_server", "serve", "--database-url", "sqlite:///flag.db"]
        server = ServerProcess(tmp_path, "sqlite:///variable.db", command=command).start()
        server.stop()
        assert (tmp_path / "flag.db").is_file()
        assert not (tmp_path / "variable.db").exists()


def wait_until_refused(port):
    deadline = time.monotonic() + patience(30)
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("the server still takes connections")


class TestStopping:
    @pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
    def test_an_idle_server_stops_with_code_0(self, server, stop):
        with httpx.Client(base_url=server.url) as client:  # its connection stays open
            assert client.get("/healthz").status_code == 200
            server.process.send_signal(stop)
            assert server.process.wait(timeout=patience(30)) == 0
        assert "Traceback" not in server.log.read_text()

    def test_a_request_that_is_being_sent_is_finished(self, server):
        port = int(server.url.rpartition(":")[2])
        body = json.dumps(study("late")).encode()
        head = (
            f"POST {STUDIES} HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=patience(30)) as connection:
            connection.sendall(head.encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")  # the server has begun with it
            server.process.send_signal(signal.SIGTERM)
            wait_until_refused(port)
            connection.sendall(body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert server.process.wait(timeout=patience(30)) == 0
        assert kept(server) == {"late"}

    def test_under_load_what_is_kept_is_what_was_acknowledged(self, server):
        acknowledged = set()
        busy = threading.Semaphore(0)

        def create_studies(worker):
            with httpx.Client(base_url=server.url, timeout=patience(30)) as client:
                for number in range(100_000):
                    name = f"{worker}-{number}"
                    try:
                        answer = client.post(STUDIES, json=study(name))
                    except httpx.TransportError:
                        return
                    if answer.status_code != 200:
                        return
                    assert answer.json()["displayName"] == name
                    acknowledged.add(name)
                    busy.release()

        workers = [threading.Thread(target=create_studies, args=(index,)) for index in range(8)]
        for worker in workers:
            worker.start()
        for _ in range(50):
            assert busy.acquire(timeout=patience(30))
        code = server.terminate()
        for worker in workers:
            worker.join()
        assert code == 0
        assert kept(server) == acknowledged


def test_a_flood_of_what_is_no_request_is_no_flood_of_lines(tmp_path):
    server = ServerProcess(tmp_path, command=SERVE).start()
    try:
        upgrade = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        for sent, code in [(b"no request\r\n\r\n", b"400")] * 20 + [(upgrade, b"200")] * 20:
            with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), 20) as connection:
                connection.sendall(sent)
                assert connection.recv(65536).split(b" ", 2)[1] == code
    finally:
        server.stop()
    log = server.log.read_text()
    assert 1 <= log.count("127.0.0.1 sent something that is not an HTTP request") < 20
    assert "Invalid HTTP request" not in log
    assert "pgrade" not in log
    assert "WebSocket" not in log
