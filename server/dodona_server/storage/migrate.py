"""Brings a database's schema up with Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.locks import wait_for_migrations

_PACKAGE = Path(__file__).parents[1]
# Inside the package when it is installed, beside `server/` in a checkout.
MIGRATIONS = next(path for path in (_PACKAGE / "migrations", _PACKAGE.parents[1] / "migrations") if path.is_dir())


def upgrade(engine: sa.Engine) -> None:
    """Brings the schema to what this code expects; servers that start at once take turns.

    Raises:
        StoreUnusable: the schema is one that this code does not know.
    """
    config = _config()
    with engine.begin() as connection:
        wait_for_migrations(connection)
        current = MigrationContext.configure(connection).get_current_revision()
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        if current is not None and current not in known:
            raise StoreUnusable(
                f"the database's schema {current!r} is newer than this server knows; install a newer dodona"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def head() -> str:
    """The newest revision that this code knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
