"""The application as the server runs it: what it answers before the framework is there, and after."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import httpx
import pytest

from dodona_server import app as framework
from dodona_server.options import Options
from dodona_server.serving.served import ServedApp
from dodona_server.storage.schema.opening import open_store
from tests.server.test_command import STUDIES, study
from tests.support.patience import patience
from tests.support.processes import environment

# What a server that starts does not need; together they would double the time.
LATER = {"alembic", "authlib", "fastapi", "httpx", "jinja2", "numpy", "rich"}


def test_a_server_that_starts_imports_no_more_than_the_trial_loop_needs(tmp_path):
    code = f"import sys, dodona_server.commands; print(*{LATER}.intersection(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=patience(60),
    )
    assert ended.stdout.split() == []


@pytest.fixture
def store(tmp_path):
    opened = open_store(f"sqlite:///{tmp_path / 'x.db'}")
    yield opened
    opened.close()


def client(app):
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=patience(60))


def test_the_trial_loop_and_probes_do_not_wait_for_the_framework(store, monkeypatch):
    may_load = threading.Event()
    application = framework.application

    def slow(*arguments):
        assert may_load.wait(patience(60))
        return application(*arguments)

    async def use() -> None:
        async with client(framework.create_app(store)) as before:
            made = (await before.post(STUDIES, json=study("s"))).json()["name"]
        monkeypatch.setattr(framework, "application", slow)
        async with client(ServedApp(store, Options(), threading.Event())) as served:
            page = asyncio.create_task(served.get("/", headers={"Accept": "text/html"}))
            listed = asyncio.create_task(served.get(STUDIES))
            assert [(await served.get(path)).text for path in ("/healthz", "/readyz")] == ["ok", "ok"]
            suggested = await served.post(f"/v1/{made}/trials:suggest", json={"clientId": "w", "suggestionCount": 1})
            (trial,) = suggested.json()["response"]["trials"]
            await asyncio.sleep(0)
            assert not page.done()
            assert not listed.done()
            may_load.set()
            assert [one["name"] for one in (await listed).json()["studies"]] == [made]
            assert (await page).status_code == 200
            assert (await served.get(f"/v1/{trial['name']}")).json() == trial | {"measurements": []}
            assert (await served.get("/v1/nothing")).status_code == 404

    asyncio.run(use())


def test_calls_within_calls_pass_the_limits_of_all_others(store):
    async def use() -> None:
        served = ServedApp(store, Options(max_requests_per_second=1000.0), threading.Event())
        async with client(served) as asking:
            assert (await asking.get(STUDIES)).status_code == 200
        loaded = (await served.load()).__self__
        assert loaded.state.behind_guard is served._inner

    asyncio.run(use())
