"""Database URLs as people may see them."""

from __future__ import annotations

import sqlalchemy as sa

# Of the driver's parameters these hold no secret; any other one may, such as `password` and `sslpassword`.
_HARMLESS = frozenset(("host", "hostaddr", "port", "dbname", "user", "sslmode", "connect_timeout", "application_name"))


def shown(url: sa.URL) -> str:
    """The URL without its password, wherever that stands."""
    query = {name: value if name in _HARMLESS else "..." for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)
