"""Every snippet of docs/clients.md, run as it stands but for the server's address."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Unauthorized
from google.auth import api_key
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import InvalidOperation, RefreshError
from google.cloud.aiplatform_v1 import VizierServiceClient
from google.oauth2.credentials import Credentials

import dodona
from tests.clients.google_clients import HERE, settings_restored
from tests.support.patience import patience
from tests.support.processes import ServerProcess, environment

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
ADDRESS = "localhost:8080"
TOKEN = "a long random secret"
WITH_TOKEN = "With a token"


def snippets() -> Iterator[tuple[str, str, str]]:
    """Heading, language and text of each."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        if heading != "tensorflow-cloud":  # which has a test of its own
            for language, snippet in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
                yield heading, language, snippet


SNIPPETS = list(snippets())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, str]]:
    """The address of a server without a token, and of one with."""
    processes = {
        False: ServerProcess(tmp_path_factory.mktemp("open")).start(),
        True: ServerProcess(tmp_path_factory.mktemp("guarded"), DODONA_TOKEN=TOKEN).start(),
    }
    yield {guarded: process.url for guarded, process in processes.items()}
    for process in processes.values():
        process.stop()


def count_succeeded(url: str) -> int:
    """How many trials have succeeded in the locations that the page names."""
    count = 0
    for location in ("local", "us-central1"):
        with dodona.Client(url, location=location) as client:
            count += sum(trial.state == "SUCCEEDED" for study in client.studies() for trial in study.trials())
    return count


@pytest.mark.parametrize(
    ("heading", "language", "snippet"),
    SNIPPETS,
    ids=[f"{heading}-{language}-{index}" for index, (heading, language, _) in enumerate(SNIPPETS)],
)
def test_a_snippet(
    heading: str,
    language: str,
    snippet: str,
    servers: dict[bool, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert ADDRESS in snippet
    snippet = snippet.replace(f"http://{ADDRESS}", servers[heading == WITH_TOKEN])
    assert ADDRESS not in snippet
    succeeded = count_succeeded(servers[False])
    if heading == WITH_TOKEN:
        monkeypatch.setenv("DODONA_TOKEN", TOKEN)
    if language == "python":
        with settings_restored():
            exec(compile(snippet, f"{PAGE.name}: {heading}", "exec"), {"__name__": "__main__"})
    else:
        assert language == "bash"
        variables = environment(**({"DODONA_TOKEN": TOKEN} if heading == WITH_TOKEN else {}))
        subprocess.run(["bash", "-euo", "pipefail", "-c", snippet], env=variables, check=True, timeout=patience(60))
    assert capfd.readouterr().out.strip(), "it shows nothing"
    assert heading == WITH_TOKEN or count_succeeded(servers[False]) > succeeded


@pytest.mark.parametrize(
    ("credentials", "error"),
    [
        (Credentials("wrong"), RefreshError),
        (AnonymousCredentials(), InvalidOperation),
        (api_key.Credentials("wrong"), Unauthorized),
    ],
    ids=["wrong token", "no token", "wrong key"],
)
def test_without_the_token(servers: dict[bool, str], credentials: Any, error: type[Exception]) -> None:
    options = {"api_endpoint": servers[True]}
    client = VizierServiceClient(client_options=options, transport="rest", credentials=credentials)
    with pytest.raises(error, match=r"token|refreshed"):
        client.list_studies(parent=HERE)
