"""The schema by migrations is the schema in the code; a database that this code does not know is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dodona_server.storage import migrate
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.opening import open_store
from dodona_server.storage.tables import metadata


@pytest.fixture
def engine(database_url):
    url = sa.make_url(database_url)
    driver = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    created = sa.create_engine(url.set(drivername=driver))
    yield created
    created.dispose()


def test_the_migrations_make_the_tables_of_the_code(engine):
    migrate.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        names = {index["name"] for index in sa.inspect(connection).get_indexes("trials")}
    assert {"ix_trials_unfinished", "ix_trials_objective", "uq_trials_request_id"} <= names


def test_upgrading_again_changes_nothing(engine):
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is not None


def test_a_schema_of_a_newer_server_is_refused(engine, database_url):
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnusable, match="'9999' is newer than this server knows"):
        open_store(database_url)


def test_servers_that_start_at_once_upgrade_once(postgres_url):
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(open_store, [postgres_url] * 4))
    for store in stores:
        store.close()


def test_a_second_server_is_kept_off_an_sqlite_file(tmp_path):
    url = f"sqlite:///{tmp_path / 'one.db'}"
    first = open_store(url)
    with pytest.raises(StoreUnusable, match=r"one\.db is in use by another server"):
        open_store(url)
    first.close()
    open_store(url).close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "cannot be read; write one like sqlite:///dodona.db"),
        ("mysql://root@localhost/x", "begins with 'mysql'"),
        ("sqlite://", "names no file"),
        ("sqlite:////no/such/folder/x.db", "x.db cannot be opened"),
        ("postgresql://nobody:hidden@127.0.0.1:1/x", "does not answer"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_clear_line(url, message):
    with pytest.raises(StoreUnusable, match=message) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path):
    path = tmp_path / "text.db"
    path.write_text("this is no database, however long it is " * 50)
    with pytest.raises(StoreUnusable, match="cannot be opened: file is not a database"):
        open_store(f"sqlite:///{path}")
