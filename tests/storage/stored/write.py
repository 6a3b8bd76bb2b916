"""Writes the stored databases of a revision: python -m tests.storage.stored.write REVISION."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from sqlalchemy import event

from dodona_server.storage.schema import migrate
from dodona_server.storage.schema.opening import engine_for
from tests.storage.stored.rows import ROWS
from tests.support.postgres import fresh_database, postgres_server

FOLDER = Path(__file__).parent


def stored(revision: str, kind: str) -> Path:
    """The file of that revision and kind of database."""
    return FOLDER / f"{revision}.{kind}.sql"


def load(engine: sa.Engine, revision: str) -> None:
    """Makes an empty database one of that revision."""
    text = stored(revision, engine.dialect.name).read_text()
    with engine.begin() as connection:
        for statement in text.split(";\n"):
            if statement.strip():
                # By a cursor of the driver, which takes the text as it is.
                connection.connection.cursor().execute(statement)


def write(engine: sa.Engine, revision: str) -> None:
    """Brings an empty database to that revision, fills it, and keeps all that was said to do so."""
    said: list[str] = []

    def keep(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().startswith(("CREATE", "ALTER", "DROP", "UPDATE", "INSERT")):
            assert not parameters, statement
            # What is returned is of no use, and an old SQLite does not know it.
            text = statement.strip().partition(" RETURNING ")[0]
            said.append("\n".join(line.rstrip() for line in text.splitlines()))

    config = migrate._config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        event.listen(connection, "before_cursor_execute", keep)
        command.upgrade(config, revision)
        tables = sa.MetaData()
        tables.reflect(connection)
        for table, rows in ROWS[revision].items():
            for row in rows:
                insert = (
                    tables.tables[table]
                    .insert()
                    .inline()
                    .values(row)
                    .compile(dialect=engine.dialect, compile_kwargs={"literal_binds": True})
                )
                connection.connection.cursor().execute(str(insert))
                said.append(str(insert))
    stored(revision, engine.dialect.name).write_text("".join(f"{statement};\n" for statement in said))


def main(revision: str) -> None:
    """Writes both files."""
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server, fresh_database(server) as url:
        sqlite = sa.create_engine(f"sqlite:///{folder}/x.db")
        postgres = engine_for(url)
        for engine in (sqlite, postgres):
            write(engine, revision)
            engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
