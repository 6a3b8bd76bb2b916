"""Sessions that a provider of OpenID Connect confirms now and then."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("check_time", sa.Double()))
    op.add_column("sessions", sa.Column("sealed", sa.String()))
    op.create_index("ix_sessions_check_time", "sessions", ["check_time"])
