"""All tables, for what concerns the whole database."""

from __future__ import annotations

from dodona_server.storage.tables import access as access_tables
from dodona_server.storage.tables import webhooks as webhook_tables
from dodona_server.storage.tables.core import metadata

# Importing a module adds its tables.
MODULES = (access_tables, webhook_tables)

__all__ = ["MODULES", "metadata"]
