"""Fixtures for all tests."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

import dodona
from dodona_server.storage.schema.opening import open_store
from tests.support import reaping, unit
from tests.support.patience import patience
from tests.support.postgres import EmptiedDatabases, fresh_database, postgres_server
from tests.support.processes import ServerProcess

# No deadline for examples, because their duration depends on the machine. More examples: DODONA_TEST_EXAMPLES=500 make
# test
EXAMPLES = int(os.environ.get("DODONA_TEST_EXAMPLES", "30"))
settings.register_profile(
    "dodona", max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("dodona")


# A signal that the run's parent ignores (nohup, a shell's background jobs) would be ignored by all processes that tests
# start. A signal with a handler is not inherited as ignored, and this process still ignores it.
for _number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, lambda *_: None)


# Of tests/, before the others: so no process still runs one of their files when all others have finished.
LONGEST = ("launch", "examples", "cases", "processes", "chaos", "keras", "packaging")

# Helper modules: an assertion in them that fails says which values it compared, as one in a test does.
pytest.register_assert_rewrite("tests.api.stopping_calls", "tests.fuzz.machine", "tests.storage.uses")
reaping.mark()
# A quarter of the time to import everything and to collect the tests would go into garbage collections.
gc.disable()
# The packages there register algorithms.
sys.path.append(str(Path(__file__).parent / "plugins"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--unit", action="store_true", help="only tests that need no Keras and no second process")


def pytest_configure(config: pytest.Config) -> None:
    # Before pytest-timeout reads it.
    os.environ.setdefault("PYTEST_TIMEOUT", str(patience(120)))
    if getattr(config.option, "numprocesses", None):
        # The processes share the cores. Threads that wait for others of their pool take a tenth of the CPU.
        for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"):
            os.environ.setdefault(pool, "1")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        reaping.reap()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--unit"):
        items[:], others = unit.chosen(items)
        config.hook.pytest_deselected(items=others)
        unit.forbid()
    items.sort(key=lambda item: LONGEST.index(folder) if (folder := item.path.parent.name) in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _only_new_garbage() -> None:
    """Exclude objects of earlier modules from garbage collection: visiting them takes seconds at each full collection.

    KerasTuner runs two full collections for each model.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the URL of an empty bucket on a server that speaks S3."""
    from tests.support.s3 import empty_bucket  # its packages take seconds to import

    with empty_bucket(monkeypatch) as url:
        yield url


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the DODONA_ variables of the user who runs the tests."""
    for name in list(os.environ):
        if name.startswith("DODONA_") and not name.startswith("DODONA_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Yield a running server with its own empty database."""
    folder = tmp_path / "server"
    folder.mkdir()
    process = ServerProcess(folder).start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def _shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    process = ServerProcess(tmp_path_factory.mktemp("server")).start()
    yield process
    process.stop()


@pytest.fixture
def server_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the address of a running server without studies: the test's own `server` or a shared one."""
    if "server" in request.fixturenames:
        yield request.getfixturevalue("server").url
        return
    url: str = request.getfixturevalue("_shared_server").url
    yield url
    with dodona.Client(url) as client:
        for study in list(client.studies()):
            study.delete()


@pytest.fixture(scope="session")
def _postgres() -> Iterator[sa.URL]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def postgres_url(_postgres: sa.URL) -> Iterator[str]:
    """Yield the URL of an empty PostgreSQL database."""
    with fresh_database(_postgres) as url:
        yield url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "test.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def _emptied(_postgres: sa.URL) -> Iterator[EmptiedDatabases]:
    databases = EmptiedDatabases(_postgres, lambda url: open_store(url).close())
    yield databases
    databases.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a database of each kind, with its schema, but without studies."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('_sqlite_template'), tmp_path)}"
        return
    databases: EmptiedDatabases = request.getfixturevalue("_emptied")
    with databases.lend() as url:
        yield url
