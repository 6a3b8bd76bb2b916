"""Database URLs for display."""

from __future__ import annotations

import sqlalchemy as sa

# These parameters of the driver contain no secret; any other may, such as `password` and `sslpassword`.
_HARMLESS = frozenset(("host", "hostaddr", "port", "dbname", "user", "sslmode", "connect_timeout", "application_name"))


def shown(url: sa.URL) -> str:
    """Return the URL without its password, wherever that is."""
    query = {name: value if name in _HARMLESS else "..." for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)
