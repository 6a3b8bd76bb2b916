"""docker-compose.yml without a container engine: its scripts, its proxy and two servers, on this machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import yaml

import dodona
from tests.packaging.environments import ROOT, run
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment, free_port

COMPOSE = ROOT / "deploy" / "compose"
SERVERS = ("server-1", "server-2")
TRIALS = 60


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services, with the variables at their defaults."""
    text = (ROOT / "docker-compose.yml").read_text()
    read: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
    return read["services"]


class Proxy:
    """Caddy with the Caddyfile of compose, but on free ports."""

    def __init__(self, folder: Path, servers: list[str]) -> None:
        self.https, self.inside, http = free_port(), free_port(), free_port()
        text = (COMPOSE / "Caddyfile").read_text()
        text = text.replace("{\n", f"{{\n\thttp_port {http}\n\thttps_port {self.https}\n", 1)
        file = folder / "Caddyfile"
        file.write_text(text.replace("http://:8080", f"http://127.0.0.1:{self.inside}"))
        self._data = folder / "data"
        variables = environment(DODONA_SERVERS=" ".join(servers), XDG_DATA_HOME=str(self._data))
        command = [str(Path(sys.executable).parent / "caddy"), "run", "--config", str(file)]
        with (folder / "caddy.log").open("wb") as log:
            self.process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)

    @property
    def authority(self) -> Path:
        """The certificate that clients have to trust."""
        return self._data / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def wait(self) -> None:
        """Wait until it passes requests on."""
        deadline = time.monotonic() + patience(30)
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.https), 1):
                    if self.authority.exists() and httpx.get(f"http://127.0.0.1:{self.inside}/readyz").is_success:
                        return
            except (OSError, httpx.TransportError):
                pass
            time.sleep(0.1)
        raise RuntimeError("the proxy did not start")


@pytest.fixture
def two_servers(tmp_path, postgres_url):
    """Two servers on one database, as compose starts them; the token is a secret in a file."""
    (tmp_path / "token").write_text("a secret of the two servers\n")
    (tmp_path / "url").write_text(postgres_url)
    servers = []
    for name in SERVERS:
        (tmp_path / name).mkdir()
        server = ServerProcess(
            tmp_path / name,
            DODONA_TOKEN_FILE=str(tmp_path / "token"),
            DODONA_DATABASE_URL_FILE=str(tmp_path / "url"),
            DODONA_ARTIFACTS=str(tmp_path / "artifacts"),
            FORWARDED_ALLOW_IPS="*",
            DODONA_ACCESS_LOG="all",
            DODONA_LOG_FORMAT="json",
        )
        servers.append(server.start())
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def proxy(tmp_path, two_servers):
    """The proxy in front of the two servers."""
    proxy = Proxy(tmp_path, [server.url.removeprefix("http://") for server in two_servers])
    try:
        proxy.wait()
        yield proxy
    finally:
        proxy.process.terminate()
        proxy.process.wait(patience(30))


def test_clients_with_tls_go_on_when_a_server_is_killed(proxy, two_servers, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(proxy.authority))
    url = f"https://localhost:{proxy.https}"

    def work(name: str) -> None:
        with dodona.Client(url, "a secret of the two servers", worker=name) as client:
            client.get_study("s").optimize(lambda trial: trial.parameters["x"])

    with dodona.Client(url, "a secret of the two servers") as client:
        study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", max_trials=TRIALS)
        workers = [threading.Thread(target=work, args=(f"worker-{index}",), daemon=True) for index in range(4)]
        for worker in workers:
            worker.start()
        while len(list(study.trials())) < TRIALS / 4:
            time.sleep(0.05)
        two_servers[0].kill()
        for worker in workers:
            worker.join()
        assert [trial.state for trial in study.trials()] == ["SUCCEEDED"] * TRIALS


def test_the_proxy_names_the_client_and_keeps_the_host(proxy, two_servers):
    trusted = ssl.create_default_context(cafile=str(proxy.authority))
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    with httpx.Client(base_url=f"https://localhost:{proxy.https}", verify=trusted) as client:
        page = client.get("/", headers=headers)
        assert page.status_code in (200, 303, 401)
        # A page of the same address may change something: its Origin fits Host and the scheme.
        signed = client.post("/sign-in", headers={"Origin": f"https://localhost:{proxy.https}", **headers})
        assert signed.status_code != 403
        other = client.post("/sign-in", headers={"Origin": f"http://localhost:{proxy.https}", **headers})
        assert other.status_code == 403
    logs = "".join(server.log.read_text() for server in two_servers)
    assert "203.0.113.9" not in logs


def test_the_scripts_make_the_secrets_once(tmp_path, postgres_url):
    secrets = tmp_path / "secrets"
    for name in ("database", "server", "worker"):
        (secrets / name).mkdir(parents=True)
    variables = environment(
        SECRETS=str(secrets),
        OWNER=f"{os.getuid()}:{os.getgid()}",
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        DODONA_DATABASE_URL=postgres_url,
    )
    made = []
    for _ in range(2):
        for script in ("make-secrets.sh", "migrate.sh"):
            run([shutil.which("sh"), str(COMPOSE / script)], env=variables)
        made.append({str(file.relative_to(secrets)): file.read_text() for file in secrets.rglob("*") if file.is_file()})
    assert made[0] == made[1]
    assert set(made[0]) == {"database/password", "database/url", "server/token", "worker/token"}
    assert all(file.stat().st_mode & 0o077 == 0 for file in secrets.rglob("*") if file.is_file())
    password, url = made[0]["database/password"].strip(), sa.make_url(made[0]["database/url"].strip())
    assert url.password == password
    assert len(password) == len(made[0]["server/token"].strip()) == 64
    assert re.fullmatch(r"dod_[0-9a-f]{12}_[0-9a-f]{40}\n", made[0]["worker/token"])


def test_compose_joins_the_servers_the_database_and_the_proxy(services):
    settings = services["postgres"]["environment"]
    url = re.search(r"postgresql://(\w+):%s@(\w+)/(\w+)", (COMPOSE / "make-secrets.sh").read_text())
    assert url is not None
    assert url.groups() == (settings["POSTGRES_USER"], "postgres", settings["POSTGRES_DB"])
    default = re.search(r"\{\$DODONA_SERVERS:(.+?)\}", (COMPOSE / "Caddyfile").read_text())
    assert default is not None
    assert default[1].split() == [f"{name}:8080" for name in SERVERS]
    assert services["server-1"] == services["server-2"]
    # Whoever reaches a server, or the database, is trusted: nobody but the services that have to.
    for network, allowed in {"front": {"proxy", *SERVERS}, "database": {"postgres", "migrate", *SERVERS}}.items():
        assert {name for name, one in services.items() if network in one.get("networks", [])} == allowed
    assert [name for name, one in services.items() if "ports" in one] == ["proxy"]


def test_compose_has_no_secret_and_only_the_writers_can_change_one(services):
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / ".env.example").read_text()
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)(: |=)\S*[^\s/]\w", text.replace("=$$(cat /secrets", ""))
    for name, service in services.items():
        for volume in service["volumes"]:
            assert name in ("secrets", "migrate") or "-secret:" not in volume or volume.endswith(":ro"), (name, volume)


def test_the_example_of_an_env_file_names_every_variable():
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0]: line.partition("=")[2] for line in lines if not line.startswith("#")}
    used = re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    assert dict(used) == named
