"""The commands of the Helm chart with its environment, as processes on a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

import dodona
from tests.packaging.chart import VALUES, merged, render
from tests.storage.conftest import plain_engine
from tests.storage.stored.write import load
from tests.support.processes import ServerProcess, environment

helm_python = pytest.importorskip("helm_python", reason="helm-python-sdk has no wheel for this machine")

TOKEN = "a token of the chart's servers"
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


class Pod:
    """The one container of a pod, with its volumes as folders below `folder`."""

    def __init__(self, spec: dict[str, Any], folder: Path, **secrets: str) -> None:
        (self.spec,) = spec["containers"]
        self.folder = folder
        for mount in self.spec["volumeMounts"]:
            self._path(mount["mountPath"]).mkdir(parents=True, exist_ok=True)
        for name, value in secrets.items():
            (self._path("/secrets") / name).write_text(f"{value}\n")
        # Where the image starts its command; nothing else than volumes can be written.
        self._path("/work").mkdir()

    def _path(self, inside: str) -> Path:
        return self.folder / inside.lstrip("/")

    def environment(self) -> dict[str, str]:
        """Return the variables with the paths of this machine."""
        variables = {one["name"]: one["value"] for one in self.spec["env"]}
        for mount in self.spec["volumeMounts"]:
            path = mount["mountPath"]
            for name, value in variables.items():
                variables[name] = value.replace(f"{path}/", f"{self._path(path)}/") if path in value else value
                if value == path:
                    variables[name] = str(self._path(path))
        return {**variables, "TMPDIR": str(self._path("/tmp"))}

    def command(self) -> list[str]:
        """Return the command, with the program of this environment."""
        program, *arguments = self.spec["command"]
        return [str(Path(sys.executable).parent / program), *arguments]

    def run(self, *command: str) -> str:
        """Return what a command prints, by default the pod's own."""
        arguments = [str(Path(sys.executable).parent / command[0]), *command[1:]] if command else self.command()
        ran = subprocess.run(
            arguments,
            env=environment(**self.environment()),
            cwd=self._path("/work"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def serve(self) -> ServerProcess:
        """Return the running server; its log is beside the volumes."""
        variables = {**self.environment(), "DODONA_HOST": "127.0.0.1"}
        server = ServerProcess(self._path("/work"), command=self.command(), **variables)
        server.log = self.folder / "server.log"
        return server.start()


def pods(values: dict[str, Any], folder: Path, url: str, **secrets: str) -> dict[str, Pod]:
    """Return the pods that the chart makes of the values."""
    made = {}
    for kind, spec in render(values).pods().items():
        (folder / kind).mkdir(parents=True)
        made[kind] = Pod(spec, folder / kind, database_url=url, **(secrets if kind == "Deployment" else {}))
    return made


@pytest.mark.parametrize("revision", [None, "0013"])
def test_the_hook_upgrades_the_schema_before_any_server_runs(tmp_path, postgres_url, revision):
    if revision:
        engine = plain_engine(postgres_url)
        load(engine, revision)
        engine.dispose()
    job = pods(VALUES["postgresql"], tmp_path, postgres_url)["Job"]
    first = job.run()
    assert first.startswith(f"{revision or 'empty'} -> ")
    head = first.split()[-1]
    assert job.run() == f"{head}, unchanged\n"
    assert job.run("dodona", "db", "current") == f"{head}\n"
    assert list((tmp_path / "Job" / "work").iterdir()) == []


def test_two_servers_answer_their_probes_and_share_the_work(tmp_path, postgres_url):
    values = merged(VALUES["httproute"], {"image": {"tag": "test"}})
    first, second = (pods(values, tmp_path / name, postgres_url, token=TOKEN) for name in ("first", "second"))
    first["Job"].run()
    servers = [one["Deployment"].serve() for one in (first, second)]
    try:
        for server in servers:
            for probe in PROBES:
                asked = first["Deployment"].spec[probe]["httpGet"]
                assert asked["port"] == "http"
                assert httpx.get(server.url + asked["path"]).status_code == 200, probe
        with dodona.Client(servers[0].url, TOKEN) as client:
            study = client.create_study("s", {"x": dodona.Float(0, 1)}, goal="minimize", max_trials=2)
            with dodona.Client(servers[1].url, TOKEN) as other:
                other.get_study("s").optimize(lambda trial: trial.parameters["x"])
            assert [trial.state for trial in study.trials()] == ["SUCCEEDED"] * 2
    finally:
        assert [server.terminate() for server in servers] == [0, 0]
    for one in (first, second):
        work = one["Deployment"].folder / "work"
        assert list(work.iterdir()) == []


def test_prometheus_reads_the_metrics_with_a_viewers_token(tmp_path, postgres_url):
    monitor = render(VALUES["ingress"]).objects["ServiceMonitor"]
    (endpoint,) = monitor["spec"]["endpoints"]
    made = pods(VALUES["httproute"], tmp_path, postgres_url, token=TOKEN)
    made["Job"].run()
    token = made["Deployment"].run("dodona", "tokens", "create", "prometheus", "--role", "viewer").strip()
    server = made["Deployment"].serve()
    try:
        for given, code in (("", 401), (token, 200)):
            headers = {"Authorization": f"Bearer {given}"} if given else {}
            assert httpx.get(server.url + endpoint["path"], headers=headers).status_code == code
    finally:
        assert server.terminate() == 0


def test_one_server_keeps_everything_on_its_volume(tmp_path):
    (container,) = render(VALUES["sqlite"]).pods()["Deployment"]["containers"]
    pod = Pod({"containers": [container]}, tmp_path)
    server = pod.serve()
    try:
        for probe in PROBES:
            assert httpx.get(server.url + pod.spec[probe]["httpGet"]["path"]).status_code == 200, probe
    finally:
        assert server.terminate() == 0
    assert (tmp_path / "data" / "dodona.db").is_file()
    assert list((tmp_path / "work").iterdir()) == []
