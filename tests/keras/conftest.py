"""What the tests of the Keras tuner share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from dodona import Client, Study
from dodona.keras import CloudTuner


@pytest.fixture
def client(server_url: str) -> Iterator[Client]:
    with Client(server_url) as client:
        yield client


@pytest.fixture
def tune(server_url: str, tmp_path: Path) -> Callable[..., Any]:
    """Makes a tuner of the study "s" with a folder of its own; arguments may say otherwise."""

    def make(hypermodel: Any = None, tuner: type[CloudTuner] = CloudTuner, **arguments: Any) -> CloudTuner:
        defaults = {"study_id": "s", "url": server_url, "directory": tmp_path / "tuning"}
        return tuner(hypermodel, **{**defaults, **arguments})

    return make


@pytest.fixture
def study(client: Client) -> Callable[[], Study]:
    """The study "s" as a plain client sees it now."""
    return lambda: client.get_study("s")


@pytest.fixture
def stop(server_url: str, study: Callable[[], Study]) -> Callable[[int], None]:
    """Asks for the early end of a trial, as the dashboard does."""
    return lambda number: _post(server_url, f"{study().name}/trials/{number}:stop")


@pytest.fixture
def end(server_url: str, study: Callable[[], Study]) -> Callable[[int], None]:
    """Ends a trial as infeasible over the head of its worker."""
    body = {"trialInfeasible": True, "infeasibleReason": "somebody says so"}
    return lambda number: _post(server_url, f"{study().name}/trials/{number}:complete", body)


def _post(url: str, path: str, body: dict[str, Any] | None = None) -> None:
    httpx.post(f"{url}/v1/{path}", json=body or {}).raise_for_status()
