"""Fixtures for tests of the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa


def plain_engine(url: str) -> sa.Engine:
    """An engine that sets nothing up; an SQLite file is created if need be."""
    parsed = sa.make_url(url)
    return sa.create_engine(
        parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg")
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of each kind that has no schema yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(empty_url: str) -> Iterator[sa.Engine]:
    """An engine on an empty database of each kind."""
    created = plain_engine(empty_url)
    yield created
    created.dispose()


@pytest.fixture
def spec() -> dict[str, Any]:
    """A small study spec to change as a test needs."""
    return {
        "algorithm": "RANDOM_SEARCH",  # no process is started for it
        "metrics": [{"metricId": "loss", "goal": "MINIMIZE"}],
        "parameters": [{"parameterId": "x", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}],
    }
