"""The schema by migrations is the schema in the code; a database that this code does not know is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.schema import migrate
from dodona_server.storage.schema.opening import open_store
from dodona_server.storage.tables.every_table import metadata
from tests.storage.conftest import plain_engine
from tests.storage.stored.write import load
from tests.storage.test_stored import FOLLOWED
from tests.support.postgres import fresh_database


@pytest.fixture
def other_engine(engine, tmp_path, request):
    """An engine on another empty database of the same kind."""
    if engine.dialect.name == "sqlite":
        created = plain_engine(f"sqlite:///{tmp_path / 'other.db'}")
        yield created
        created.dispose()
        return
    with fresh_database(request.getfixturevalue("_postgres")) as url:
        created = plain_engine(url)
        yield created
        created.dispose()


def schema_of(engine):
    """All that a database says of its tables, in an order of no meaning; an index as it is written, WHERE and all."""
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        names = [name for name in inspector.get_table_names() if name != "alembic_version"]
        postgres = connection.dialect.name == "postgresql"
        indexes = connection.exec_driver_sql(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            if postgres
            else "SELECT name, sql FROM sqlite_master WHERE type = 'index'"
        )
        return {
            "columns": {
                (table, column["name"]): (str(column["type"]), column["nullable"], column["default"])
                for table in names
                for column in inspector.get_columns(table)
            },
            "primary keys": {table: inspector.get_pk_constraint(table) for table in names},
            "foreign keys": {table: inspector.get_foreign_keys(table) for table in names},
            "unique": {table: sorted(map(repr, inspector.get_unique_constraints(table))) for table in names},
            # Those that SQLite makes for its constraints have no text.
            "indexes": {name: text for name, text in indexes if text and not name.startswith("alembic_version")},
        }


def run_migrations(engine):
    with engine.begin() as connection:
        migrate.run_migrations(connection)


def test_the_migrations_make_the_tables_of_the_code(engine):
    run_migrations(engine)
    with engine.connect() as connection:
        # On SQLite every identity looks like a changed default; the next test compares defaults there too.
        defaults = connection.dialect.name == "postgresql"
        opts = {"compare_type": True, "compare_server_default": defaults}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []


def test_they_make_the_defaults_and_the_indexes_of_the_code_too(engine, other_engine):
    run_migrations(engine)
    migrate.upgrade(other_engine)
    made, meant = schema_of(engine), schema_of(other_engine)
    assert made == meant
    for one in (engine, other_engine):
        inspector = sa.inspect(one)
        assert inspector.get_pk_constraint("alembic_version")["constrained_columns"] == ["version_num"]
        with one.connect() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == migrate.head()
    assert made["columns"]["trials", "checkpoint"][2] is not None
    assert "WHERE" in made["indexes"]["ix_trials_unfinished"]


@pytest.mark.parametrize("revision", FOLLOWED)
def test_a_stored_database_is_brought_to_the_same_schema(engine, other_engine, revision):
    load(engine, revision)
    migrate.upgrade(engine)
    migrate.upgrade(other_engine)
    assert schema_of(engine) == schema_of(other_engine)


def test_upgrading_again_changes_nothing(engine):
    migrate.upgrade(engine)
    migrate.upgrade(engine)
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() is not None


def test_a_schema_of_a_newer_server_is_refused(engine, empty_url):
    migrate.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreUnusable, match="'9999' is newer than this server knows"):
        open_store(empty_url)


def test_servers_that_start_at_once_upgrade_once(postgres_url):
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(open_store, [postgres_url] * 4))
    for store in stores:
        store.close()


@pytest.mark.parametrize("revision", FOLLOWED)
def test_servers_that_start_at_once_upgrade_an_old_database_once(postgres_url, revision):
    engine = plain_engine(postgres_url)
    load(engine, revision)
    with ThreadPoolExecutor(4) as threads:
        stores = list(threads.map(open_store, [postgres_url] * 4))
    for store in stores:
        store.close()
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == migrate.head()
    engine.dispose()


def test_an_upgrade_that_fails_half_way_has_changed_nothing(engine, empty_url):
    load(engine, "0001")
    # A table that 0003 makes is there already.
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE artifacts (x INTEGER)")
    before = schema_of(engine)
    with pytest.raises(StoreUnusable, match="artifacts"):
        open_store(empty_url)
    assert schema_of(engine) == before
    with engine.begin() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == "0001"
        connection.exec_driver_sql("DROP TABLE artifacts")
    open_store(empty_url).close()
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == migrate.head()


@pytest.mark.processes
def test_a_server_below_any_folder_makes_its_schema_in_any_other(tmp_path):
    """A "%" means something in Alembic's settings, a "?" in a database's URL."""
    home, data = tmp_path / "100%(here)s %d", tmp_path / "what? 5%"
    data.mkdir()
    shutil.copytree(migrate.MIGRATIONS.parent / "server" / "dodona_server", home / "dodona_server")
    shutil.copytree(migrate.MIGRATIONS, home / "dodona_server" / "migrations")
    script = (
        "import sys; from pathlib import Path; from dodona_server.storage.schema import migrate; "
        "from dodona_server.storage.engine.sqlite import SqliteStore; "
        "assert str(migrate.MIGRATIONS).startswith(sys.argv[1]); "
        "engine = SqliteStore(Path(sys.argv[2])).engine; connection = engine.connect(); connection.begin(); "
        "migrate.run_migrations(connection); connection.commit()"
    )
    path = data / "d.db"
    arguments = [sys.executable, "-c", script, str(home), str(path)]
    ended = subprocess.run(
        arguments, env={**os.environ, "PYTHONPATH": str(home)}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    with plain_engine(sa.URL.create("sqlite", database=str(path))).connect() as connection:
        assert migrate.current(connection) == migrate.head()


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
    path.write_text("this is not a database, however long it is " * 50)
    with pytest.raises(StoreUnusable, match="cannot be opened: file is not a database"):
        open_store(f"sqlite:///{path}")
