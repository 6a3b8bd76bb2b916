"""Fixtures for tests of the database itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa


def plain_engine(url: str) -> sa.Engine:
    """An engine that sets nothing up; an SQLite file is created if need be."""
    parsed = sa.make_url(url)
    return sa.create_engine(
        parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg")
    )


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on an empty database of each kind."""
    created = plain_engine(database_url)
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
