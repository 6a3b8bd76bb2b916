"""Schema: created at once in an empty database, upgraded with Alembic in an older one.

Alembic is slow to import, and so imported only when there is something to upgrade.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from dodona_server.storage.engine.locks import wait_for_migrations
from dodona_server.storage.engine.store import Transaction
from dodona_server.storage.errors import StoreUnusable
from dodona_server.storage.tables.every_table import metadata

if TYPE_CHECKING:
    from alembic.config import Config

# As Alembic creates it.
_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
_PACKAGE = Path(__file__).parents[2]
# Inside the package when it is installed, beside `server/` in a checkout.
MIGRATIONS = next(path for path in (_PACKAGE / "migrations", _PACKAGE.parents[1] / "migrations") if path.is_dir())


def upgrade(engine: sa.Engine) -> None:
    """Upgrade the schema to this code's revision; servers that start together take turns.

    Raises:
        StoreUnusable: this code does not know the schema.
    """
    with engine.begin() as connection:
        wait_for_migrations(connection)
        found = current(connection)
        if found is None:
            # The migrations make the same schema.
            metadata.create_all(connection, checkfirst=False)
            _VERSION.create(connection, checkfirst=False)
            connection.execute(_VERSION.insert().values(version_num=head()))
        elif found not in revisions():
            raise StoreUnusable(
                f"the database's schema {found!r} is newer than this server knows; install a newer dodona"
            )
        elif found != head():
            run_migrations(connection)


def run_migrations(connection: Transaction, revision: str = "head") -> None:
    """Run the migrations up to that revision that the database does not have yet."""
    from alembic import command

    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def current(connection: Transaction) -> str | None:
    """Return the revision of the schema; None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def head() -> str:
    """Return the newest revision that this code knows."""
    return revisions()[-1]


def revisions() -> list[str]:
    """Return all known revisions in order: the history is linear, and each file's name begins with its revision."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    # Alembic expects a value as in its settings file, where "%" starts an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
